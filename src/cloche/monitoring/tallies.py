"""
What is counted of answered requests: integers and sums that merge exactly over workers, hosts and time.

A tally is of one model version on one route in one stretch of time. Fields and answers are counted in the bins and
levels of that version's reference, so tallies of different versions are not added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

_K = TypeVar("_K")
_N = TypeVar("_N", int, float)
#: Latency buckets grow by 2 %: a quantile read from them is wrong by at most 1 % (as DDSketch, Masson et al. 2019).
LATENCY_GROWTH: Final = 1.02
_LOG_GROWTH = math.log(LATENCY_GROWTH)
#: Below this, in milliseconds, all is one bucket.
LATENCY_FLOOR_MS: Final = 0.001
#: Of more different answers the rarest are counted together, whatever a model answers: a tally stays small.
MOST_CLASSES: Final = 1_000
OTHER_CLASSES: Final = "(other)"


class FieldTally(msgspec.Struct, omit_defaults=True):
    """
    One field's values: `n` with the missing ones.

    `counts` are by the reference's bins or levels; numbers beyond the outer edges count in the outer bins and in
    `below` or `above`. `unseen` counts levels that the reference does not know. `total` and `squares` are the sums of
    x − c and (x − c)² over `finite` values, c being the reference's mean, or 0 without one.
    """

    n: int = 0
    missing: int = 0
    below: int = 0
    above: int = 0
    unseen: int = 0
    finite: int = 0
    total: float = 0.0
    squares: float = 0.0
    counts: list[int] = []

    def plus(self, other: FieldTally) -> FieldTally:
        """Both together."""
        return FieldTally(
            self.n + other.n,
            self.missing + other.missing,
            self.below + other.below,
            self.above + other.above,
            self.unseen + other.unseen,
            self.finite + other.finite,
            self.total + other.total,
            self.squares + other.squares,
            _added(self.counts, other.counts),
        )


class OutputTally(msgspec.Struct, omit_defaults=True):
    """
    The answers: `rows` of them, by class (its text), or as a number: in the reference's bins, or without them.

    `confidence` is of the largest probability (or the anomaly's score), `sums` what is summed for estimates, by name.
    """

    rows: int = 0
    classes: dict[str, int] = {}
    number: FieldTally | None = None
    confidence: FieldTally | None = None
    sums: dict[str, float] = {}

    def plus(self, other: OutputTally) -> OutputTally:
        """Both together."""
        return OutputTally(
            self.rows + other.rows,
            commonest(merged(self.classes, other.classes)),
            _either(self.number, other.number),
            _either(self.confidence, other.confidence),
            merged(self.sums, other.sums),
        )


class Tally(msgspec.Struct, omit_defaults=True):
    """
    Requests and what was in them; `rows` are answered ones.

    `status` counts by HTTP status, `latency` by bucket (see `bucket_of`), `problems` by `field:code`. `products` are
    sums of products of pairs of fields, in the order of the reference's pairs.
    """

    requests: int = 0
    rows: int = 0
    status: dict[str, int] = {}
    latency: dict[int, int] = {}
    problems: dict[str, int] = {}
    fields: dict[str, FieldTally] = {}
    output: OutputTally = msgspec.field(default_factory=OutputTally)
    products: list[float] = []

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        fields = dict(self.fields)
        for name, one in other.fields.items():
            fields[name] = one if name not in fields else fields[name].plus(one)
        return Tally(
            self.requests + other.requests,
            self.rows + other.rows,
            merged(self.status, other.status),
            merged(self.latency, other.latency),
            merged(self.problems, other.problems),
            fields,
            self.output.plus(other.output),
            _added(self.products, other.products),
        )

    def to_bytes(self) -> bytes:
        """As msgpack."""
        return _encoder.encode(self)

    @classmethod
    def from_bytes(cls, raw: bytes, *, fields: bool = True) -> Tally:
        """
        What `to_bytes` gave; without *fields* not what was counted of them, which is nine tenths of it.

        Raises:
            msgspec.DecodeError: it is no tally.
        """
        if fields:
            return _decoder.decode(raw)
        one = _without_fields.decode(raw)
        return cls(one.requests, one.rows, one.status, one.latency, one.problems, output=one.output)


class _WithoutFields(msgspec.Struct):
    """What there is of a tally beside its fields; what it does not name is passed over."""

    requests: int = 0
    rows: int = 0
    status: dict[str, int] = {}
    latency: dict[int, int] = {}
    problems: dict[str, int] = {}
    output: OutputTally = msgspec.field(default_factory=OutputTally)


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Tally)
_without_fields = msgspec.msgpack.Decoder(_WithoutFields)


def summed(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    whole = Tally()
    for one in tallies:
        whole = whole.plus(one)
    return whole


def commonest(classes: dict[str, int]) -> dict[str, int]:
    """At most `MOST_CLASSES` of *classes*; the rarest of more are counted as `OTHER_CLASSES`."""
    if len(classes) <= MOST_CLASSES:
        return classes
    ranked = sorted(classes, key=lambda name: (name != OTHER_CLASSES, -classes[name], name))
    kept = {name: classes[name] for name in ranked[: MOST_CLASSES - 1]}
    kept[OTHER_CLASSES] = kept.get(OTHER_CLASSES, 0) + sum(classes[name] for name in ranked[MOST_CLASSES - 1 :])
    return kept


def served(one: Tally) -> Tally:
    """
    *one* without what is counted in the bins of one version's reference: of several versions, this can be added.
    """
    output = OutputTally(rows=one.output.rows, classes=one.output.classes)
    return Tally(one.requests, one.rows, one.status, one.latency, one.problems, output=output)


def bucket_of(latency_ms: float) -> int:
    """The bucket of a latency: bucket i holds what lies above 1.02^(i − 1) and up to 1.02^i milliseconds."""
    return math.ceil(math.log(max(latency_ms, LATENCY_FLOOR_MS)) / _LOG_GROWTH)


def quantile_ms(latency: Mapping[int, int], share: float) -> float | None:
    """The latency that *share* of the requests stayed under, within 1 %; None where there are none."""
    whole = sum(latency.values())
    if not whole:
        return None
    wanted, seen = share * whole, 0
    for bucket in sorted(latency):
        seen += latency[bucket]
        if seen >= wanted:
            break
    return 2 * LATENCY_GROWTH**bucket / (LATENCY_GROWTH + 1)  # the point with the same relative error both ways


def _added(one: list[_N], other: list[_N]) -> list[_N]:
    if not one or not other:
        return one or other
    return [left + right for left, right in zip(one, other, strict=True)]


def merged(one: Mapping[_K, _N], other: Mapping[_K, _N]) -> dict[_K, _N]:
    """The sums of both, by key."""
    found = dict(one)
    for key, value in other.items():
        found[key] = found[key] + value if key in found else value
    return found


def _either(one: FieldTally | None, other: FieldTally | None) -> FieldTally | None:
    if one is None or other is None:
        return one or other
    return one.plus(other)
