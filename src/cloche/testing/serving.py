"""A server of one version, in its own process, with the operator's configuration in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloche.testing.example import CheckError
from cloche.trust import TrustPolicy

START_S = 180.0
_URL = re.compile(rb"https?://[\d.\[\]:a-z]*:\d+")


def config_toml(trust: TrustPolicy) -> str:
    """The configuration of an operator who trusts this."""
    lists = {
        "allowed_types": sorted(trust.allowed_types),
        "allowed_functions": sorted(trust.allowed_functions),
        "trusted_digests": sorted(trust.trusted_digests),
    }
    lines = ["[trust]", *(f"{name} = {json.dumps(found)}" for name, found in lists.items())]
    lines += ["[flavors]", *(f"{name} = {json.dumps(target)}" for name, target in trust.flavors)]
    return "\n".join(lines) + "\n"


@contextmanager
def serving(store: str, model: str, trust: TrustPolicy, folder: Path) -> Iterator[str]:
    """
    The URL of a server of *model*, until the block ends.

    Raises:
        CheckError: it does not become ready; the message holds what it said.
    """
    config = folder / "config" / "cloche"
    config.mkdir(parents=True, exist_ok=True)
    (config / "config.toml").write_text(config_toml(trust), encoding="utf-8")
    surroundings = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "CLOCHE_CACHE": str(folder / "cache")}
    surroundings |= {"XDG_STATE_HOME": str(folder / "state"), "CLOCHE_SERVER_MONITOR": "false"}
    command = [sys.executable, "-P", "-m", "cloche", "serve", model, "--store", store, "--port", "0"]
    log = folder / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=surroundings)
    try:
        yield _ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        said = log.read_bytes()
        if process.poll() is not None:
            break
        found = _URL.search(said)
        if found and _answers(f"{found.group().decode()}/ready"):
            return found.group().decode()
        time.sleep(0.05)
    raise CheckError(f"the server did not become ready: {log.read_text('utf-8', errors='replace')[-2000:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own server on loopback)
            return bool(answer.status == 200)
    except OSError:
        return False


def predict(url: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    The answer to `POST /predict`.

    Raises:
        CheckError: it is no 200.
    """
    request = urllib.request.Request(  # noqa: S310
        f"{url}/predict", json.dumps(list(rows)).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as exc:
        raise CheckError(f"POST /predict: {exc.code}: {exc.read()[:500].decode(errors='replace')}") from exc
