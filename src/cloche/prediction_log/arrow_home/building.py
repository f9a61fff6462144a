"""
Frames to Arrow: one `Building` takes the frames of some segments, `done` gives the rows of each table.

A request of n rows makes n rows; one without rows, or that failed, makes one whose `row` is null.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from cloche.prediction_log import layout
from cloche.prediction_log.arrow_home.columns import (
    MOMENT,
    field_array,
    prediction_array,
    probabilities_array,
    text_of,
)
from cloche.prediction_log.frames import Header, Labels, LoggedField, Request, Schema

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PREFIX: Final = {"input": "in", "key": "key", "context": "ctx"}

_EVERY_REQUEST: Final = [
    ("date", pa.string()),
    ("request_id", pa.string()),
    ("client_request_id", pa.string()),
    ("row", pa.int32()),
    ("rows", pa.int32()),
    ("time", MOMENT),
]
_OUTCOME: Final = [
    ("route", pa.string()),
    ("key", pa.string()),
    ("status", pa.int16()),
    ("error", pa.string()),
    ("latency_ms", pa.float64()),
    ("problems", pa.list_(pa.string())),
]
#: The columns that every table of the kind has, whatever its contract.
ANSWERS: Final = pa.schema(
    [*_EVERY_REQUEST, ("version", pa.int32()), ("contract", pa.int32()), ("engine", pa.string()), *_OUTCOME]
)
REQUESTS: Final = pa.schema([*_EVERY_REQUEST, ("model", pa.string()), *_OUTCOME])
LABELS: Final = pa.schema(
    [
        ("date", pa.string()),
        ("request_id", pa.string()),
        ("received", MOMENT),
        ("key", pa.string()),
        ("id", pa.string()),
        ("row", pa.int32()),
        ("label_key", pa.string()),
        ("label", pa.string()),
        ("event_time", MOMENT),
    ]
)


@dataclass(slots=True)
class Part:
    """Rows of one table, from one kind of frame; `schema` names the columns that the table is created with."""

    path: str
    schema: pa.Schema
    rows: pa.Table


@dataclass(slots=True)
class _Group:
    """Answered requests of one schema, row by row: what stands for the whole request is there once a row."""

    schema: Schema
    requests: list[Request] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    probabilities: list[Any] = field(default_factory=list)
    scores: list[Any] = field(default_factory=list)
    kept: list[LoggedField] = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.kept = [one for one in self.schema.fields if one.kept != "none"]
        self.width = len(self.kept)


class Building:
    """Collects the frames of one segment after the other; `damage` says which could not be used, and why."""

    def __init__(self, damage: list[str]) -> None:
        self._damage = damage
        self._parts: list[Part] = []

    def add(self, frames: Iterable[Any], name: str) -> None:
        """All frames of the segment *name*."""
        groups: dict[int, _Group] = {}
        others: list[Request] = []
        labels: dict[str, list[Labels]] = defaultdict(list)
        for frame in frames:
            if type(frame) is Request:
                if frame.schema is None:
                    others.append(frame)
                elif (group := groups.get(frame.schema)) is not None:
                    if not _take(group, frame):
                        self._damage.append(f"{name}: request {frame.request_id}: its rows do not fit its schema")
                else:
                    self._damage.append(f"{name}: request {frame.request_id}: no schema {frame.schema} before it")
            elif type(frame) is Schema and _NAME.fullmatch(frame.model):
                groups[frame.id] = _Group(frame)
            elif type(frame) is Labels and _NAME.fullmatch(frame.model):
                labels[frame.model].append(frame)
            elif type(frame) is not Header:
                self._damage.append(f"{name}: a {type(frame).__name__} of a model with no such name")
        self._parts += [_answers(group) for group in groups.values() if group.requests]
        self._parts += [Part(layout.UNKNOWN, REQUESTS, _unknown(others))] if others else []
        self._parts += [Part(layout.labels(model), LABELS, _labels(given)) for model, given in labels.items()]

    def done(self) -> dict[str, list[Part]]:
        """The parts of every table, by its path."""
        found: dict[str, list[Part]] = defaultdict(list)
        for part in self._parts:
            found[part.path].append(part)
        return dict(sorted(found.items()))


def _take(group: _Group, request: Request) -> bool:
    """Whether the request's rows, predictions and the rest are as many as they have to be."""
    n = 0 if request.prediction is None else len(request.prediction)
    width = group.width
    rows = request.rows if request.rows is not None else [(None,) * width] * n
    probabilities, scores = request.probabilities, request.score
    if n == 1 and len(rows) == 1 and len(rows[0]) == width and _ones(probabilities, scores):
        group.requests.append(request)
        group.numbers.append(0)
        group.values.append(rows[0])
        group.predictions.append(request.prediction[0])  # type: ignore[index]
        group.probabilities.append(None if probabilities is None else probabilities[0])
        group.scores.append(None if scores is None else scores[0])
        return True
    if len(rows) != n or any(len(row) != width for row in rows):
        return False
    if any(given is not None and len(given) != n for given in (probabilities, scores)):
        return False
    if not n:
        group.requests.append(request)
        group.numbers.append(None)
        group.values.append((None,) * width)
        for column in (group.predictions, group.probabilities, group.scores):
            column.append(None)
        return True
    group.requests.extend(repeat(request, n))
    group.numbers.extend(range(n))
    group.values.extend(rows)
    group.predictions.extend(request.prediction or ())
    group.probabilities.extend(repeat(None, n) if probabilities is None else probabilities)
    group.scores.extend(repeat(None, n) if scores is None else scores)
    return True


