"""The log of a model with its labels joined: for evaluation, export and lists of labels."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from cloche.api.workplace import Workplace
from cloche.prediction_log import layout
from cloche.prediction_log.joining import ANSWER_COLUMNS, Join, Source, join, joined
from cloche.prediction_log.reading import LogReader
from cloche.registry import horizons

__all__ = ["horizon_of", "join_labels", "joined", "rows_where"]


def join_labels(
    here: Workplace,
    name: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    horizon: timedelta | None = None,
    reader: LogReader | None = None,
) -> Join:
    """
    Which answers of *name* each label is about; `joined(table, found)` adds it to a table of answers.

    With *since* and *until* (aware moments) only answers of that time, and those that decide which answer was the
    last before a label's event; what is said of labels that belong to no answer holds for that time alone.
    *horizon* is by default that of the model (`cloche labels NAME --set-horizon`), else `[log] label_horizon_days`.

    Raises:
        ModelNotFoundError: no such model.
    """
    if not here.registry.records(name)[0]:
        raise here.registry.no_model(name)
    reader = reader or LogReader(here.store)
    horizon = horizon if horizon is not None else horizon_of(here, name)
    end = None if until is None else until + horizon
    sources = []
    for number in reader.contracts(name):
        contract = here.registry.contract(name, number)
        keys = [one for one in contract.fields if one.role == "key"]
        columns = {layout.column("hash" if one.private else "key", one.name) for one in keys}
        table = reader.answers(name, contract=number, since=since, until=end, columns={*ANSWER_COLUMNS, *columns})
        sources.append(Source(table, contract))
    return join(sources, reader.labels(name, since=since), horizon=horizon)


def horizon_of(here: Workplace, name: str) -> timedelta:
    """How long after an answer a label by key may belong to it: what was set for the model, else the setting."""
    own = horizons.horizon(here.store, name)
    return own if own is not None else timedelta(days=here.settings.log.label_horizon_days)


def rows_where(table: Any, wanted: list[bool]) -> Any:
    """The rows of an Arrow table for which *wanted* holds."""
    return table if all(wanted) else table.take(np.flatnonzero(wanted))
