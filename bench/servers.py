"""What is measured: how each server is started, where it is asked, and which body means the same rows to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import processes

ROOT = Path(__file__).parents[1]
_PATIENCE_S = 120.0
_LIGHT = {"CLOCHE_SERVER_ACCESS_LOG": "false"}


@dataclass(frozen=True)
class Server:
    """
    One row of the tables.

    `folder` is that of a peer in the scratch copy, with the arguments of its `start.sh`; without one it is cloche, and
    `arguments` are flags. `bodies` is the shape of its bodies, `many` the path for several rows.
    """

    folder: str | None
    arguments: tuple[str, ...] = ()
    models: str = "abc"
    bodies: str = "flat"
    one: str = "/predict"
    many: str = "/predict"
    environment: dict[str, str] = field(default_factory=dict)
    only_one_row: bool = False
    connections: tuple[int, ...] = (1, 16, 64)  #: with one row a request
    keyed: bool = False


_V2 = "/v2/models/m/infer"
_LIMIT = {"models": "a", "only_one_row": True}
#: In the order in which a round asks them. `cloche` has everything on; `cloche-bare` shows what that costs.
SERVERS = {
    "cloche": Server(None, ("--auth", "keys"), keyed=True),
    "cloche-bare": Server(None, ("--auth", "none", "--no-log"), "a", only_one_row=True, environment=_LIGHT),
    "fastapi-1": Server("peers/fastapi", ("1",), many="/predict_batch"),
    "rawuv-1": Server("limits/rawuv", ("1",), **_LIMIT),
    "uvicorn-1": Server("limits/uvicorn", ("1",), **_LIMIT),
    "flask-sync2": Server("peers/flask", ("sync2",), many="/predict_batch", connections=(64,)),
    "bentoml-1": Server("peers/bentoml", ("1",), bodies="bento", connections=(64,)),
    "mlserver-1": Server("peers/mlserver", ("on", "0"), bodies="v2", one=_V2, many=_V2, connections=(64,)),
}
#: What a peer's environment holds, beside the libraries of the models.
ENVIRONMENTS = {
    "base": "fastapi uvicorn[standard] pydantic flask gunicorn uvloop httptools starlette",
    "bentoml": "bentoml",
    "mlserver": "mlserver mlserver-sklearn uvloop==0.21.0",
}


class Running:
    """A started server of one model; `ready_s` is from its start to its first right answer."""

    def __init__(self, name: str, model: str, scratch: Path, key: str) -> None:
        self.name, self.model, self.server = name, model, SERVERS[name]
        self.port = _free_port()
        self.authorization = f"Bearer {key}" if self.server.keyed else None
        self._bodies = scratch / "models" / "bodies"
        self._log = (scratch / "logs" / f"{name}-{model}.log").open("ab")
        start = time.perf_counter()
        self._process = subprocess.Popen(
            self._command(scratch),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=os.environ | _environment(scratch) | self.server.environment,
            cwd=scratch,
            start_new_session=True,
        )
        self.answer = self._first_answer()
        self.ready_s = time.perf_counter() - start
        self.cpu_at_ready_s = self.cpu_s()

    def path(self, work: str) -> str:
        """Where W1 (one row) or W2 (100 rows) is sent."""
        return self.server.one if work == "W1" else self.server.many

    def body(self, work: str) -> Path:
        """What is sent there."""
        kind = "c" if self.model == "c" else "iris"
        return self._bodies / f"{self.server.bodies}_{work.lower()}_{kind}.json"

    def takes(self, work: str, connections: int) -> bool:
        """Whether it is asked for such work, and answers."""
        if connections not in self.server.connections if work == "W1" else self.server.only_one_row:
            return False
        try:
            return bool(self.ask(work))
        except OSError as exc:
            print(f"{self.name} {self.model} {work}: {exc}", flush=True)
            return False

    def ask(self, work: str, timeout_s: float = 10.0) -> bytes:
        """One answer; raises where it is none with status 200."""
        headers = {"Content-Type": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        url = f"http://127.0.0.1:{self.port}{self.path(work)}"
        request = urllib.request.Request(url, self.body(work).read_bytes(), headers)
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return bytes(response.read())

    def cpu_by_process(self) -> dict[int, float]:
        """Seconds of processor time of every process of the server."""
        return processes.cpu_s(processes.tree(self._process.pid))

    def cpu_s(self) -> float:
        """Seconds of processor time, all processes together."""
        return sum(self.cpu_by_process().values())

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM to the first process; what is left after 15 s is killed."""
        pids = processes.tree(self._process.pid)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in set(pids[1:]) & processes.cpu_s(pids).keys():
            os.kill(pid, signal.SIGKILL)
        self._log.close()

    def _command(self, scratch: Path) -> list[str]:
        if self.server.folder is not None:
            script = scratch / self.server.folder / "start.sh"
            return ["bash", str(script), str(self.port), self.model, *self.server.arguments]
        serve = [sys.executable, "-m", "cloche", "serve", self.model, "--store", str(scratch / "store")]
        return [*serve, "--port", str(self.port), "--management-port", "0", *self.server.arguments]

    def _first_answer(self) -> bytes:
        wait_until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < wait_until:
            try:
                return self.ask("W1", 5.0)
            except (OSError, urllib.error.URLError):
                if self._process.poll() is not None:
                    break
                time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"{self.name} {self.model}: no answer; see {self._log.name}")


def _environment(scratch: Path) -> dict[str, str]:
    places = {"CLOCHE_SPOOL": "spool", "CLOCHE_CACHE": "cache", "CLOCHE_STORE": "store"}
    return {name: str(scratch / folder) for name, folder in places.items()} | {"PYTHONPATH": str(ROOT / "src")}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
