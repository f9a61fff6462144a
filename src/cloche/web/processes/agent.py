"""
`python -m cloche.web.processes.agent RUN --lifeline FD [--management-fd FD]`: the one process that asks the store.

Follows routes and keys, fetches artifacts into the cache, has templates run for them, writes what the workers answer
with, and lands what they record. Nothing that it does or fails to do stops an answer; killed, it goes on from RUN
where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from cloche.errors import ClocheError, StoreError, StoreUnreachableError
from cloche.keys import Key, KeyRing, Snapshot
from cloche.logs import configure
from cloche.metrics import read_all
from cloche.prediction_log import landing
from cloche.prediction_log.spool import Spool
from cloche.registry import FollowedRegistry, VersionRecord
from cloche.serving.follower import Follower
from cloche.serving.references import Follows, asked_for, check_default, named
from cloche.store import MARKER, Store
from cloche.web.callers import no_key
from cloche.web.processes import lifeline, runtime
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.holding import Holding, choice_of, records_of
from cloche.web.processes.remembered import HostId, Memory
from cloche.web.processes.reporting import Reporter
from cloche.web.processes.runtime import Failure, ServerFile, State

_log = logging.getLogger("cloche.agent")
#: A web server and its pages: imported when the workers have what they wait for.
_MANAGING: Final = "cloche.web.processes.managing"
_POLL_S = 1.0
_KEYS_S = 2.0
_NEW_MODELS_S = 5.0
_LOOK_S = 0.2
_LAND_S = 1.0
_LAND_FOR_STORE_S = 0.02
_LAND_LAST_S = 5.0


class Agent:
    """Everything between the store and the files of RUN."""

    def __init__(self, run: RunFolder, server: ServerFile, store: Store) -> None:
        self._run = run
        self._server = server
        self.registry = FollowedRegistry(store)
        self._ring = KeyRing.open(server.keys, store, Path(server.cwd)) if server.config.auth == "keys" else None
        self._memory = Memory(server)
        self._spool = Spool.open(Path(server.spool), server.store) if server.log.enabled else None
        self._waits_for_landing = server.log.durability == "store"
        self._followers: dict[str, Follower] = {}
        self._away: dict[str, StoreError] = {}
        self._following: set[asyncio.Task[None]] = set()
        self.holding = Holding(
            run,
            workers=server.config.workers,
            trust=server.trust,
            fetch=self._fetch,
            engine=server.config.engine,
            device=server.config.device,
        )

    # -- the start ------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Have everything that is wanted loaded, and show it to the workers.

        Raises:
            ClocheError: as `asked_for`, `Follower.start` and `KeyRing.snapshot` say, or no key lets anybody in.
        """
        left = runtime.read(self._run.state, State)
        if left is not None:
            self._go_on_from(left)
            return
        known = self._memory.recall()
        await self._first_keys(known)  # before the models: that nobody may call is told without waiting for them
        try:
            self._look_for_store()
            await self._load_wanted()
        except StoreError as exc:
            if known is None:
                raise
            self._mark("start", exc)
            await self._load_known(known)
        self.holding.open()
        self._tell_away()
        self._memory.keep(self.holding.state)

    def _go_on_from(self, left: State) -> None:
        """An agent before us was killed: nothing is loaded, nothing is written."""
        asked = named(self._server.references, [m.name for m in left.models] if self._server.everything else ())
        self._know(left)
        self.holding.adopt(left)
        for model in left.models:
            self._follower(model.name, asked.get(model.name, Follows())).adopt(choice_of(model))

    async def _load_wanted(self) -> None:
        server = self._server
        asked = await asyncio.to_thread(
            asked_for,
            self.registry,
            server.references,
            everything=server.everything,
            default=server.config.default,
        )
        strict = server.config.strict_start
        await _all([self._follower(name, follows).start(strict=strict) for name, follows in asked.items()])

    async def _load_known(self, known: State) -> None:
        """The store is away: what answered when it could last be read, from the cache."""
        self._know(known)
        models = {model.name: model for model in known.models}
        asked = named(self._server.references, models if self._server.everything else ())
        check_default(asked, self._server.config.default)
        await _all(
            [
                self._follower(name, follows).resume(choice_of(models[name]))
                for name, follows in asked.items()
                if name in models
            ]
        )

    async def _first_keys(self, known: State | None) -> None:
        if self._ring is None:
            return
        try:
            self._look_for_store()
            snapshot = await self._ring.asnapshot()
        except StoreError as exc:
            if known is None or known.keys is None:
                raise
            self._mark("keys", exc)
            self.holding.know_keys(known.keys)
            return
        if not snapshot.usable():
            raise no_key(self._server.config.host)
        self.holding.know_keys(_by_id(snapshot))

    def _know(self, state: State) -> None:
        for record in records_of(state):
            self.registry.know(record)

    def _follower(self, name: str, follows: Follows) -> Follower:
        holding = self.holding
        follower = Follower(
            self.registry,
            name,
            load=holding.load,
            switch=holding.switch,
            pinned=follows.pinned,
            follows=follows.route,
        )
        self._followers[name] = follower
        return follower

    async def _fetch(self, record: VersionRecord) -> Path:
        return await asyncio.to_thread(self.registry.fetch, record, Path(self._server.cache), self._server.trust)

    # -- from then on ---------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Follow everything until *stop*."""
        host = HostId(Path(self._server.cache))
        reporter = Reporter(
            self.registry.store,
            self._server,
            host.take(),
            reachable=lambda: not self._away and self._there(),
            counted=lambda: read_all(self._run.metrics),
            log_waiting_s=lambda: None if self._spool is None else round(landing.waiting(self._spool)[1], 1),
        )
        for name in self._followers:
            self._follow(name)
        self._begin(self._again("keys", _KEYS_S, self._refresh_keys))
        if self._server.everything:
            self._begin(self._again("models", _NEW_MODELS_S, self._find_new))
        if self._spool is not None:
            self._begin(self._again("log", _LAND_FOR_STORE_S if self._waits_for_landing else _LAND_S, self._land))
        self._begin(reporter.forget_silent())
        self._begin(self._look_after(reporter))
        await stop.wait()
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self._land_the_rest()
        if not self._away:
            await reporter.end(self.holding.state, self.holding.applied)

    def _follow(self, name: str) -> None:
        self._begin(self._again(name, _POLL_S, self._followers[name].step))

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _again(self, what: str, every_s: float, step: Callable[[], Awaitable[None]]) -> None:
        """*step* again and again; a store that is away is told, and ends nothing."""
        while True:
            await asyncio.sleep(every_s)
            try:
                self._look_for_store()
                await step()
            except StoreError as exc:
                self._mark(what, exc)
            except Exception as exc:  # noqa: BLE001  the others go on, and this one too
                _log.error("%s could not be followed: %s", what, exc, exc_info=exc)
            else:
                self._mark(what, None)
            self._mark("start", None)
            self._tell_away()

    async def _land(self) -> None:
        if self._spool is not None:
            await asyncio.to_thread(landing.land, self._spool, self.registry.store)

    async def _land_the_rest(self) -> None:
        """The workers have ended; what cannot be landed now waits for the next agent."""
        try:
            async with asyncio.timeout(_LAND_LAST_S):
                await self._land()
        except (StoreError, OSError, TimeoutError) as exc:
            _log.warning("records wait in the spool: %s", str(exc) or "the store did not take them in time")

    async def _refresh_keys(self) -> None:
        if self._ring is not None:
            self.holding.know_keys(_by_id(await self._ring.asnapshot()))

    async def _find_new(self) -> None:
        """With `--all`, serve the models that were published since."""
        for name in await asyncio.to_thread(self.registry.new_models, self._followers.keys()):
            try:
                await self._follower(name, Follows()).start()
            except StoreError:
                del self._followers[name]
                raise
            except ClocheError as exc:
                _log.error("%s is not served: %s", name, exc)
            self._follow(name)

    async def _look_after(self, reporter: Reporter) -> None:
        while True:
            try:
                slots = self.holding.look()
                self._memory.keep(self.holding.state)
                await reporter.tell(self.holding.state, self.holding.applied, slots)
            except Exception as exc:  # noqa: BLE001  the next look may fare better
                _log.error("looking after the workers failed: %s", exc, exc_info=exc)
            await asyncio.sleep(_LOOK_S)

    # -- the store ------------------------------------------------------------------------------

    def _there(self) -> bool:
        root = self.registry.store.root
        return root is None or (root / MARKER).exists()

    def _look_for_store(self) -> None:
        """A folder that is not there any more (unmounted, moved) would read as a store without keys and events."""
        if not self._there() and (self.holding.state.models or self._memory.recall() is not None):
            store = self.registry.store
            raise StoreUnreachableError(f"store {store.describe()}: the folder is not there, or is no store any more")

    def _mark(self, what: str, exc: StoreError | None) -> None:
        if exc is None:
            self._away.pop(what, None)
        else:
            self._away[what] = exc

    def _tell_away(self) -> None:
        """The store went away or came back: one line each, and `/ready` says so."""
        degraded = ("store",) if self._away else ()
        before = self.holding.state.degraded
        if degraded and not before:
            _log.warning(
                "the store cannot be read; the loaded versions go on answering: %s", next(iter(self._away.values()))
            )
        if before and not degraded:
            _log.info("the store can be read again")
        self.holding.degrade(degraded)


