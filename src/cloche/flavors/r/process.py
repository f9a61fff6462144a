"""
One R process that holds one model: started, asked, killed when it is late, started again when it has died.

It runs without profile, environment files or workspace, in an environment of a few named variables, with a limit on
its memory, and hears and answers on two pipes of its own; what a model prints goes to a file that is shown where
the process dies.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from cloche.errors import EngineError, MissingProgramError
from cloche.flavors.r import wire
from cloche.threads import ONE_THREAD

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

START_S = 120.0
#: R ends by itself what is late; an R process that does not is killed so much later.
GRACE_S = 1.0
#: What a process may hold, and write into a file (its messages, say), besides so many times the size of its model.
MEMORY_BYTES, MEMORY_TIMES = 4 << 30, 16
FILE_BYTES, FILE_TIMES = 64 << 20, 4
_SAID_CHARS = 400
_KEPT = ("PATH", "HOME", "TMPDIR", "R_HOME", "R_LIBS", "R_LIBS_SITE", "R_LIBS_USER", "LD_LIBRARY_PATH")
INSTALL = "run: apt-get install r-base-core (and r-cran-… for the model's own packages), or put Rscript on the PATH"


class RProcessDied(EngineError):
    """The R process ended before it had answered."""


class RProcessLate(EngineError):
    """The R process was killed because it had not answered in time."""


class RError(EngineError):
    """What R said when it could not do what it was asked for."""


class RProcess:
    """
    An R process; one question at a time, whoever asks.

    *first* is asked of every new process before anything else: it loads the model.
    """

    def __init__(self, first: Mapping[str, Any]) -> None:
        self._first = dict(first)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._finalizer: Callable[[], Any] = _nothing

    @property
    def pid(self) -> int | None:
        """The process id; None where none is running."""
        return None if self._running is None else self._running.process.pid

    def start(self) -> dict[str, Any]:
        """
        Start it, and return what it answers to the first question.

        Raises:
            MissingProgramError: R is not installed.
            RError: it refuses; RProcessDied, RProcessLate: it did not come so far.
        """
        with self._lock:
            return self._start()

    def ask(self, question: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
        """
        What R answers. A process that is found dead, or dies over the question, is replaced and asked once more.

        Raises:
            RError: R could not do it; RProcessDied: twice; RProcessLate: not within *within_s*.
        """
        with self._lock:
            for attempt in (1, 2):
                if self._running is None:
                    self._start()
                try:
                    return self._exchange(question, within_s)
                except RProcessDied:
                    if attempt == 2:
                        raise
            raise AssertionError("unreachable")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _start(self) -> dict[str, Any]:
        self._end()
        self._running = _Running(len(self._first.get("bytes", b"")))
        self._finalizer = weakref.finalize(self, self._running.end)
        try:
            return self._exchange(self._first, START_S)
        except EngineError:
            self._end()
            raise

    def _exchange(self, question: Mapping[str, Any], within_s: float) -> dict[str, Any]:
        running = self._running
        if running is None:
            raise RProcessDied("the R process is not running")
        sent = wire.message({"do": question["do"], "seconds": within_s, **question})
        until = time.monotonic() + within_s + GRACE_S
        try:
            running.send(sent, until)
            answer = wire.read(lambda n: running.receive(n, until))
        except TimeoutError as exc:
            self._end()
            raise RProcessLate(f"R did not answer within {within_s:g} s") from exc
        except (EOFError, OSError) as exc:
            died = running.epitaph()
            self._end()
            raise RProcessDied(died) from exc
        except BaseException:  # half an answer is left in the pipe
            self._end()
            raise
        if "error" in answer:
            raise RError(answer["error"][0] or "R gave no reason")
        return answer

    def _end(self) -> None:
        self._running = None
        self._finalizer()


def _nothing() -> None:
    """What there is to end before anything was started."""


class _Running:
    """A started process, its two pipes, and what it prints."""

    def __init__(self, model_bytes: int) -> None:
        memory_bytes = MEMORY_BYTES + MEMORY_TIMES * model_bytes
        program = shutil.which("Rscript")
        if program is None:
            raise MissingProgramError("flavor 'r'", "R", INSTALL)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        hears, self._to = os.pipe()
        self._from, tells = os.pipe()
        try:
            self.process = subprocess.Popen(
                [program, "--vanilla", _program("worker.R"), _program("model.R"), str(hears), str(tells)],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(hears, tells),
                cwd=tempfile.gettempdir(),
                env=_environment(memory_bytes),
            )
        except BaseException:
            os.close(self._to)
            os.close(self._from)
            raise
        finally:
            os.close(hears)
            os.close(tells)
        os.set_blocking(self._to, False)
        _limit(self.process.pid, 2 * memory_bytes, FILE_BYTES + FILE_TIMES * model_bytes)
        self._ended = False

    def send(self, data: bytes, until: float) -> None:
        """Write all of *data*; TimeoutError after *until*, OSError where nobody reads."""
        view = memoryview(data)
        while view:
            self._await(self._to, select.POLLOUT, until)
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(self._to, view) :]

    def receive(self, n: int, until: float) -> bytes:
        """The next *n* bytes; TimeoutError after *until*, EOFError where nobody writes."""
        parts = []
        while n:
            self._await(self._from, select.POLLIN, until)
            part = os.read(self._from, min(n, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            n -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _await(self, descriptor: int, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError

    def epitaph(self) -> str:
        """How it ended, and the last that it printed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self._said.seek(0)
        said = " ".join(self._said.read()[-_SAID_CHARS:].decode(errors="replace").split())
        return f"the R process died (status {self.process.poll()})" + (f": …{said}" if said else "")

    def end(self) -> None:
        """Kill it, and give everything back; a second time does nothing."""
        if self._ended:
            return
        self._ended = True
        self.process.kill()
        self.process.wait()
        os.close(self._to)
        os.close(self._from)
        self._said.close()


def _program(name: str) -> str:
    with resources.as_file(resources.files("cloche.flavors.r") / name) as path:
        return str(Path(path))


def _environment(memory_bytes: int) -> dict[str, str]:
    """A few variables by name: no credential of the server reaches a model."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "R_MAX_VSIZE": f"{memory_bytes >> 20}M"}
    return {**kept, **ONE_THREAD, **own}


def _limit(pid: int, memory_bytes: int, file_bytes: int) -> None:
    """R's own limit gives a clear error; this one also holds what its packages allocate by themselves."""
    if resource is None or not hasattr(resource, "prlimit"):
        return
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
