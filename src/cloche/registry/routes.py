"""
Moving routes: each change is one create-only event that holds the whole state after it.

Two who change at once race for the same number; the loser looks again and decides anew.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloche.errors import ObjectExistsError, RefusedError, RouteRaceError
from cloche.registry import layout, numbers
from cloche.registry.model import Change, RouteEvent, RouteState, VersionRecord, encode
from cloche.registry.reader import Reader

#: Events that changed which version is live; only these are undone.
_MOVES = ("publish", "promote", "rollback")
#: From the last event (None: no route yet) to the change to make; None: nothing to do.
Plan = Callable[[RouteEvent | None], Change | None]


def append(
    reader: Reader, name: str, plan: Plan, *, by: str, at: str, why: str | None, expect: int | None = None
) -> RouteEvent:
    """
    Write the next event of *name*; a lost race is planned again on the new state.

    Where *plan* finds nothing to do, the last event is returned as it stands. With *expect* (the number of the
    event that the caller decided on; 0: none yet) a lost race is an error instead.

    Raises:
        RouteRaceError: the last event is not *expect*.
        VersionNotFoundError: the change leads to a version that was deleted.
    """
    while True:
        head = reader.head(name)
        number = head.event if head is not None else 0
        if expect is not None and number != expect:
            raise _lost(name, head, expect)
        change = plan(head)
        if change is None:
            assert head is not None, "a plan may do nothing only where something was done before"
            return head
        if change.version is not None and change.deleted is None:
            reader.check_not_deleted(name, change.version)
        event = RouteEvent(
            name=name,
            event=number + 1,
            routes=_after(head, change, at),
            change=change,
            by=by,
            at=at,
            why=why,
            previous=reader.digest_of_event(name, number) if number else None,
        )
        try:
            reader.store.create(layout.event(name, event.event), encode(event))
        except ObjectExistsError:
            continue
        return event


def first_live(record: VersionRecord, *, opens: bool = False) -> Plan:
    """Make the version live if the name has no route yet, or if it *opens* a contract number that has none."""

    def plan(head: RouteEvent | None) -> Change | None:
        taken = head is not None and (not opens or record.contract in head.routes.live)
        return None if taken else _to(record, "publish", None)

    return plan


def promotion(record: VersionRecord, kind: str = "promote") -> Plan:
    """Point `live` of the version's contract at it, unless it is there already."""

    def plan(head: RouteEvent | None) -> Change | None:
        before = None if head is None else head.routes.live.get(record.contract)
        return None if before == record.version else _to(record, kind, before)

    return plan


def deletion(record: VersionRecord) -> Plan:
    """
    Record in the chain that the version was deleted, which no route may point at.

    Promoting looks for the tombstone before it writes its event, and the tombstone is written before this: of a
    promote and a delete at once, the one whose event comes second sees the other.
    """

    def plan(head: RouteEvent | None) -> Change:
        assert head is not None, "the chain of a name that has routes does not end"
        refuse_routed(head.routes, record)
        stays = head.routes.live.get(record.contract)
        return Change(kind="delete", contract=record.contract, version=stays, before=stays, deleted=record.version)

    return plan


def refuse_routed(routes: RouteState, record: VersionRecord) -> None:
    """
    Nothing that answers requests is deleted.

    Raises:
        RefusedError: a route points at the version.
    """
    pointing = routes.routes_of(record.version)
    if pointing:
        raise RefusedError(
            f"model '{record.name}': version {record.version} is {' and '.join(pointing)}; "
            "promote another version first; nothing was deleted"
        )


def rollback(reader: Reader, name: str, contract: int | None = None) -> Plan:
    """Undo the last promote that was not undone yet; a race that changes what this means is an error."""
    return _once(name, lambda: last_step(name, reader.history(name), contract))


def rollback_to(reader: Reader, record: VersionRecord) -> Plan:
    """Point `live` back at the version, undoing the promotes since; one that was never live is a plain change."""

    def plan(head: RouteEvent | None) -> Change | None:
        before = None if head is None else head.routes.live.get(record.contract)
        if before == record.version:
            return None
        steps = [e for e in _undoable(reader.history(record.name)) if e.change.contract == record.contract]
        undone = next((e.event for e in reversed(steps) if e.change.before == record.version), None)
        return _to(record, "rollback", before, undone)

    return plan


def _once(name: str, decide: Callable[[], Change]) -> Plan:
    """Two people who roll back at once mean the same promote; the second must not undo one more."""
    first: list[Change] = []

    def plan(head: RouteEvent | None) -> Change:
        change = decide()
        if first and change != first[0]:
            raise _lost(name, head, None)
        first.append(change)
        return change

    return plan


def last_step(name: str, history: list[RouteEvent], contract: int | None = None) -> Change:
    """
    The change that undoes the last promote that was not undone yet, of one contract or of any.

    Raises:
        RefusedError: there is none, or it would leave the default contract without a version.
    """
    steps = [event for event in _undoable(history) if contract in (None, event.change.contract)]
    if not steps:
        live = next(iter(history[-1].routes.live.values()), None) if history else None
        if contract is not None and history:
            live = history[-1].routes.live.get(contract)
        raise RefusedError(
            f"model '{name}': nothing to roll back, "
            + (f"only version {live} was ever live" if live is not None else "no version is live")
        )
    last = steps[-1].change
    if last.before is None and last.contract == history[-1].routes.default_contract:
        raise RefusedError(
            f"model '{name}': contract {last.contract} is the default and would be left without a version; "
            f"make another one the default first: cloche contract {name} --default N"
        )
    return Change(
        kind="rollback", contract=last.contract, version=last.before, before=last.version, undoes=steps[-1].event
    )


def _undoable(history: list[RouteEvent]) -> list[RouteEvent]:
    """The changes that stand: oldest first, without those that were undone and without the very first."""
    stack: list[RouteEvent] = []
    for event in history:
        undoes = event.change.undoes
        if undoes is not None:
            stack = [e for e in stack if e.change.contract != event.change.contract or e.event < undoes]
        elif event.event > 1 and event.change.kind in _MOVES:
            stack.append(event)
    return stack


def _to(record: VersionRecord, kind: str, before: int | None, undoes: int | None = None) -> Change:
    return Change(kind=kind, contract=record.contract, version=record.version, before=before, undoes=undoes)


def _after(head: RouteEvent | None, change: Change, at: str) -> RouteState:
    live = {} if head is None else dict(head.routes.live)
    if change.version is None:
        live.pop(change.contract, None)
    else:
        live[change.contract] = change.version
    live = dict(sorted(live.items()))
    if head is None:
        return RouteState(default_contract=change.contract, live=live)
    return msgspec.structs.replace(head.routes, live=live, **numbers.outcome(head.routes, change, at))


def _lost(name: str, head: RouteEvent | None, expect: int | None) -> RouteRaceError:
    told = "no event" if head is None else f"event {head.event} ({head.change}, by {head.by})"
    wanted = "" if expect is None else f"; this was decided on event {expect}"
    return RouteRaceError(
        f"model '{name}': somebody else changed the routes first: {told}{wanted}; nothing was changed"
    )
