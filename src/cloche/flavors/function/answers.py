"""What a function answers, in the kinds that people return, as the outputs of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloche.contract.model import Output
from cloche.errors import SaveRefusedError
from cloche.flavors.function import shown
from cloche.flavors.function.naming import Named
from cloche.records import Container, ModelFacts, Outputs

_KINDS = (
    "a list, an array or a Series of numbers or labels (one a row); a dict or DataFrame of such columns; "
    "or {'prediction': […], 'probabilities': {label: […]}}"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """One list a column; a single column is called "". `probabilities` are one list a class, in `classes`."""

    columns: dict[str, list[Any]]
    probabilities: list[list[float]] | None = None
    classes: tuple[Any, ...] | None = None


def answered(function: Callable[[Any], Any], table: Any, name: str) -> Answers:
    """
    What *function* answers for *table*, while it is being saved.

    Raises:
        SaveRefusedError: it raises, or answers what no task has.
    """
    try:
        found = read(function(table), shown.count(table), name)
    except Exception as exc:
        raise SaveRefusedError(
            f"the function {name} does not answer its own table: {type(exc).__name__}: {exc}"
        ) from exc
    kinds = {_kind(values) for values in found.columns.values()}
    if len(kinds) != 1 or kinds == {"other"}:
        raise SaveRefusedError(
            f"the function {name} answers {' and '.join(sorted(kinds))}; expected {_KINDS}, all numbers or all labels"
        )
    return found


def read(answer: Any, count: int, name: str) -> Answers:
    """
    *answer* as lists of plain values.

    Raises:
        ValueError: it is of none of the kinds, or has another number of rows.
    """
    columns: dict[str, list[Any]] = _columns(answer)
    shares: dict[Any, list[Any]] | None = None
    if isinstance(answer, Mapping) and set(columns) == {"prediction", "probabilities"}:
        given = answer["probabilities"]
        shares = {key: _plain(value) for key, value in given.items()} if isinstance(given, Mapping) else _columns(given)
        columns = {"": _plain(answer["prediction"])}
    for values in [*columns.values(), *(shares or {}).values()]:
        if len(values) != count:
            raise ValueError(f"{name} answers {len(values)} values for {count} rows")
    if shares is None:
        return Answers(columns)
    rows = [list(map(float, row)) for row in zip(*shares.values(), strict=True)]
    return Answers(columns, rows, tuple(shares))


def _columns(answer: Any) -> dict[str, list[Any]]:
    if isinstance(answer, Mapping):
        return {str(key): _values(value) for key, value in answer.items()}
    if hasattr(answer, "columns") and hasattr(answer, "shape"):  # a frame of any library
        return {str(key): _plain(answer[key]) for key in answer.columns}
    values = _plain(answer)
    first = values[0] if values else None
    if isinstance(first, Mapping):
        return {str(key): [row[key] for row in values] for key in first}
    if isinstance(first, (list, tuple)):
        return {f"y{place}": list(column) for place, column in enumerate(zip(*values, strict=True))}
    return {"": values}


def _values(value: Any) -> Any:
    return value if isinstance(value, Mapping) else _plain(value)


def _plain(values: Any) -> list[Any]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise ValueError(f"answers {type(values).__name__}; expected {_KINDS}")
    found: list[Any] = np.asarray(values).tolist() if hasattr(values, "dtype") else list(values)
    return [one.item() if isinstance(one, np.generic) else one for one in found]


def _kind(values: list[Any]) -> str:
    present = [one for one in values if one is not None]
    if all(isinstance(one, (bool, str)) for one in present):
        return "labels"
    return "numbers" if all(isinstance(one, (int, float)) for one in present) else "other"


def facts_of(found: Answers, named: Named, takes: str) -> ModelFacts:
    """The task and the classes, told by what the function answered for the first rows of its table."""
    labels = {key: _kind(values) == "labels" for key, values in found.columns.items()}
    levels = {
        key: tuple(sorted({one for one in values if one is not None}))
        for key, values in found.columns.items()
        if labels[key]
    }
    several = len(found.columns) > 1 or "" not in found.columns
    names = tuple(found.columns) if several else None
    known = {"function": str(named), "takes": takes}
    container: Container | None = "columns" if takes == "columns" else None
    if all(labels.values()) or found.probabilities is not None:
        return ModelFacts(
            task="multioutput_classification" if several else "classification",
            names=None,
            n_inputs=None,
            classes=None if several else found.classes or levels[""],
            output_classes=tuple(levels[key] for key in found.columns) if several else None,
            output_names=names,
            probabilities=found.probabilities is not None,
            hyperparameters=known,
            container=container,
        )
    task = "multioutput_regression" if several else "regression"
    return ModelFacts(
        task=task, names=None, n_inputs=None, output_names=names, hyperparameters=known, container=container
    )


def outputs_of(answer: Any, count: int, output: Output, name: str, classes: Sequence[Any] | None) -> Outputs:
    """
    What a function answered as the outputs of the contract's task; *classes* are its own, in their order.

    Raises:
        ValueError: it answers other columns than when it was saved, or another number of rows.
    """
    found = read(answer, count, name)
    if output.names is None:
        if set(found.columns) != {""}:
            raise ValueError(f"{name} answers {', '.join(found.columns)}, and was saved with one answer a row")
        shown_as = _renaming(classes, output.classes)
        labels = [shown_as.get(one, one) for one in found.columns[""]] if shown_as else found.columns[""]
        return Outputs(labels, _in_order(found, classes) if output.probabilities else None)
    if len(found.columns) != len(output.names):
        raise ValueError(f"{name} answers {len(found.columns)} columns, and was saved with {len(output.names)}")
    rows = zip(*found.columns.values(), strict=True)
    return Outputs([dict(zip(output.names, row, strict=True)) for row in rows])


def _renaming(own: Sequence[Any] | None, given: Sequence[Any] | None) -> dict[Any, Any]:
    """The owner's names of the classes, where they are others."""
    return {} if own is None or given is None or list(own) == list(given) else dict(zip(own, given, strict=True))


def _in_order(found: Answers, classes: Sequence[Any] | None) -> list[list[float]] | None:
    """The probabilities in the order of the classes as they were when the function was saved."""
    if found.probabilities is None or found.classes is None or classes is None:
        raise ValueError("answers no probabilities, and was saved with them")
    if len(found.classes) != len(classes):
        raise ValueError(f"answers probabilities of {len(found.classes)} classes, and was saved with {len(classes)}")
    if set(found.classes) != set(classes):
        return found.probabilities  # columns without names: in the order in which they stand
    places = [found.classes.index(one) for one in classes]
    return [[row[place] for place in places] for row in found.probabilities]
