"""What outlives a server in the cache: its last state, and who it reports as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloche.config import LogConfig, ServerConfig
from cloche.keys import Key
from cloche.trust import TrustPolicy
from cloche.web.processes.remembered import HostId, Memory
from cloche.web.processes.runtime import ModelState, ServerFile, State

KEY = Key(id="abcdefgh", sha256="0" * 64, scopes=("predict",), created="2026-01-01T00:00:00Z")
STATE = State(number=3, models=(ModelState(name="penguins", event=7),), keys=(KEY,), degraded=("store",))


def server(cache: Path, **changes: Any) -> ServerFile:
    details: dict[str, Any] = {
        "pid": 1, "url": "http://a", "management_url": None,
        "config": ServerConfig(), "log": LogConfig(), "spool": "/s",
        "store": "file:///a",
        "store_shown": "/a", "references": ("penguins",), "everything": False, "trust": TrustPolicy(),
        "cache": str(cache), "keys": None, "cwd": "/", "exit_statuses": {},
    }  # fmt: skip
    return ServerFile(**(details | changes))


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    Memory(server(tmp_path)).keep(STATE)
    assert Memory(server(tmp_path, url="http://b", pid=2)).recall() == STATE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"store": "file:///b"}, id="another-store"),
        pytest.param({"references": ("penguins@3",)}, id="another-reference"),
        pytest.param({"everything": True}, id="everything"),
        pytest.param({"keys": "/keys.jsonl"}, id="other-keys"),
    ],
)
def test_another_server_recalls_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    Memory(server(tmp_path)).keep(STATE)
    assert Memory(server(tmp_path, **changes)).recall() is None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"{}", b"[]", b"\xff\xfe"], ids=["empty", "torn", "no-field", "list", "bytes"]
)
def test_a_damaged_state_is_none(tmp_path: Path, raw: bytes) -> None:
    memory = Memory(server(tmp_path))
    memory.keep(STATE)
    next(tmp_path.glob("servers/*/state.json")).write_bytes(raw)
    assert memory.recall() is None


def test_a_cache_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "servers").write_text("in the way")
    memory = Memory(server(tmp_path))
    memory.keep(STATE)
    memory.keep(State(number=4))
    assert len(caplog.records) == 1
    assert memory.recall() is None


def test_a_host_keeps_its_id_and_shares_it_with_no_other(tmp_path: Path) -> None:
    first, second = HostId(tmp_path), HostId(tmp_path)
    name, other = first.take(), second.take()
    assert name != other
    first.release()
    assert HostId(tmp_path).take() == name


def test_a_host_without_a_cache_has_an_id_for_its_life(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("in the way")
    assert len(HostId(tmp_path).take()) == 16
