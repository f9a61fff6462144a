"""
What a worker answers with: the agent's `state.json`, taken over while requests are answered.

A model switches when engines of all its versions are connected, and not before; one whose engines cannot be had
goes on as it was and keeps no other model from switching.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from cloche.config import ServerConfig
from cloche.errors import ArtifactError, ServingError
from cloche.keys import Key, Snapshot
from cloche.registry import VersionRecord
from cloche.serving.choice import Choice
from cloche.serving.deployment import INLINE, Deployment, deploy_engine, deploy_here
from cloche.serving.deployments import Deployments
from cloche.serving.engine_socket import EngineSocket
from cloche.serving.switch import Switch
from cloche.web.processes import runtime
from cloche.web.processes.folder import RunFolder, Watched, read_json
from cloche.web.processes.lifeline import Lifeline
from cloche.web.processes.runtime import Answers, ModelState, SlotReport, State

_log = logging.getLogger("cloche.web")
_LOOK_S = 0.05
_LOOK_STARTING_S = 0.005
_AGAIN_S = 0.5
#: A model whose template does not come keeps the worker's other models from answering no longer than this.
_FIRST_S = 10.0
_UNAVAILABLE = (ArtifactError, ServingError, OSError)


class Following:
    """`first` once, before the first request; then `follow`, until cancelled."""

    def __init__(self, run: RunFolder, slot: int, config: ServerConfig) -> None:
        self.deployments = Deployments(default=config.default)
        self._run = run
        self._slot = slot
        self._config = config
        self._keys = Snapshot()
        self._watched = Watched(run.state)
        self._state = State(number=0)
        self._lifeline = Lifeline()
        self._switch = Switch(self.deployments, self._deploy)
        self._templates: Mapping[str, str] = {}
        self._wanted: dict[str, ModelState] = {}
        self._applied: dict[str, ModelState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answering = False

    def authenticate(self, token: str) -> Key | None:
        """The key that *token* is, by the last set the agent could read."""
        return self._keys.authenticate(token)

    async def first(self) -> None:
        """Wait for a state and connect to its engines."""
        loop = asyncio.get_running_loop()
        while not self._take():
            await asyncio.sleep(_LOOK_STARTING_S)
        self._converge_all()
        end = loop.time() + _FIRST_S
        while self._applied != self._wanted and (loop.time() < end or not self._applied):
            await asyncio.sleep(_LOOK_STARTING_S)
            if self._take():
                self._converge_all()

    async def follow(self) -> None:
        """Take over every new state; to be called when requests are answered, and to be cancelled."""
        self._answering = True
        self._report()
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._take():
                self._converge_all()

    async def close(self) -> None:
        """Finish what is in flight, then let the engines go."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._switch.close(grace_s=self._config.grace_s)

    def _take(self) -> bool:
        """Read the state where it is new; keys and what is degraded hold at once."""
        if not self._watched.changed():
            return False
        state = runtime.read(self._run.state, State)
        if state is None:
            return False
        self._state = state
        self._keys = Snapshot({key.id: key for key in state.keys or ()})
        self.deployments.degraded = frozenset(state.degraded)
        self._templates = {one.record.manifest: one.template for model in state.models for one in _versions(model)}
        self._wanted = {model.name: model for model in state.models}
        return True

    def _converge_all(self) -> None:
        gone = self._applied.keys() - self._wanted.keys()
        self.deployments.arrange(self._wanted)
        for name in gone:
            del self._applied[name]
            self._switch.drop(name)
        for name in self._wanted:
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.create_task(self._converge(name))
        self._report()

    async def _converge(self, name: str) -> None:
        """Connect and switch, until what is wanted of the model is what answers."""
        failed = False
        while (wanted := self._wanted.get(name)) is not None and wanted != self._applied.get(name):
            try:
                await self._load(wanted)
            except _UNAVAILABLE as exc:
                if not failed:
                    _log.error("%s: what answered goes on; its engines cannot be had: %s", name, exc)
                failed = True
                await asyncio.sleep(_AGAIN_S)
                continue
            self._switch.apply(_choice(wanted))
            self.deployments.arrange(self._wanted)
            self._applied[name] = wanted
        self._report()

    async def _load(self, model: ModelState) -> None:
        for one in _versions(model):
            await self._switch.load(one.record)

    async def _deploy(self, record: VersionRecord) -> Deployment:
        config, template = self._config, self._templates[record.manifest]
        spec = runtime.template_of(self._run, template)
        if spec is not None and (read_json(self._run.ready(template)) or {}).get("engine") in INLINE:
            directory = Path(spec.directory)
            return await deploy_here(
                record.name,
                record,
                directory,
                trust=spec.trust,
                choice=spec.engine,
                strict=config.strict,
                queue_rows=config.queue_rows,
            )
        engine = EngineSocket(self._run.socket(template), self._lifeline.reader)
        return await deploy_engine(record.name, record, engine, strict=config.strict, queue_rows=config.queue_rows)

    def _report(self) -> None:
        """Say which state is applied, when all of it is."""
        if self._answering and self._applied == self._wanted:
            report = SlotReport(slot=self._slot, pid=os.getpid(), state=self._state.number)
            runtime.write(self._run.slot(self._slot), report)


def _versions(model: ModelState) -> tuple[Answers, ...]:
    return (*model.answering.values(), *model.warm)


def _choice(model: ModelState) -> Choice:
    return Choice(
        model.name,
        model.route,
        {number: one.record.version for number, one in model.answering.items()},
        model.default_number,
        tuple(one.record.version for one in model.warm),
        model.wanted,
        model.refused,
        model.event,
        model.promises,
    )
