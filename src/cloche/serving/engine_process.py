"""
An engine in a process of its own, seen from the server: start, call, kill.

A model that computes for seconds, holds the GIL, leaks or crashes does so over there; the event loop of the
server never waits on it. One call at a time: who is next is decided in `lane.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from cloche import pipes
from cloche.artifact import Device, EngineChoice
from cloche.errors import ArtifactError, EngineError
from cloche.records import Columns, Outputs
from cloche.serving.engine_facts import EngineFacts
from cloche.threads import ONE_THREAD
from cloche.trust import TrustPolicy

_START_TIMEOUT_S = 600.0
_CLOSE_TIMEOUT_S = 2.0


class RowsRefused(Exception):
    """The model raised on these rows (0-based) and on no others; never leaves `serving/`."""

    def __init__(self, rows: list[int]) -> None:
        super().__init__(f"the model refused {len(rows)} rows")
        self.rows = rows


def outputs_of(answer: dict[str, Any]) -> Outputs:
    """
    What an engine's message means.

    Raises:
        RowsRefused, EngineError: as `EngineProcess.infer`.
    """
    if "refused_rows" in answer:
        raise RowsRefused(answer["refused_rows"])
    if "broken" in answer:
        raise EngineError("the engine failed; the cause is in the server's log")
    return Outputs.from_dict(answer)


class EngineProcess:
    """One child process with one opened artifact."""

    facts: EngineFacts

    def __init__(
        self, directory: Path, trust: TrustPolicy, choice: EngineChoice = "auto", device: Device = "cpu"
    ) -> None:
        self._directory = directory
        self._trust = trust
        self._choice = choice
        self._device = device
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """
        Open the artifact in a new process; all checks and golden rows run there.

        Raises:
            ArtifactError: it will not be opened, and why.
            EngineError: the process died on the way.
        """
        await self.kill()
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._open()
        except TimeoutError:
            await self.kill()
            raise EngineError(f"the artifact did not open within {_START_TIMEOUT_S:g} s") from None
        except BaseException:  # a cancelled start too: no process is left behind
            await self.kill()
            raise

    async def _open(self) -> None:
        # -P: the working directory is not put on sys.path.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "cloche.serving.engine_child", str(self._directory),
            stdin=PIPE, stdout=PIPE, env={**os.environ, **ONE_THREAD},
        )  # fmt: skip
        hello = await self._exchange({"trust": self._trust.to_dict(), "engine": self._choice, "device": self._device})
        if "refused" in hello:
            raise ArtifactError(hello["refused"])
        self.facts = EngineFacts.of_message(hello)

    async def infer(self, columns: Columns, n: int) -> Outputs:
        """
        The answers to *n* rows. Not to be cancelled: a frame read in part is a process to be killed.

        Raises:
            RowsRefused: the model raised on some rows.
            EngineError: the model answers nothing any more, or the process died.
        """
        return outputs_of(await self._exchange({"columns": columns, "n": n}))

    async def exited(self) -> int:
        """Wait until the process ends; its exit status."""
        return -1 if self._process is None else await self._process.wait()

    async def kill(self) -> None:
        """End the process at once, whatever it does."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._process = None

    async def close(self) -> None:
        """Let the process end by itself; kill it where it does not."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _CLOSE_TIMEOUT_S)
        await self.kill()

    async def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise EngineError("the engine process is not running")
        with contextlib.suppress(ConnectionError):  # it died: reading says so
            process.stdin.write(pipes.message_bytes(message))
            await process.stdin.drain()
        try:
            return await pipes.aread(process.stdout)
        except EOFError:
            raise EngineError(f"the engine process died (exit status {await process.wait()})") from None
        except ValueError as exc:  # no answer can be found on this pipe any more
            await self.kill()
            raise EngineError(f"the engine process is replaced: {exc}") from exc
