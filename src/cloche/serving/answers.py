"""
From a model's outputs to the answer that leaves: scalars for one row, lists for many.

Pure: no engine, no protocol. The normative table of shapes by task is `docs/reference/answers.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from cloche.contract.compiled import ValidRows
from cloche.contract.model import Output
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.records import Outputs, TabledOutputs

#: Tasks whose largest probability says how sure the model is of its prediction.
_CONFIDENT = ("classification", "multioutput_classification")


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The answer to one request.

    One row: `prediction` is a scalar (a dict for several outputs, a list for labels and embeddings) and
    `probabilities` a dict from class to number. Many rows: the same keys holding lists.
    """

    # In the order of the wire; what does not apply is left out there.
    prediction: Any
    confidence: Any = None
    probabilities: dict[str, Any] | None = None
    score: Any = None
    model: str = ""
    model_version: str = ""
    request_id: str | None = None
    warnings: list[Problem] = []

    def to_dict(self) -> dict[str, Any]:
        """What goes on the wire, in the documented order; keys that do not apply are left out."""
        answer: dict[str, Any] = msgspec.to_builtins(self)
        return answer


def shape(
    outputs: Outputs,
    rows: ValidRows,
    *,
    model: str,
    version: int | str,
    request_id: str | None = None,
    top: int | None = None,
    probabilities: bool = True,
) -> Prediction:
    """
    Shape *outputs* as the answer to *rows*.

    *top* keeps the K most probable classes of each row (in a table the others are null there, and a class
    that no row keeps is left out). NaN and infinity become null, with a warning.
    """
    output, single = rows.contract.output, rows.single
    if top is None and probabilities and isinstance(outputs, TabledOutputs):
        found = _from_table(outputs, rows, output)
        if found is not None:
            return Prediction(*found, None, model, str(version), request_id, rows.warnings)
    finite, warnings = _finite(outputs, single)
    shares = finite.probabilities
    confidence = _confidence(shares, output, single) if output.task in _CONFIDENT else None
    return Prediction(
        prediction=finite.prediction[0] if single else finite.prediction,
        probabilities=_probabilities(shares, output, single, top) if probabilities else None,
        confidence=confidence if probabilities or output.task == "classification" else None,
        score=None if finite.score is None else (finite.score[0] if single else finite.score),
        warnings=[*rows.warnings, *warnings] if warnings else rows.warnings,
        model=model,
        model_version=str(version),
        request_id=request_id,
    )


def _from_table(
    outputs: TabledOutputs, rows: ValidRows, output: Output
) -> tuple[list[Any], list[float], dict[str, list[float]]] | None:
    """
    Predictions, confidence and probabilities of many rows, asked of the array; None where that has to be looked at.

    Where the largest is a zero, plus and minus zero are told apart by their order alone.
    """
    columns = outputs.shares.T
    largest = np.maximum.reduce(columns)
    if (
        rows.single
        or not np.isfinite(columns).all()
        or not largest.min() > 0.0
        or not _sum_is_finite(outputs.prediction)
    ):
        return None
    names = map(class_key, output.classes or ())
    return outputs.prediction, largest.tolist(), dict(zip(names, columns.tolist(), strict=False))


def nothing(output: Output) -> Outputs:
    """The answers to no rows: every list there, and empty."""
    return Outputs([], [] if output.probabilities else None, [] if output.task == "anomaly" else None)


