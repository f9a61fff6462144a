"""
What this host holds: which templates run, which versions answer. The only writer of wanted.json and state.json.

A version answers only when its template is ready; a template goes only when no worker answers from it any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from cloche.artifact import Device, EngineChoice
from cloche.errors import ArtifactError, EngineError
from cloche.keys import Key
from cloche.registry import VersionRecord
from cloche.serving.choice import Choice
from cloche.trust import TrustPolicy
from cloche.web.processes import runtime
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.runtime import Answers, Failure, ModelState, SlotReport, State, TemplateSpec, Wanted

_log = logging.getLogger("cloche.agent")
Fetch = Callable[[VersionRecord], Awaitable[Path]]
#: A template that is silent for longer is refused.
LOAD_TIMEOUT_S = 300.0
_REHEARSED_S = 60.0
_LOOK_S = 0.005


class Holding:
    """Loads versions as templates, and shows choices of them to the workers."""

    def __init__(
        self,
        run: RunFolder,
        *,
        workers: int,
        trust: TrustPolicy,
        fetch: Fetch,
        engine: EngineChoice = "auto",
        device: Device = "cpu",
    ) -> None:
        self._run = run
        self._workers = workers
        self._trust = trust
        self._fetch = fetch
        self._engine = engine
        self._device = device
        self._at_once = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        self._specs: dict[str, TemplateSpec] = {}
        self._loading: set[str] = set()
        self._answers: dict[tuple[str, int], Answers] = {}
        self._choices: dict[str, Choice] = {}
        self._keys: tuple[Key, ...] | None = None
        self._degraded: tuple[str, ...] = ()
        self._wanted_number = 0
        self._open = False
        self.state = State(number=0)
        #: The last state that every worker was seen to answer with.
        self.applied = State(number=0)

    def adopt(self, state: State) -> None:
        """Go on from what an earlier agent of this server left; nothing is written."""
        wanted = runtime.read(self._run.wanted, Wanted) or Wanted(number=0)
        self._wanted_number = wanted.number
        self._specs = {one.id: one for one in wanted.templates}
        self.state = state
        self._keys, self._degraded = state.keys, state.degraded
        for model in state.models:
            self._choices[model.name] = choice_of(model)
            self._answers.update(((model.name, one.record.version), one) for one in _all(model))
        self._open = True

    # -- what the follower calls ----------------------------------------------------------------

    async def load(self, record: VersionRecord) -> None:
        """
        Have a template of the version run, and wait until it is ready.

        Raises:
            ArtifactError: the store's bytes are not the version's, or the template refuses them.
            StoreError: the artifact could not be fetched.
        """
        if (record.name, record.version) in self._answers:
            return
        async with self._at_once:
            directory = await self._fetch(record)
            identifier = f"{record.name[:16]}-{record.version}-{secrets.token_hex(4)}"
            self._loading.add(identifier)
            self._specs[identifier] = TemplateSpec(
                id=identifier,
                directory=str(directory),
                trust=self._trust,
                engine=self._engine,
                device=self._device,
            )
            self._write_wanted()
            try:
                await self._until_ready(identifier)
            except BaseException:
                del self._specs[identifier]
                self._write_wanted()
                raise
            finally:
                self._loading.discard(identifier)
        self._answers[record.name, record.version] = Answers(record=record, template=identifier)

    async def rehearse(self, record: VersionRecord) -> None:
        """
        Load the version as if it were to answer; unless it is chosen within a minute, it goes again.

        Raises:
            ArtifactError, EngineError, StoreError: as `load`.
        """
        await self.load(record)
        asyncio.get_running_loop().call_later(_REHEARSED_S, self._forget, record)

    def _forget(self, record: VersionRecord) -> None:
        choice = self._choices.get(record.name)
        if choice is None or record.version not in choice.held:
            self._answers.pop((record.name, record.version), None)

    def switch(self, choice: Choice) -> None:
        """Let the workers answer with *choice*; what is in none stays until they do."""
        self._choices[choice.name] = choice
        kept = {(choice.name, version) for version in choice.held}
        self._answers = {key: one for key, one in self._answers.items() if key[0] != choice.name or key in kept}
        self._publish()

    # -- what else changes the state ------------------------------------------------------------

    def open(self) -> None:
        """Everything that is wanted at the start is loaded, or refused: show it."""
        self._open = True
        self._publish()

    def know_keys(self, keys: tuple[Key, ...] | None) -> None:
        """The keys that let somebody in from now on."""
        if keys != self._keys:
            self._keys = keys
            self._publish()

    def degrade(self, what: tuple[str, ...]) -> None:
        """What does not work although predictions do."""
        if what != self._degraded:
            self._degraded = what
            self._publish()

    def look(self) -> list[SlotReport]:
        """See what the workers answer with, and let go of the templates that none needs any more."""
        found = [runtime.read(self._run.slot(slot), SlotReport) for slot in range(self._workers)]
        slots = [one for one in found if one is not None]
        if self._open and len(slots) == self._workers and all(one.state >= self.state.number for one in slots):
            self.applied = self.state
            self._let_go()
        return slots

    # -- details --------------------------------------------------------------------------------

    async def _until_ready(self, identifier: str) -> None:
        ready, refused = self._run.ready(identifier), self._run.refused(identifier)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                while not ready.exists():
                    if (failure := runtime.read(refused, Failure)) is not None:
                        raise ArtifactError(failure.message)
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise EngineError(f"its template was not ready after {LOAD_TIMEOUT_S:g} s") from None

    def _let_go(self) -> None:
        needed = runtime.by_id(self.state).keys() | {one.template for one in self._answers.values()} | self._loading
        gone = [identifier for identifier in self._specs if identifier not in needed]
        for identifier in gone:
            del self._specs[identifier]
        if gone:
            _log.info("no worker needs %s any more", ", ".join(gone))
            self._write_wanted()

    def _publish(self) -> None:
        if not self._open:
            return
        self.state = State(
            number=self.state.number + 1,
            models=tuple(self._model(choice) for choice in self._choices.values()),
            keys=self._keys,
            degraded=self._degraded,
        )
        runtime.write(self._run.state, self.state)

    def _model(self, choice: Choice) -> ModelState:
        return ModelState(
            name=choice.name,
            route=choice.route,
            answering={number: self._answers[choice.name, one] for number, one in choice.answering.items()},
            default_number=choice.default_number,
            warm=tuple(self._answers[choice.name, one] for one in choice.warm),
            wanted=dict(choice.wanted),
            refused=dict(choice.refused),
            event=choice.event,
            promises=choice.promises,
        )

    def _write_wanted(self) -> None:
        self._wanted_number += 1
        runtime.write(self._run.wanted, Wanted(number=self._wanted_number, templates=tuple(self._specs.values())))


def choice_of(model: ModelState) -> Choice:
    """The numbers of *model*."""
    answering = {number: one.record.version for number, one in model.answering.items()}
    warm = tuple(one.record.version for one in model.warm)
    return Choice(
        model.name,
        model.route,
        answering,
        model.default_number,
        warm,
        model.wanted,
        model.refused,
        model.event,
        model.promises,
    )


def records_of(state: State) -> list[VersionRecord]:
    """Every version that *state* holds."""
    return [one.record for model in state.models for one in _all(model)]


def _all(model: ModelState) -> tuple[Answers, ...]:
    return (*model.answering.values(), *model.warm)
