"""Moments on the command line: 2026-11-24, 2026-11-24T12:30, with or without a zone; 7d for a week ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cloche.cli.ages import parse_age
from cloche.errors import UsageError

_AGE = re.compile(r"[0-9]{1,6}[smhdw]")


def parse_moment(text: str, flag: str) -> datetime:
    """
    Read a day or a moment (without a zone it is UTC), or how long ago it is meant.

    Raises:
        UsageError: it is neither.
    """
    if _AGE.fullmatch(text):
        return datetime.now(UTC) - parse_age(text, flag)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{flag}: expected a day, a moment or an age (2026-11-24, 2026-11-24T12:30Z, 7d), got '{text}'"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
