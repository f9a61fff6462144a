"""
What the numbers at the end of a network mean: from how it ends, from the targets and classes its owner gave, and from
the numbers themselves. Shared by the flavors of networks; no library is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cloche import tables
from cloche.errors import SaveRefusedError, UsageError
from cloche.onnx.interface import Apply, Result, Role
from cloche.records import Column, Table

Array = np.ndarray[Any, Any]
#: What the last operation is: each row a distribution, each number in [0, 1], or anything.
Ending = Literal["softmax", "sigmoid", "other"]
Classes = Sequence[Any] | Mapping[Any, Any] | None
TASKS = ("classification", "multilabel", "regression", "multioutput_regression", "embedding")
_ROLES: dict[str, Role] = {
    "classification": "probabilities",
    "multilabel": "probabilities",
    "regression": "value",
    "multioutput_regression": "value",
    "embedding": "embedding",
}
_NEAR_ONE = 1e-3


@dataclass(frozen=True, slots=True)
class Meaning:
    """The task, the outputs that answer it, and what its owner is told."""

    task: str
    results: tuple[Result, ...]
    note: str
    classes: tuple[Any, ...] | None = None
    names: tuple[str, ...] | None = None
    embedding: int | None = None

    @property
    def probabilities(self) -> bool:
        """Whether the model gives them."""
        return any(one.role == "probabilities" for one in self.results)


@dataclass(frozen=True, slots=True)
class Given:
    """What the owner said: targets, names of classes, the task, the output that counts."""

    targets: Any = None
    classes: Classes = None
    task: str | None = None
    output: str | None = None

    def chosen(self, answered: dict[str, Any]) -> dict[str, Any]:
        """
        The outputs that count.

        Raises:
            UsageError: the one that was named is not there.
        """
        if self.output is None:
            return answered
        if self.output not in answered:
            raise UsageError(f"output: expected one of {', '.join(answered)}, got {self.output!r}")
        return {self.output: answered[self.output]}


@dataclass(frozen=True, slots=True)
class Head:
    """The contract's task, how wide the answer is, and what makes probabilities of it; `note` tells the owner."""

    task: str
    width: int
    apply: Apply
    note: str

    @property
    def classes(self) -> tuple[int, ...] | None:
        """The classes by their numbers; one number tells two apart."""
        if self.task == "classification":
            return tuple(range(max(self.width, 2)))
        return tuple(range(self.width)) if self.task == "multilabel" else None

    def result(self, name: str) -> Result:
        """The output tensor called *name*, as an interface says it."""
        return Result(name=name, role=_ROLES[self.task], apply=self.apply)

    def meaning(self, name: str) -> Meaning:
        """What the one output called *name* means."""
        several = self.task == "multioutput_regression"
        return Meaning(
            self.task,
            (self.result(name),),
            f"output '{name}': {self.note}",
            self.classes,
            tuple(f"y{place}" for place in range(self.width)) if several else None,
            self.width if self.task == "embedding" else None,
        )


def head_of(found: Array, ending: Ending, given: Given) -> Head:
    """
    The head of a network that answered *found* (n, width) and ends in *ending*.

    Raises:
        UsageError: the task that was named is none.
        SaveRefusedError: targets or classes do not fit the width.
    """
    targets, classes, wanted = given.targets, given.classes, given.task
    if wanted is not None and wanted not in TASKS:
        raise UsageError(f"task: expected one of {', '.join(TASKS)}, got {wanted!r}")
    width = found.shape[1]
    if ending == "other" and width > 1 and _distributed(found):
        ending = "softmax"
    truth = None if targets is None else _truth(targets)
    task = wanted or _task(width, ending, truth, classes)
    _check_fit(task, width, truth, classes)
    apply = _apply(task, width, ending)
    return Head(task, width, apply, _note(task, width, ending, apply, sure=wanted is not None or truth is not None))


def _task(width: int, ending: Ending, truth: Column | Table | None, classes: Classes) -> str:
    if isinstance(truth, Table) and len(truth.columns) > 1:
        several = classes is not None or all(map(_is_indicator, truth))
        return "multilabel" if several else "multioutput_regression"
    column = next(iter(truth)) if isinstance(truth, Table) else truth
    if column is not None and (column.kind in ("string", "boolean") or _codes(column, width)):
        return "classification"
    if ending == "softmax" or (classes is not None and not (ending == "sigmoid" and width > 1)):
        return "classification"
    if width == 1:
        return "classification" if ending == "sigmoid" and column is None else "regression"
    if column is not None:
        raise SaveRefusedError(
            f"targets: the network answers {width} numbers a row, and the targets are one that is no class from 0 to "
            f"{width - 1}; for several outputs pass them as a table of {width} columns, for a classifier classes=[…]"
        )
    return "multilabel" if ending == "sigmoid" else "embedding"


