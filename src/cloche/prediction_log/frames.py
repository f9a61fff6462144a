"""
What a segment holds, frame by frame: `cloche-segment/1`, normative on docs/reference/log.md.

A frame is the length of its payload and the CRC-32 of it (two little-endian u32), then the payload: one of these
structs as a msgpack array whose first item is its tag. A segment describes itself: its first frame is a `Header`, and
a `Schema` stands before the first `Request` that names it, so that a fold needs nothing but the segment.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cloche.contract.model import FieldType, Output, Role

FORMAT: Final = "cloche-segment/1"

#: How a field's values are kept: as they are, as a keyed hash (HMAC-SHA-256, hex), as the number of the reference's
#: bin, or not at all.
Kept = Literal["value", "hash", "bin", "none"]


class Header(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The first frame: whose segment it is. `created_us` is microseconds since 1970, UTC."""

    spool: str
    number: int
    created_us: int
    cloche: str
    machine: str
    schema: Literal["cloche-segment/1"] = FORMAT


class LoggedField(msgspec.Struct, frozen=True, array_like=True):
    """A field of the contract, and how its values stand in the rows of the frames that follow."""

    name: str
    type: FieldType
    role: Role
    kept: Kept = "value"
    timezone: str | None = None


class Schema(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """
    What the rows of a version hold: `fields` in the contract's order, those kept as "none" too.

    `id` is unique within the segment; `partial` says that the log of this server leaves records out on purpose
    (sampling, `on_full = "serve"` after something was lost).
    """

    id: int
    model: str
    version: int
    contract: int
    engine: str
    fields: tuple[LoggedField, ...]
    output: Output
    log_inputs: str = "keep"


class Request(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """
    One answered request of the predict routes, or one that failed; a failed one holds no values.

    `time_us`: when its head was read, microseconds since 1970, UTC. `route`: the route that led to the version
    ("live"), or "pinned" where the path named it. `key`: the id of the API key. `rows`: a list a row, in the order
    of the schema's fields without those kept as "none"; dates and moments without a zone as ISO text, moments with one
    as msgpack timestamps. `prediction`, `probabilities` and `score` as `records.Outputs`. `problems`: of a refused
    request, [field, code] pairs, at most 100, never a value. `n`: how many rows were asked.
    """

    request_id: str
    client_request_id: str | None
    time_us: int
    latency_us: int
    status: int
    error: str | None
    key: str | None
    route: str | None
    schema: int | None
    model: str | None
    n: int
    rows: list[Any] | None = None
    prediction: list[Any] | None = None
    probabilities: list[Any] | None = None
    score: list[Any] | None = None
    problems: list[tuple[str | None, str]] | None = None


class Label(msgspec.Struct, frozen=True, array_like=True):
    """
    The truth about one row, as it came.

    It names an answer by `id` (a request id, or a client's own) and `row` (0-based; None: the only one), or the
    entity by `key` (values of the contract's key fields by name; of a private one the keyed hash). `event_us`: when
    it became true, microseconds since 1970, UTC; None: when it was received.
    """

    label: Any
    id: str | None = None
    row: int | None = None
    key: dict[str, Any] | None = None
    event_us: int | None = None


class Labels(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Labels that one request brought; `request_id` is that request's own."""

    request_id: str
    time_us: int
    key: str | None
    model: str
    labels: tuple[Label, ...]


Frame = Header | Schema | Request | Labels
