"""
The record of a request, written before its answer leaves, and as safe as `durability` asks.

What cannot be kept is refused or counted, as `on_full` says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from cloche.config import LogConfig
from cloche.contract.model import Contract
from cloche.errors import LogUnavailableError, RequestError
from cloche.prediction_log.flushing import Flushing
from cloche.prediction_log.frames import Labels, Request, Schema
from cloche.prediction_log.hash_key import read_hash_key
from cloche.prediction_log.privacy import Redaction, hashed
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.version import Answered, LoggedVersion
from cloche.prediction_log.writer import Record, SegmentWriter


@dataclass(slots=True)
class Counts:
    """
    Since the start: records and their bytes; records left out by `sample`, and those that the disk did not keep.

    One that was written and not made as safe as `durability` asks counts as `lost`, and may be there all the same.
    """

    records: int = 0
    bytes: int = 0
    sampled_out: int = 0
    lost: int = 0


class Recorder:
    """Writes the records of one process into the spool."""

    def __init__(self, spool: Spool, config: LogConfig, *, hash_key: bytes | None = None, ahead: bool = False) -> None:
        """*ahead*: what no answer has to wait for is done in a thread, where `durability` allows it."""
        self._config = config
        self._hash_key = hash_key
        self._writer = SegmentWriter(
            spool,
            segment_bytes=config.segment_bytes,
            segment_age_s=config.segment_age_s,
            flushed=config.durability == "fsync",
            ahead=ahead and config.durability == "disk",
        )
        self._redactions: WeakKeyDictionary[LoggedVersion, Redaction] = WeakKeyDictionary()
        self._flushing: WeakKeyDictionary[asyncio.AbstractEventLoop, Flushing] = WeakKeyDictionary()
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

    @property
    def at_once(self) -> bool:
        """Whether a record that is written is safe enough for its answer to leave."""
        return self._config.durability == "disk"

    async def record(self, request: Request, answered: Answered | None = None, *, within_s: float) -> None:
        """
        Keep *request*, with what it was answered with; returns when the answer may leave.

        Raises:
            LogUnavailableError: it could not be kept, or not in time, and `on_full` is "refuse".
        """
        try:
            kept = self._write([(request, answered)])
            if kept:
                await self._durable(within_s)
                self.counts.records += kept
        except LogUnavailableError:
            self.counts.lost += 1
            if self._config.on_full == "refuse":
                raise

    def record_all(self, requests: Sequence[tuple[Request, Answered | None]]) -> None:
        """
        Keep several in one write; only where `at_once` may their answers leave then.

        Raises:
            LogUnavailableError: none could be kept, and `on_full` is "refuse".
        """
        try:
            self.counts.records += self._write(requests)
        except LogUnavailableError:
            self.counts.lost += len(requests)
            if self._config.on_full == "refuse":
                raise

    def _write(self, requests: Sequence[tuple[Request, Answered | None]]) -> int:
        """Write those that are not sampled out; how many that were."""
        sample = self._config.sample
        kept = requests if sample >= 1.0 else [one for one in requests if random.random() < sample]  # noqa: S311
        self.counts.sampled_out += len(requests) - len(kept)
        if kept:
            self.counts.bytes += self._writer.write([self._record(*one) for one in kept])
        return len(kept)

    def _record(self, request: Request, answered: Answered | None) -> Record:
        if answered is None:
            return lambda _number: request, None
        version, redaction = answered.version, self.redaction(answered.version)
        schema = (version, lambda number: _schema(number, version, redaction))
        return lambda number: _filled(request, answered, redaction, number), schema

    async def record_labels(self, labels: Labels, contract: Contract, *, within_s: float) -> None:
        """
        Keep labels; the values of private key fields as hashes, as in the records that they are to meet.

        Raises:
            RequestError: one names a private key, and this host keeps no hashes by which answers could be found.
            LogUnavailableError: they could not be kept, or not in time.
        """
        private = {one.name for one in contract.fields if one.private}
        kept = tuple(
            one if one.key is None else replace(one, key=self._hidden(one.key, private)) for one in labels.labels
        )
        frame = replace(labels, labels=kept)
        try:
            self.counts.bytes += self._writer.write([(lambda _number: frame, None)])
            await self._durable(within_s)
        except LogUnavailableError:
            self.counts.lost += 1
            raise
        self.counts.records += 1

    def tick(self) -> None:
        """To be called now and then."""
        self._writer.tick()

    def close(self) -> None:
        """Hand over what was written."""
        self._writer.close()

    def _hidden(self, key: Mapping[str, Any], private: set[str]) -> dict[str, Any]:
        secret, named = self._hash_key, sorted(private & set(key))
        if not named:
            return dict(key)
        if secret is None:
            raise RequestError(
                f"key: '{named[0]}' is private, and this server keeps no hashes of private fields "
                "(setting [log] hash_key); name answers by 'request_id'"
            )
        return {name: hashed(value, secret) if name in private else value for name, value in key.items()}

    async def _durable(self, within_s: float) -> None:
        """What was written until now is as safe as it has to be."""
        if self.at_once:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._flushing_here().wait()
        except TimeoutError:
            raise LogUnavailableError(f"the record was not kept within {within_s:g} s; try again") from None

    def _flushing_here(self) -> Flushing:
        loop = asyncio.get_running_loop()
        found = self._flushing.get(loop)
        if found is None:
            found = self._flushing[loop] = Flushing(self._writer, self._config.durability == "store")
        return found


def open_recorder(config: LogConfig, spool: Path, store_url: str) -> Recorder:
    """
    The recorder of this process for one store, for an event loop.

    Raises:
        UsageError: the key of hashes cannot be read.
        SpoolError: the spool cannot be made.
    """
    return Recorder(Spool.open(spool, store_url), config, hash_key=read_hash_key(config.hash_key), ahead=True)


def _filled(request: Request, answered: Answered, redaction: Redaction, number: int | None) -> Request:
    rows, outputs = answered.rows, answered.outputs
    if rows is None or outputs is None:
        known = {one.name for one in redaction.fields}  # any other name is text that the caller sent
        problems = [(one.field if one.field in known else None, one.code) for one in answered.problems] or None
        return replace(request, schema=number, model=answered.version.model, route=answered.route, problems=problems)
    return replace(
        request,
        schema=number,
        model=answered.version.model,
        route=answered.route,
        n=len(rows),
        rows=redaction.rows(rows.rows),
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