def _ones(*columns: list[Any] | None) -> bool:
    return all(column is None or len(column) == 1 for column in columns)


def _answers(group: _Group) -> Part:
    schema, count = group.schema, len(group.requests)
    columns = dict(_request_columns(group.requests, group.numbers))
    columns |= {
        "version": pa.repeat(pa.scalar(schema.version, pa.int32()), count),
        "contract": pa.repeat(pa.scalar(schema.contract, pa.int32()), count),
        "engine": pa.repeat(pa.scalar(schema.engine, pa.string()), count),
        "prediction": prediction_array(group.predictions, schema.output.type, schema.output.task),
    }
    if any(one is not None for one in group.probabilities):
        columns["probabilities"] = probabilities_array(group.probabilities, schema.output.task)
    if any(one is not None for one in group.scores):
        columns["score"] = pa.array(group.scores, pa.float64())
    for one, values in zip(group.kept, zip(*group.values, strict=True), strict=True):
        array = field_array(values, one.type, one.timezone, one.kept)
        if array is not None:
            columns[column_of(one)] = array
    return Part(layout.answers(schema.model, schema.contract), ANSWERS, pa.table(columns))


def column_of(one: LoggedField) -> str:
    """The column that a field's values stand in."""
    return layout.column(one.kept if one.kept in ("hash", "bin") else _PREFIX[one.role], one.name)


def _request_columns(requests: list[Request], numbers: list[int | None]) -> Iterator[tuple[str, pa.Array]]:
    """What every request has, one row for each of *numbers*."""
    time = pa.array([one.time_us for one in requests], pa.int64()).cast(MOMENT)
    yield "date", pc.strftime(time, "%Y-%m-%d")
    yield "request_id", pa.array([one.request_id for one in requests], pa.string())
    yield "client_request_id", pa.array([one.client_request_id for one in requests], pa.string())
    yield "row", pa.array(numbers, pa.int32())
    yield "rows", pa.array([one.n for one in requests], pa.int32())
    yield "time", time
    yield "route", pa.array([one.route for one in requests], pa.string())
    yield "key", pa.array([one.key for one in requests], pa.string())
    yield "status", pa.array([one.status for one in requests], pa.int16())
    yield "error", pa.array([one.error for one in requests], pa.string())
    yield "latency_ms", pc.divide(pa.array([one.latency_us for one in requests], pa.float64()), 1000.0)
    yield "problems", pa.array([_problems(one) for one in requests], pa.list_(pa.string()))


def _problems(request: Request) -> list[str] | None:
    if request.problems is None:
        return None
    return [f"{name or ''}:{code}" for name, code in request.problems]


def _unknown(requests: list[Request]) -> pa.Table:
    columns = dict(_request_columns(requests, [None] * len(requests)))
    columns["model"] = pa.array([one.model for one in requests], pa.string())
    return pa.table(columns)


def _labels(given: list[Labels]) -> pa.Table:
    lines = [(frame, label) for frame in given for label in frame.labels]
    received = pa.array([frame.time_us for frame, _ in lines], pa.int64()).cast(MOMENT)
    return pa.table(
        {
            "date": pc.strftime(received, "%Y-%m-%d"),
            "request_id": pa.array([frame.request_id for frame, _ in lines], pa.string()),
            "received": received,
            "key": pa.array([frame.key for frame, _ in lines], pa.string()),
            "id": pa.array([label.id for _, label in lines], pa.string()),
            "row": pa.array([label.row for _, label in lines], pa.int32()),
            "label_key": pa.array([text_of(label.key) for _, label in lines], pa.string()),
            "label": pa.array([text_of(label.label) or "null" for _, label in lines], pa.string()),
            "event_time": pa.array([label.event_us for _, label in lines], pa.int64()).cast(MOMENT),
        }
    )
