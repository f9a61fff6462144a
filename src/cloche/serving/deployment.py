"""One version of a model that this server answers with: its contract at the door, its engine behind a lane."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cloche.artifact import Device, EngineChoice, OpenArtifact, open_artifact
from cloche.contract.compiled import CompiledContract, ValidRows, compile_contract
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.errors import InvalidInputError
from cloche.manifest import Manifest
from cloche.prediction_log.version import LoggedVersion
from cloche.records import Outputs
from cloche.registry import VersionRecord
from cloche.serving.answers import nothing
from cloche.serving.batch import Done
from cloche.serving.engine_facts import EngineFacts
from cloche.serving.engine_process import EngineProcess, RowsRefused
from cloche.serving.inline import InlineLane, Pace
from cloche.serving.lane import Engine, Lane
from cloche.serving.queueing import RowQueue
from cloche.serving.warm_up import golden_columns
from cloche.trust import TrustPolicy

_log = logging.getLogger("cloche.serving")


#: Engines that answer in microseconds, keep no thread and are not told apart by what else is in the batch.
INLINE = frozenset({"twin"})
_UNKNOWN_PACE = Pace(0.001, 0.001)


class VersionEngine(Engine, Protocol):
    """An engine that says, once it is started, which artifact it holds."""

    facts: EngineFacts

    @property
    def pid(self) -> int | None: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Deployment:
    """
    A version held warm. `name`, `version` and `number` (of the contract) are what answers and routes say.
    """

    name: str
    record: VersionRecord
    compiled: CompiledContract
    manifest: Manifest
    lane: RowQueue
    logged: LoggedVersion

    @property
    def version(self) -> int:
        return self.record.version

    @property
    def number(self) -> int:
        return self.record.contract

    @property
    def engine(self) -> str:
        """Which engine answers: `twin`, `native` or `onnx`."""
        return self.logged.engine

    async def infer(self, rows: ValidRows, timeout_s: float) -> Outputs:
        """
        What the model answers to *rows*, off the event loop.

        Raises:
            InvalidInputError: the rows keep the contract and the model still raises on some (`model_refused`).
            OverloadedError, DeadlineExceededError, EngineError, NotReadyError: as the lane says.
        """
        if not len(rows):
            return nothing(rows.contract.output)
        try:
            return await self.lane.infer(rows.columns(), len(rows), timeout_s)
        except RowsRefused as exc:
            raise InvalidInputError(_model_refused(exc.rows, rows.single)) from exc

    def submit(self, rows: ValidRows, timeout_s: float, done: Done) -> None:
        """
        `infer` for who cannot wait: *done* is called once with the outputs, or with what `infer` would raise.

        Raises:
            OverloadedError, NotReadyError: at once, and *done* is not called.
        """
        if not len(rows):
            done(nothing(rows.contract.output))
            return

        def finished(result: Outputs | Exception) -> None:
            if isinstance(result, RowsRefused):
                result = InvalidInputError(_model_refused(result.rows, rows.single))
            done(result)

        self.lane.submit(rows.columns(), len(rows), timeout_s, finished)

    async def close(self, *, grace_s: float = 30.0) -> None:
        """Finish what is in flight, then end the engine's process."""
        await self.lane.close(grace_s=grace_s)


async def deploy(
    name: str,
    record: VersionRecord,
    directory: Path,
    *,
    trust: TrustPolicy,
    choice: EngineChoice,
    device: Device = "cpu",
    strict: bool,
    queue_rows: int,
) -> Deployment:
    """
    Open the artifact in *directory* in a process of its own.

    Raises:
        ArtifactError: it will not be opened, or has no such engine as *choice*.
        EngineError: its process died on the way.
    """
    engine = EngineProcess(directory, trust, choice, device)
    deployment = await deploy_engine(name, record, engine, strict=strict, queue_rows=queue_rows)
    if deployment.engine not in INLINE:
        return deployment
    await deployment.close()  # it has shown that it opens and answers
    return await deploy_here(name, record, directory, trust=trust, choice=choice, strict=strict, queue_rows=queue_rows)


async def deploy_here(
    name: str,
    record: VersionRecord,
    directory: Path,
    *,
    trust: TrustPolicy,
    choice: EngineChoice,
    strict: bool,
    queue_rows: int,
) -> Deployment:
    """
    Open the artifact in *directory* in this process, for an engine of `INLINE`; another process has tried it before.

    Raises:
        ArtifactError: it will not be opened, or has no such engine as *choice*.
        EngineError: it does not answer a golden row.
    """
    opened, pace = await asyncio.to_thread(_open_here, directory, trust, choice)
    _log.info("%s version %d is loaded (engine %s in this process)", name, record.version, opened.engine.name)
    lane = InlineLane(opened.engine, name=f"{name} version {record.version}", queue_rows=queue_rows, pace=pace)
    logged = LoggedVersion(
        name,
        record.version,
        record.contract,
        opened.engine.name,
        opened.contract,
        opened.reference_inputs() if opened.contract.log_inputs == "summary" else None,
    )
    compiled = compile_contract(opened.contract, strict=strict)
    return Deployment(name, record, compiled, opened.manifest, lane, logged)


def _open_here(directory: Path, trust: TrustPolicy, choice: EngineChoice) -> tuple[OpenArtifact, Pace]:
    opened = open_artifact(directory, trust, engine=choice)
    rows = golden_columns(opened, 1)
    return opened, Pace.measure(opened.engine, rows[0]) if rows else _UNKNOWN_PACE


async def deploy_engine(
    name: str, record: VersionRecord, engine: VersionEngine, *, strict: bool, queue_rows: int
) -> Deployment:
    """
    Start *engine* and put it behind a lane.

    Raises:
        ArtifactError, EngineError: it does not start.
    """
    await engine.start()
    facts = engine.facts
    _log.info("%s version %d is loaded (engine process %s)", name, record.version, engine.pid)
    return Deployment(
        name=name,
        record=record,
        compiled=compile_contract(facts.contract, strict=strict),
        manifest=facts.manifest,
        lane=Lane(engine, name=f"{name} version {record.version}", queue_rows=queue_rows, together=facts.together),
        logged=LoggedVersion(name, record.version, record.contract, facts.engine, facts.contract, facts.reference),
    )


def _model_refused(rows: Sequence[int], single: bool) -> list[Problem]:
    return [
        Problem(
            row=None if single else row,
            field=None,
            code="model_refused",
            message="the model could not answer this row, although it keeps the contract",
        )
        for row in rows[:MAX_PROBLEMS]
    ]
