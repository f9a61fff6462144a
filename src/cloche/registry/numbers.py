"""
Contract numbers beside each other: which is the default, which is deprecated since when, and until when it is served.

Each is a route event like any other, so servers learn of it as they learn of a promotion.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from cloche.errors import NotFoundError, UsageError
from cloche.registry.model import Change, Notice, RouteEvent, RouteState

#: As `routes.Plan`: from the last event to the change to make; None: nothing to do.
Plan = Callable[[RouteEvent | None], Change | None]
DEFAULT, SUNSET = "default", "sunset"


def make_default(name: str, number: int) -> Plan:
    """
    Let paths without a number mean contract *number*; lower numbers are deprecated from then on.

    Raises:
        NotFoundError: nothing is live under it.
    """

    def plan(head: RouteEvent | None) -> Change | None:
        routes = _routes_with(name, head, number)
        if routes.default_contract == number:
            return None
        live = routes.live[number]
        return Change(kind=DEFAULT, contract=number, version=live, before=live, was=routes.default_contract)

    return plan


def sunset(name: str, number: int, until: str | None) -> Plan:
    """
    Say until when contract *number* is served (`YYYY-MM-DD`), or take that back.

    Raises:
        NotFoundError: nothing is live under it.
        UsageError: no such day.
    """
    if until is not None:
        check_day(until)

    def plan(head: RouteEvent | None) -> Change | None:
        routes = _routes_with(name, head, number)
        if routes.notice(number).sunset == until:
            return None
        live = routes.live[number]
        return Change(kind=SUNSET, contract=number, version=live, before=live, until=until)

    return plan


def check_day(text: str) -> date:
    """
    Raises:
        UsageError: *text* is no day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"sunset: expected a day such as 2027-06-30, got '{text[:32]}'") from None


def outcome(routes: RouteState, change: Change, at: str) -> dict[str, Any]:
    """What the change makes of the default and of the notices; nothing for a change of versions."""
    notices = {} if isinstance(routes.notices, msgspec.UnsetType) else dict(routes.notices)
    if change.kind == SUNSET:
        notices[change.contract] = msgspec.structs.replace(routes.notice(change.contract), sunset=change.until)
        return {"notices": _kept(notices)}
    if change.kind != DEFAULT:
        return {}
    for number in routes.live:
        since = (routes.notice(number).deprecated or at) if number < change.contract else None
        notices[number] = msgspec.structs.replace(routes.notice(number), deprecated=since)
    return {"default_contract": change.contract, "notices": _kept(notices)}


def _kept(notices: dict[int, Notice]) -> dict[int, Notice] | msgspec.UnsetType:
    said = {number: notice for number, notice in sorted(notices.items()) if notice != Notice()}
    return said or msgspec.UNSET


def _routes_with(name: str, head: RouteEvent | None, number: int) -> RouteState:
    live = {} if head is None else head.routes.live
    if head is None or number not in live:
        known = ", ".join(map(str, live)) or "none"
        raise NotFoundError(f"model '{name}': no version is live under contract {number} (live: {known})")
    return head.routes
