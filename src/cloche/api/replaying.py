"""`cloche.replay`: a logged answer computed again from its logged inputs, by the version that gave it."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from cloche.api.logged import rows_where
from cloche.api.recomputing import ANSWERED, Replayed, replayed
from cloche.api.workplace import Workplace, workplace
from cloche.artifact import EngineChoice
from cloche.errors import AmbiguousRequestIdError, RecordNotFoundError
from cloche.prediction_log import unlanded
from cloche.prediction_log.reading import LogReader

_PICKED = ("request_id", "row", "status")


def replay(
    request_id: str, *, model: str | None = None, row: int | None = None, engine: EngineChoice = "auto",
    store: str | None = None,
) -> list[Replayed]:  # fmt: skip
    """
    Compute the rows of a logged request again and compare, within the tolerance of the version's manifest.

    The record is looked for in the log, in what has landed, and in this host's spool.

    Args:
        request_id: That of the answer, or the caller's own.
        model: Only in the log of this model.
        row: Only this row of the request, from 0.
        engine: `"twin"`, `"onnx"` or `"native"`; `"auto"` is the version's first one.
        store: A store's URL or path, instead of `CLOCHE_STORE`.

    Raises:
        RecordNotFoundError: there is no such record, or not yet.
        AmbiguousRequestIdError: several requests have this id.
        EngineMissingError: the version has no such engine.
        MissingExtraError: the extra `monitor` is not installed.
    """
    here = workplace(store)
    found = list(_found(here, LogReader(here.store), {request_id}, model))
    names = {(name, identity) for name, table in found for identity in table.column("request_id").to_pylist()}
    if not names:
        where = f"the log of store {here.store.describe()}" + (f" for model '{model}'" if model else "")
        raise RecordNotFoundError(f"no record of request '{request_id[:128]}' in {where}, nor in this host's spool")
    if len(names) > 1:
        raise AmbiguousRequestIdError(
            f"'{request_id[:128]}' is the id of {len(names)} requests; name one by our own id"
        )
    parts = [(name, table if row is None else rows_where(table, _rows_are(table, row))) for name, table in found]
    if row is not None and not any(table.num_rows for _, table in parts):
        raise RecordNotFoundError(f"request '{request_id[:128]}' has no row {row}")
    return list(replayed(here, parts, engine))


def replay_sample(
    name: str, n: int, *, since: datetime | None = None, until: datetime | None = None, engine: EngineChoice = "auto",
    seed: int | None = None, store: str | None = None,
) -> list[Replayed]:  # fmt: skip
    """
    `replay` for *n* answered rows of model *name*, drawn at random from its log in [*since*, *until*).

    Raises:
        RecordNotFoundError: the log holds no answers of that model and time.
    """
    here = workplace(store)
    if not here.registry.records(name)[0]:
        raise here.registry.no_model(name)
    reader = LogReader(here.store)
    light = reader.answers(name, since=since, until=until, columns=_PICKED)
    rows = zip(*(light.column(column).to_pylist() for column in _PICKED), strict=True)
    there = sorted((identity, row) for identity, row, status in rows if status == ANSWERED and row is not None)
    if not there:
        raise RecordNotFoundError(f"the log of store {here.store.describe()} holds no answers of model '{name}' then")
    drawn = set(random.Random(seed).sample(there, min(n, len(there))))  # noqa: S311  (no secret)
    found = _found(here, reader, {identity for identity, _ in drawn}, name, spooled=False)
    return list(replayed(here, [(name, rows_where(table, _are(table, drawn))) for name, table in found], engine))


# -- finding -----------------------------------------------------------------------------------------


def _found(
    here: Workplace, reader: LogReader, ids: Collection[str], model: str | None, *, spooled: bool = True
) -> Iterator[tuple[str, Any]]:
    """The rows of these requests: a table for each model and contract, each row once."""
    tables = [
        (name, reader.answers(name, contract=number, request_ids=ids))
        for name in ([model] if model is not None else reader.models())
        for number in reader.contracts(name)
    ]
    if spooled:
        waiting = unlanded.answers(here.settings.spool, here.store.url, ids)
        tables += [(name, table) for name, _, table in waiting if model in (None, name)]
    seen: set[tuple[str, int | None]] = set()
    for name, table in tables:
        places = list(zip(table.column("request_id").to_pylist(), table.column("row").to_pylist(), strict=True))
        fresh = [place not in seen for place in places]
        seen |= set(places)
        if any(fresh):
            yield name, rows_where(table, fresh)


def _rows_are(table: Any, row: int) -> list[bool]:
    return [one == row for one in table.column("row").to_pylist()]


def _are(table: Any, drawn: Collection[tuple[str, int]]) -> list[bool]:
    places = zip(table.column("request_id").to_pylist(), table.column("row").to_pylist(), strict=True)
    return [place in drawn for place in places]
