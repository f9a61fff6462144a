"""From a choice of versions to deployments that answer: the switch between two requests of a server in one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cloche.registry import VersionRecord
from cloche.serving.choice import Choice
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments, Held

_log = logging.getLogger("cloche.serving")
Deploy = Callable[[VersionRecord], Awaitable[Deployment]]


class Switch:
    """Loads versions beside what answers, shows a choice of them to the requests, and retires the others."""

    def __init__(self, deployments: Deployments, deploy: Deploy) -> None:
        self._deployments = deployments
        self._deploy = deploy
        self._loaded: dict[tuple[str, int], Deployment] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    async def load(self, record: VersionRecord) -> None:
        """Start the version's engine; one that runs since an attempt that was broken off is used."""
        if (record.name, record.version) not in self._loaded:
            self._loaded[record.name, record.version] = await self._deploy(record)

    def apply(self, choice: Choice) -> None:
        """Answer with *choice* from the next request on."""

        def one(version: int) -> Deployment:
            return self._loaded[choice.name, version]

        self._deployments.put(
            Held(
                choice.name,
                choice.route,
                {number: one(version) for number, version in choice.answering.items()},
                choice.default_number,
                tuple(one(version) for version in choice.warm),
                choice.wanted,
                choice.refused,
                choice.promises,
            )
        )
        kept = {(choice.name, version) for version in choice.held}
        for gone in [key for key in self._loaded if key[0] == choice.name and key not in kept]:
            self._begin_to_retire(self._loaded.pop(gone))

    def drop(self, name: str) -> None:
        """Retire every version of a model that `Deployments` shows no more."""
        for gone in [key for key in self._loaded if key[0] == name]:
            self._begin_to_retire(self._loaded.pop(gone))

    async def close(self, *, grace_s: float) -> None:
        """Finish what is in flight, then end every engine."""
        await self.settled()
        await asyncio.gather(*(one.close(grace_s=grace_s) for one in self._loaded.values()))

    async def settled(self) -> None:
        """Wait until the versions that are on their way out are gone."""
        await asyncio.gather(*self._retiring, return_exceptions=True)

    def _begin_to_retire(self, deployment: Deployment) -> None:
        task = asyncio.create_task(self._retire(deployment))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, deployment: Deployment) -> None:
        """Close a version when its last request is answered."""
        while self._deployments.in_use(deployment):
            await asyncio.sleep(0.05)
        await deployment.close()
        _log.info("%s version %d is unloaded", deployment.name, deployment.version)
