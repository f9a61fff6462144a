"""Keys: who gets in, who does not, and that the secret is nowhere."""

from __future__ import annotations

import asyncio
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloche.errors import NotFoundError, StoreUnreachableError, UsageError
from cloche.keys import SCOPES, KeyRing, Snapshot
from cloche.store import Store

SOON = timedelta(seconds=60)


@pytest.fixture(params=["store", "folder", "file", "s3"])
def ring(request: pytest.FixtureRequest, tmp_path: Path) -> KeyRing:
    if request.param == "s3":
        return KeyRing.open(None, Store.open(request.getfixturevalue("s3_url"), tmp_path), tmp_path)
    where = {"store": None, "folder": str(tmp_path / "keys-folder"), "file": "keys.jsonl"}[request.param]
    return KeyRing.open(where, Store.open("store", tmp_path), tmp_path)


def everything_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def everything_in(ring: KeyRing, folder: Path) -> bytes:
    if isinstance(ring._shelf, Store) and ring._shelf.root is None:
        return b"\n".join(ring._shelf.get(path) for path in ring._shelf.list(""))
    return everything_below(folder)


def test_a_key_opens_the_door(ring: KeyRing) -> None:
    key, token = ring.create(scopes=["predict"], name="ci")
    assert re.fullmatch(r"clk_[0-9a-z]{8}_[A-Za-z0-9_-]{43}", token)
    assert ring.authenticate(token) == key
    assert asyncio.run(ring.asnapshot()).authenticate(token) == key


def test_the_secret_is_stored_nowhere(ring: KeyRing, tmp_path: Path) -> None:
    key, token = ring.create(scopes=["predict"])
    written = everything_in(ring, tmp_path)
    assert key.sha256.encode() in written
    assert token[13:].encode() not in written
    assert "sha256" not in ring.list()[0].public()


def test_ends_for_ever_when_revoked(ring: KeyRing, tmp_path: Path) -> None:
    key, token = ring.create(scopes=["predict"])
    other, other_token = ring.create(scopes=["predict"])
    ring.snapshot()
    ring.revoke(key.id)
    ring.revoke(key.id)
    assert ring.authenticate(token) is None
    assert ring.authenticate(other_token) == other
    assert {k.id: k.state() for k in ring.list()} == {key.id: "revoked", other.id: "active"}
    assert ring.snapshot().usable() == 1


def test_ends_when_it_expires(ring: KeyRing) -> None:
    _, token = ring.create(scopes=["predict"], expires=datetime.now(UTC) + SOON)
    keys = ring.snapshot()
    assert keys.authenticate(token) is not None
    assert keys.authenticate(token, now=datetime.now(UTC) + SOON) is None
    assert ring.list()[0].state(datetime.now(UTC) + SOON) == "expired"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: "", id="nothing"),
        pytest.param(lambda t: t[:-1], id="shorter"),
        pytest.param(lambda t: t + "A", id="longer"),
        pytest.param(lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), id="last-character"),
        pytest.param(lambda t: t[:13] + "A" * 43, id="other-secret"),
        pytest.param(lambda t: "clk_00000000" + t[12:], id="other-id"),
        pytest.param(lambda t: t.upper(), id="upper-case"),
        pytest.param(lambda t: t + "\n", id="newline"),
        pytest.param(lambda t: t[:20] + "\ud800" + t[21:], id="lone-surrogate"),
        pytest.param(lambda t: "Bearer " + t, id="with-the-scheme"),
    ],
)
def test_what_is_nearly_a_key_is_none(ring: KeyRing, change) -> None:
    _, token = ring.create(scopes=["predict"])
    assert ring.authenticate(change(token)) is None


def test_without_keys_nobody_gets_in(ring: KeyRing) -> None:
    assert ring.list() == []
    assert ring.authenticate("clk_00000000_" + "A" * 43) is None
    assert len(Snapshot()) == 0


@pytest.mark.parametrize(
    ("scopes", "models", "asked", "allowed"),
    [
        pytest.param(["predict"], [], ("predict", "a"), True, id="all-models"),
        pytest.param(["predict"], ["a"], ("predict", "a"), True, id="this-model"),
        pytest.param(["predict"], ["a"], ("predict", "b"), False, id="other-model"),
        pytest.param(["predict"], ["a"], ("predict", None), True, id="no-model-meant"),
        pytest.param(["label"], [], ("predict", "a"), False, id="other-scope"),
        pytest.param(["manage"], [], ("predict", "a"), False, id="manage-does-not-predict"),
        pytest.param(["manage"], [], ("view", None), True, id="manage-views"),
    ],
)
def test_scopes_and_models(ring: KeyRing, scopes, models, asked, allowed) -> None:
    key, _ = ring.create(scopes=scopes, models=models)
    assert key.allows(*asked) is allowed


