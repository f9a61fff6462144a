"""The access log: one line for each request, refused ones too; and an audit line for each refusal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from cloche.logs import event, json_line, json_stream

_access = logging.getLogger("cloche.access")
_audit = logging.getLogger("cloche.audit")
_AUDITED = ("request_id", "client", "certificate", "key", "method", "path", "status", "error")
#: Linux writes so many bytes to a pipe in one piece: lines of several workers do not mix.
_PIECE = 4096


def write_access(record: dict[str, Any]) -> None:
    """Log what `Gate.finish` gave."""
    write_audit(record)
    event(_access, logging.INFO, "request", **record)


def write_audit(record: dict[str, Any]) -> None:
    """Log that the request was refused, where it was: why, whose key (its id), from where, what for."""
    if "refused" in record:
        told = {name: record[name] for name in _AUDITED if name in record}
        event(_audit, logging.WARNING, "refused", why=record["refused"], **told)


def writer(*, requests: bool) -> Callable[[dict[str, Any]], None]:
    """What a server does with the record of a request; refusals are always written."""
    if not requests:
        return write_audit
    stream = json_stream()
    return write_access if stream is None or not _access.isEnabledFor(logging.INFO) else AccessLines(stream).write


class AccessLines:
    """The same JSON lines as `write_access`, straight to the stream: those of one turn of the loop in one piece."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._size = 0
        self._second = self._ms = -1
        self._stamp = self._begin = ""

    def write(self, record: dict[str, Any]) -> None:
        """Log *record*, at the latest when this turn of the loop ends."""
        if "refused" in record:
            write_audit(record)
        ms = time.time_ns() // 1_000_000
        if ms != self._ms:
            self._ms, second = ms, ms // 1000
            if second != self._second:
                self._second = second
                self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._begin = f'{{"time":"{self._stamp}.{ms % 1000:03d}Z","level":"info","event":"request",'
        line = self._begin + json_line(record)[1:]
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        elif self._size + len(line) >= _PIECE:
            self._put()
        self._lines.append(line)
        self._size += len(line) + 1

    def flush(self) -> None:
        """Write what waits."""
        if self._lines:
            self._put()

    def _put(self) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()
