"""The last answers of each model, kept in memory as folds pass by: never a value of an input."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloche.monitoring.documents import RecentRow
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.prediction_log.reading import LogReader
from cloche.store import Store

KEPT: Final = 20
_COLUMNS: Final = ("request_id", "row", "time", "version", "prediction", "probabilities", "latency_ms", "status")
_MAX_CHARS: Final = 80


class Recent:
    """Fed with the rows of every fold; what was answered before this monitor began comes from the log of *store*."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._kept: dict[str, deque[RecentRow]] = {}
        self._read: set[str] = set()

    def take(self, parts: Mapping[str, Sequence[Any]]) -> None:
        """The answers among the *parts* of a fold."""
        for path, those in parts.items():
            known = layout.answers_in(path)
            if known is not None:
                for part in those:
                    self._add(known[0], part.rows)

    def of(self, model: str) -> list[RecentRow]:
        """
        The last answers of *model*, the newest first; the log is read once, some rows of it.

        Raises:
            StoreError: the log cannot be read; it is read with the next call.
        """
        if self._store is not None and model not in self._read:
            self._recall(self._store, model)
            self._read.add(model)
        return list(self._kept.get(model, ()))[::-1]

    def _recall(self, store: Store, model: str) -> None:
        before = map(_row, LogReader(store).newest(model, KEPT, _COLUMNS).to_pylist())
        found = {(one.request_id, one.row): one for one in (*before, *self._kept.get(model, ()))}
        self._kept[model] = deque(sorted(found.values(), key=lambda one: (one.at, one.row)), maxlen=KEPT)

    def _add(self, model: str, rows: Any) -> None:
        kept = self._kept.setdefault(model, deque(maxlen=KEPT))
        last = home("arrow").last(rows, [name for name in _COLUMNS if name in rows.column_names], KEPT)
        for row in last.to_pylist():
            if row["status"] == 200 and row["row"] is not None:
                kept.append(_row(row))


def _row(row: Mapping[str, Any]) -> RecentRow:
    probabilities = row.get("probabilities")
    confident = isinstance(probabilities, list) and any(one is not None for one in probabilities)
    return RecentRow(
        request_id=row["request_id"],
        row=row["row"],
        at=row["time"].timestamp(),
        version=row["version"],
        prediction=str(row["prediction"])[:_MAX_CHARS],
        confidence=max(one for one in probabilities or () if one is not None) if confident else None,
        latency_ms=row["latency_ms"],
    )
