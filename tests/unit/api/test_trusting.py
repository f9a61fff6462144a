"""`cloche trust | sign | verify`: what is written where, what it changes, and what every refusal says."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests import artifacts

import cloche
from cloche import errors, signing
from cloche.api.workplace import workplace
from cloche.artifact import sign
from cloche.cli import main
from cloche.flavors import FLAVORS, Entry
from cloche.manifest import MANIFEST
from cloche.registry import Registry, VersionRecord
from cloche.store import Store
from stores import Place


class Desk:
    """A user with a configuration folder of their own, and a store."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.config = root / "config" / "cloche"
        self.file = self.config / "trust.json"
        self.audit = root / "state" / "cloche" / "audit.jsonl"
        self.store = root / "store"

    @property
    def registry(self) -> Registry:
        return Registry(Store.open(str(self.store), self.root))

    def publish(self, change: Callable[[Path], Any] | None = None, number: int = 0) -> VersionRecord:
        folder = artifacts.write(self.root / f"artifact-{len(list(self.root.iterdir()))}")
        artifacts.edit_manifest(folder, lambda document: document.update(description=f"number {number}"))
        if change is not None:
            change(folder)
        contract = artifacts.contract()
        return self.registry.publish(folder, name="boxes", contract=contract, contract_number=1, by="ada")

    def run(self, *words: str, status: int = 0) -> str:
        """What the command prints; on the right exit status."""
        self.capsys.readouterr()
        got = main([*words])
        printed = self.capsys.readouterr()
        assert got == status, printed.err
        return printed.out if status == 0 else printed.out + printed.err

    def told(self, *words: str, status: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*words, "--json", status=status))
        return found

    def key(self, name: str) -> Path:
        self.run("sign", "--generate", str(self.root / name))
        return self.root / name

    def demand(self, *keys: Path) -> None:
        """Signatures are required here; *keys* are trusted."""
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "config.toml").write_text("[trust]\nrequire_signature = true\n")
        for key in keys:
            self.run("trust", "--key", f"{key}.pub", "--name", key.name)

    def decisions(self) -> list[tuple[str, str]]:
        lines = map(json.loads, self.audit.read_text().splitlines())
        return [(line["what"], line["verdict"]) for line in lines]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CLOCHE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLOCHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("CLOCHE_USER", "ada")
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capsys)


# -- what is trusted -------------------------------------------------------------------------------


def test_nothing_is_trusted_at_first(desk: Desk) -> None:
    assert "nothing beyond" in desk.run("trust")
    assert desk.told("trust")["trusted"] == []
    assert not desk.config.exists()


def test_trust_says_what_who_when_and_why(desk: Desk) -> None:
    record = desk.publish()
    desk.run("trust", "boxes@1", "--reason", "read the training code")
    [found] = desk.told("trust")["trusted"]
    assert (found["kind"], found["what"], found["name"]) == ("artifact", record.manifest, "boxes@1")
    assert (found["by"], found["reason"], found["where"]) == ("ada", "read the training code", str(desk.file))
    assert found["at"].startswith("20")
    assert workplace().trust.trusted_digests == {record.manifest}
    assert "read the training code" in desk.run("trust")


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        pytest.param(("--type", "a.b.C"), "allowed_types", {"a.b.C"}, id="type"),
        pytest.param(("--function", "a.f"), "allowed_functions", {"a.f"}, id="function"),
        pytest.param(("f" * 64,), "trusted_digests", {"f" * 64}, id="digest"),
        pytest.param(("sha256:" + "f" * 64,), "trusted_digests", {"f" * 64}, id="digest-with-its-kind"),
    ],
)
def test_trusted_and_no_longer(desk: Desk, words: tuple[str, ...], attribute: str, value: set[str]) -> None:
    desk.run("trust", *words)
    assert getattr(workplace().trust, attribute) == value
    desk.run("trust", *words, "--remove")
    assert getattr(workplace().trust, attribute) == set()
    assert desk.decisions() == [("trust", "trusted"), ("untrust", "removed")]
    assert "no longer" not in desk.run("trust")


def test_config_toml_is_left_alone_and_merged(desk: Desk) -> None:
    desk.config.mkdir(parents=True)
    text = '# by hand\n[trust]\nallowed_types = ["mine.Own"]\n'
    (desk.config / "config.toml").write_text(text)
    desk.run("trust", "--type", "theirs.Other")
    assert (desk.config / "config.toml").read_text() == text
    assert workplace().trust.allowed_types == {"mine.Own", "theirs.Other"}
    said = desk.run("trust", "--type", "mine.Own", "--remove", status=3)
    assert "it stands in config.toml" in said


