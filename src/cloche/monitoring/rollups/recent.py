"""The last answers of each model, kept in memory as folds pass by: never a value of an input."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloche.monitoring.documents import RecentRow
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home

KEPT: Final = 20
_COLUMNS: Final = ("request_id", "row", "time", "version", "prediction", "probabilities", "latency_ms", "status")
_MAX_CHARS: Final = 80


class Recent:
    """Fed with the rows of every fold; a monitor that has just started knows none."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[RecentRow]] = {}

    def take(self, parts: Mapping[str, Sequence[Any]]) -> None:
        """The answers among the *parts* of a fold."""
        for path, those in parts.items():
            known = layout.answers_in(path)
            if known is not None:
                for part in those:
                    self._add(known[0], part.rows)

    def of(self, model: str) -> list[RecentRow]:
        """The last answers of *model*, the newest first."""
        return list(self._kept.get(model, ()))[::-1]

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
