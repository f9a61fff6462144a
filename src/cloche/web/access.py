"""The access log: one line for each request, refused ones too; and an audit line for each refusal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cloche.logs import event

_access = logging.getLogger("cloche.access")
_audit = logging.getLogger("cloche.audit")
_AUDITED = ("request_id", "client", "certificate", "key", "method", "path", "status", "error")


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
    return write_access if requests else write_audit
