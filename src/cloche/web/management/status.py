"""What a server is doing, as its host tells it: for the page, for `GET /status`, and as metrics."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from cloche._version import __version__
from cloche.metrics import BUCKETS, Samples, quantile
from cloche.serving.deployments import Held

_WAITING = ("cloche_log_segments_waiting", "cloche_log_oldest_waiting_seconds")
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model: by contract number what is wanted and what answers; *warm* and *refused* by version."""

    name: str
    route: str | None = "live"
    default_number: int | None = None
    wanted: Mapping[int, int] = {}
    serving: Mapping[int, int] = {}
    warm: Mapping[int, int] = {}
    refused: Mapping[int, str] = {}

    @classmethod
    def of(cls, held: Held) -> ModelStatus:
        """What a server that answers in this process holds."""
        return cls(
            name=held.name,
            route=held.route,
            default_number=held.default_number,
            wanted=held.wanted,
            serving={number: one.version for number, one in held.answering.items()},
            warm={one.version: one.number for one in held.warm},
            refused=held.refused,
        )


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process; *heartbeat_age_s* where it tells that it lives."""

    slot: int
    pid: int
    alive: bool = True
    heartbeat_age_s: float | None = None


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    A server at one moment; *started* is in seconds since 1970, *url* where it answers predictions.

    *log_waiting*: how many segments of records wait for the store, and how many seconds the oldest.
    """

    url: str
    store: str
    started: float
    ready: bool
    models: tuple[ModelStatus, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    degraded: tuple[str, ...] = ()
    log_waiting: tuple[int, float] | None = None


def samples_of(status: ServerStatus) -> Samples:
    """What the status adds to what the workers counted."""
    held: dict[tuple[str, ...], list[float]] = {}
    for model in status.models:
        for version, number in model.warm.items():
            held[model.name, str(version), str(number), "warm"] = [1.0]
        for number, version in model.serving.items():
            held[model.name, str(version), str(number), "serving"] = [1.0]
    waiting = () if status.log_waiting is None else zip(_WAITING, status.log_waiting, strict=True)
    return {
        **{name: {(): [float(value)]} for name, value in waiting},
        "cloche_workers": {(): [float(sum(worker.alive for worker in status.workers))]},
        "cloche_ready": {(): [float(status.ready)]},
        "cloche_degraded": {(what,): [1.0] for what in status.degraded},
        "cloche_model_info": held,
        "cloche_build_info": {(__version__, platform.python_version()): [1.0]},
        "process_start_time_seconds": {(): [status.started]},
    }


def document(status: ServerStatus, samples: Samples, now: float) -> dict[str, Any]:
    """`GET /status`."""
    return {
        "cloche": __version__,
        "at": _moment(now),
        "started": _moment(status.started),
        "url": status.url,
        "store": status.store,
        "ready": status.ready,
        "degraded": list(status.degraded),
        "models": [_model(model, samples) for model in status.models],
        "workers": msgspec.to_builtins(status.workers),
        "requests": requests(samples),
    }


def requests(samples: Samples, model: str | None = None) -> dict[str, Any]:
    """Predict requests since the start, of all models or one: how many, how they ended, how long they took."""
    by_status = dict.fromkeys(("2xx", "4xx", "5xx"), 0)
    for (route, name, _, _, code), (count,) in samples.get("cloche_requests_total", {}).items():
        kind = f"{code[0]}xx"
        if route == "predict" and model in (None, name) and kind in by_status:
            by_status[kind] += int(count)
    rows = sum(n[0] for key, n in samples.get("cloche_rows_total", {}).items() if model in (None, key[0]))
    return {"answered": sum(by_status.values()), **by_status, "rows": int(rows), "seconds": _latency(samples, model)}


def _latency(samples: Samples, model: str | None) -> dict[str, float | None]:
    counts = [0.0] * (len(BUCKETS) + 1)
    for (route, name, _), numbers in samples.get("cloche_request_seconds", {}).items():
        if route == "predict" and model in (None, name):
            counts = [total + one for total, one in zip(counts, numbers[:-1], strict=True)]
    found = {name: quantile(counts, BUCKETS, share) for name, share in _SHARES.items()}
    return {name: None if value is None else round(value, 6) for name, value in found.items()}


def _model(model: ModelStatus, samples: Samples) -> dict[str, Any]:
    return {
        "name": model.name,
        "route": model.route,
        "default_contract": model.default_number,
        "wanted": {str(number): version for number, version in model.wanted.items()},
        "serving": {str(number): version for number, version in model.serving.items()},
        "warm": sorted(model.warm),
        "refused": {str(version): why for version, why in model.refused.items()},
        "requests": requests(samples, model.name),
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
