"""What the supervisor says: log lines like those of `cloche.logs`, by the standard library alone."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


class Voice:
    """Writes to standard error; *format* is the server's `log_format`."""

    def __init__(self, format: str) -> None:
        self._text = sys.stderr.isatty() if format == "auto" else format == "text"

    def info(self, message: str) -> None:
        """Something went as it should."""
        self._say("info", message)

    def warning(self, message: str) -> None:
        """Something that somebody may want to know."""
        self._say("warning", message)

    def error(self, message: str) -> None:
        """Something that ought not to happen."""
        self._say("error", message)

    def _say(self, level: str, message: str) -> None:
        now = datetime.now(UTC)
        if self._text:
            line = f"{now.astimezone().strftime('%H:%M:%S.%f')[:-3]} {level:<7} {message}"
        else:
            stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = json.dumps({"time": stamp, "level": level, "event": message})
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
