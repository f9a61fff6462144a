"""The processes of a running server, seen from outside: who is who, killing one, clients that keep connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROLES = ("agent", "monitor", "template", "worker")


def children(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for task in tasks(pid):
        with contextlib.suppress(OSError):
            found += [int(one) for one in (task / "children").read_text().split()]
    return found


def tasks(pid: int) -> list[Path]:
    """The threads of a process; none where it has gone, which it may do while they are listed."""
    with contextlib.suppress(OSError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []


def command_of(pid: int) -> list[str]:
    """How a process was started; nothing where there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    return []


def run_folder(supervisor: int) -> Path:
    """RUN of a server."""
    return Path(command_of(supervisor)[4])


def by_role(supervisor: int) -> dict[str, list[int]]:
    """
    All processes of a server but the supervisor.

    An engine is a template that is no child of the supervisor: of the template it was forked from, or of nobody.
    """
    run, found = str(run_folder(supervisor)), {name: list[int]() for name in (*ROLES, "engine")}
    direct = set(children(supervisor))
    for entry in Path("/proc").glob("[0-9]*"):
        words, pid = command_of(int(entry.name)), int(entry.name)
        name = next((name for name in ROLES if f"cloche.web.processes.{name}" in words), None)
        if name is not None and run in words and alive(pid):
            found[name if pid in direct else "engine"].append(pid)
    return found


def of_role(supervisor: int, wanted: str) -> list[int]:
    """The processes of a role."""
    return by_role(supervisor)[wanted]


def everybody(supervisor: int) -> list[int]:
    """All of the server's processes but the supervisor."""
    return [pid for pids in by_role(supervisor).values() for pid in pids]


def alive(pid: int) -> bool:
    """Whether a thread of the process runs: one that waits to be reaped does not, and has closed what it had open."""
    return any(_runs(task) for task in tasks(pid))


def _runs(task: Path) -> bool:
    with contextlib.suppress(OSError):
        return (task / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def eventually(check: Callable[[], Any], what: str, *, seconds: float = 60.0) -> Any:
    """What *check* gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"not after {seconds:g} s: {what}"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Span:
    """From before something began until after it had ended."""

    start: float
    end: float
    what: str = ""

    def meets(self, other: Span) -> bool:
        return self.start <= other.end and other.start <= self.end


def kill(pid: int, number: int = signal.SIGKILL) -> Span:
    """Kill a process and see it dead; when that was."""
    start = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    eventually(lambda: not alive(pid), f"process {pid} is dead")
    return Span(start, time.monotonic(), f"killed {pid}")


@dataclass
class Client(threading.Thread):
    """
    Asks without a pause on one connection, looks whether it was closed before it asks, notes what went wrong.

    That look is what every pool does (httpx, urllib3): a request sent on a connection known to be closed is no
    request that a server could answer. `asked` is by the `X-Request-ID` of each request what came back: status and
    the server's own id, or None where the connection broke.
    """

    url: str
    body: bytes
    path: str = "/predict"
    pause_s: float = 0.0
    answered: int = 0
    versions: list[str] = field(default_factory=list)
    failures: list[Span] = field(default_factory=list)
    asked: dict[str, tuple[int, str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        connection, name = self._connection(), secrets.token_hex(4)
        while not self.done.is_set():
            if _closed(connection):
                connection.close()
                connection = self._connection()
            start, asked = time.monotonic(), f"{name}-{len(self.asked)}"
            self.asked[asked] = None
            try:
                headers = {"Content-Type": "application/json", "X-Request-ID": asked}
                connection.request("POST", self.path, self.body, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as exc:
                self.failures.append(Span(start, time.monotonic(), repr(exc)))
                connection.close()
                connection = self._connection()
                time.sleep(self.pause_s)
                continue
            self.asked[asked] = (answer.status, answer.headers["X-Request-ID"])
            if answer.status == 200:
                self.answered += 1
                self._note(json.loads(content)["model_version"])
            else:
                self.failures.append(Span(start, time.monotonic(), f"{answer.status} {content[:200]!r}"))
            time.sleep(self.pause_s)
        connection.close()

    def _note(self, version: str) -> None:
        if not self.versions or self.versions[-1] != version:
            self.versions.append(version)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)


def _closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed it: nothing else makes an idle connection readable."""
    return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])


@contextlib.contextmanager
def load(
    url: str, body: Any, *, clients: int = 4, path: str = "/predict", pause_s: float = 0.002
) -> Iterator[Sequence[Client]]:
    """Clients that ask until the block ends."""
    raw = json.dumps(body).encode()
    running = [Client(url, raw, path, pause_s) for _ in range(clients)]
    for one in running:
        one.start()
    try:
        yield running
    finally:
        for one in running:
            one.done.set()
        for one in running:
            one.join(60)


def unexplained(clients: Sequence[Client], kills: Sequence[Span]) -> list[str]:
    """Failures of requests that were not in flight while a process that could answer them was killed."""
    return [
        f"{failure.what} after {failure.end - failure.start:.3f} s"
        for client in clients
        for failure in client.failures
        if not any(failure.meets(one) for one in kills)
    ]
