"""Keys on a real server of several workers: rates of the whole host, revocation, the file source, the audit lines."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from processes import eventually
from servers import Server, cloche, serving

pytestmark = pytest.mark.e2e


def create(store: str, *flags: str, env: dict[str, str]) -> tuple[str, str]:
    made = json.loads(cloche("keys", "create", "--json", *flags, store=store, env=env).stdout)
    return made["id"], made["key"]


def ask(server: Server, key: str | None) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", "Connection": "close"} | ({"X-API-Key": key} if key else {})
    request = urllib.request.Request(f"{server.url}/predict", b"[]", headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as exc:
        return exc.code, json.loads(exc.read())


def page(server: Server, path: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{server.url}{path}", headers=headers), timeout=10
        ) as found:
            return int(found.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def audit(server: Server) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "refused"]


def test_keys_of_a_file(penguins_store: str, tmp_path: Path) -> None:
    env = {"CLOCHE_KEYS": str(tmp_path / "keys.jsonl")}
    none = cloche("serve", "penguins", "--auth", "keys", "--port", "0", store=penguins_store, env=env)
    assert (none.returncode, "cloche keys create" in none.stderr) == (1, True)
    limited, slow = create(penguins_store, "--scope", "predict", "--rate", "5/h", env=env)
    viewer, view = create(penguins_store, "--scope", "view", env=env)
    listed = cloche("keys", "list", store=penguins_store, env=env).stdout
    assert "5/h" in listed
    assert slow not in listed
    flags = ["--auth", "keys", "--workers", "2", "--log-format", "json"]
    with serving(["penguins"], store=penguins_store, flags=flags, env=env) as server:
        assert Counter(ask(server, slow)[0] for _ in range(12)) == {200: 5, 429: 7}  # the workers count together
        assert ask(server, None)[0] == 401
        assert ask(server, view)[0] == 403
        assert ask(server, "clk_nonsense")[0] == 401
        assert ask(server, f"{slow}x")[0] == 401
        assert page(server, "/docs") == 200  # it asks for a key itself
        assert page(server, "/metadata") == 401
        assert page(server, "/metadata", Authorization=f"Bearer {view}") == 200
        for one in (limited, viewer):  # the last one too: then nobody has access
            assert cloche("keys", "revoke", one, store=penguins_store, env=env).returncode == 0
        eventually(lambda: ask(server, view)[0] == 401, "the revoked key is refused")
        assert ask(server, None)[1]["error"] == "Unauthorized"
        _, fresh = create(penguins_store, "--scope", "predict", env=env)
        eventually(lambda: ask(server, fresh)[0] == 200, "the new key is known")
        refused = audit(server)
    assert {"RateLimited", "Unauthorized", "Forbidden"} == {one["error"] for one in refused}
    [late] = [one for one in refused if one["error"] == "Forbidden" and one["key"] == viewer][:1]
    assert late["why"] == "the key lacks the scope 'predict'"
    assert (late["client"], late["path"], late["status"]) == ("127.0.0.1", "/predict", 403)
    said = json.dumps(refused)
    assert not any(secret in said for secret in (slow, view, fresh))


def test_an_unreadable_source_keeps_the_last_known_keys(penguins_store: str, tmp_path: Path) -> None:
    source, folder = tmp_path / "keys.jsonl", tmp_path / "folder"
    folder.mkdir()
    source.symlink_to(tmp_path / "file")
    env = {"CLOCHE_KEYS": str(source)}
    _, key = create(penguins_store, "--scope", "predict", env=env)
    with serving(["penguins"], store=penguins_store, flags=["--auth", "keys"], env=env) as server:
        assert ask(server, key)[0] == 200
        (tmp_path / "link").symlink_to(folder)
        (tmp_path / "link").replace(source)  # now it cannot be read, whoever asks
        eventually(lambda: "the store cannot be read" in server.said(), "the server has noticed")
        assert ask(server, key)[0] == 200
        assert ask(server, "clk_nonsense")[0] == 401
