"""
Follows the routes of one model: has what is wanted loaded beside what answers, then says to switch.

A version that will not load is refused here, the old one goes on. The version that was replaced stays warm,
so that a rollback needs no load.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from cloche.errors import ArtifactError, NotFoundError, ServingError, StoreError, VersionNotFoundError
from cloche.registry import FollowedRegistry, RouteEvent, RouteState, VersionRecord
from cloche.serving.choice import Choice, choose, earlier_versions

_log = logging.getLogger("cloche.serving")
#: Makes a version ready to answer, and returns when it is.
Load = Callable[[VersionRecord], Awaitable[None]]
#: Lets the chosen versions answer from now on; everything in the choice was loaded, what is not in it may go.
Switch = Callable[[Choice], None]
#: What keeps a version from being loaded, and nothing else from going on.
UNLOADABLE = (ArtifactError, ServingError, VersionNotFoundError)


class Follower:
    """One model of one host: `start` (or `resume`) once, then `step` about once a second."""

    def __init__(
        self, registry: FollowedRegistry, name: str, *, load: Load, switch: Switch, pinned: Iterable[int] = (),
        follows: bool = True,
    ) -> None:  # fmt: skip
        self._registry = registry
        self._load = load
        self._switch = switch
        self._pinned = tuple(pinned)
        self._follows = follows
        self._choice = Choice(name)
        self._late: RouteEvent | None = None  # an event whose versions could not be fetched yet

    async def start(self, *, strict: bool = False) -> None:
        """
        Load what is wanted now; where the live version will not load, the last live one that does.

        With *strict* nothing stands in for a version that will not load.

        Raises:
            ArtifactError, ServingError: no version loads; the reason of the one that was wanted.
            StoreError, NotFoundError: as the registry says.
        """
        extra = await self._load_pinned()
        if not self._follows:
            return
        name = self._choice.name
        history = await asyncio.to_thread(self._registry.history, name)
        self._put(Choice(name, warm=extra))
        if not history:
            return
        last = history[-1]
        await self._apply(last.routes, last.event, {} if strict else earlier_versions(history))
        refused = self._choice.refused
        if refused and (strict or not self._choice.answering):
            raise ArtifactError(f"{name}: {next(iter(refused.values()))}")

    async def resume(self, known: Choice) -> None:
        """
        Load what answered when the store could last be read; the events since then come with `step`.

        Raises:
            ArtifactError, ServingError: as `start`.
            StoreError: an artifact is not in the cache either.
        """
        extra = await self._load_pinned()
        if not self._follows:
            return
        self._put(Choice(known.name, warm=extra, promises=known.promises))
        routes = RouteState(default_contract=known.default_number or 1, live=dict(known.answering))
        self._put(replace(await self._choose(routes, known.event, {}), promises=known.promises))
        if known.answering and not self._choice.answering:
            raise ArtifactError(f"{known.name}: {next(iter(self._choice.refused.values()))}")

    def adopt(self, known: Choice) -> None:
        """Go on from *known*, all of which is loaded already."""
        self._choice = known

    async def step(self) -> None:
        """
        Take the next route event if there is one.

        Raises:
            StoreError: the store could not be read; the next step tries again.
        """
        if not self._follows:
            return
        event = await self._newest()
        while event is not None:
            self._late = event
            choice = await self._told(await self._choose(event.routes, event.event, {}), event.routes)
            newest = await self._newest()  # loading takes seconds: a version rolled back meanwhile never answers
            if newest is event:
                self._put(choice)
                event = self._late = None
            else:
                event = newest

    async def _newest(self) -> RouteEvent | None:
        """The last of the events that came since; those in between were never seen by anybody."""
        newest = self._late
        number = self._choice.event if newest is None else newest.event
        while (event := await self._registry.anext_event(self._choice.name, number)) is not None:
            newest, number = event, event.event
        return newest

    async def _load_pinned(self) -> tuple[int, ...]:
        """Load the versions that were named exactly; where no route is followed, they are what answers."""
        records = [await self._record(version) for version in self._pinned]
        for record in records:
            await self._load(record)
        extra = tuple(record.version for record in records)
        if not self._follows:
            answering = {record.contract: record.version for record in records}
            first = records[0].contract if records else None
            self._put(Choice(self._choice.name, None, answering, first, extra, answering))
        return extra

    async def _apply(self, routes: RouteState, event: int, earlier: Mapping[int, Sequence[int]]) -> None:
        self._put(await self._told(await self._choose(routes, event, earlier), routes))

    async def _choose(self, routes: RouteState, event: int, earlier: Mapping[int, Sequence[int]]) -> Choice:
        """What to hold for *routes*, all of it loaded; what callers are told is left to `_told`."""
        choosing = choose(self._choice, routes, event=event, pinned=self._pinned, earlier=earlier)
        try:
            version = next(choosing)
            while True:
                version = choosing.send(await self._reason_against(version))
        except StopIteration as done:
            chosen: Choice = done.value
            return chosen

    async def _told(self, choice: Choice, routes: RouteState) -> Choice:
        """The choice with what callers are told; a store that cannot be read takes nothing back of that."""
        try:
            promises = await asyncio.to_thread(self._registry.promises, choice.name, routes)
        except (StoreError, NotFoundError) as exc:
            _log.warning("%s: the history of its contract cannot be read: %s", choice.name, exc)
            promises = self._choice.promises
        return replace(choice, promises=promises)

    async def _reason_against(self, version: int) -> str | None:
        """Load it; None where that worked."""
        try:
            await self._load(await self._record(version))
        except UNLOADABLE as exc:
            _log.error("%s version %d is not served: %s", self._choice.name, version, exc)
            return str(exc)
        return None

    async def _record(self, version: int) -> VersionRecord:
        return await asyncio.to_thread(self._registry.version, self._choice.name, version)

    def _put(self, choice: Choice) -> None:
        before, self._choice = self._choice, choice
        self._switch(choice)
        for number, version in choice.answering.items():
            old = before.answering.get(number)
            if old != version:
                was = "" if old is None else f" (was version {old})"
                _log.info("%s contract %d: version %d answers now%s", choice.name, number, version, was)