def test_again_with_another_reason_is_one_grant(desk: Desk) -> None:
    desk.run("trust", "--type", "a.B", "--reason", "first")
    desk.run("trust", "--type", "a.B", "--reason", "second")
    assert [one["reason"] for one in desk.told("trust")["trusted"]] == ["second"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        pytest.param(("boxes",), 2, "a route means another artifact tomorrow", id="bare-name"),
        pytest.param(("boxes@live",), 2, "a route means another artifact tomorrow", id="route"),
        pytest.param(("boxes@9",), 3, "no version 9", id="no-such-version"),
        pytest.param(("--type", "Own"), 2, "expected package.module.Class", id="bare-class"),
        pytest.param(("--type", "a.b; import os"), 2, "expected package.module.Class", id="no-dotted-name"),
        pytest.param(("--function", "f"), 2, "expected package.module.function", id="bare-function"),
        pytest.param(("--key", "missing.pem"), 2, "No such file", id="no-such-file"),
        pytest.param(("--key", "private"), 2, "a private key; expected the public one", id="private-key"),
        pytest.param(("--key", "text"), 2, "expected Ed25519 public keys", id="no-key"),
        pytest.param(("--type", "a.B", "--function", "a.f"), 2, "expected one of", id="two-things"),
        pytest.param(("--type", "a.B", "--name", "x"), 2, "expected one of", id="name-of-no-key"),
        pytest.param(("--remove",), 2, "expected one of", id="nothing-to-take-back"),
        pytest.param(("--reason", "because"), 2, "expected one of", id="a-reason-for-nothing"),
        pytest.param(("--type", "a.B", "--remove"), 3, "no type 'a.B'", id="was-never-trusted"),
    ],
)
def test_refused(desk: Desk, words: tuple[str, ...], status: int, said: str) -> None:
    desk.publish()
    desk.key("private")
    (desk.root / "text").write_text("hello")
    assert said in desk.run("trust", *words, status=status)
    assert not desk.file.exists()


# -- where it is read from -------------------------------------------------------------------------


def test_never_from_the_working_directory_or_the_store(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run("trust", "--type", "evil.Type")
    raw = desk.file.read_bytes()
    desk.file.unlink()
    for folder in (desk.root, desk.root / "cloche", desk.store, desk.root / ".config" / "cloche"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trust.json").write_bytes(raw)
    for given in (".", ".config", ""):
        monkeypatch.setenv("XDG_CONFIG_HOME", given)
        assert workplace().trust.allowed_types == frozenset()


def test_the_file_is_its_owners_alone(desk: Desk) -> None:
    desk.run("trust", "--type", "a.B")
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.config.stat().st_mode) == 0o700
    assert stat.S_IMODE(desk.audit.stat().st_mode) == 0o600
    assert [path.name for path in desk.config.iterdir()] == ["trust.json"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda desk: desk.file.chmod(0o620), "others may change it", id="group-may-write"),
        pytest.param(lambda desk: desk.file.chmod(0o602), "chmod 600", id="anybody-may-write"),
        pytest.param(lambda desk: desk.config.chmod(0o777), "chmod 700", id="folder-is-open"),
        pytest.param(lambda desk: desk.file.write_text("no json"), "cloche trust writes it", id="no-json"),
        pytest.param(lambda desk: desk.file.write_text('{"schema": "cloche-trust/2"}'), "newer cloche", id="later"),
        pytest.param(
            lambda desk: desk.file.write_text(
                '{"schema": "cloche-trust/1", "grants": [{"kind": "artifact", "what": "abc", "by": "x", "at": "y"}]}'
            ),
            "expected the sha256",
            id="no-digest",
        ),
    ],
)
def test_a_file_that_cannot_be_believed(desk: Desk, spoil: Callable[[Desk], Any], said: str) -> None:
    desk.run("trust", "--type", "a.B")
    spoil(desk)
    with pytest.raises(errors.UsageError, match=said):
        workplace()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_file_of_another_user(desk: Desk) -> None:
    desk.run("trust", "--type", "a.B")
    os.chown(desk.file, 12345, -1)
    with pytest.raises(errors.UsageError, match="belongs to another user"):
        workplace()