def class_key(value: Any) -> str:
    """A class as the key of `probabilities`: text as it is, all else as JSON writes it (`true`, `1`)."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _finite(outputs: Outputs, single: bool) -> tuple[Outputs, list[Problem]]:
    """The outputs with null for NaN and infinity, and one warning a row for each kind of output."""
    bad: list[tuple[int, str]] = []
    if _plainly_finite(outputs):
        return outputs, []
    clean: dict[str, list[Any] | None] = {}
    for kind in ("prediction", "probabilities", "score"):
        values = getattr(outputs, kind)
        broken = [] if values is None else [row for row, value in enumerate(values) if not _is_finite(value)]
        bad += [(row, kind) for row in broken]
        clean[kind] = values if not broken else [_nulled(value) for value in values]
    warnings = [_not_finite(None if single else row, kind) for row, kind in sorted(bad)[:MAX_PROBLEMS]]
    return Outputs(clean["prediction"] or [], clean["probabilities"], clean["score"]), warnings


def _plainly_finite(outputs: Outputs) -> bool:
    """Whether a look at sums shows that nothing is NaN or infinite; False: one has to look at every number."""
    return (
        _sum_is_finite(outputs.prediction)
        and (outputs.probabilities is None or _sum_is_finite(outputs.probabilities))
        and (outputs.score is None or _sum_is_finite(outputs.score))
    )


def _sum_is_finite(values: list[Any]) -> bool:
    first = values[0] if values else None
    if isinstance(first, str):
        return True
    try:
        total = sum(values) if not isinstance(first, list) else sum(map(sum, values))
        return bool(total - total == 0)
    except TypeError:  # null, or something inside
        return False


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return not isinstance(value, dict) or all(map(_is_finite, value.values()))


def _nulled(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [_nulled(one) for one in value]
    return {key: _nulled(one) for key, one in value.items()} if isinstance(value, dict) else value


def _not_finite(row: int | None, kind: str) -> Problem:
    return Problem(
        row=row,
        field=None,
        code="not_finite",
        message=f"the model answered NaN or infinity in '{kind}'; the answer holds null",
    )


def _confidence(shares: list[Any] | None, output: Output, single: bool) -> Any:
    """The largest probability of each row; by output name where there are several."""
    if shares is None:
        return None
    if single and not output.names:
        return _largest(shares[0])
    return _by_output(shares, output, lambda rows, _name: _scalar(_largest_of_each(rows), single))


def _largest_of_each(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    try:
        return list(map(max, rows))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # null, or no class at all
        return [_largest(row) for row in rows]


def _largest(shares: Sequence[float | None]) -> float | None:
    if None not in shares and shares:
        return max(shares)  # type: ignore[type-var]
    known = [share for share in shares if share is not None]
    return max(known) if len(known) == len(shares) and known else None


def _probabilities(shares: list[Any] | None, output: Output, single: bool, top: int | None) -> dict[str, Any] | None:
    if shares is None:
        return None
    if single and top is None and not output.names:
        names = [name if type(name) is str else class_key(name) for name in output.classes or ()]
        return dict(zip(names, shares[0], strict=False))
    classes = dict(zip(output.names or (), output.output_classes or (), strict=False))

    def table(rows: Sequence[Any], name: str | None) -> dict[str, Any]:
        known = output.classes if name is None else classes.get(name)
        return dict(_by_class(rows, known or (), single, top))

    found: dict[str, Any] = _by_output(shares, output, table)
    return found


def _by_output(shares: list[Any], output: Output, make: Callable[[Sequence[Any], str | None], Any]) -> Any:
    """`make(rows, None)`, or by output name `make(rows, name)` where there are several outputs."""
    if not output.names:
        return make(shares, None)
    return {name: make([row[name] for row in shares], name) for name in output.names}


def _by_class(rows: Sequence[Any], classes: Sequence[Any], single: bool, top: int | None) -> Iterator[tuple[str, Any]]:
    kept = rows if top is None else [_top(row, top) for row in rows]
    columns = map(list, zip(*kept, strict=True)) if kept else ([] for _ in classes)
    for name, column in zip(classes, columns, strict=False):
        if top is None or any(share is not None for share in column):
            yield class_key(name), _scalar(column, single)


def _top(shares: Sequence[float | None], top: int) -> list[float | None]:
    """The *top* largest shares (the earlier class wins a tie), null elsewhere."""
    known = [-1.0 if share is None else share for share in shares]
    order = sorted(range(len(known)), key=known.__getitem__, reverse=True)
    best = set(order[:top])
    return [share if place in best else None for place, share in enumerate(shares)]


def _scalar(values: list[Any], single: bool) -> Any:
    return values[0] if single else values
