"""
A twin in an image: built with buildah from the files as they were written, run with podman as the printed command says.

Called over HTTP with a key, checked by its own health check, its log landed in a volume, stopped by SIGTERM; with a
read-only root file system and a memory limit. The second image holds no model and fetches it from S3.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import containers
import seaweed
from cloche.deploy.image import UID
from conftest import needs
from containers import Containers
from servers import cloche_here

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

LIMIT_MB = 150
ROW = {
    "island": "Dream", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181, "body_mass_g": 3750,
    "sex": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def machine() -> Iterator[Containers]:
    missing = containers.missing_program()
    needs(missing is None, f"needs {missing} (apt-get install {' '.join(containers.PROGRAMS)})")
    with containers.containers() as made:
        yield made


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file of keys that the container's user may read, and a key in it."""
    path = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOCHE_KEYS", str(path))
        made = cloche_here("keys", "create", "--scope", "predict")
    assert made.returncode == 0, made.stderr
    path.chmod(0o644)
    path.parent.chmod(0o755)
    return path, made.stdout.strip()


@pytest.fixture(scope="module")
def image(machine: Containers, penguins_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`penguins:1`, with the model inside."""
    folder = tmp_path_factory.mktemp("image") / "context"
    done = cloche_here("build", "penguins", "-o", str(folder), "--json", "--store", penguins_store)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["engine"] == "twin"
    machine.stand_in(document["base"])
    machine.build(folder, document["tag"])
    added = machine.megabytes(document["tag"]) - machine.megabytes(document["base"])
    print(f"\nthe image of a twin is {added:.0f} MB on top of its base")
    assert added < LIMIT_MB
    return str(document["tag"])


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ask(url: str, token: str, rows: object) -> dict[str, object]:
    """The answer to *rows*, or the error's body."""
    head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/predict", json.dumps(rows).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as exc:
        return dict(json.load(exc))


def await_ready(machine: Containers, name: str, url: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        running = machine.podman("inspect", "--format", "{{.State.Running}}", name).stdout.strip()
        assert running == "true", machine.logs(name)
        time.sleep(0.2)
    raise AssertionError(machine.logs(name))


def test_an_image_answers_and_stops(machine: Containers, image: str, key: tuple[Path, str]) -> None:
    port = free_port()
    name = machine.start(
        image,
        "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--memory", "256m", "--memory-swap", "256m",
        "--publish", f"127.0.0.1:{port}:8000", "--volume", f"{key[0]}:/etc/cloche/keys.jsonl:ro",
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    await_ready(machine, name, url)

    assert ask(url, key[1], ROW)["prediction"] == "Adelie"
    assert ask(url, "clk_00000000_no", ROW)["error"] == "Unauthorized"
    for _ in range(20):  # within its memory
        answer = ask(url, key[1], [ROW] * 5000)
        assert answer["prediction"] == ["Adelie"] * 5000

    machine.podman("healthcheck", "run", name)
    assert machine.podman("exec", name, "id", "-u").stdout.strip() == str(UID)
    refused = machine.podman("exec", name, "touch", "/opt/cloche/written", check=False)
    assert "Read-only file system" in refused.stderr
    missing = machine.podman("exec", name, "/opt/cloche/bin/python3", "-c", "import sklearn", check=False)
    assert "No module named 'sklearn'" in missing.stderr

    _await_landed(machine, name)
    machine.podman("stop", "--time", "30", name)  # SIGTERM; SIGKILL would be 137
    assert machine.state(name) == (0, False), machine.logs(name)
    assert '"event": "stopped"' in machine.logs(name)


def _await_landed(machine: Containers, name: str) -> None:
    """What was answered is in the log: in the volume, for the store itself is read-only."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = machine.podman("exec", name, "find", "/srv/cloche/store/log", "-name", "*.seg").stdout
        if found.strip():
            return
        time.sleep(0.5)
    raise AssertionError(machine.logs(name))


def test_without_a_key_it_does_not_start(machine: Containers, image: str) -> None:
    done = machine.podman(
        "run", "--rm", "--pull", "never", "--health-interval", "disable", "--read-only", image, check=False
    )
    assert done.returncode == 1
    assert "others can reach 0.0.0.0 and there is no key" in done.stderr


def test_an_unhealthy_server_is_told(machine: Containers, image: str) -> None:
    done = machine.podman(
        "run", "--rm", "--pull", "never", "--health-interval", "disable", "--entrypoint", "/opt/cloche/bin/python3",
        image, "-m", "cloche.deploy.health", check=False,
    )  # fmt: skip
    assert (done.returncode, "Connection refused" in done.stderr) == (1, True), done.stderr


def test_an_image_fetches_its_model_from_the_store(
    machine: Containers, image: str, penguins_store: str, s3_url: str, s3_server: dict[str, str], tmp_path: Path
) -> None:
    assert seaweed.BUCKET in s3_url
    assert cloche_here("copy", "penguins", "--to", s3_url, "--store", penguins_store).returncode == 0
    token = cloche_here("keys", "create", "--scope", "predict", "--store", s3_url).stdout.strip()
    done = cloche_here("build", "penguins", "-o", str(tmp_path / "context"), "--fetch", "--store", s3_url)
    assert done.returncode == 0, done.stderr
    machine.build(tmp_path / "context", "penguins:fetched")
    (tmp_path / "store.env").write_text("".join(f"{name}={value}\n" for name, value in s3_server.items()))
    ports = {"CLOCHE_SERVER_PORT": free_port(), "CLOCHE_SERVER_MANAGEMENT_PORT": free_port()}
    name = machine.start(
        "penguins:fetched",
        "--read-only", "--tmpfs", "/tmp", "--network", "host", "--env-file", str(tmp_path / "store.env"),
        *(f"--env={variable}={port}" for variable, port in ports.items()),
    )  # fmt: skip
    url = f"http://127.0.0.1:{ports['CLOCHE_SERVER_PORT']}"
    await_ready(machine, name, url)
    assert ask(url, token, ROW)["prediction"] == "Adelie"
    machine.podman("healthcheck", "run", name)
    machine.podman("kill", "--signal", "TERM", name)
    machine.podman("wait", name)
    assert machine.state(name) == (0, False), machine.logs(name)
