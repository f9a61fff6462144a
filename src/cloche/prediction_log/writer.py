"""
Records on their way to the disk: one segment at a time, sealed by size and age, with the schemas that its rows need.

What an answer waits for is `write`: one system call. Threads of a program that we are a guest in take turns.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path

from cloche._version import __version__
from cloche.errors import LogUnavailableError
from cloche.prediction_log import segments
from cloche.prediction_log.ahead import Ahead
from cloche.prediction_log.frames import Frame, Header, Schema
from cloche.prediction_log.spool import Segment, Spool

_log = logging.getLogger("cloche.log")
#: After the disk was full it is not asked again for so long.
_PAUSE_S = 1.0
MakeSchema = Callable[[int], Schema]
#: Makes a frame, told the id that stands in the open segment for what its rows hold; and what that is.
Record = tuple[Callable[[int | None], Frame], tuple[Hashable, MakeSchema] | None]


class SegmentWriter:
    """The open segment of one process, or none while nothing was written since the last was sealed."""

    def __init__(
        self,
        spool: Spool,
        *,
        segment_bytes: int,
        segment_age_s: float,
        flushed: bool = False,
        ahead: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*ahead*: segments are made and sealed in a thread; for one who does not ask for `waiting`."""
        self._spool = spool
        self._segment_bytes = segment_bytes
        self._segment_age_s = segment_age_s
        self._flushed = flushed
        self._clock = clock
        self._lock = threading.RLock()
        self._segment: Segment | None = None
        self._born = 0.0
        self._schemas: dict[Hashable, int] = {}
        self._again_at = 0.0
        self._sealed: set[Path] = set()
        self.broken = False  #: the last record could not be kept
        self.unsealed = 0  #: how many segments could not be handed over
        self._ahead = Ahead(self._made) if ahead else None
        if self._ahead is not None:
            self._ahead.prepare()

    def duplicate(self) -> int | None:
        """A descriptor of what is being written, to be flushed and closed; None where all of it was handed over."""
        with self._lock:
            return None if self._segment is None else self._segment.duplicate()

    def write(self, records: Sequence[Record]) -> int:
        """
        Write *records* in one go; returns how many bytes that were.

        Raises:
            LogUnavailableError: the disk takes nothing; what was written before is whole, none of these is there.
        """
        with self._lock:
            self._open()
            data = b"".join([segments.packed(make(self._schema(schema))) for make, schema in records])
            self._append(data)
            self.broken = False
            return len(data)

    def tick(self) -> None:
        """To be called now and then: a segment is sealed at its age also where nothing comes after it."""
        with self._lock:
            if self._segment is not None and self._old():
                self.seal()

    def seal(self) -> None:
        """Hand over what was written."""
        with self._lock:
            segment, self._segment = self._segment, None
            self._schemas.clear()
            if segment is None:
                return
            if self._ahead is None:
                self._seal(segment)
            else:
                self._ahead.later(partial(self._seal, segment))

    def close(self) -> None:
        """Hand over what was written; nothing is written after that."""
        self.seal()
        if self._ahead is not None:
            self._ahead.close()

    def _seal(self, segment: Segment) -> None:
        try:
            self._sealed = {*self.waiting(), segment.seal()}
        except OSError as exc:  # it is closed: whoever seals what was abandoned takes it
            self.unsealed += 1
            _log.error("segment %d could not be sealed: %s", segment.number, exc)

    def waiting(self) -> set[Path]:
        """What was handed over and is not in the store yet."""
        return {path for path in self._sealed if path.exists()}

    def probe(self) -> bool:
        """Whether a record could be kept now; asks the disk only where the last one could not."""
        with self._lock:
            if self.broken and self._clock() >= self._again_at:
                with contextlib.suppress(LogUnavailableError):
                    self._open()
                    self.broken = False
            return not self.broken

    def _schema(self, schema: tuple[Hashable, MakeSchema] | None) -> int | None:
        if schema is None:
            return None
        key, make = schema
        known = self._schemas.get(key)
        if known is None:
            known = len(self._schemas) + 1
            self._append(segments.packed(make(known)))
            self._schemas[key] = known
        return known

    def _open(self) -> None:
        segment = self._segment
        if segment is not None:
            if segment.written < self._segment_bytes and not self._old():
                return
            self.seal()
        if self._clock() < self._again_at:
            raise self._unavailable("the disk was full a moment ago")
        try:
            self._segment = self._next_segment()
        except OSError as exc:
            self._again_at = self._clock() + _PAUSE_S
            raise self._unavailable(str(exc)) from exc
        self._born = self._clock()
        now_us = time.time_ns() // 1000
        header = Header(self._spool.id, self._segment.number, now_us, __version__, platform.node())
        self._append(segments.packed(header))

    def _next_segment(self) -> Segment:
        if self._ahead is None:
            return self._made()
        ready = self._ahead.take()
        self._ahead.prepare()
        return self._made() if ready is None else ready

    def _made(self) -> Segment:
        number = self._spool.next_number()
        return Segment(self._spool, number, self._segment_bytes, flushed=self._flushed)

    def _old(self) -> bool:
        return self._clock() - self._born >= self._segment_age_s

    def _append(self, data: bytes) -> None:
        segment = self._segment
        if segment is None:
            raise self._unavailable("no segment is open")
        try:
            segment.append(data)
        except OSError as exc:
            self._again_at = self._clock() + _PAUSE_S
            self.seal()
            raise self._unavailable(str(exc)) from exc

    def _unavailable(self, why: str) -> LogUnavailableError:
        if not self.broken:
            _log.error("records cannot be kept in %s: %s", self._spool.folder, why)
        self.broken = True
        return LogUnavailableError("the record of this answer could not be kept; try again")
