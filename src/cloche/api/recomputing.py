"""Rows of the log computed again by the version that answered them, compared, and a difference explained."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloche.api.logged import rows_where
from cloche.api.opening import open_version
from cloche.api.workplace import Workplace
from cloche.artifact import EngineChoice, OpenArtifact
from cloche.engines import differences
from cloche.errors import ArtifactError, EngineError, EngineMissingError, NotFoundError
from cloche.manifest import Manifest
from cloche.prediction_log.rows import inputs_of, not_kept, outputs_of
from cloche.records import Outputs
from cloche.saving import answering

ANSWERED = 200
#: Rows that one call of an engine recomputes.
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """
    One row of the log, computed again.

    `equal` is None where that was not possible, and `why` says why. `differences` says in words where the answers
    differ by more than the manifest's tolerance, `explanations` what is other than when the answer was given.
    """

    request_id: str
    row: int | None
    model: str
    version: int | None
    equal: bool | None
    why: str | None = None
    differences: tuple[str, ...] = ()
    explanations: tuple[str, ...] = ()


def replayed(here: Workplace, parts: Sequence[tuple[str, Any]], engine: EngineChoice) -> Iterator[Replayed]:
    """Each row of tables of answers, by model, computed again; each version is opened once a table."""
    for name, table in parts:
        columns = [table.column(column).to_pylist() for column in ("version", "status", "row")]
        by = [
            version if status == ANSWERED and row is not None else None
            for version, status, row in zip(*columns, strict=True)
        ]
        for version in sorted({one for one in by if one is not None}):
            rows = rows_where(table, [one == version for one in by])
            yield from _of_version(here, name, version, rows, engine)
        yield from _failed(name, rows_where(table, [one is None for one in by]))


def _failed(name: str, table: Any) -> Iterator[Replayed]:
    columns = [table.column(column).to_pylist() for column in ("request_id", "row", "version", "status", "error")]
    for identity, row, version, status, error in zip(*columns, strict=True):
        why = (
            "the request had no rows"
            if status == ANSWERED
            else f"the request was answered {status} {error or ''}".rstrip()
        )
        yield Replayed(identity, row, name, version, None, why)


def _of_version(here: Workplace, name: str, version: int, table: Any, engine: EngineChoice) -> Iterator[Replayed]:
    try:
        _, opened = open_version(here, f"{name}@{version}", engine=engine)
    except EngineMissingError:  # it was asked for by name
        raise
    except NotFoundError as exc:
        yield from _impossible(name, version, table, f"the version is not there any more: {exc}")
    except ArtifactError as exc:
        yield from _impossible(name, version, table, f"the version does not open here: {type(exc).__name__}: {exc}")
    else:
        why = not_kept(opened.contract)
        if why is not None:
            yield from _impossible(name, version, table, why)
            return
        for start in range(0, table.num_rows, _CHUNK):
            yield from _compared(name, version, opened, table.slice(start, _CHUNK))


def _impossible(name: str, version: int, table: Any, why: str) -> Iterator[Replayed]:
    columns = (table.column("request_id").to_pylist(), table.column("row").to_pylist())
    return (Replayed(identity, row, name, version, None, why) for identity, row in zip(*columns, strict=True))


def _compared(name: str, version: int, opened: OpenArtifact, table: Any) -> Iterator[Replayed]:
    output = opened.contract.output
    before, inputs, engines = outputs_of(table, output), inputs_of(table, opened.contract), table.column("engine")
    places = zip(table.column("request_id").to_pylist(), table.column("row").to_pylist(), strict=True)
    asked = answering.EngineHere(opened.engine)
    try:
        now: Outputs | None = asked.answer(inputs, table.num_rows, output)
    except EngineError:  # one row is enough for that: each alone
        now = None
    for place, ((identity, row), engine) in enumerate(zip(places, engines.to_pylist(), strict=True)):
        try:
            one = {field: values[place : place + 1] for field, values in inputs.items()}
            again = asked.answer(one, 1, output) if now is None else now.rows(place, place + 1)
        except EngineError as exc:
            yield Replayed(
                identity,
                row,
                name,
                version,
                False,
                None,
                (f"the model raises: {exc}",),
                tuple(_explained(opened, engine)),
            )
            continue
        logged = before.rows(place, place + 1)
        if logged.probabilities is None or logged.probabilities == [None]:
            logged, again = Outputs(logged.prediction, None, logged.score), Outputs(again.prediction, None, again.score)
        found = differences(logged, again, opened.manifest.tolerance_of(engine, opened.engine.name))
        told = tuple(_explained(opened, engine)) if found else ()
        yield Replayed(identity, row, name, version, not found, None, tuple(_without_row(one) for one in found), told)


def _without_row(line: str) -> str:
    return line.removeprefix("row 0: ")


# -- explaining --------------------------------------------------------------------------------------


def _explained(opened: OpenArtifact, engine: str | None) -> Iterator[str]:
    """What is other than when the model was saved and the answer was given; the nearest cause first."""
    if engine not in (None, opened.engine.name):
        yield f"the engine '{engine}' answered, '{opened.engine.name}' computed it again"
    found = list(changed_environment(opened.manifest))
    yield from found
    if not found and engine in (None, opened.engine.name):
        yield "neither engine, libraries, Python nor platform differ from those of the saved model"


def changed_environment(manifest: Manifest) -> Iterator[str]:
    """What of the environment that *manifest* records is another one here."""
    saved = manifest.environment
    for what, before, now in (
        ("Python", saved.python, platform.python_version()),
        ("platform", saved.platform, f"{sys.platform}-{platform.machine()}"),
    ):
        if before != now:
            yield f"{what} {before} when saved, {now} here"
    for package, before in saved.packages.items():
        installed = _installed(package)
        if installed != before:
            yield f"{package} {before} when saved, {installed or 'not installed'} here"


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