def test_config_toml_that_anybody_may_change_says_nothing_of_trust(desk: Desk) -> None:
    desk.config.mkdir(parents=True)
    file = desk.config / "config.toml"
    file.write_text('user = "bob"\n')
    file.chmod(0o666)
    workplace()
    file.write_text('[trust]\nallowed_types = ["a.B"]\n')
    with pytest.raises(errors.UsageError, match="chmod o-w"):
        workplace()


def test_what_cannot_be_put_on_record_is_not_trusted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCHE_AUDIT_LOG", str(desk.root / "file" / "audit.jsonl"))
    (desk.root / "file").write_text("in the way")
    assert "nothing was done" in desk.run("trust", "--type", "a.B", status=1)
    assert not desk.file.exists()


# -- signing ---------------------------------------------------------------------------------------


def test_a_new_key_pair(desk: Desk) -> None:
    key = desk.key("ada")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "is there already" in desk.run("sign", "--generate", str(key), status=2)
    desk.run("trust", "--key", f"{key}.pub")
    [found] = desk.told("trust")["trusted"]
    assert (found["kind"], found["name"]) == ("key", "ada")
    assert found["what"] == signing.key_id((desk.root / "ada.pub").read_bytes())


def test_signed_later_then_trusted_then_not(desk: Desk) -> None:
    record = desk.publish()
    key = desk.key("ada")
    desk.demand(key)
    with pytest.raises(errors.SignatureError, match="cloche sign boxes@1"):
        cloche.load("boxes@1")
    assert "signed with key" in desk.run("sign", "boxes@1", "--key", str(key))
    assert "was signed before" in desk.run("sign", "boxes@1", "--key", str(key))
    assert cloche.load("boxes@1").version == 1
    assert desk.told("show", "boxes@1")["signatures"][0]["by"] == "ada"
    said = desk.run("verify", "boxes@1")
    assert "signed by  ada, key" in said
    assert "verdict    trusted: signed by a trusted key" in said
    desk.run("trust", "--key", signing.key_id((desk.root / "ada.pub").read_bytes()), "--remove")
    assert "no signing key is trusted" in desk.run("verify", "boxes@1", status=1)
    with pytest.raises(errors.SignatureError, match="no signing key is trusted"):
        cloche.load("boxes@1")
    assert {("open", "refused"), ("sign", "signed"), ("signature", "trusted"), ("verify", "refused")} <= set(
        desk.decisions()
    )
    assert record.signature is None


def test_several_signers(desk: Desk) -> None:
    desk.publish()
    keys = [desk.key(name) for name in ("ada", "bob", "eve")]
    for key in keys:
        desk.run("sign", "boxes@1", "--key", str(key))
    desk.demand(keys[1])
    assert cloche.load("boxes").version == 1
    signers = desk.told("verify", "boxes@1")["trust"]["signers"]
    assert sorted(one["trusted"] for one in signers) == [False, False, True]
    assert [one["name"] for one in signers if one["trusted"]] == ["bob"]


def test_a_strangers_signature_beside_a_version_changes_nothing(desk: Desk) -> None:
    desk.publish()
    ada, stranger = desk.key("ada"), desk.key("stranger")
    desk.run("trust", "--key", f"{ada}.pub")
    desk.run("sign", "boxes@1", "--key", str(stranger))
    assert cloche.load("boxes@1").version == 1  # none is required
    desk.demand()
    with pytest.raises(errors.SignatureError, match="missing"):
        cloche.load("boxes@1")


def forged(change: Callable[[dict[str, Any]], Any]) -> Callable[[Place], None]:
    def spoil(place: Place) -> None:
        document = json.loads(place.read_text())
        change(document)
        place.write_text(json.dumps(document))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(
            forged(lambda d: d.update(signature=base64.b64encode(b"0" * 64).decode())), "not the signature of"
        ),
        pytest.param(forged(lambda d: d.update(signature="no base64 é")), "not the signature of"),
        pytest.param(forged(lambda d: d.update(key=base64.b64encode(b"1" * 32).decode())), "not the signature of"),
        pytest.param(forged(lambda d: d.update(key="short")), "no Ed25519 public key"),
        pytest.param(forged(lambda d: d.update(version=2)), "it is for boxes@2"),
        pytest.param(lambda place: place.write_text("garbage"), "expected"),
    ],
    ids=["other-bytes", "no-base64", "other-key", "no-key", "other-version", "garbage"],
)
def test_a_tampered_signature_counts_for_nothing(desk: Desk, spoil: Callable[[Place], None], said: str) -> None:
    desk.publish()
    key = desk.key("ada")
    desk.run("sign", "boxes@1", "--key", str(key))
    desk.demand(key)
    store = desk.registry.store
    [path] = store.list("models/boxes/signatures/000001/")
    spoil(Place(store, path))
    with pytest.raises(errors.SignatureError, match="missing"):
        cloche.load("boxes@1")
    findings = desk.told("verify", "boxes@1", status=1)["findings"]
    assert said in findings[0]["what"]
    assert findings[0]["severity"] == "warning"


