"""
What is counted of answers whose truth is known: counts and sums that merge exactly over time and segments.

A tally is of one version; of different versions they are not added: the sums of a number are taken around the mean of
that version's reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from cloche.monitoring.tallies import merged

#: Delays are counted in buckets that grow by a tenth, from a second on.
_LOG_DELAY: Final = math.log(1.1)


class QualityTally(msgspec.Struct, omit_defaults=True):
    """
    `rows` were answered (`said` so often, by class), of `labelled` the truth is known: of `late` ones it came later
    than the horizon, of `corrected` ones it was another before. `delay` counts labels by `delay_bucket`.

    `confusion` is by true class, then by answered class. `sums` are by name: of a number those of
    `evaluation.counted.Moments`, of probabilities n, `log_loss`, `brier` and their squares (`log_loss2`, `brier2`).
    `bins` are by tenth of confidence as `evaluation.counted.calibration_error` takes them. `scores` are, by class and
    then by bin, how many rows were of others and of the class.
    """

    rows: int = 0
    said: dict[str, int] = {}
    labelled: int = 0
    late: int = 0
    corrected: int = 0
    delay: dict[int, int] = {}
    confusion: dict[str, dict[str, int]] = {}
    sums: dict[str, float] = {}
    bins: dict[int, list[float]] = {}
    scores: dict[str, dict[int, list[int]]] = {}

    def plus(self, other: QualityTally) -> QualityTally:
        """Both together."""
        return QualityTally(
            self.rows + other.rows,
            merged(self.said, other.said),
            self.labelled + other.labelled,
            self.late + other.late,
            self.corrected + other.corrected,
            merged(self.delay, other.delay),
            {
                name: merged(self.confusion.get(name, {}), other.confusion.get(name, {}))
                for name in {**self.confusion, **other.confusion}
            },
            merged(self.sums, other.sums),
            _joined(self.bins, other.bins),
            {
                name: _joined(self.scores.get(name, {}), other.scores.get(name, {}))
                for name in {**self.scores, **other.scores}
            },
        )

    def to_bytes(self) -> bytes:
        """As msgpack."""
        return _encoder.encode(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> QualityTally:
        """
        What `to_bytes` gave.

        Raises:
            msgspec.DecodeError: it is no tally.
        """
        return _decoder.decode(raw)


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(QualityTally)


def together(tallies: Iterable[QualityTally]) -> QualityTally:
    """All of them."""
    whole = QualityTally()
    for one in tallies:
        whole = whole.plus(one)
    return whole


def delay_bucket(seconds: float) -> int:
    """Bucket 0 holds up to a second, bucket i what lies above 1.1^(i − 1) and up to 1.1^i seconds."""
    return max(0, math.ceil(math.log(max(seconds, 1e-9)) / _LOG_DELAY))


def delay_end(bucket: int) -> float:
    """The longest delay of a bucket, in seconds."""
    return math.exp(bucket * _LOG_DELAY)


_N = TypeVar("_N", int, float)


def _joined(one: Mapping[int, list[_N]], other: Mapping[int, list[_N]]) -> dict[int, list[_N]]:
    found = dict(one)
    for key, values in other.items():
        held = found.get(key)
        found[key] = values if held is None else [a + b for a, b in zip(held, values, strict=True)]
    return found