def _by_id(snapshot: Snapshot) -> tuple[Key, ...]:
    return tuple(sorted(snapshot.keys.values(), key=lambda key: key.id))


async def _all(work: Sequence[Awaitable[None]]) -> None:
    """Do everything; raise what was raised first in the order given."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for one in results:
        if isinstance(one, BaseException):
            raise one


async def serve(run: RunFolder, server: ServerFile, store: Store, management_fd: int | None = None) -> int:
    """The agent's life; 1 where the start failed, after saying why in `failed.json`."""
    agent = Agent(run, server, store)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    starting, stopped = asyncio.create_task(agent.start()), asyncio.create_task(stop.wait())
    await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    try:
        starting.result()
    except ClocheError as exc:
        runtime.write(run.failed, Failure.of(exc))
        return 1
    managing = import_module(_MANAGING).managing_run
    holding = agent.holding
    async with managing(run, server, store, lambda: holding.state, management_fd, holding.rehearse):
        await agent.run(stop)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--management-fd", type=int)
    given = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to everybody; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    if given.lifeline is not None:
        lifeline.hold(given.lifeline)
    run = RunFolder(given.run)
    server = runtime.server_of(run)
    configure(server.config.log_format)
    try:
        store = Store.open(server.store, Path(server.cwd))
        return asyncio.run(serve(run, server, store, given.management_fd))
    except Exception as exc:  # noqa: BLE001  whatever it is, the command is told
        _log.exception("the agent failed")
        if not run.state.exists():
            with contextlib.suppress(OSError):
                runtime.write(run.failed, Failure.of(exc))
        return 1


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # threads that still wait for the store are not waited for
