"""
Request ids: 26 characters that sort by time and never repeat.

48 bits of milliseconds, 40 random bits drawn once, a 42-bit counter: 130 bits, five to a character.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

#: Crockford's base32, which leaves out I, L, O and U; in ASCII order, so that ids sort as their numbers do.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)  # ten bits at a time
_COUNTER_BITS = 42
_RANDOM_BITS = 40


class RequestIds:
    """
    A source of ids, each greater than the one before, also when the clock is set back.

    Make one in every process, after fork: the random bits tell processes apart.
    """

    def __init__(
        self, *, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000, random: int | None = None
    ) -> None:
        self._clock_ms = clock_ms
        self._random = secrets.randbits(_RANDOM_BITS) if random is None else random
        self._tail = (self._random & 0xFF) << _COUNTER_BITS
        self._counter = 0
        self._now = -1
        self._head = ""
        self._middle = ""

    def new(self) -> str:
        """The next id."""
        now = self._clock_ms()
        if now > self._now:
            self._now = now
            self._head = _encode(((now << _RANDOM_BITS) | self._random) >> 8, 8)
        self._counter += 1
        low = self._tail | self._counter
        if not low & 0xFFFFF or not self._middle:
            self._middle = _encode(low >> 20, 3)
        return f"{self._head}{self._middle}{_PAIRS[(low >> 10) & 1023]}{_PAIRS[low & 1023]}"


def _encode(number: int, pairs: int) -> str:
    return "".join(_PAIRS[(number >> (10 * place)) & 1023] for place in reversed(range(pairs)))
