"""`X-Request-Timeout-Ms`: how long the caller waits for its answer; the server's own limit stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cloche.errors import DeadlineExceededError, RequestError

TIMEOUT_HEADER = "x-request-timeout-ms"
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment after which the caller is gone, by `time.monotonic()`; None where it did not say."""

    at: float | None = None
    given_ms: int = 0

    @classmethod
    def of(cls, header: str | None, started: float) -> Deadline:
        """
        What the header says of a request that began at *started*.

        Raises:
            RequestError: it is no whole number of milliseconds from 1.
        """
        if header is None:
            return cls()
        text = header.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) > 0):
            raise RequestError(f"X-Request-Timeout-Ms: expected whole milliseconds from 1, got '{text[:32]}'")
        return cls(started + int(text) / 1000, int(text))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """
        Give up what is inside when the moment has come; what has not begun by then never begins.

        Raises:
            DeadlineExceededError: it has come.
        """
        if self.at is None:
            yield
            return
        left = self.at - time.monotonic()
        if left <= 0:
            raise self._passed()
        try:
            async with asyncio.timeout(left):
                yield
        except TimeoutError:
            raise self._passed() from None

    def _passed(self) -> DeadlineExceededError:
        return DeadlineExceededError(f"no answer within the {self.given_ms} ms of X-Request-Timeout-Ms")