def _apply(task: str, width: int, ending: Ending) -> Apply:
    """What is still missing to a probability."""
    if task == "multilabel" or (task == "classification" and width == 1):
        return "none" if ending == "sigmoid" else "sigmoid"
    return "softmax" if task == "classification" and ending == "other" else "none"


def _note(task: str, width: int, ending: Ending, apply: Apply, *, sure: bool) -> str:
    if task in ("classification", "multilabel"):
        what = (
            f"the network ends in a {ending}"
            if ending != "other"
            else f"the network answers logits: cloche applies the {apply}"
        )
        return f"{what}; {task}, {max(width, 2 if task == 'classification' else 1)} classes"
    numbers = f"{width} number{'s' if width > 1 else ''} a row"
    doubt = "; is it a classifier? pass classes=[…], the targets or task='classification'"
    return f"the network's answers are taken as they are: {task}, {numbers}{'' if sure or width == 1 else doubt}"


def the_one(numbers: dict[str, Array], answered: dict[str, Any]) -> str:
    likely = [name for name in numbers if "prob" in name.lower()]
    if len(numbers) == 1 or len(likely) == 1:
        return (likely or list(numbers))[0]
    raise SaveRefusedError(
        f"which output answers is not told: {', '.join(answered)}; say it: output='{next(iter(answered), '')}'"
    )


def rows_of(name: str, answered: dict[str, Any], far: dict[str, Any], n: int) -> Array:
    """The numbers of one output, (rows, width): for the rows of the table, and for those far out."""
    parts = [found[name] for found in (answered, far) if name in found]
    return np.concatenate([np.asarray(part, dtype=np.float64).reshape(n, -1) for part in parts])


# -- what was given -----------------------------------------------------------------------------


def _check_fit(task: str, width: int, truth: Column | Table | None, classes: Classes) -> None:
    if isinstance(truth, Table) and len(truth.columns) not in (1, width):
        raise SaveRefusedError(f"targets: {len(truth.columns)} columns, and the network answers {width} numbers a row")
    count = max(width, 2) if task == "classification" else width
    if classes is not None and len(classes) != count:
        numbers = "1 number, which tells 2 classes apart" if width == 1 else f"{width} numbers"
        raise SaveRefusedError(f"classes: got {len(classes)}, and the network answers {numbers} a row")
    column = truth if isinstance(truth, Column) else None
    if task == "classification" and classes is None and column is not None and column.kind == "string":
        seen = sorted({str(one) for one in column.present().tolist()})[:10]
        raise SaveRefusedError(
            f"targets: the network answers numbers and not labels ({', '.join(seen)}); pass classes=[…], one label for "
            f"each of its {count} classes, in the order of its outputs"
        )


def _truth(targets: Any) -> Column | Table:
    if isinstance(targets, (Column, Table)):
        return targets
    several = len(getattr(targets, "shape", ())) == 2 or (
        isinstance(targets, (list, tuple)) and targets and isinstance(targets[0], (list, tuple, dict))
    )
    return tables.read(targets) if several else tables.read_target(targets)


def _codes(column: Column, width: int) -> bool:
    """Whether the targets number classes that the width allows."""
    present = column.present()
    if column.kind not in ("integer", "number") or not present.size:
        return False
    values = present.astype(np.float64)
    if not np.isfinite(values).all() or (values != np.trunc(values)).any() or values.min() < 0:
        return False
    return set(np.unique(values).tolist()) == {0.0, 1.0} if width == 1 else bool(values.max() < width)


def _is_indicator(column: Column) -> bool:
    return column.kind in ("boolean", "integer", "number") and set(np.unique(column.present()).tolist()) <= {0, 1}


def _distributed(found: Array) -> bool:
    """Whether each row is a distribution; of rows that are far apart, for logits of close ones may look like one."""
    finite = found[np.isfinite(found).all(axis=1)]
    inside = bool(((finite >= 0.0) & (finite <= 1.0)).all())
    return len(finite) > 0 and inside and bool((np.abs(finite.sum(axis=1) - 1.0) <= _NEAR_ONE).all())
