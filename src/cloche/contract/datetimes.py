"""
Dates and times on the wire: ISO 8601 dates, RFC 3339 date-times, and which side of a time zone they stand on.

The parser is msgspec's, in both passes, so that they cannot disagree; this module adds zones and messages.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from cloche.contract.messages import RefusalError, clean
from cloche.errors import UsageError

DATE_SHAPE = "a date such as 2024-05-17"
NAIVE_SHAPE = "a date and time without an offset such as 2024-05-17T09:30:00"
AWARE_SHAPE = "a date and time with an offset such as 2024-05-17T09:30:00Z"


def zone_of(name: str | None) -> dt.tzinfo | None:
    """
    The zone an aware field is converted to.

    Raises:
        UsageError: no time zone of that name is known here.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise UsageError(f"unknown time zone '{clean(name)}'; expected an IANA name such as 'Europe/Paris'") from exc


def parse_date(text: str, private: bool = False) -> dt.date:
    """
    Raises:
        RefusalError: `bad_date`.
    """
    try:
        return msgspec.convert(text, dt.date)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise RefusalError("bad_date", f"{_shown(text, private)} is not {DATE_SHAPE}", DATE_SHAPE) from None


def parse_datetime(text: str, zone: dt.tzinfo | None, private: bool = False) -> dt.datetime:
    """
    Aware values come back in *zone*; without a zone the value has to be naive.

    Raises:
        RefusalError: `bad_datetime`, `timezone_required` or `timezone_not_allowed`.
    """
    expected = NAIVE_SHAPE if zone is None else AWARE_SHAPE
    shown = _shown(text, private)
    try:
        value = msgspec.convert(text, dt.datetime)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise RefusalError("bad_datetime", f"{shown} is not {expected}", expected) from None
    if zone is None:
        if value.tzinfo is not None:
            message = f"{shown} has an offset, and this field is local time without one"
            raise RefusalError("timezone_not_allowed", message, expected)
        return value
    if value.tzinfo is None:
        raise RefusalError("timezone_required", f"{shown} has no offset; add Z or one such as +02:00", expected)
    try:
        return value.astimezone(zone)
    except (OverflowError, ValueError):
        raise RefusalError("bad_datetime", f"{shown} is outside the years 1 to 9999 in {zone}", expected) from None


def bound(value: Any, type_: str, zone: dt.tzinfo | None) -> Any:
    """An end of a `training_range` as a value to compare with; text, as `contract.json` holds it, is read."""
    if type_ == "date":
        parsed = parse_date(value) if isinstance(value, str) else value
        return parsed.date() if isinstance(parsed, dt.datetime) else parsed
    moment = msgspec.convert(value, dt.datetime) if isinstance(value, str) else value
    if zone is None:
        return moment.replace(tzinfo=None)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _shown(text: str, private: bool) -> str:
    return "this" if private else f"'{clean(text)}'"
