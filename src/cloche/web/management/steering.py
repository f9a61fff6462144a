"""Promote and roll back from the management port: opened here first, written as one more event, put on the record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from cloche import audit
from cloche.errors import ClocheError, MalformedBodyError, RefusedError
from cloche.registry import Registry, RouteEvent, VersionRecord
from cloche.registry.routes import last_step

#: Opens a version here, golden rows and all; an error where that fails.
Rehearse = Callable[[VersionRecord], Awaitable[None]]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a change: `expect` is the number of the event that it was decided on."""

    version: int | None = None
    why: str | None = None
    expect: int | None = None


_MOST_CHARS = 500
_wish = msgspec.json.Decoder(Wish)


def wish_of(body: bytes, *, version: bool) -> Wish:
    """
    What a body asks for; with *version* it has to name one.

    Raises:
        MalformedBodyError: it is no such JSON.
    """
    try:
        found = _wish.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise MalformedBodyError(f"body: {exc}") from exc
    if version != (found.version is not None):
        raise MalformedBodyError(f"body: expected {'' if version else 'no '}'version'")
    if found.why is not None and len(found.why) > _MOST_CHARS:
        raise MalformedBodyError(f"body: 'why': expected at most {_MOST_CHARS} characters, got {len(found.why)}")
    return found


class Steering:
    """Changes the routes of a registry's models; *audited* is the file of the audit log, where there is one."""

    def __init__(self, registry: Registry, rehearse: Rehearse, *, audited: str | None) -> None:
        self._registry = registry
        self._rehearse = rehearse
        self._audited = audited

    async def routes(self, name: str) -> dict[str, Any]:
        """
        The routes as they are, and what a rollback would do.

        Raises:
            ModelNotFoundError: no such model.
            StoreError: the store did not answer.
        """
        return await asyncio.to_thread(self._routes, name)

    def _routes(self, name: str) -> dict[str, Any]:
        history = self._registry.history(name)
        live = history[-1].routes.live if history else {}
        event = history[-1].event if history else 0
        told: dict[str, Any] = {"event": event, "live": live, "rollback": None, "why": None}
        try:
            change = last_step(name, history)
        except RefusedError as exc:
            return told | {"why": str(exc)}
        return told | {"rollback": {"version": change.version, "from": change.before}}

    async def promote(self, name: str, wish: Wish, *, by: str) -> RouteEvent:
        """
        Open the version here, then point `live` of its contract at it.

        Raises:
            ArtifactError, ServingError: it does not open; the routes are as they were.
            NotFoundError, RouteRaceError, StoreError: as `Registry.promote`.
        """
        assert wish.version is not None, "checked by wish_of"
        version = wish.version
        with _Audited(self._audited, by, "promote", name, version, wish.why):
            await self._rehearse(await asyncio.to_thread(self._registry.version, name, version))
            return await asyncio.to_thread(
                self._registry.promote, name, version, by=by, why=wish.why, expect=wish.expect
            )

    async def rollback(self, name: str, wish: Wish, *, by: str) -> RouteEvent:
        """
        Open the version before the last promote here, then point `live` back to it.

        Raises:
            RefusedError: nothing is left to roll back.
            ArtifactError, ServingError, NotFoundError, RouteRaceError, StoreError: as `promote`.
        """
        with _Audited(self._audited, by, "rollback", name, None, wish.why):
            version, event = await asyncio.to_thread(self._registry.rollback_target, name)
            if version is not None:
                await self._rehearse(await asyncio.to_thread(self._registry.version, name, version))
            expect = event if wish.expect is None else wish.expect
            return await asyncio.to_thread(self._registry.rollback, name, by=by, why=wish.why, expect=expect)


class _Audited:
    """A line in the audit log for what is done inside, whatever becomes of it."""

    def __init__(self, path: str | None, by: str, what: str, name: str, version: int | None, why: str | None) -> None:
        self._path = path
        self._facts: dict[str, Any] = {"name": name, "version": version, "reason": why}
        self._by, self._what = by, what

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> None:
        verdict = "done" if exc is None else "refused"
        failed = str(exc) if isinstance(exc, ClocheError) else None if exc is None else type(exc).__name__
        audit.record(self._path, who=self._by, what=self._what, verdict=verdict, failed=failed, **self._facts)
