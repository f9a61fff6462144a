"""Segments of the prediction log for tests, written by the real frames."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from cloche.contract.model import Output
from cloche.ids import RequestIds
from cloche.prediction_log import layout, segments
from cloche.prediction_log.frames import Frame, Header, Label, Labels, LoggedField, Request, Schema
from cloche.store import Store

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
NOON_US = int(NOON.timestamp() * 1_000_000)
SPECIES = Output(task="classification", type="string", classes=("Adelie", "Gentoo"), probabilities=True)
FIELDS = (
    LoggedField("mass", "number", "input"),
    LoggedField("island", "category", "input"),
    LoggedField("customer", "string", "key"),
)
_CLOCK = iter(range(10**9))


def spool(number: int = 1) -> str:
    """The id of a spool."""
    return f"{number:026d}"


def schema(
    model: str = "penguins",
    *,
    fields: Sequence[LoggedField] = FIELDS,
    output: Output = SPECIES,
    id: int = 1,
    version: int = 3,
    contract: int = 1,
) -> Schema:
    return Schema(id, model, version, contract, "native", tuple(fields), output)


def request(
    rows: Sequence[Sequence[Any]] = ((3750.0, "Dream", "ann"),),
    *,
    request_id: str | None = None,
    time_us: int | None = None,
    schema: int | None = 1,
    prediction: list[Any] | None = None,
    **more: Any,
) -> Request:
    """An answered request; without an id, each gets one of its time."""
    tick = next(_CLOCK)
    time_us = NOON_US + tick if time_us is None else time_us
    identifier = request_id or RequestIds(clock_ms=lambda: time_us // 1000, random=tick).new()
    given: dict[str, Any] = {
        "client_request_id": None, "latency_us": 1500, "status": 200, "error": None, "key": None, "route": "live",
        "model": "penguins", "n": len(rows), "rows": [list(row) for row in rows],
    }  # fmt: skip
    predicted = ["Adelie"] * len(rows) if prediction is None else prediction
    if "probabilities" not in more and all(isinstance(p, str) for p in predicted):
        given["probabilities"] = [[0.75, 0.25] for _ in rows]
    return Request(request_id=identifier, time_us=time_us, schema=schema, prediction=predicted, **(given | more))


def failed(status: int = 400, *, schema: int | None = 1, time_us: int = NOON_US, **more: Any) -> Request:
    """A refused one: no values."""
    return Request(
        request_id=RequestIds(clock_ms=lambda: time_us // 1000, random=next(_CLOCK)).new(),
        client_request_id=None, time_us=time_us, latency_us=80, status=status, error="InvalidInput", key=None,
        route="live", schema=schema, model="penguins", n=1, problems=[("mass", "wrong_type"), (None, "missing")],
        **more,
    )  # fmt: skip


def labels(*given: Label, model: str = "penguins", time_us: int = NOON_US) -> Labels:
    identifier = RequestIds(clock_ms=lambda: time_us // 1000, random=next(_CLOCK)).new()
    return Labels(identifier, time_us, None, model, tuple(given))


def segment(frames: Iterable[Frame], *, number: int = 1, of: str | None = None) -> bytes:
    """A sealed segment."""
    header = Header(of or spool(), number, NOON_US, "0.1.0", "host")
    return segments.MAGIC + b"".join(segments.packed(frame) for frame in (header, *frames))


def land(store: Store, frames: Iterable[Frame], *, number: int = 1, of: str | None = None) -> bytes:
    """Put a segment of *frames* where a host's agent puts it."""
    data = segment(frames, number=number, of=of)
    store.create(layout.landed(of or spool(), number), data)
    return data
