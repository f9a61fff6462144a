"""Every attack on an artifact, and every accident, by name: what is refused, by which error, in which words."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests import artifacts

from cloche import errors
from cloche.artifact import open_artifact, sign
from cloche.artifact.golden import GOLDEN
from cloche.manifest import MANIFEST, SIGNATURE
from cloche.trust import TrustPolicy

MODEL = "model.skops"
TRUST = TrustPolicy()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A good one."""
    return artifacts.write(tmp_path / "artifact")


def test_a_good_artifact_opens_and_answers(artifact: Path) -> None:
    opened = open_artifact(artifact, TRUST)
    valid = opened.compiled.validate([{"length": 2.0, "width": 0.0}], single=True)
    assert opened.engine.name == "native"
    assert opened.engine.predict(valid.columns(), 1).prediction == ["big"]
    assert opened.environment == ()
    assert opened.identity == artifacts.sha256((artifact / MANIFEST).read_bytes())


# -- files --------------------------------------------------------------------------------------


def add_file(directory: Path) -> None:
    (directory / "extra.py").write_text("print('hello')")


def add_link(directory: Path) -> None:
    (directory / "link").symlink_to("/etc/passwd")


def replace_by_link(directory: Path) -> None:
    elsewhere = directory.parent / "elsewhere"
    (directory / MODEL).rename(elsewhere)
    (directory / MODEL).symlink_to(elsewhere)


def add_linked_folder(directory: Path) -> None:
    (directory / "folder").symlink_to(directory.parent, target_is_directory=True)


def add_pipe(directory: Path) -> None:
    os.mkfifo(directory / "pipe")


def list_path(path: str) -> Callable[[Path], None]:
    def listed(directory: Path) -> None:
        entry = {"sha256": "0" * 64, "size": 1}
        artifacts.edit_manifest(directory, lambda document: document["files"].update({path: entry}))

    return listed


def change_byte(directory: Path) -> None:
    raw = bytearray((directory / MODEL).read_bytes())
    raw[len(raw) // 2] ^= 1
    (directory / MODEL).write_bytes(raw)


def truncate(directory: Path) -> None:
    (directory / MODEL).write_bytes((directory / MODEL).read_bytes()[:-10])


def lengthen(directory: Path) -> None:
    (directory / MODEL).write_bytes((directory / MODEL).read_bytes() + b"\0")


def remove(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


@pytest.mark.parametrize(
    ("attack", "error", "words"),
    [
        pytest.param(add_file, errors.UnlistedFileError, "extra.py", id="unlisted-file"),
        pytest.param(add_link, errors.NotAFileError, "link", id="symlink"),
        pytest.param(replace_by_link, errors.NotAFileError, MODEL, id="listed-file-became-a-symlink"),
        pytest.param(add_linked_folder, errors.NotAFileError, "folder", id="symlink-to-a-folder"),
        pytest.param(add_pipe, errors.NotAFileError, "special file", id="named-pipe"),
        pytest.param(list_path("../outside"), errors.PathEscapeError, "../outside", id="dot-dot"),
        pytest.param(list_path("a/../../b"), errors.PathEscapeError, "inside", id="dot-dot-in-the-middle"),
        pytest.param(list_path("/etc/passwd"), errors.PathEscapeError, "/etc/passwd", id="absolute-path"),
        pytest.param(list_path("C:\\x"), errors.PathEscapeError, "inside", id="windows-path"),
        pytest.param(list_path("a//b"), errors.PathEscapeError, "inside", id="empty-part"),
        pytest.param(list_path("missing.bin"), errors.MissingFileError, "missing.bin", id="listed-and-missing"),
        pytest.param(remove(MODEL), errors.MissingFileError, MODEL, id="model-removed"),
        pytest.param(remove(MANIFEST), errors.MissingFileError, MANIFEST, id="no-manifest"),
        pytest.param(change_byte, errors.DigestMismatchError, "sha256", id="changed-byte"),
        pytest.param(truncate, errors.DigestMismatchError, "bytes", id="truncated"),
        pytest.param(lengthen, errors.DigestMismatchError, "bytes", id="lengthened"),
    ],
)
def test_files(artifact: Path, attack: Callable[[Path], None], error: type[Exception], words: str) -> None:
    attack(artifact)
    with pytest.raises(error, match=words.replace("\\", "")):
        open_artifact(artifact, TRUST)


def test_a_manifest_that_lists_no_model(artifact: Path) -> None:
    remove(MODEL)(artifact)
    artifacts.seal(artifact)
    with pytest.raises(errors.MissingFileError, match="lists no such file"):
        open_artifact(artifact, TRUST)


def test_a_hard_link_is_a_plain_file(artifact: Path) -> None:
    os.link(artifact / MODEL, artifact.parent / "second-name")
    assert open_artifact(artifact, TRUST).manifest.name == "boxes"


# -- manifest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"not json", "manifest.json", id="not-json"),
        pytest.param(b"\xff\xfe\x00", "manifest.json", id="not-utf-8"),
        pytest.param(b"[]", "manifest.json", id="not-an-object"),
        pytest.param(b"[" * 100_000, "manifest.json", id="nested-too-deep"),
        pytest.param(b'{"schema": "cloche-artifact/1"}', "files", id="empty"),
    ],
)
def test_manifest_that_is_none(artifact: Path, raw: bytes, words: str) -> None:
    (artifact / MANIFEST).write_bytes(raw)
    with pytest.raises(errors.ManifestError, match=words):
        open_artifact(artifact, TRUST)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        pytest.param("schema", "cloche-artifact/9", "newer cloche", id="unknown-schema"),
        pytest.param("flavor", "os:system", "flavor", id="unknown-flavor"),
        pytest.param("name", 7, "name", id="wrong-type"),
    ],
)
def test_manifest_of_another_kind(artifact: Path, key: str, value: Any, words: str) -> None:
    artifacts.edit_manifest(artifact, lambda document: document.update({key: value}))
    with pytest.raises(errors.ManifestError, match=words):
        open_artifact(artifact, TRUST)


