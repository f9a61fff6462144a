"""
The clocks of a connection: parts of a request that do not come, idle connections, callers that take no answer.

A timer is set when a packet was read and its request is not complete, so that a request which comes in one packet needs
none; the one of idle connections looks when it goes off whether the time has come.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cloche.config import ServerConfig


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's connection with our clocks; `_too_slow` says what happens when one has run out."""

    limits: ClassVar[ServerConfig]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._due_s: float | None = None  # what the timer is to be set to when this packet is read
        self._idle_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None  # runs while the caller does not take our answers
        self._not_taken = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._disarm_reader()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    # -- parts of a request -------------------------------------------------------------------------

    def _set_timer(self) -> None:
        """A request that came in one packet needs none."""
        if self._due_s is not None:
            self._arm(self._due_s)
            self._due_s = None

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @abstractmethod
    def _too_slow(self) -> None:
        """What was waited for has not come in time."""

    # -- idle connections ---------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """uvicorn sets and takes back a timer for each answer; ours looks when it goes off."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.limits.keep_alive_s, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle_timer = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.limits.keep_alive_s - self.loop.time()
        if left <= 0.001:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_later(left, self._look_whether_idle)

    # -- answers that nobody takes ------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._arm_reader()

    def resume_writing(self) -> None:
        self._disarm_reader()
        super().resume_writing()

    def _arm_reader(self) -> None:
        self._disarm_reader()
        self._not_taken = self.transport.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(self.limits.body_timeout_s, self._reads_nothing)

    def _disarm_reader(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _reads_nothing(self) -> None:
        """A caller that takes no byte of its answers for as long as a body may last is given up."""
        if self.transport.get_write_buffer_size() < self._not_taken:
            self._arm_reader()
        else:
            self.transport.abort()
