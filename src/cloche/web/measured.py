"""
What a worker measures: fed by the record that the gate makes of every answered request.

Labels are route names, models that are held and names of errors; a path or a value that a caller sent never is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from cloche.metrics import MetricsSlot
from cloche.serving.deployments import Deployments
from cloche.serving.queueing import RowQueue
from cloche.web import routes

_NOWHERE = "none"
_LOG: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cloche_log_records_total", ()),
    ("cloche_log_bytes_total", ()),
    ("cloche_log_given_up_total", ("sample",)),
    ("cloche_log_given_up_total", ("full",)),
)
_IN, _OUT = ("in",), ("out",)


class Counts(Protocol):
    """What a recorder has done since its start."""

    records: int
    bytes: int
    sampled_out: int
    lost: int


class LogCounts(Protocol):
    """`prediction_log.recorder.Recorder`, of which only the counts matter here."""

    @property
    def counts(self) -> Counts: ...


class RequestMetrics:
    """Counts into *slot*; one a worker."""

    def __init__(self, slot: MetricsSlot) -> None:
        self._slot = slot
        self._restarts: WeakKeyDictionary[RowQueue, int] = WeakKeyDictionary()
        self._queues: set[tuple[str, str]] = set()
        self._log = (0, 0, 0, 0)
        slot.set("cloche_last_worker_start_time_seconds", (), time.time())
        slot.set("cloche_in_flight", (), 0.0)

    def counting(self, write: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        """*write* for a log hook, and every record counted before it is written."""

        def count_and_write(record: dict[str, Any]) -> None:
            self.record(record)
            write(record)

        return count_and_write

    def record(self, record: Mapping[str, Any]) -> None:
        """Count one answered request."""
        slot, status = self._slot, record["status"]
        labels = _labels(
            _route_of(record["path"]), record.get("model", ""), record.get("version"), record.get("contract"), status
        )
        slot.add("cloche_requests_total", labels.request)
        slot.observe("cloche_request_seconds", labels.answered, record["ms"] / 1000)
        slot.add("cloche_body_bytes_total", _OUT, record["bytes_out"])
        received = record.get("bytes_in")
        if received:
            slot.add("cloche_body_bytes_total", _IN, received)
        if labels.request[0] != "predict":
            return
        if labels.request[3]:
            slot.add("cloche_caller_requests_total", (labels.request[1], labels.request[3], record.get("key", "")))
        if status < 400:
            slot.add("cloche_rows_total", labels.version, record.get("rows", 0))
        else:
            slot.add("cloche_predictions_refused_total", (*labels.version, record.get("error", _NOWHERE)))

    def sample(self, deployments: Deployments, log: LogCounts | None = None) -> None:
        """Look at what no record tells: what waits, and the engines. With every heartbeat, or when somebody asks."""
        if log is not None:
            self._count_log(log)
        self._slot.set("cloche_in_flight", (), float(deployments.in_flight))
        seen = set()
        for held in deployments:
            for one in held:
                labels = (one.name, str(one.version))
                seen.add(labels)
                self._slot.set("cloche_queue_rows", labels, float(one.lane.waiting_rows))
                known = self._restarts.get(one.lane, 0)
                if one.lane.restarts != known:
                    self._slot.add("cloche_engine_restarts_total", labels, float(one.lane.restarts - known))
                    self._restarts[one.lane] = one.lane.restarts
        for labels in self._queues - seen:
            self._slot.set("cloche_queue_rows", labels, 0.0)
        self._queues = seen

    def _count_log(self, log: LogCounts) -> None:
        now = (log.counts.records, log.counts.bytes, log.counts.sampled_out, log.counts.lost)
        for (name, labels), value, before in zip(_LOG, now, self._log, strict=True):
            if value != before:
                self._slot.add(name, labels, float(value - before))
        self._log = now


class _Labels(NamedTuple):
    request: tuple[str, ...]
    answered: tuple[str, ...]
    version: tuple[str, ...]


@lru_cache(maxsize=512)
def _labels(route: str, model: str, version: int | None, contract: int | None, status: int) -> _Labels:
    named = (model, _text(version))
    return _Labels((route, *named, _text(contract), str(status)), (route, *named), named)


@lru_cache(maxsize=512)
def _route_of(path: str) -> str:
    target = routes.match(path)
    return _NOWHERE if target is None else target.route.name


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
