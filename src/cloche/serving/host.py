"""
The models of one server, from references to engines that answer and follow their routes.

It lives on the event loop it was started on; `background.py` gives it one of its own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from cloche.artifact import Device, EngineChoice
from cloche.errors import ClocheError, StoreError
from cloche.registry import Registry, VersionRecord
from cloche.serving.deployment import Deployment, deploy
from cloche.serving.deployments import Deployments
from cloche.serving.follower import Follower
from cloche.serving.references import Follows, asked_for
from cloche.serving.switch import Switch
from cloche.trust import TrustPolicy

_log = logging.getLogger("cloche.serving")
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What a host serves and how. *everything* adds each model of the store, new ones too."""

    references: tuple[str, ...] = ()
    everything: bool = False
    default: str | None = None
    engine: EngineChoice = "auto"
    device: Device = "cpu"
    strict: bool = False
    strict_start: bool = False
    queue_rows: int = 10_000
    grace_s: float = 30.0


class ModelHost:
    """Loads, follows, closes."""

    def __init__(self, registry: Registry, config: HostConfig, *, trust: TrustPolicy, cache: Path) -> None:
        self.deployments = Deployments(default=config.default)
        self._registry = registry
        self._config = config
        self._trust = trust
        self._cache = cache
        self._switch = Switch(self.deployments, self._deploy)
        self._followers: dict[str, Follower] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Load every model, then follow their routes.

        Raises:
            UsageError: nothing to serve, or `default` is not among it.
            NotFoundError, ArtifactError, ServingError, StoreError: a model that cannot be served.
        """
        try:
            for name, follows in (await asyncio.to_thread(self._asked_for)).items():
                await self._add(name, follows)
        except BaseException:
            await self.close()
            raise
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following; finish what is in flight; end the engines."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._switch.close(grace_s=self._config.grace_s)

    async def rehearse(self, record: VersionRecord) -> None:
        """
        Load the version as if it were to answer; it is the follower's to use, or goes with its next change.

        Raises:
            ArtifactError, ServingError, StoreError: it cannot be loaded here.
        """
        await self._switch.load(record)

    def _asked_for(self) -> dict[str, Follows]:
        config = self._config
        return asked_for(self._registry, config.references, everything=config.everything, default=config.default)

    async def _add(self, name: str, asked: Follows) -> None:
        switch = self._switch
        follower = Follower(
            self._registry, name, load=switch.load, switch=switch.apply, pinned=asked.pinned, follows=asked.route
        )
        self._followers[name] = follower
        await follower.start(strict=self._config.strict_start)

    async def _deploy(self, record: VersionRecord) -> Deployment:
        directory = await asyncio.to_thread(self._registry.fetch, record, self._cache, self._trust)
        return await deploy(
            record.name,
            record,
            directory,
            trust=self._trust,
            choice=self._config.engine,
            device=self._config.device,
            strict=self._config.strict,
            queue_rows=self._config.queue_rows,
        )

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            results = await asyncio.gather(
                *(follower.step() for follower in self._followers.values()), self._find_new(), return_exceptions=True
            )
            away = [one for one in results if isinstance(one, StoreError)]
            self._tell(away)
            for one in results:
                if isinstance(one, Exception) and not isinstance(one, StoreError):
                    _log.error("following the routes failed: %s", one, exc_info=one)

    def _tell(self, away: list[StoreError]) -> None:
        """The store went away or came back: one line each, and `/ready` says so."""
        degraded = frozenset({"store"} if away else ())
        if degraded and not self.deployments.degraded:
            _log.warning("the store cannot be read; the loaded versions go on answering: %s", away[0])
        if self.deployments.degraded and not degraded:
            _log.info("the store can be read again")
        self.deployments.degraded = degraded

    async def _find_new(self) -> None:
        """With `--all`, serve the models that were published since."""
        if not self._config.everything:
            return
        for name in await asyncio.to_thread(self._registry.models):
            if name not in self._followers:
                try:
                    await self._add(name, Follows())
                except ClocheError as exc:
                    _log.error("%s is not served: %s", name, exc)