def test_contract_that_is_none(artifact: Path) -> None:
    (artifact / "contract.json").write_bytes(b"{}")
    artifacts.seal(artifact)
    with pytest.raises(errors.ManifestError, match=r"contract\.json"):
        open_artifact(artifact, TRUST)


# -- the archive, re-sealed so that digests hold ------------------------------------------------


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def with_link() -> bytes:
    info = zipfile.ZipInfo("1.npy")
    info.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def with_two_of_a_name() -> bytes:
    return zipped(("schema.json", b"{}"), ("schema.jsom", b"{}")).replace(b"schema.jsom", b"schema.json")


def with_lying_size() -> bytes:
    raw = zipped(("schema.json", b"0" * 100_000), compression=zipfile.ZIP_DEFLATED)
    return raw.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))


def with_lying_shape() -> bytes:
    array = io.BytesIO()
    np.save(array, np.zeros(4))
    lying = array.getvalue().replace(b"(4,), }        ", b"(4000000000,), }")
    return zipped(("schema.json", b'{"protocol": 2}'), ("1.npy", lying))


def with_pickled_array() -> bytes:
    array = io.BytesIO()
    np.save(array, np.array([object], dtype=object), allow_pickle=True)
    return zipped(("schema.json", b'{"protocol": 2}'), ("1.npy", array.getvalue()))


BOMB = zipped(("schema.json", b"{}"), ("1.npy", bytes(64 << 20)), compression=zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        pytest.param(pickle.dumps({"a": 1}), errors.WrongFormatError, "pickle", id="pickle-under-skops"),
        pytest.param(b"hello", errors.WrongFormatError, "zip", id="no-zip"),
        pytest.param(b"PK\x03\x04hello", errors.WrongFormatError, "zip", id="no-zip-but-its-magic"),
        pytest.param(b"#!/bin/sh\n" + zipped(("schema.json", b"{}")), errors.WrongFormatError, "zip", id="polyglot"),
        pytest.param(BOMB, errors.ArchiveLimitError, "unpack", id="zip-bomb"),
        pytest.param(with_lying_size(), errors.ArchiveLimitError, "declares", id="size-that-lies"),
        pytest.param(zipped(("../x", b"")), errors.ArchiveLimitError, r"\.\./x", id="member-dot-dot"),
        pytest.param(zipped(("/x", b"")), errors.ArchiveLimitError, "/x", id="member-absolute"),
        pytest.param(with_link(), errors.ArchiveLimitError, "link", id="member-link"),
        pytest.param(with_two_of_a_name(), errors.ArchiveLimitError, "more than once", id="member-twice"),
        pytest.param(zipped(("x.txt", b"")), errors.WrongFormatError, "schema", id="no-schema"),
        pytest.param(
            zipped(("schema.json", b"{}"), ("run.py", b"")), errors.WrongFormatError, "run.py", id="unknown-member"
        ),
        pytest.param(zipped(("schema.json", b"nope")), errors.WrongFormatError, "JSON", id="schema-no-json"),
        pytest.param(
            zipped(("schema.json", b'{"protocol": 0}')), errors.WrongFormatError, "protocol", id="old-protocol"
        ),
        pytest.param(
            zipped(("schema.json", b"x"), compression=zipfile.ZIP_BZIP2),
            errors.WrongFormatError,
            "compression",
            id="other-compression",
        ),
        pytest.param(with_lying_shape(), errors.TamperedModelError, "declares shape", id="array-shape-that-lies"),
        pytest.param(with_pickled_array(), errors.WrongFormatError, "pickle", id="array-of-objects"),
    ],
)
def test_archive(artifact: Path, raw: bytes, error: type[Exception], words: str) -> None:
    (artifact / MODEL).write_bytes(raw)
    artifacts.seal(artifact)
    with pytest.raises(error, match=words):
        open_artifact(artifact, TRUST)


