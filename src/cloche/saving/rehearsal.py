"""The parent's side of the fresh process: starts it, asks it, kills it when it takes too long, starts it again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from cloche import pipes
from cloche.contract.model import Output
from cloche.errors import EngineError
from cloche.manifest import MANIFEST, identity
from cloche.records import Columns, FrameSpec, Outputs
from cloche.threads import ONE_THREAD
from cloche.trust import TrustPolicy

#: A model that takes longer to open than this does not open.
OPEN_TIMEOUT_S = 300.0
ANSWER_TIMEOUT_S = 120.0
PROBE_BUDGET_S = 10.0
_STDERR_CHARS = 400


class RehearsalError(Exception):
    """What the fresh process said when it could not; `kind` is the class of what it raised, "" where it died."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Rehearsal:
    """
    A fresh Python process that holds the staged model.

    It starts importing at once, while the parent still reads and writes. A crash or a timeout is an answer like any
    other ("raised"): the next question starts the process again.
    """

    def __init__(self, directory: Path, flavor: str, trust: TrustPolicy) -> None:
        self._flavor = flavor
        self._trust = trust.names_only()  # what is rehearsed has no signature yet
        self._load: dict[str, Any] = {
            "do": "load",
            "directory": str(directory),
            "flavor": flavor,
            "trust": self._trust.to_dict(),
        }
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the rehearsal, closed in close()
        self._process: subprocess.Popen[bytes] | None = self._spawn()

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def load(self, options: dict[str, Any], frame: FrameSpec) -> None:
        """
        Load the staged model there; *options* are what its flavor wrote down, *frame* is what it will be shown.

        Raises:
            RehearsalError: it does not load; `kind` is the class of the error.
        """
        self._load |= {"options": options, "frame": msgspec.to_builtins(frame)}
        self._ask(self._load, OPEN_TIMEOUT_S)

    def answer(self, columns: Columns, n: int, output: Output, timeout_s: float = ANSWER_TIMEOUT_S) -> Outputs:
        """
        What the model answers there.

        Raises:
            EngineError: it raised, crashed or took longer than *timeout_s*.
        """
        question = {
            "do": "answer",
            "columns": columns,
            "n": n,
            "output": msgspec.to_builtins(output),
        }
        try:
            if self._process is None:
                self._start()
            return Outputs.from_dict(self._ask(question, timeout_s))
        except RehearsalError as exc:
            raise EngineError(f"{exc.kind}: {exc}" if exc.kind else str(exc)) from exc

    def prober(self, output: Output) -> Callable[[Columns, int], Outputs]:
        """`answer` for probing: all calls together may take PROBE_BUDGET_S; later ones raise at once."""
        budget_s, spent = PROBE_BUDGET_S, 0.0

        def answers(columns: Columns, n: int) -> Outputs:
            nonlocal spent
            if spent >= budget_s:
                raise EngineError(f"not probed: the budget of {budget_s:g} s is used up")
            if self._process is None:
                self._start()
            started = time.monotonic()
            try:
                return self.answer(columns, n, output, budget_s - spent)
            finally:
                spent += time.monotonic() - started

        return answers

    def open(self, directory: Path) -> str:
        """
        Open the finished artifact there, by the whole load order, and return its identity.

        Raises:
            RehearsalError: it was refused.
        """
        self._process = self._process or self._spawn()
        trust = self._trust.with_digest(identity((directory / MANIFEST).read_bytes()))  # its owner has just made it
        question = {"do": "open", "directory": str(directory), "trust": trust.to_dict()}
        return str(self._ask(question, OPEN_TIMEOUT_S)["identity"])

    def close(self) -> None:
        """End the process; it holds nothing that is worth a polite good-bye."""
        if self._process is not None:
            self._process.kill()
        self._stop()
        self._stderr.close()

    def _start(self) -> None:
        self._process = self._spawn()
        self._ask(self._load, OPEN_TIMEOUT_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "cloche.saving.child", self._flavor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **ONE_THREAD},
        )

    def _ask(self, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RehearsalError("", "the fresh process is not running")
        alarm = threading.Timer(timeout_s, process.kill)
        alarm.start()
        try:
            pipes.write(process.stdin, question)
            answer = pipes.read(process.stdout)
        except (EOFError, OSError, ValueError) as exc:
            late = not alarm.is_alive()
            raise RehearsalError("", self._epitaph(timeout_s if late else None)) from exc
        finally:
            alarm.cancel()
        if not answer["ok"]:
            raise RehearsalError(answer["type"], answer["message"])
        return answer

    def _epitaph(self, timeout_s: float | None) -> str:
        """Why there was no answer; the process is gone after this."""
        code = self._stop()
        if timeout_s is not None:
            return f"no answer within {timeout_s:g} s"
        self._stderr.seek(0)
        said = self._stderr.read()[-_STDERR_CHARS:].decode(errors="replace").strip()
        return f"the fresh process died (status {code})" + (f": …{said}" if said else "")

    def _stop(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        try:
            return process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
