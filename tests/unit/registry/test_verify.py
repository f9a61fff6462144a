"""Verify finds what was changed behind the registry's back."""

from __future__ import annotations

import hashlib
import json

import pytest

from cloche.registry import Registry
from stores import Place, again

VERSIONS, ROUTES = "models/penguins/versions", "models/penguins/routes"


def blob(root: Place, content: bytes) -> Place:
    sha = hashlib.sha256(content).hexdigest()
    return root / f"blobs/sha256/{sha[:2]}/{sha}"


def edit(path: Place, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def root(registry, publish) -> Place:
    for number in range(1, 4):
        publish(content=f"model {number}".encode(), promote=True)
    return Place(registry.store)


def test_a_registry_as_it_was_written(registry, root) -> None:
    report = registry.verify()
    assert report.findings == ()
    assert report.checked > 10


@pytest.mark.parametrize(
    ("damage", "where", "what"),
    [
        pytest.param(
            lambda r: blob(r, b"model 2").write_bytes(b"other"), "blobs/", "expected sha256", id="changed-blob"
        ),
        pytest.param(lambda r: blob(r, b"model 2").unlink(), "blobs/", "missing", id="missing-blob"),
        pytest.param(
            lambda r: (r / VERSIONS / "000002.json").unlink(), f"{VERSIONS}/000002", "missing", id="missing-version"
        ),
        pytest.param(
            lambda r: (r / VERSIONS / "000002.json").write_bytes(b"\xff"),
            f"{VERSIONS}/000002",
            "expected a VersionRecord",
            id="no-version",
        ),
        pytest.param(
            lambda r: edit(r / VERSIONS / "000002.json", version=7),
            f"{VERSIONS}/000002",
            "expected penguins@2",
            id="other-number",
        ),
        pytest.param(
            lambda r: edit(r / VERSIONS / "000002.json", manifest="../x"),
            f"{VERSIONS}/000002",
            "expected a sha256",
            id="digest-that-is-a-path",
        ),
        pytest.param(
            lambda r: (r / "models/penguins/contracts/1.json").write_text("{}"),
            "models/penguins/contracts/1.json",
            "expected a contract",
            id="no-contract",
        ),
        pytest.param(
            lambda r: (r / "models/penguins/contracts/1.json").unlink(),
            "models/penguins/contracts/1.json",
            "no object",
            id="missing-contract",
        ),
        pytest.param(
            lambda r: (r / ROUTES / "000002.json").unlink(),
            f"{ROUTES}/000003",
            "an event is missing",
            id="missing-event",
        ),
        pytest.param(
            lambda r: edit(r / ROUTES / "000001.json", by="mallory"),
            f"{ROUTES}/000002",
            "the chain is broken",
            id="edited-event",
        ),
        pytest.param(
            lambda r: edit(r / ROUTES / "000003.json", routes={"default_contract": 1, "live": {"1": 9}}),
            f"{ROUTES}/000003",
            "version 9, which does not exist",
            id="route-to-nowhere",
        ),
        pytest.param(
            lambda r: (r / ROUTES / "000003.json").write_text("[]"),
            f"{ROUTES}/000003",
            "expected a RouteEvent",
            id="no-event",
        ),
    ],
)
def test_what_was_changed_is_found(root, damage, where, what) -> None:
    damage(root)
    findings = Registry(again(root.store)).verify("penguins").findings
    assert any(f.severity == "error" and f.where.startswith(where) and what in f.what for f in findings), findings


def test_a_foreign_file_is_a_warning(registry, root) -> None:
    (root / VERSIONS / "notes.txt").write_text("hello")
    assert [(f.severity, f.where) for f in registry.verify().findings] == [("warning", f"{VERSIONS}/notes.txt")]