# -- types and content, re-sealed ---------------------------------------------------------------


def tamper(directory: Path, change: Callable[[str, bytes], bytes]) -> None:
    (directory / MODEL).write_bytes(artifacts.rezip((directory / MODEL).read_bytes(), change))
    artifacts.seal(directory)


def in_schema(old: str, new: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != "schema.json":
            return content
        assert old.encode() in content
        return content.replace(old.encode(), new.encode())

    return change


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param('"StandardScaler"', '"Popen"', "Popen", id="another-class"),
        pytest.param('"sklearn.preprocessing._data"', '"subprocess"', "subprocess", id="another-module"),
        pytest.param('"ObjectNode"', '"MethodNode"', "not on the allow-list", id="bound-method"),
        pytest.param('"ObjectNode"', '"OperatorFuncNode"', "not on the allow-list", id="operator"),
    ],
)
def test_unknown_type(artifact: Path, old: str, new: str, words: str) -> None:
    tamper(artifact, in_schema(old, new))
    with pytest.raises(errors.UntrustedTypeError, match=words):
        open_artifact(artifact, TRUST)


def test_unknown_type_says_how_an_operator_allows_it(artifact: Path) -> None:
    tamper(artifact, in_schema('"sklearn.preprocessing._data"', '"theirs.scaling"'))
    with pytest.raises(errors.UntrustedTypeError, match=r"cloche trust --type theirs\.scaling\.StandardScaler"):
        open_artifact(artifact, TRUST)


def in_nodes(field: str, value: int, place: int = 0) -> Callable[[str, bytes], bytes]:
    """Write *value* into a field of one node of every stored tree."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(".npy"):
            return content
        array = np.load(io.BytesIO(content))
        if field not in (array.dtype.names or ()):
            return content
        array[field][place] = value
        out = io.BytesIO()
        np.save(out, array)
        return out.getvalue()

    return change


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        pytest.param("left_child", 10_000, "outside", id="child-outside"),
        pytest.param("left_child", 0, "outside", id="child-is-the-root"),
        pytest.param("right_child", 1, "two parents", id="two-parents"),
        pytest.param("left_child", -1, "one child", id="half-a-leaf"),
        pytest.param("feature", 99, "column 99", id="feature-outside"),
        pytest.param("feature", -2, "column", id="feature-negative"),
    ],
)
def test_tampered_tree(artifact: Path, field: str, value: int, words: str) -> None:
    tamper(artifact, in_nodes(field, value))
    with pytest.raises(errors.TamperedModelError, match=words):
        open_artifact(artifact, TRUST)


def test_tampered_node_count(artifact: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name != "schema.json":
            return content
        document = json.loads(content)
        for node in _nodes(document):
            if isinstance(node.get("node_count"), dict):
                del node["node_count"]["__id__"]  # else an equal number read before stands for it
                node["node_count"]["content"] = "1"
        return json.dumps(document).encode()

    tamper(artifact, change)
    with pytest.raises(errors.TamperedModelError, match="declares 1"):
        open_artifact(artifact, TRUST)


def _nodes(node: Any) -> Any:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child)


# -- another version of the library -------------------------------------------------------------


def test_other_version_opens_where_golden_rows_hold(tmp_path: Path) -> None:
    opened = open_artifact(artifacts.write(tmp_path / "a", version="1.2.3"), TRUST)
    assert "scikit-learn 1.2.3 when saved" in opened.environment[0]


def test_other_patch_version_is_the_same(tmp_path: Path) -> None:
    minor = ".".join(artifacts.sklearn.__version__.split(".")[:2])
    assert open_artifact(artifacts.write(tmp_path / "a", version=f"{minor}.99"), TRUST).environment == ()


def spoil_golden(directory: Path) -> None:
    lines = (directory / GOLDEN).read_text().splitlines()
    changed = [json.loads(line) for line in lines]
    changed[0]["answer"]["probabilities"] = [0.9, 0.1]
    (directory / GOLDEN).write_text("\n".join(json.dumps(line) for line in changed))
    artifacts.seal(directory)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param(artifacts.sklearn.__version__, "row 0", id="same-version"),
        pytest.param("1.2.3", "1.2.3 when saved", id="other-version"),
    ],
)
def test_golden_rows_that_differ(tmp_path: Path, version: str, words: str) -> None:
    directory = artifacts.write(tmp_path / "a", version=version)
    spoil_golden(directory)
    with pytest.raises(errors.GoldenRowsError, match=words):
        open_artifact(directory, TRUST)


def test_other_version_without_golden_rows(tmp_path: Path) -> None:
    directory = artifacts.write(tmp_path / "a", version="1.2.3")
    (directory / GOLDEN).unlink()
    artifacts.seal(directory)
    with pytest.raises(errors.EnvironmentMismatchError, match="no golden rows"):
        open_artifact(directory, TRUST)


def test_other_version_whose_content_cannot_be_built(tmp_path: Path) -> None:
    directory = artifacts.write(tmp_path / "a", version="1.2.3")
    tamper(directory, in_schema('"StandardScaler"', '"FunctionTransformer"'))
    with pytest.raises(errors.ArtifactError):
        open_artifact(directory, TRUST)


def test_golden_row_that_the_contract_refuses(artifact: Path) -> None:
    row = {"row": {"length": "long"}, "answer": {"prediction": "big"}}
    (artifact / GOLDEN).write_text(json.dumps(row))
    artifacts.seal(artifact)
    with pytest.raises(errors.GoldenRowsError, match="refuses"):
        open_artifact(artifact, TRUST)


# -- signatures ---------------------------------------------------------------------------------


def key_pair() -> tuple[bytes, bytes]:
    """A private key in PEM, and the raw public one."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


