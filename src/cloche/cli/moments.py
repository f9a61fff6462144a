"""Moments on the command line: 2026-11-24, 2026-11-24T12:30, with or without a zone."""

from __future__ import annotations

from datetime import UTC, datetime

from cloche.errors import UsageError


def parse_moment(text: str, flag: str) -> datetime:
    """
    Read a day or a moment; without a zone it is UTC.

    Raises:
        UsageError: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag}: expected a day or a moment (2026-11-24, 2026-11-24T12:30Z), got '{text}'") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
