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
_MOST_PLACES = 4096
#: Path, model, version, contract, status, key and engine of a request.
_Kind = tuple[str, str, int | None, int | None, int, str, str]
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
        self._numbers = slot.numbers
        self._restarts: WeakKeyDictionary[RowQueue, int] = WeakKeyDictionary()
        self._queues: set[tuple[str, str]] = set()
        self._log = (0, 0, 0, 0)
        self._places: dict[_Kind, _Places] = {}
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
        get = record.get
        kind = (
            record["path"],
            get("model", ""),
            get("version"),
            get("contract"),
            record["status"],
            get("key", ""),
            get("engine", ""),
        )
        places = self._places.get(kind)
        if places is None:
            places = self._find_places(kind)
        slot, numbers = self._slot, self._numbers
        numbers[places.requests] += 1.0
        slot.observe_at(places.seconds, record["ms"] / 1000)
        numbers[places.sent] += record["bytes_out"]
        numbers[places.received] += get("bytes_in") or 0
        if places.caller:
            numbers[places.caller] += 1.0
        if places.rows:
            numbers[places.rows] += get("rows", 0)
        elif places.predict:
            slot.add("cloche_predictions_refused_total", (*places.version, get("error", _NOWHERE)))

    def _find_places(self, kind: _Kind) -> _Places:
        """Where the numbers are that such a request counts into; looked up once for each kind."""
        path, model, version, contract, status, key, engine = kind
        slot, route, named = self._slot, _route_of(path), (model, _text(version))
        predict = route == "predict"
        rows = predict and status < 400
        known = predict and contract is not None
        places = _Places(
            predict=predict,
            version=named,
            requests=slot.place("cloche_requests_total", (route, *named, _text(contract), str(status))),
            seconds=slot.place("cloche_request_seconds", (route, *named)),
            sent=slot.place("cloche_body_bytes_total", _OUT),
            received=slot.place("cloche_body_bytes_total", _IN),
            caller=slot.place("cloche_caller_requests_total", (model, _text(contract), key)) if known else 0,
            rows=slot.place("cloche_rows_total", (*named, engine)) if rows else 0,
        )
        if len(self._places) < _MOST_PLACES:  # a path may be any text
            self._places[kind] = places
        return places

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


class _Places(NamedTuple):
    """What a kind of request counts into; 0 where it does not."""

    predict: bool
    version: tuple[str, str]
    requests: int
    seconds: int
    sent: int
    received: int
    caller: int
    rows: int


@lru_cache(maxsize=512)
def _route_of(path: str) -> str:
    target = routes.match(path)
    return _NOWHERE if target is None else target.route.name


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