PRIVATE, PUBLIC = key_pair()
STRANGER, _ = key_pair()
REQUIRED = TrustPolicy(require_signature=True, signing_keys=(PUBLIC,))
PUBLIC_PEM = (
    serialization.load_pem_private_key(PRIVATE, None)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(PUBLIC, id="raw"),
        pytest.param(base64.b64encode(PUBLIC), id="base64"),
        pytest.param(PUBLIC_PEM, id="pem"),
    ],
)
def test_a_signed_artifact_opens(artifact: Path, key: bytes) -> None:
    sign(artifact, PRIVATE)
    assert open_artifact(artifact, TrustPolicy(require_signature=True, signing_keys=(key,))).manifest.name == "boxes"


def test_missing_signature(artifact: Path) -> None:
    with pytest.raises(errors.SignatureError, match="missing"):
        open_artifact(artifact, REQUIRED)


def test_required_and_no_key_trusted(artifact: Path) -> None:
    sign(artifact, PRIVATE)
    with pytest.raises(errors.SignatureError, match="no signing key is trusted"):
        open_artifact(artifact, TrustPolicy(require_signature=True))


def test_signature_by_a_stranger(artifact: Path) -> None:
    sign(artifact, STRANGER)
    with pytest.raises(errors.SignatureError, match="trusted keys"):
        open_artifact(artifact, REQUIRED)


def test_signature_by_a_stranger_where_none_is_required(artifact: Path) -> None:
    sign(artifact, STRANGER)
    with pytest.raises(errors.SignatureError, match="trusted keys"):
        open_artifact(artifact, TrustPolicy(signing_keys=(PUBLIC,)))


def test_manifest_changed_after_signing(artifact: Path) -> None:
    sign(artifact, PRIVATE)
    artifacts.edit_manifest(artifact, lambda document: document.update(name="another"))
    with pytest.raises(errors.SignatureError, match="not a signature"):
        open_artifact(artifact, REQUIRED)


@pytest.mark.parametrize("raw", [pytest.param(b"!!!", id="no-base64"), pytest.param(b"AAAA", id="too-short")])
def test_broken_signature(artifact: Path, raw: bytes) -> None:
    (artifact / SIGNATURE).write_bytes(raw)
    with pytest.raises(errors.SignatureError, match="expected"):
        open_artifact(artifact, REQUIRED)


def test_signature_is_checked_before_anything_else(artifact: Path) -> None:
    (artifact / MANIFEST).write_bytes(b"not json")
    with pytest.raises(errors.SignatureError):
        open_artifact(artifact, REQUIRED)


def test_signing_with_what_is_no_key(artifact: Path) -> None:
    with pytest.raises(errors.UsageError, match="Ed25519"):
        sign(artifact, b"hello")
