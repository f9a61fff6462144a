"""The whole evaluation of answers with known truths: metrics, segments, calibration, and another version beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from cloche.contract.model import Output
from cloche.evaluation.classification import Classified, classified
from cloche.evaluation.estimate import Estimate, Rows, named
from cloche.evaluation.paired import Difference, differences, median_difference
from cloche.evaluation.regression import regression_estimates
from cloche.evaluation.segments import Segment
from cloche.manifest import Metric
from cloche.records import Column, Outputs, Table

#: Tasks whose metrics are those of labels.
_CLASSIFYING = ("classification", "multioutput_classification")


class NotEnough(msgspec.Struct, frozen=True):
    """A metric that is not told: there are n rows, and `need` are needed."""

    name: str
    n: int
    need: str


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quality on some rows; `column` and `segment` are empty for all of them."""

    n: int
    metrics: tuple[Metric, ...] = ()
    not_enough: tuple[NotEnough, ...] = ()
    differences: tuple[Difference, ...] = ()
    column: str = ""
    segment: str = ""

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, where there were rows enough."""
        return next((one for one in self.metrics if one.name == name), None)


class Quality(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    How good answers are: `whole` on all rows, `segments` by column and segment.

    `confusion` (counts by true class, then by answered class) and `calibration` (bins of confidence, the share that
    was right and its interval) are by output, "" where there is one only.
    """

    whole: Part
    segments: tuple[Part, ...] = ()
    confusion: dict[str, Any] = {}
    calibration: dict[str, list[dict[str, float]]] = {}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a version answered to n rows."""

    output: Output
    outputs: Outputs


def measured(
    answers: Answers,
    truth: Column | Table,
    *,
    split: str = "test",
    segments: Sequence[Segment] = (),
    other: Answers | None = None,
) -> Quality:
    """
    The quality of *answers* to n rows, on those whose *truth* is known.

    With *other*, what another version answered to the same rows, also the difference (first − other). A metric that
    has not rows enough to mean something is not told but listed in `not_enough`.
    """
    n = len(answers.outputs)
    everything = np.arange(n)
    return Quality(
        whole=_part(answers, truth, other, everything, split, by_class=True),
        segments=tuple(
            msgspec.structs.replace(
                _part(answers, truth, other, one.rows, split, by_class=False), column=one.column, segment=one.label
            )
            for one in segments
        ),
        confusion={name: told for name, one in _classified(answers, truth, everything) if (told := one.confusion())},
        calibration={
            name: one.chances.bins()
            for name, one in _classified(answers, truth, everything)
            if one.chances is not None and one.chances.actual.size
        },
    )


def estimates(
    output: Output, outputs: Outputs, truth: Column | Table, rows: Rows | None = None, *, by_class: bool = True
) -> list[Estimate]:
    """Every metric of the task on *rows* (None: all); several outputs one by one, `mae[height]`."""
    picked = np.arange(len(outputs)) if rows is None else rows
    found: list[Estimate] = []
    for name, values, answers in _by_output(output, truth, outputs.prediction, picked):
        if output.task in _CLASSIFYING:
            one = classified(values, answers, _classes(output, name), _shares(output, outputs, name, picked))
            told = [] if one is None else one.estimates(by_class=by_class)
        else:
            told = regression_estimates(values, answers)
        found += [named(estimate, name) for estimate in told] if name else told
    return found


def _part(
    answers: Answers, truth: Column | Table, other: Answers | None, rows: Rows, split: str, *, by_class: bool
) -> Part:
    found = estimates(answers.output, answers.outputs, truth, rows, by_class=by_class)
    apart: list[Difference] = []
    if other is not None:
        apart = differences(found, estimates(other.output, other.outputs, truth, rows, by_class=by_class))
        apart += _medians(answers, other, truth, rows)
    return Part(
        n=max((one.rows.size for one in found), default=0),
        metrics=tuple(one.metric(split) for one in found if one.need is None),
        not_enough=tuple(NotEnough(one.name, one.metric(split).n, one.need) for one in found if one.need is not None),
        differences=tuple(apart),
    )


def _medians(answers: Answers, other: Answers, truth: Column | Table, rows: Rows) -> Iterator[Difference]:
    if answers.output.task in _CLASSIFYING:
        return
    mine = _by_output(answers.output, truth, answers.outputs.prediction, rows)
    its = _by_output(other.output, truth, other.outputs.prediction, rows)
    for (name, values, one), (_, _, two) in zip(mine, its, strict=False):
        yield from median_difference(values, one, two, f"median_absolute_error[{name}]" if name else _MEDIAN)


_MEDIAN = "median_absolute_error"


def _classified(answers: Answers, truth: Column | Table, rows: Rows) -> Iterator[tuple[str, Classified]]:
    if answers.output.task not in _CLASSIFYING:
        return
    outputs = answers.outputs
    for name, values, given in _by_output(answers.output, truth, outputs.prediction, rows):
        shares = _shares(answers.output, outputs, name, rows)
        one = classified(values, given, _classes(answers.output, name), shares)
        if one is not None:
            yield name, one


# -- one output at a time -------------------------------------------------------------------------


def _by_output(
    output: Output, truth: Column | Table, predictions: Sequence[Any], rows: Rows
) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Name ("" for the only one), truths and answers of each output; nothing for tasks without one agreed truth."""
    if isinstance(truth, Column):
        if output.task in ("classification", "regression"):
            values = truth.to_list()
            yield "", [values[row] for row in rows], [predictions[row] for row in rows]
        return
    columns, names = list(truth), output.names or ()
    if output.task.startswith("multioutput") and len(columns) == len(names):
        for name, column in zip(names, columns, strict=True):
            values = column.to_list()
            yield name, [values[row] for row in rows], [predictions[row][name] for row in rows]


def _classes(output: Output, name: str) -> Sequence[Any]:
    if not name:
        return output.classes or ()
    return output.output_classes[(output.names or ()).index(name)] if output.output_classes else ()


def _shares(output: Output, outputs: Outputs, name: str, rows: Rows) -> list[Any] | None:
    given = outputs.probabilities
    if given is None:
        return None
    return [given[row][name] for row in rows] if name else [given[row] for row in rows]
