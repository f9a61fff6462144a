"""Small fakes that implement an interface: an engine, a deployment, a lane's clock. No mocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.manifest import Environment, Manifest
from cloche.prediction_log.version import LoggedVersion
from cloche.records import Columns, FrameSpec, Outputs
from cloche.registry.model import VersionRecord
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments, Held
from cloche.serving.inline import InlineLane, Pace
from cloche.serving.lane import Lane
from cloche.serving.queueing import RowQueue

Answer = Callable[[Columns, int], Outputs]

COLOURS = Contract(
    fields=(Field(name="x", type="number"), Field(name="colour", type="category", levels=("red", "blue"))),
    output=Output(task="classification", type="string", classes=("no", "yes"), probabilities=True),
)


def sign_of_x(columns: Columns, n: int) -> Outputs:
    """`yes` with 0.75 where x > 0, else `no`."""
    yes = [x > 0 for x in columns["x"]]
    return Outputs(["yes" if one else "no" for one in yes], [[0.25, 0.75] if one else [0.75, 0.25] for one in yes])


class FakeEngine:
    """An engine without a process: what it answers, how long it takes, how often it was started."""

    def __init__(self, answer: Answer = sign_of_x) -> None:
        self.answer = answer
        self.starts = 1
        self.calls: list[int] = []
        self.block: asyncio.Event | None = None  #: while set, an answer waits for it
        self.refuse_start: Exception | None = None
        self.closed = False
        self._dead = asyncio.Event()

    @property
    def alive(self) -> bool:
        return not self._dead.is_set()

    async def start(self) -> None:
        if self.refuse_start is not None:
            raise self.refuse_start
        self.starts += 1
        self._dead = asyncio.Event()

    async def infer(self, columns: Columns, n: int) -> Outputs:
        self.calls.append(n)
        if self.block is not None:
            await self.block.wait()
        return self.answer(columns, n)

    async def exited(self) -> int:
        await self._dead.wait()
        return -9

    async def kill(self) -> None:
        self._dead.set()

    async def close(self) -> None:
        self.closed = True
        self._dead.set()


def manifest(contract: Contract = COLOURS, name: str = "colours") -> Manifest:
    """A manifest that claims nothing in particular."""
    return Manifest(
        name=name, task=contract.output.task, flavor="sklearn", framework="scikit-learn 1.9.1",
        created="2026-01-01T00:00:00Z", created_by="somebody", cloche="0.1.0", frame=FrameSpec("pandas", ()),
        files={}, environment=Environment("3.11", "linux", {}),
    )  # fmt: skip


class InlineEngine:
    """An engine of this process: what it answers, and how many rows it was asked for."""

    def __init__(self, answer: Answer = sign_of_x) -> None:
        self.answer = answer
        self.calls: list[int] = []

    def predict(self, columns: Columns, n: int) -> Outputs:
        self.calls.append(n)
        return self.answer(columns, n)


def deployment(
    engine: FakeEngine | InlineEngine | None = None, *, name: str = "colours", version: int = 1, number: int = 1,
    contract: Contract = COLOURS, queue_rows: int = 100, strict: bool = False,
) -> Deployment:  # fmt: skip
    """A deployment whose engine is a fake; to be made on a running loop."""
    record = VersionRecord(
        name=name, version=version, contract=number, revision=0, manifest="0" * 64, by="somebody",
        at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    lane = _lane(engine or FakeEngine(), f"{name} version {version}", queue_rows)
    logged = LoggedVersion(name, version, number, "twin" if isinstance(lane, InlineLane) else "native", contract)
    return Deployment(name, record, compile_contract(contract, strict=strict), manifest(contract, name), lane, logged)


def _lane(engine: FakeEngine | InlineEngine, name: str, queue_rows: int) -> RowQueue:
    if isinstance(engine, InlineEngine):
        return InlineLane(engine, name=name, queue_rows=queue_rows, pace=Pace(1e-6, 1e-6))
    return Lane(engine, name=name, queue_rows=queue_rows)


def deployments(*given: Deployment, default: str | None = None) -> Deployments:
    """Deployments where each of *given* answers for its name; a later one of a name adds a contract."""
    table = Deployments(default=default)
    for one in given:
        held = table.get(one.name)
        answering = {} if held is None else dict(held.answering)
        answering[one.number] = one
        first = next(iter(answering))
        wanted = {number: there.version for number, there in answering.items()}
        table.put(Held(one.name, "live", answering, first, (), wanted))
    return table


def ids() -> Callable[[], str]:
    """`id-1`, `id-2` …"""
    numbers: Any = iter(range(1, 1_000_000))
    return lambda: f"id-{next(numbers)}"
