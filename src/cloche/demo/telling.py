"""How the story is told: lines on the terminal, waiting for what happens, servers as processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TypeVar

from cloche.client import Client
from cloche.errors import ServingError

READY_S = 60.0
T = TypeVar("T")


def say(line: str) -> None:
    """What happens next."""
    print(f"\n\N{BLACK RIGHT-POINTING POINTER} {line}", flush=True)


def show(text: str) -> None:
    """What came of it."""
    print("\n".join(f"  {line}" for line in text.splitlines()), flush=True)


def await_(what: Callable[[], T | None], seconds: float, words: str) -> T:
    """
    What *what* gives when it gives something.

    Raises:
        ServingError: it gave nothing in *seconds*.
    """
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise ServingError(f"waited {seconds:g} s for {words}")
        time.sleep(0.05)
    return found


def free(port: int) -> int:
    """*port*, or a free one where somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
            say(f"(port {port} is taken; using another)")
        found: int = probe.getsockname()[1]
        return found


@dataclass(frozen=True, slots=True)
class Serving:
    """A server of the story: its process, its address, and what it has written."""

    process: subprocess.Popen[bytes]
    url: str
    log: IO[bytes]

    def said(self) -> str:
        """Everything it has written so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


@contextmanager
def serve(name: str, store: str, port: int, flags: Sequence[str] = (), **env: str) -> Iterator[Serving]:
    """`cloche serve NAME` until the block ends, awaited until it is ready; *env* are settings of its own."""
    command = [sys.executable, "-m", "cloche", "serve", name, "--store", store, "--port", str(port), *flags]
    with tempfile.TemporaryFile() as log:
        surroundings: Mapping[str, str] = {**os.environ, **env}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=surroundings, start_new_session=True)
        server = Serving(process, f"http://127.0.0.1:{port}", log)
        try:
            with Client(server.url, retries=0) as probe:
                await_(lambda: _ready(server, probe), READY_S, "the server")
            show(f"ready at {server.url}")
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _ready(server: Serving, probe: Client) -> bool:
    if server.process.poll() is not None:
        raise ServingError(f"the server ended with status {server.process.returncode}: {server.said()}")
    return probe.ready()
