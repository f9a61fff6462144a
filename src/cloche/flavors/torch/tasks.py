"""What a net's numbers mean: its task, from the targets and names of classes its owner gave and from the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cloche import tables
from cloche.errors import SaveRefusedError
from cloche.flavors.torch import probing
from cloche.flavors.torch.asking import Array
from cloche.records import Column, ModelFacts, Table

_MAX_CODES = 10_000


@dataclass(frozen=True, slots=True)
class Task:
    """The contract's task, what the net's *width* numbers are, and the classes as codes where there are any."""

    name: str
    answers: Literal["logits", "probabilities", "values"]
    width: int
    classes: tuple[Any, ...] | None = None
    names: tuple[str, ...] | None = None


def task_of(
    found: Array,
    targets: Any,
    classes: Sequence[Any] | Mapping[Any, Any] | None,
    shaken: Callable[[], Iterator[Array]],
) -> Task:
    """
    What a net that answered *found* (n, width) is for; *shaken* is what it answers with other weights.

    Raises:
        SaveRefusedError: targets or classes do not fit the width.
    """
    width = found.shape[1]
    truth = None if targets is None else _truth(targets)
    if isinstance(truth, Table) and len(truth.columns) > 1:
        return _several(found, truth, classes, shaken)
    column = next(iter(truth)) if isinstance(truth, Table) else truth
    codes = None if column is None else _codes(column, width)
    if classes is not None or codes is not None or (column is not None and column.kind in ("string", "boolean")):
        count = None if classes is None else len(classes)
        return _classification(found, column, codes, count, shaken)
    if width == 1:
        return Task("regression", "values", 1)
    if column is not None:
        raise SaveRefusedError(
            f"targets: the net answers {width} numbers a row, and the targets are one that is no class from 0 to "
            f"{width - 1}; for several outputs pass them as a table of {width} columns, for a classifier classes=[…]"
        )
    return Task("embedding", "values", width)


def _truth(targets: Any) -> Column | Table:
    if isinstance(targets, (Column, Table)):
        return targets
    several = len(getattr(targets, "shape", ())) == 2 or (
        isinstance(targets, (list, tuple)) and targets and isinstance(targets[0], (list, tuple, dict))
    )
    return tables.read(targets) if several else tables.read_target(targets)


def _codes(column: Column, width: int) -> int | None:
    """How many classes the targets number, where they are whole numbers from 0 on that the width allows."""
    if column.kind not in ("integer", "number") or not column.present().size:
        return None
    values = column.present().astype(np.float64)
    if not np.isfinite(values).all() or (values != np.trunc(values)).any() or values.min() < 0:
        return None
    highest = int(values.max())
    if width == 1:
        return 2 if set(np.unique(values).tolist()) == {0.0, 1.0} else None
    return width if highest < min(width, _MAX_CODES) else None


def _classification(
    found: Array,
    column: Column | None,
    codes: int | None,
    named: int | None,
    shaken: Callable[[], Iterator[Array]],
) -> Task:
    width = found.shape[1]
    count = max(width, 2)
    if named is not None and named != count:
        numbers = "1 number, which tells 2 classes apart" if width == 1 else f"{width} numbers"
        raise SaveRefusedError(f"classes: got {named}, and the net answers {numbers} a row")
    if named is None and codes is None and column is not None and column.kind == "string":
        seen = sorted({str(one) for one in column.present().tolist()})[:10]
        raise SaveRefusedError(
            f"targets: the net answers numbers and not labels ({', '.join(seen)}); pass classes=[…], one label for "
            f"each of its {count} classes, in the order of its outputs"
        )
    return Task("classification", probing.kind_of(found, shaken), width, tuple(range(count)))


def _several(found: Array, truth: Table, classes: Any, shaken: Callable[[], Iterator[Array]]) -> Task:
    width = found.shape[1]
    if len(truth.columns) != width:
        raise SaveRefusedError(f"targets: {len(truth.columns)} columns, and the net answers {width} numbers a row")
    if classes is not None or all(_is_indicator(column) for column in truth):
        return Task("multilabel", probing.kind_of_labels(found, shaken), width, tuple(range(width)))
    return Task("multioutput_regression", "values", width, None, tuple(f"y{place}" for place in range(width)))


def _is_indicator(column: Column) -> bool:
    present = column.present()
    return column.kind in ("boolean", "integer", "number") and set(np.unique(present).tolist()) <= {0, 1}


def facts(task: Task, **more: Any) -> ModelFacts:
    """The part of a net's facts that its task decides."""
    return ModelFacts(
        task=task.name,
        classes=task.classes,
        output_names=task.names,
        probabilities=task.classes is not None,
        embedding=task.width if task.name == "embedding" else None,
        **more,
    )


def told(task: Task, rows: int) -> str:
    """What was found, for the owner."""
    if task.answers == "values":
        what = f"{task.width} number{'s' if task.width > 1 else ''} a row"
        return f"the net's answers are taken as they are: {task.name}, {what}" + (
            "; is it a classifier? pass classes=[…] or the targets" if task.name == "embedding" else ""
        )
    way = "sigmoid" if task.width == 1 or task.name == "multilabel" else "softmax"
    seen = f"found on {rows} rows"
    if task.answers == "probabilities":
        return f"the net answers probabilities ({seen})"
    return f"the net answers logits ({seen}): cloche applies the {way}"