def test_a_signature_is_of_one_artifact_only(desk: Desk) -> None:
    desk.publish()
    desk.publish(number=2)
    key = desk.key("ada")
    desk.run("sign", "boxes@1", "--key", str(key))
    store = desk.registry.store
    [path] = store.list("models/boxes/signatures/000001/")
    moved = json.loads(store.get(path)) | {"version": 2}
    store.create(path.replace("000001", "000002"), json.dumps(moved).encode())
    desk.demand(key)
    assert cloche.load("boxes@1").version == 1
    with pytest.raises(errors.SignatureError, match="missing"):
        cloche.load("boxes@2")


def test_signed_once_the_store_may_be_away(desk: Desk) -> None:
    desk.publish()
    key = desk.key("ada")
    desk.run("sign", "boxes@1", "--key", str(key))
    desk.demand(key)
    here = workplace()
    record = here.registry.version("boxes", 1)
    here.registry.fetch(record, here.settings.cache, here.trust)
    away = Registry(Store.open("s3://nowhere", desk.root))
    folder = away.fetch(record, here.settings.cache, here.trust)
    assert folder.with_name(f"{folder.name}.sig").is_file()


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"no key", id="text"),
        pytest.param(signing.new_key()[1], id="public-key"),
        pytest.param(Ed25519PrivateKey.generate().private_bytes_raw(), id="raw"),
    ],
)
def test_what_does_not_sign(desk: Desk, key: bytes) -> None:
    desk.publish()
    (desk.root / "key").write_bytes(key)
    assert "expected an unencrypted Ed25519 private key" in desk.run("sign", "boxes@1", "--key", "key", status=2)


def test_sign_needs_a_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.publish()
    assert "name the private key" in desk.run("sign", "boxes@1", status=2)
    monkeypatch.setenv("CLOCHE_SIGNING_KEY", str(desk.key("ada")))
    assert "signed with key" in desk.run("sign", "boxes@1")


def test_what_was_changed_in_the_store_is_not_signed(desk: Desk) -> None:
    record = desk.publish()
    key = desk.key("ada")
    model = desk.registry.manifest_of(record).files["model.skops"].sha256
    Place(desk.registry.store, f"blobs/sha256/{model[:2]}/{model}").write_bytes(b"other")
    assert "expected sha256" in desk.run("sign", "boxes@1", "--key", str(key), status=1)
    assert "expected sha256" in desk.run("verify", "boxes@1", status=1)


# -- where a signature is demanded -----------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("promote", "boxes", "2"), id="promote"),
        pytest.param(("copy", "boxes@2", "--to", "other"), id="copy"),
        pytest.param(("restore", "--from", "backup", "--to", "other"), id="restore"),
        pytest.param(("predict", "boxes@2", '{"length": 1, "width": 2}'), id="load"),
    ],
)
def test_a_signature_is_demanded(desk: Desk, words: tuple[str, ...]) -> None:
    key = desk.key("ada")
    desk.publish(lambda folder: sign(folder, key.read_bytes()))
    desk.publish(number=2)
    desk.run("backup", "--to", "backup")
    desk.demand(key)
    assert "missing, and a signature is required; run: cloche sign boxes@2" in desk.run(*words, status=1)
    assert not (desk.root / "other").exists()
    assert desk.decisions()[-1][1] == "refused"
    desk.run("sign", "boxes@2", "--key", str(key))
    desk.run("backup", "--to", "backup")
    desk.run(*words)


def test_signatures_go_with_a_copy_and_a_backup(desk: Desk) -> None:
    desk.publish()
    key = desk.key("ada")
    desk.run("sign", "boxes@1", "--key", str(key))
    desk.demand(key)
    desk.run("copy", "boxes@1", "--to", "other", "--name", "crates")
    assert "verdict    trusted" in desk.run("verify", "crates@1", "--store", "other")
    desk.run("backup", "--to", "backup")
    desk.run("restore", "--from", "backup", "--to", "third")
    assert "verdict    trusted" in desk.run("verify", "boxes@1", "--store", "third")