@pytest.mark.parametrize(
    ("details", "says"),
    [
        pytest.param({"scopes": []}, "one or more of predict, label", id="no-scope"),
        pytest.param({"scopes": ["admin"]}, "got 'admin'", id="unknown-scope"),
        pytest.param({"scopes": SCOPES, "expires": datetime(2020, 1, 1, tzinfo=UTC)}, "a moment to come", id="expired"),
        pytest.param({"scopes": SCOPES, "expires": datetime(2999, 1, 1)}, "with a time zone", id="naive"),
    ],
)
def test_keys_that_are_not_made(ring: KeyRing, details, says) -> None:
    with pytest.raises(UsageError, match=says):
        ring.create(**details)
    assert ring.list() == []


@pytest.mark.parametrize("identifier", ["00000000", "../../x", "", "a.json"])
def test_revoking_what_does_not_exist(ring: KeyRing, identifier: str) -> None:
    key, _ = ring.create(scopes=["predict"])
    with pytest.raises(NotFoundError, match=f"keys: {key.id}"):
        ring.revoke(identifier)


def test_a_damaged_key_lets_nobody_in_and_keeps_nobody_out(tmp_path: Path) -> None:
    store = Store.open("store", tmp_path)
    ring = KeyRing.open(None, store, tmp_path)
    first, token = ring.create(scopes=["predict"])
    broken, broken_token = ring.create(scopes=["predict"])
    ended, ended_token = ring.create(scopes=["predict"])
    (tmp_path / f"store/keys/{broken.id}.json").write_bytes(b"\xff{")
    (tmp_path / f"store/keys/{ended.id}.revoked.json").write_bytes(b"")
    (tmp_path / "store/keys/README").write_bytes(b"not a key")
    keys = KeyRing.open(None, store, tmp_path).snapshot()
    assert keys.authenticate(token) == first
    assert keys.authenticate(broken_token) is None
    assert keys.authenticate(ended_token) is None


def test_a_key_whose_object_is_taken_away_is_no_key(tmp_path: Path) -> None:
    class Vanishing(Store):
        """Lists keys that are gone when they are read."""

        def list(self, prefix: str, after: str | None = None) -> list[str]:
            return [*super().list(prefix, after), "keys/00000000.json", "keys/00000001.revoked.json"]

    store = Vanishing.open("store", tmp_path)
    ring = KeyRing.open(None, store, tmp_path)
    key, token = ring.create(scopes=["predict"])
    assert ring.authenticate(token) == key
    (tmp_path / f"store/keys/{key.id}.json").unlink()
    assert ring.authenticate(token) is None


# -- the file ---------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    KeyRing.open("k.jsonl", Store.open(None, tmp_path), tmp_path).create(scopes=["predict"])
    assert stat.S_IMODE((tmp_path / "k.jsonl").stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    store = Store.open(None, tmp_path)
    ring = KeyRing.open("k.jsonl", store, tmp_path)
    first, _ = ring.create(scopes=["predict"])
    with (tmp_path / "k.jsonl").open("ab") as file:
        file.write(b'{"path": "abc')
    second, _ = ring.create(scopes=["predict"])
    assert [k.id for k in KeyRing.open("k.jsonl", store, tmp_path).list()] == [first.id, second.id]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    ring = KeyRing.open("missing/k.jsonl", Store.open(None, tmp_path), tmp_path)
    with pytest.raises(StoreUnreachableError, match=r"missing/k.jsonl: cannot write: No such file"):
        ring.create(scopes=["predict"])


def test_where_keys_lie_is_told(tmp_path: Path) -> None:
    store = Store.open("store", tmp_path)
    assert KeyRing.open(None, store, tmp_path).describe() == f"{tmp_path}/store/keys"
    assert KeyRing.open("k.jsonl", store, tmp_path).describe() == f"{tmp_path}/k.jsonl"
    assert KeyRing.open("s3://bucket/keys", store, tmp_path).describe() == "s3://bucket/keys"
