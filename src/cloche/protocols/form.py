"""What a form is: how rows are read from bytes, and how an answer is written as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.contract.model import Output
from cloche.serving.answers import Prediction

Decode = Callable[[CompiledContract, bytes, int | None], ValidRows]
Encode = Callable[[Prediction, Output, bool], bytes]
#: The keys of an answer that hold one item a row.
BY_ROW = ("prediction", "confidence", "probabilities", "score")


def _nothing() -> None:
    """Needs no library."""


@dataclass(frozen=True, slots=True)
class Form:
    """
    One form of bodies and answers.

    `decode(compiled, body, max_rows)` and `encode(prediction, output, single)`. `carries_model` says that an answer
    names its model, its version and its warnings itself; where it does not, headers do. `answers_as` is the answer's
    `Content-Type`. `text` tells that bodies are text. `missing()` says what to install where a library is not there.
    """

    name: str
    media_type: str
    takes: Callable[[str], bool]
    decode: Decode
    encode: Encode
    answers_as: str
    carries_model: bool = False
    text: bool = True
    missing: Callable[[], str | None] = _nothing

    def headers(self, prediction: Prediction) -> dict[str, str]:
        """What stands beside an answer that has no room for it."""
        if self.carries_model:
            return {"content-type": self.answers_as}
        facts = {"x-model-name": prediction.model, "x-model-version": prediction.model_version}
        counted = {"x-warnings": str(len(prediction.warnings))} if prediction.warnings else {}
        return {"content-type": self.answers_as, **facts, **counted}


def rows_of(prediction: Prediction, single: bool) -> Iterator[dict[str, Any]]:
    """The answer row by row: each as a request of that row alone is answered."""
    given = {key: value for key in BY_ROW if (value := getattr(prediction, key)) is not None}
    if single:
        yield given
        return
    for place in range(len(prediction.prediction)):
        yield {key: value[place] if key == "prediction" else _at(value, place) for key, value in given.items()}


def _at(value: Any, place: int) -> Any:
    """The item of one row: maps hold lists by class or output, and lists hold one item a row."""
    return {key: _at(one, place) for key, one in value.items()} if isinstance(value, dict) else value[place]


def flat_columns(prediction: Prediction, output: Output, single: bool) -> Iterator[tuple[str, list[Any]]]:
    """The answer column by column, with a point before what lies inside: `probabilities.Adelie`."""
    values = [prediction.prediction] if single else prediction.prediction
    yield from _predictions(values, output)
    for key in BY_ROW[1:]:
        given = getattr(prediction, key)
        if given is not None:
            yield from _flat(key, given, single)


def _predictions(values: list[Any], output: Output) -> Iterator[tuple[str, list[Any]]]:
    """The predictions: one column, or one an output or an element of an embedding."""
    parts: list[Any] | None = None
    if output.task == "embedding" and output.length:
        parts = list(range(output.length))
    elif output.names is not None:
        parts = list(output.names)
    if parts is None:
        yield "prediction", values
        return
    for part in parts:
        yield f"prediction.{part}", [None if value is None else value[part] for value in values]


def _flat(key: str, given: Any, single: bool) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(given, dict):
        for name, inside in given.items():
            yield from _flat(f"{key}.{name}", inside, single)
    else:
        yield key, [given] if single else given


def warnings_by_row(prediction: Prediction) -> dict[int, list[Any]]:
    """The warnings of each row as plain data; those of a single row stand under 0."""
    found: dict[int, list[Any]] = {}
    for one in prediction.warnings:
        found.setdefault(one.row or 0, []).append(msgspec.to_builtins(one))
    return found
