"""A fitted R model as Python knows it: what R says of it, the tables that came with it, and its process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from cloche.contract.model import Output
from cloche.errors import EngineError, SaveRefusedError
from cloche.flavors.r import wire
from cloche.flavors.r.process import RError, RProcess, RProcessDied, RProcessLate
from cloche.records import Column, Columns, InputFacts, ModelFacts, Outputs, Table
from cloche.tables import values

#: A batch that takes R longer than this is given up, and its process with it.
ANSWER_S = 120.0
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class RFile:
    """A file that `saveRDS` wrote, not opened yet."""

    where: str
    content: bytes


@dataclass(frozen=True, slots=True)
class RInput:
    """An input in R: its type (`double logical character factor ordered Date POSIXct`) and its fixed levels."""

    name: str
    type: str
    levels: tuple[Any, ...] | None = None
    source: str = ""
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class About:
    """
    What R says of a fitted model; `to_options` is the part that the manifest keeps.

    `classes` are in the order of the probabilities; `packages` are R packages by version, those it needs.
    """

    kind: str
    model: str
    inputs: tuple[RInput, ...]
    classes: tuple[Any, ...] | None
    probabilities: bool
    r: str
    packages: Mapping[str, str]
    parameters: Mapping[str, str]
    rows_inside: str | None = None

    def to_options(self) -> dict[str, Any]:
        """What opening and asking the model takes, as plain data."""
        inputs = [{"name": one.name, "type": one.type} for one in self.inputs]
        classes = None if self.classes is None else list(self.classes)
        return {"inputs": inputs, "classes": classes, "r": self.r, "packages": dict(self.packages)}

    def facts(self) -> ModelFacts:
        """The same in the words of every flavor."""
        return ModelFacts(
            task="regression" if self.classes is None else "classification",
            names=tuple(one.name for one in self.inputs),
            n_inputs=len(self.inputs),
            inputs={one.name: _input_facts(one) for one in self.inputs},
            classes=self.classes,
            probabilities=self.probabilities,
            hyperparameters=self.parameters,
            training_rows_inside=self.rows_inside,
            container="columns",
        )


def _input_facts(one: RInput) -> InputFacts:
    levels = (False, True) if one.type == "logical" else one.levels
    return InputFacts(levels=levels, unknown_level=None if levels is None else "reject", source=one.source or "R")


def about_of(answer: Mapping[str, Any]) -> About:
    """What R said, from its message."""
    zones = dict(zip(answer.get("zoned", ()), answer.get("zones", ()), strict=True))
    inputs = zip(answer["names"], answer["types"], answer["sources"], strict=True)
    return About(
        kind=answer["kind"][0],
        model=answer["model"][0],
        inputs=tuple(
            RInput(name, type_, _plain(answer.get(f"levels:{name}")), source, zones.get(name))
            for name, type_, source in inputs
        ),
        classes=_plain(answer.get("classes")),
        probabilities=bool(answer["probabilities"][0]),
        r=answer["r"][0],
        packages=dict(zip(answer.get("packages", ()), answer.get("versions", ()), strict=True)),
        parameters=dict(zip(answer.get("parameters", ()), answer.get("values", ()), strict=True)),
        rows_inside=answer["rows_inside"][0] or None,
    )


def _plain(vector: Any) -> tuple[Any, ...] | None:
    return None if vector is None else tuple(vector.tolist() if isinstance(vector, np.ndarray) else vector)


# -- the tables that came with it -------------------------------------------------------------------


def carried(answer: Mapping[str, Any], what: str, about: About) -> Table | None:
    """The table that R sent as *what*, its columns with the levels that the model fixes."""
    known = {one.name: one for one in about.inputs}
    found = {}
    for key, vector in answer.items():
        kind, _, rest = key.partition(":")
        if kind == what and rest:
            type_, _, name = rest.partition(":")
            found[name] = _column(name, type_, vector, known.get(name))
    rows = len(next(iter(found.values())).missing) if found else 0
    return Table(found, rows, "columns") if found else None


def _column(name: str, type_: str, vector: Any, known: RInput | None) -> Column:
    if type_ in ("Date", "POSIXct"):
        return _moments(name, type_, vector, known)
    if isinstance(vector, np.ndarray):
        whole = vector.dtype.kind == "i"
        missing = vector == wire.NA_INTEGER if whole else np.isnan(vector)
        kept = vector.astype(np.int64) if whole else vector.copy()
        return Column(name, "integer" if whole else "number", kept, missing, type_)
    found = values.from_objects(name, vector, type_)
    if known is None or known.levels is None or type_ not in ("factor", "ordered"):
        return found
    return Column(name, "string", found.values, found.missing, type_, levels=known.levels, ordered=type_ == "ordered")


def _moments(name: str, type_: str, vector: Any, known: RInput | None) -> Column:
    missing = np.isnan(vector)
    if type_ == "POSIXct":
        stamps = np.where(missing, 0.0, vector) * 1e6
        zone = values.zone_name((known.zone if known else None) or "UTC")
        return values.from_microseconds(name, np.round(stamps).astype(np.int64), missing, type_, zone)
    days = np.where(missing, 0.0, np.floor(vector)).astype(np.int64)
    return Column(
        name, "date", values.object_array([date.fromordinal(_EPOCH + day) for day in days.tolist()]), missing, type_
    )


def described(file: RFile, settings: Mapping[str, Any]) -> RModel:
    """
    Have R open the owner's file and say what it is; no R process is left.

    Raises:
        SaveRefusedError: R cannot read it, or the fit is of a kind that is not known here.
        MissingProgramError: R is not installed.
    """
    process = RProcess({"do": "open", "bytes": file.content, **settings})
    try:
        answer = process.start()
    except (RError, RProcessDied, RProcessLate) as exc:
        raise SaveRefusedError(f"{file.where}: {exc}") from exc
    finally:
        process.close()
    about = about_of(answer)
    tables = {what: carried(answer, what, about) for what in ("table", "target", "test", "truth")}
    return RModel(process, about.inputs, about.classes, content=answer["bytes"], about=about, tables=tables)


# -- asking it --------------------------------------------------------------------------------------


class RModel:
    """
    A model in its own R process.

    `content` is the `.rds` that an artifact holds: the fit without its training rows, and what R knows of it.
    """

    def __init__(
        self,
        process: RProcess,
        inputs: Sequence[RInput],
        classes: tuple[Any, ...] | None,
        *,
        content: bytes = b"",
        about: About | None = None,
        tables: Mapping[str, Table | None] | None = None,
        differs: tuple[str, ...] = (),
    ) -> None:
        self.process = process
        self.content = content
        self.differs = differs
        self.tables = dict(tables or {})
        self._about = about
        self._inputs = tuple(inputs)
        self._classes = classes

    @property
    def about(self) -> About:
        """
        What R says of it.

        Raises:
            SaveRefusedError: it comes from an artifact, where R was not asked.
        """
        if self._about is None:
            raise SaveRefusedError("this R model was opened from an artifact; save the .rds file that R wrote")
        return self._about

    def predict(self, columns: Columns, output: Output) -> Outputs:
        """
        What R answers.

        Raises:
            EngineError: it raised (RError), or its process died twice or was late.
        """
        n = len(next(iter(columns.values()), ()))
        question: dict[str, Any] = {"do": "predict", "seconds": ANSWER_S, "n": n}
        for one in self._inputs:
            question[f"{one.type}:{one.name}"] = _vector(one, columns[one.name])
        answer = self.process.ask(question, within_s=ANSWER_S)
        found = answer["prediction"].tolist()
        if len(found) != n:
            raise EngineError(f"R gave {len(found)} answers to {n} rows")
        return Outputs(found) if self._classes is None else _classified(answer, found, self._classes, output)


def _classified(answer: Mapping[str, Any], places: list[Any], own: tuple[Any, ...], output: Output) -> Outputs:
    classes = output.classes or own
    shares = [answer[f"p{place}"].tolist() for place in range(1, len(classes) + 1) if f"p{place}" in answer]
    probabilities = [list(row) for row in zip(*shares, strict=True)] if output.probabilities else None
    if output.threshold is not None and probabilities is not None and len(classes) == 2:
        places = [2 if second >= output.threshold else 1 for _, second in probabilities]
    return Outputs([classes[int(place) - 1] for place in places], probabilities)


def _vector(one: RInput, column: Sequence[Any]) -> Any:
    try:
        return _VECTORS[one.type](column)
    except (TypeError, AttributeError, ValueError) as exc:
        raise RError(
            f"{one.name}: expected values for R's type {one.type}: {exc}. Where the fit does not tell the types of its "
            "columns, save it from R with its table: cloche_save(fit, name, data = )"
        ) from exc


def _texts(column: Sequence[Any]) -> list[str | None]:
    return [None if one is None else str(one) for one in column]


def _days(column: Sequence[Any]) -> np.ndarray[Any, Any]:
    return wire.numbers([None if one is None else one.toordinal() - _EPOCH for one in column])


def _seconds(column: Sequence[Any]) -> np.ndarray[Any, Any]:
    return wire.numbers([None if one is None else _instant(one).timestamp() for one in column])


def _instant(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


_VECTORS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "double": wire.numbers,
    "logical": wire.logicals,
    "character": _texts,
    "factor": _texts,
    "ordered": _texts,
    "Date": _days,
    "POSIXct": _seconds,
}
