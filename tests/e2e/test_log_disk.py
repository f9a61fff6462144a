"""Where records go when the disk is full or the store is away, and what an answer waits for."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cloche.prediction_log.frames import Request
from cloche.store import Store
from conftest import needs
from processes import eventually, load
from servers import Server, serving
from spooled import frames, logging_into, requests, spool_in, waiting

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = mount and os.geteuid() == 0 and subprocess.run(command, check=False).returncode == 0
    needs(mounted, "needs to be root, to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Take the room that is left."""
    with contextlib.suppress(OSError), (folder / "ballast").open("ab", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass


def ask(server: Server, name: str) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", json=ROW, headers={"X-Request-ID": name}, timeout=30)


def ready(server: Server) -> int:
    return httpx.get(f"{server.url}/ready").status_code


def logged(store: str, base: Path) -> dict[str | None, Request]:
    every = requests(frames(Store.open(store, base), spool_in(base / "spool")))
    found = [one for one in every if one.client_request_id is not None]
    assert len({one.client_request_id for one in found}) == len(found)
    return {one.client_request_id: one for one in found}


def asked_until(server: Server, folder: Path, status: int) -> dict[str, int]:
    """Ask on a full disk until an answer has *status*; what each was answered with."""
    asked: dict[str, int] = {}

    def once() -> bool:
        fill(folder)
        name = f"full-{len(asked)}"
        asked[name] = ask(server, name).status_code
        return asked[name] == status

    eventually(once, f"an answer is {status}")
    return asked


def test_a_full_disk_refuses_and_recovers(lines_store_2: str, small_disk: Path) -> None:
    env = logging_into(small_disk / "spool", CLOCHE_LOG_SEGMENT_BYTES="65536")
    with serving(["lines"], store=lines_store_2, env=env) as server:
        assert ask(server, "before").status_code == 200
        asked = asked_until(server, small_disk, 503)
        refused = ask(server, "refused")
        assert (refused.status_code, refused.json()["error"]) == (503, "LogUnavailable")
        assert refused.headers["retry-after"] == "1"
        answer = httpx.get(f"{server.url}/ready")
        assert (answer.status_code, answer.json()["error"]) == (503, "LogUnavailable")
        assert httpx.get(f"{server.url}/live").status_code == 200
        (small_disk / "ballast").unlink()
        eventually(lambda: ready(server) == 200, "it is ready again")
        assert ask(server, "after").status_code == 200
        assert httpx.get(f"{server.url}/metadata").json()["log"] == "full"
    answered = {name for name, status in asked.items() if status == 200} | {"before", "after"}
    assert logged(lines_store_2, small_disk).keys() == answered


def test_a_full_disk_that_is_to_stop_nobody(lines_store_2: str, small_disk: Path) -> None:
    env = logging_into(small_disk / "spool", CLOCHE_LOG_SEGMENT_BYTES="65536", CLOCHE_LOG_ON_FULL="serve")
    with serving(["lines"], store=lines_store_2, env=env) as server:
        assert httpx.get(f"{server.url}/metadata").json()["log"] == "partial"
        names = [f"r{number}" for number in range(2000)]

        def unrecorded() -> bool:
            fill(small_disk)
            assert ask(server, names.pop()).status_code == 200
            return "records cannot be kept" in server.said()

        eventually(unrecorded, "the disk is full")
        label = httpx.post(f"{server.url}/labels", json={"request_id": "r", "label": "yes"})
        assert (label.status_code, label.json()["error"]) == (503, "LogUnavailable")
        assert ready(server) == 200
        (small_disk / "ballast").unlink()
        time.sleep(1.1)  # the disk is not asked again before
        assert ask(server, "after").status_code == 200
    found = logged(lines_store_2, small_disk)
    assert "after" in found
    assert len(found) < 2001 - len(names)


def test_a_store_that_is_away_holds_up_nobody(lines_store_2: str, tmp_path: Path) -> None:
    env = logging_into(tmp_path / "spool")
    store, away = Path(lines_store_2), tmp_path / "away"
    with serving(["lines"], store=store, env=env) as server:
        with load(server.url, ROW, clients=2) as clients:
            store.rename(away)
            eventually(lambda: httpx.get(f"{server.url}/ready").json().get("degraded") == ["store"], "it is told")
            spool = spool_in(tmp_path / "spool")
            eventually(lambda: len(spool.segments()) > 4, "segments wait")
        assert not store.exists(), "nobody makes it anew"
        away.rename(store)
        eventually(lambda: waiting(spool) == [], "everything lands")
    assert [client.failures for client in clients] == [[], []]
    asked = {name for client in clients for name in client.asked}
    assert logged(str(store), tmp_path).keys() == asked


def test_store_answers_when_the_record_has_landed(lines_store_2: str, tmp_path: Path) -> None:
    env = logging_into(tmp_path / "spool", CLOCHE_LOG_DURABILITY="store", CLOCHE_SERVER_REQUEST_TIMEOUT_S="2")
    store, away = Path(lines_store_2), tmp_path / "away"
    with serving(["lines"], store=store, env=env) as server:
        for number in range(5):
            assert ask(server, f"r{number}").status_code == 200
            landed = requests(frames(Store.open(str(store), tmp_path)))  # not from the spool
            assert landed[-1].client_request_id == f"r{number}"
        label = httpx.post(f"{server.url}/labels", json={"request_id": "r0", "label": "yes"})
        assert label.status_code == 202
        store.rename(away)
        late = ask(server, "late")
        assert (late.status_code, late.json()["error"]) == (503, "LogUnavailable")
        label = httpx.post(f"{server.url}/labels", json={"request_id": "r0", "label": "no"}, timeout=30)
        assert label.status_code == 503
        away.rename(store)
        eventually(lambda: ask(server, f"again-{time.monotonic()}").status_code == 200, "it answers again")
    found = logged(str(store), tmp_path)
    assert found["late"].status == 200  # what the server would have answered: the caller may ask again


def test_fsync_records_every_answer(lines_store_2: str, tmp_path: Path) -> None:
    env = logging_into(tmp_path / "spool", CLOCHE_LOG_DURABILITY="fsync")
    with (
        serving(["lines"], store=lines_store_2, flags=["--workers", "2"], env=env) as server,
        load(server.url, ROW, clients=4) as clients,
    ):
        eventually(lambda: all(client.answered > 20 for client in clients), "it answers")
    assert [client.failures for client in clients] == [[]] * 4
    assert logged(lines_store_2, tmp_path).keys() == {name for client in clients for name in client.asked}
