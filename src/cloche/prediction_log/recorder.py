"""
The record of a request, written before its answer leaves, and as safe as `durability` asks.

What cannot be kept is refused or counted, as `on_full` says.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from cloche.config import LogConfig
from cloche.contract.compiled import ValidRows
from cloche.contract.model import Contract
from cloche.errors import LogUnavailableError
from cloche.prediction_log.frames import Labels, Request, Schema
from cloche.prediction_log.privacy import Redaction, hashed
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.writer import SegmentWriter
from cloche.records import Outputs

_log = logging.getLogger("cloche.log")
#: With `durability = "store"`, who comes within this lands in one segment.
_GATHER_S = 0.01
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoggedVersion:
    """A version whose answers are recorded; *reference* are the inputs of its `reference.json`."""

    model: str
    version: int
    number: int
    engine: str
    contract: Contract
    reference: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request was answered with."""

    version: LoggedVersion
    rows: ValidRows
    outputs: Outputs


@dataclass(slots=True)
class Counts:
    """Since the start: records and their bytes, and records given up because of `sample` or because of the disk."""

    records: int = 0
    bytes: int = 0
    sampled_out: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Group:
    """Those who wait for the same flush."""

    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Recorder:
    """Writes the records of one process into the spool."""

    def __init__(self, spool: Spool, config: LogConfig, *, hash_key: bytes | None = None) -> None:
        self._config = config
        self._hash_key = hash_key
        self._writer = SegmentWriter(
            spool,
            segment_bytes=config.segment_bytes,
            segment_age_s=config.segment_age_s,
            flushed=config.durability == "fsync",
        )
        self._redactions: WeakKeyDictionary[LoggedVersion, Redaction] = WeakKeyDictionary()
        self._next: _Group | None = None
        self._flushing: asyncio.Task[None] | None = None
        self.counts = Counts()

    @property
    def complete(self) -> bool:
        """Whether no record is given up by a setting."""
        return self._config.complete

    @property
    def able(self) -> bool:
        """Whether an answer could leave: its record can be kept, or need not be."""
        return self._config.on_full == "serve" or self._writer.probe()

    def redaction(self, version: LoggedVersion) -> Redaction:
        """What is kept of the rows of *version*."""
        found = self._redactions.get(version)
        if found is None:
            found = Redaction(version.contract, reference=version.reference, hash_key=self._hash_key)
            self._redactions[version] = found
        return found

    async def record(self, request: Request, answered: Answered | None = None) -> None:
        """
        Keep *request*, with what it was answered with; returns when the answer may leave.

        Raises:
            LogUnavailableError: it could not be kept, and `on_full` is "refuse".
        """
        if self._config.sample < 1.0 and random.random() >= self._config.sample:  # noqa: S311  (no secret)
            self.counts.sampled_out += 1
            return
        schema = None
        if answered is not None:
            version, redaction = answered.version, self.redaction(answered.version)
            request = _filled(request, answered, redaction)
            schema = (version, lambda identity: _schema(identity, version, redaction))
        try:
            self.counts.bytes += self._writer.write(request, schema)
            await self._durable()
        except LogUnavailableError:
            self.counts.lost += 1
            if self._config.on_full == "refuse":
                raise
        else:
            self.counts.records += 1

    async def record_labels(self, labels: Labels, contract: Contract) -> None:
        """
        Keep labels; the values of private key fields as hashes, as in the records that they are to meet.

        Raises:
            LogUnavailableError: they could not be kept.
        """
        private = {one.name for one in contract.fields if one.private}
        kept = tuple(
            one if one.key is None else replace(one, key=self._hidden(one.key, private)) for one in labels.labels
        )
        self.counts.bytes += self._writer.write(replace(labels, labels=kept))
        await self._durable()
        self.counts.records += 1

    def tick(self) -> None:
        """To be called now and then."""
        self._writer.tick()

    def close(self) -> None:
        """Hand over what was written."""
        self._writer.seal()

    def _hidden(self, key: Mapping[str, Any], private: set[str]) -> dict[str, Any]:
        secret = self._hash_key
        return {
            name: value if name not in private else (None if secret is None else hashed(value, secret))
            for name, value in key.items()
        }

    # -- durability -----------------------------------------------------------------------------

    async def _durable(self) -> None:
        """What was written until now is flushed, or in the store: once for all who wait."""
        if self._config.durability == "disk":
            return
        group = self._next
        if group is None:
            group = self._next = _Group()
            self._flushing = asyncio.create_task(self._turn(group, self._flushing))
        await asyncio.shield(group.done)

    async def _turn(self, group: _Group, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        if self._config.durability == "store":
            await asyncio.sleep(_GATHER_S)
        self._next = None  # who comes from now on was not written yet
        try:
            await (self._landed() if self._config.durability == "store" else self._flushed())
        except OSError as exc:
            _log.error("records could not be flushed: %s", exc)
            group.done.set_exception(LogUnavailableError("the record of this answer could not be flushed; try again"))
            group.done.exception()  # whoever waited may have gone
        else:
            group.done.set_result(None)

    async def _flushed(self) -> None:
        segment = self._writer.segment
        if segment is None:  # sealed meanwhile, which flushed it
            return
        descriptor = segment.duplicate()
        try:
            await asyncio.to_thread(os.fdatasync, descriptor)
        finally:
            os.close(descriptor)

    async def _landed(self) -> None:
        """The agent takes away what is in the store."""
        sealed: Path | None = self._writer.seal()
        while sealed is not None and sealed.exists():
            await asyncio.sleep(_LOOK_S)


def _filled(request: Request, answered: Answered, redaction: Redaction) -> Request:
    outputs = answered.outputs
    return replace(
        request,
        model=answered.version.model,
        n=len(answered.rows),
        rows=redaction.rows(answered.rows.rows),
        prediction=outputs.prediction,
        probabilities=outputs.probabilities,
        score=outputs.score,
    )


def _schema(identity: int, version: LoggedVersion, redaction: Redaction) -> Schema:
    return Schema(
        identity,
        version.model,
        version.version,
        version.number,
        version.engine,
        redaction.fields,
        version.contract.output,
        redaction.log_inputs,
    )


def problems_of(problems: Sequence[Any]) -> list[tuple[str | None, str]]:
    """What was wrong with a refused request, without a value."""
    return [(one.field, one.code) for one in problems]
