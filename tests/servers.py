"""Real servers for tests: `cloche serve` as its own process on a free port, awaited until it is ready."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from cloche.cli import main

START_S = 180.0


@dataclass
class Server:
    """A running server: its URL, its process, and what it has written so far."""

    url: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def said(self) -> str:
        """Standard output and standard error so far."""
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")


def cloche(
    *arguments: str,
    store: Path | str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout_s: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    surroundings = {**os.environ, **({"CLOCHE_STORE": str(store)} if store else {}), **(env or {})}
    done = subprocess.run(
        [sys.executable, "-m", "cloche", *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=surroundings,
        timeout=timeout_s,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def cloche_here(*arguments: str, store: Path | str | None = None) -> subprocess.CompletedProcess[str]:
    """The same without a process of its own, which takes most of a second; not for commands that serve."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        if store is not None:
            patch.setenv("CLOCHE_STORE", str(store))
        status = main(arguments)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


@contextmanager
def serving(
    references: Sequence[str],
    *,
    store: Path | str,
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    python: str | Path = sys.executable,
) -> Iterator[Server]:
    """Serve until the block ends; fails with what the server said when it does not become ready."""
    with tempfile.NamedTemporaryFile(prefix="cloche-server-", suffix=".log") as log:
        command = [str(python), "-m", "cloche", "serve", *references, "--store", str(store), "--port", "0", *flags]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})}, cwd=cwd)
        try:
            server = Server("", process, log)
            server.url = _await_ready(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(server: Server) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended with {server.process.returncode}:\n{server.said()}")
        found = re.search(r"https?://[\d.\[\]:a-z]*:\d+", server.said())
        if found and _ready(found.group()):
            return found.group()
        time.sleep(0.05)
    raise AssertionError(f"not ready after {START_S:g} s:\n{server.said()}")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
