"""
Log lines: one JSON object each for machines, one short line for people.

The rest of the package calls `logging.getLogger("cloche…")` and hands facts over with `event`; only the command
line configures anything. Nothing that a caller sent can start a new line or move the cursor.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

_json = msgspec.json.Encoder(enc_hook=str).encode
_QUIET = ("uvicorn.access", "uvicorn.error", "asyncio")


def event(
    logger: logging.Logger, level: int, name: str, /, *, exc_info: BaseException | None = None, **fields: Any
) -> None:
    """Log that *name* happened, with *fields*; those that are None are left out."""
    if logger.isEnabledFor(level):
        logger.log(level, name, exc_info=exc_info, extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """`{"time": …, "level": …, "event": …, …}` on one line; a traceback is a field."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if not record.name.startswith("cloche"):
            line["logger"] = record.name
        line |= {key: value for key, value in _fields(record).items() if key not in line}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json_line(line)


class TextFormatter(logging.Formatter):
    """`12:03:11.123 info  POST /predict 200 3.1 ms penguins@3 …`: a terminal's line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(_fields(record))
        stamp = _time(record).astimezone().strftime("%H:%M:%S.%f")[:-3]
        said = _request(fields) if "method" in fields and "status" in fields else record.getMessage()
        rest = [f"{key}={one_line(value)}" for key, value in fields.items()]
        line = " ".join([stamp, f"{record.levelname.lower():<7}", one_line(said), *rest])
        if record.exc_info and record.exc_info[0] is not None:
            trace = "".join(traceback.format_exception(*record.exc_info)).splitlines()
            line = "\n".join([line, *(f"    {one_line(one)}" for one in trace)])
        return line


def configure(
    format: Literal["auto", "json", "text"] = "auto", stream: TextIO | None = None, *, level: int = logging.INFO
) -> None:
    """Write every log line to *stream* (standard error); `auto` is text on a terminal and JSON elsewhere."""
    target = sys.stderr if stream is None else stream
    text = target.isatty() if format == "auto" else format == "text"
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("cloche").setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def json_stream() -> TextIO | None:
    """Where `configure` has JSON lines written; None where lines look otherwise, or somebody else listens too."""
    handlers = logging.getLogger().handlers
    handler = handlers[0] if len(handlers) == 1 else None
    if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, JsonFormatter):
        stream: TextIO = handler.stream
        return stream
    return None


def json_line(fields: Mapping[str, Any]) -> str:
    """One line of JSON; what JSON cannot hold (a lone surrogate, a key that is no text) is spelt out instead."""
    try:
        return _json(fields).decode()
    except (UnicodeError, ValueError, TypeError, OverflowError):
        return _json({str(key): one_line(value) for key, value in fields.items()}).decode()


def one_line(value: Any) -> str:
    r"""*value* as text without anything that ends a line or drives a terminal: those become `\n`, `\x1b`."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _request(fields: dict[str, Any]) -> str:
    """The first words of a request's line; what they say is taken out of *fields*."""
    words = [str(fields.pop("method")), str(fields.pop("path", "?")), str(fields.pop("status"))]
    if (ms := fields.pop("ms", None)) is not None:
        words.append(f"{ms:.1f} ms")
    if (model := fields.pop("model", None)) is not None:
        version = fields.pop("version", None)
        words.append(str(model) if version is None else f"{model}@{version}")
    return " ".join(words)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return {key: value for key, value in fields.items() if value is not None}


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