def test_gc_keeps_nothing_because_of_a_signature(desk: Desk) -> None:
    desk.publish()
    desk.publish(number=2)
    desk.run("sign", "boxes@2", "--key", str(desk.key("ada")))
    desk.run("delete", "boxes@2")
    assert desk.registry.collect(by="ada", dry_run=True).marked == 2  # its manifest and its model


# -- formats that run code -------------------------------------------------------------------------


@pytest.fixture
def coded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> VersionRecord:
    """A version whose model is of a format that runs code."""
    entry = Entry("code_flavor:CodeFlavor", "sklearn", "skops", frozenset())
    monkeypatch.setitem(FLAVORS, "coded", entry)
    return desk.publish(lambda folder: artifacts.edit_manifest(folder, lambda d: d.update(flavor="coded")))


def test_code_is_refused_until_its_digest_is_trusted(desk: Desk, coded: VersionRecord) -> None:
    with pytest.raises(errors.UntrustedCodeError, match="trusts it: cloche trust boxes@1$"):
        cloche.load("boxes@1")
    assert "pre-flight: boxes version 1" in desk.run("promote", "boxes", "1", status=1)
    assert "verdict    refused: a test says so; trust it: cloche trust boxes@1" in desk.run(
        "verify", "boxes@1", status=1
    )
    desk.run("trust", "boxes@1")
    assert cloche.load("boxes@1").version == 1
    assert "verdict    trusted: its digest is trusted" in desk.run("verify", "boxes@1")
    assert ("code", "trusted") in desk.decisions()
    desk.run("trust", "boxes@1", "--remove")
    with pytest.raises(errors.UntrustedCodeError):
        cloche.load("boxes@1")


def test_code_is_opened_for_a_trusted_signer(desk: Desk, coded: VersionRecord) -> None:
    key = desk.key("ada")
    desk.run("sign", "boxes@1", "--key", str(key))
    with pytest.raises(errors.UntrustedCodeError):
        cloche.load("boxes@1")
    desk.run("trust", "--key", f"{key}.pub")
    assert cloche.load("boxes@1").version == 1
    assert "verdict    trusted: signed by a trusted key" in desk.run("verify", "boxes@1")
    entries = desk.told("trust", "--log")["entries"]
    assert [one["why"] for one in entries if one["what"] == "code"] == ["its signer is trusted; a test says so"]


def test_one_digest_opens_no_other_version(desk: Desk, coded: VersionRecord) -> None:
    desk.publish(lambda folder: artifacts.edit_manifest(folder, lambda d: d.update(flavor="coded")), number=2)
    desk.run("trust", "boxes@1")
    with pytest.raises(errors.UntrustedCodeError):
        cloche.load("boxes@2")


# -- the log ---------------------------------------------------------------------------------------


def test_the_log_is_shown(desk: Desk) -> None:
    desk.publish()
    desk.run("trust", "boxes@1", "--reason", "it is mine\n\x1b[31m")
    desk.run("sign", "boxes@1", "--key", str(desk.key("ada")))
    said = desk.run("trust", "--log")
    assert "it is mine\\n\\x1b" in said
    entries = desk.told("trust", "--log")["entries"]
    assert [one["what"] for one in entries] == ["trust", "sign"]
    assert {"time", "who", "verdict", "digest", "host", "pid"} <= entries[0].keys()
    assert len(desk.told("trust", "--log", "--last", "1")["entries"]) == 1


def test_a_torn_line_is_passed_over(desk: Desk) -> None:
    desk.run("trust", "--type", "a.B")
    with desk.audit.open("a") as file:
        file.write('{"time": "20')
    desk.run("trust", "--type", "c.D")
    assert [one["type"] for one in desk.told("trust", "--log")["entries"]] == ["a.B", "c.D"]


def test_a_tampered_artifact_is_on_record(desk: Desk) -> None:
    def spoil(folder: Path) -> None:
        artifacts.edit_manifest(folder, lambda document: document.update(flavor="nonsense"))

    desk.publish(spoil)
    with pytest.raises(errors.ManifestError):
        cloche.load("boxes@1")
    [entry] = desk.told("trust", "--log")["entries"]
    assert (entry["verdict"], entry["name"]) == ("refused", "boxes")
    assert entry["why"].startswith("ManifestError: ")
    assert MANIFEST in entry["why"]


def test_an_ordinary_opening_decides_nothing(desk: Desk) -> None:
    desk.publish()
    cloche.load("boxes@1")
    assert not desk.audit.exists()
