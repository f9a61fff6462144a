"""Stores behind HTTP: honest ones, lying ones, and those that are away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.errors import DishonestStoreError, ObjectExistsError, StoreUnreachableError
from cloche.store import MARKER, Store
from cloche.store.remote import cause
from tiny_s3 import TinyS3, tiny_s3

SRC = str(Path(__file__).parents[3] / "src")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyS3]:
    with tiny_s3() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_it_is_a_store_like_any_other(server: TinyS3, tmp_path: Path) -> None:
    store = Store.open("s3://bucket/team/a", tmp_path)
    store.create("models/a/versions/000001.json", b"one")
    with pytest.raises(ObjectExistsError):
        store.create("models/a/versions/000001.json", b"two")
    assert store.get("models/a/versions/000001.json") == b"one"
    assert store.sizes("models/") == {"models/a/versions/000001.json": 3}
    assert sorted(server.objects) == ["team/a/models/a/versions/000001.json", f"team/a/{MARKER}"]


def test_one_that_overwrites_is_refused_before_anything_is_written(server: TinyS3, tmp_path: Path) -> None:
    server.honest = False
    store = Store.open("s3://bucket", tmp_path)
    with pytest.raises(DishonestStoreError, match="store s3://bucket: it overwrote an object"):
        store.create("models/a/versions/000001.json", b"one")
    assert server.objects == {}


def test_a_write_whose_answer_was_lost_is_ours(server: TinyS3, tmp_path: Path) -> None:
    store = Store.open("s3://bucket", tmp_path)
    store.create("a", b"one")
    server.lose_answers = 1
    store.create("b", b"two")
    assert server.objects["b"] == b"two"
    assert server.requests.count(("PUT", "b")) == 2


def test_a_write_that_somebody_else_did_meanwhile_is_not_ours(server: TinyS3, tmp_path: Path) -> None:
    store = Store.open("s3://bucket", tmp_path)
    store.create("a", b"one")
    with pytest.raises(ObjectExistsError):
        store.create("a", b"one")


@pytest.mark.parametrize("status", [401, 403])
def test_a_store_that_says_no_is_not_asked_again(server: TinyS3, tmp_path: Path, status: int) -> None:
    server.refuse = status
    with pytest.raises(StoreUnreachableError, match="the credentials may not do this") as caught:
        Store.open("s3://bucket", tmp_path)._put("a", b"")
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_plain_http_is_spoken_only_where_the_endpoint_says_so(server: TinyS3, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url.replace("http://", "https://"))
    with pytest.raises(StoreUnreachableError):
        Store.open("s3://bucket", tmp_path).get("a")
    assert server.requests == []


def test_without_credentials_the_message_says_what_to_set() -> None:
    exc = OSError("Error performing PUT http://169.254.169.254/latest/api/token in 3 s\nDebug source: …")
    assert cause(exc, "s3://bucket").startswith("no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


@pytest.mark.e2e
@pytest.mark.timeout(40)
def test_a_store_that_is_away_ends_a_command_with_4_and_one_line(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{unused.getsockname()[1]}"
        environment = os.environ | {
            "AWS_ENDPOINT_URL": away,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "PYTHONPATH": SRC,
        }
        command = [sys.executable, "-m", "cloche", "list", "--store", "s3://bucket"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert done.returncode == 4
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if not line.startswith("cloche: store s3://bucket: ")] == []
    assert len(done.stderr.splitlines()) == 1
