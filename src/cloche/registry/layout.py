"""Where each object of the registry lies in the store."""

from __future__ import annotations

import re

from cloche.errors import StoreError

MODELS = "models"
BLOBS = "blobs/sha256"
MARKS = "gc"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOB = re.compile(r"([0-9a-f]{64})(?:\.([1-9]\d*))?")
_MARK = re.compile(r"(\d{6})\.json")
_DELETED = re.compile(r"(\d{6,})\.deleted\.json")
_NUMBERED = re.compile(r"(\d{6,})\.json")
_REVISION = re.compile(r"([1-9]\d*)(?:\.([1-9]\d*))?\.json")


def blob(sha256: str, generation: int = 0) -> str:
    """
    A file of an artifact, by its content; `SHA.1` after `SHA` was swept once.

    Raises:
        StoreError: *sha256* is no digest (a manifest or a version object says so; it could be a path).
    """
    _check_digest(sha256)
    return f"{BLOBS}/{sha256[:2]}/{sha256}.{generation}" if generation else f"{BLOBS}/{sha256[:2]}/{sha256}"


def blob_in(path: str) -> tuple[str, int] | None:
    """The digest and the generation of a blob, from its path."""
    found = _BLOB.fullmatch(path.rpartition("/")[2])
    return (found[1], int(found[2] or 0)) if found else None


def marks(sha256: str) -> str:
    """Where sweepers and publishers agree on what becomes of a blob."""
    _check_digest(sha256)
    return f"{MARKS}/{sha256[:2]}/{sha256}/"


def mark(sha256: str, number: int) -> str:
    return f"{marks(sha256)}{number:06d}.json"


def decision(sha256: str, number: int) -> str:
    return f"{marks(sha256)}{number:06d}.decided.json"


def mark_in(path: str) -> int | None:
    """The number of a mark, from its path; None for a decision."""
    found = _MARK.fullmatch(path.rpartition("/")[2])
    return int(found[1]) if found else None


def _check_digest(sha256: str) -> None:
    if not _DIGEST.fullmatch(sha256):
        raise StoreError(f"expected a sha256 in lower-case hex, got {sha256[:80]!r}")


def versions(name: str) -> str:
    return f"{MODELS}/{name}/versions/"


def version(name: str, number: int) -> str:
    return f"{versions(name)}{number:06d}.json"


def tombstone(name: str, number: int) -> str:
    """Beside the version that was deleted."""
    return f"{versions(name)}{number:06d}.deleted.json"


def tombstone_in(path: str) -> int | None:
    """The number of the version that a tombstone is for, from its path."""
    found = _DELETED.fullmatch(path.rpartition("/")[2])
    return int(found[1]) if found else None


def routes(name: str) -> str:
    return f"{MODELS}/{name}/routes/"


def event(name: str, number: int) -> str:
    return f"{routes(name)}{number:06d}.json"


def contracts(name: str) -> str:
    return f"{MODELS}/{name}/contracts/"


def contract(name: str, number: int, revision: int) -> str:
    """`1.json`, and its compatible revisions `1.1.json`, `1.2.json` …"""
    return f"{contracts(name)}{number}.{revision}.json" if revision else f"{contracts(name)}{number}.json"


def evaluations(name: str, version: int) -> str:
    """Where the evaluations of a version lie."""
    return f"{MODELS}/{name}/evaluations/{version:06d}/"


def evaluation(name: str, version: int, number: int) -> str:
    """One evaluation of a version."""
    return f"{evaluations(name, version)}{number:06d}.json"


def signatures(name: str, version: int) -> str:
    """Where the signatures lie that were added to a version after it was published."""
    return f"{MODELS}/{name}/signatures/{version:06d}/"


def signature(name: str, version: int, digest: str) -> str:
    """One of them, by the sha256 of its bytes; cut, since what spells a whole sha256 may name a blob."""
    return f"{signatures(name, version)}{digest[:32]}.json"


def horizons(name: str) -> str:
    """Where the horizons of a model's labels lie."""
    return f"{MODELS}/{name}/horizons/"


def horizon(name: str, number: int) -> str:
    """One of them; the last counts."""
    return f"{horizons(name)}{number:06d}.json"


def number_in(path: str) -> int | None:
    """The number of a version or an event, from its path."""
    found = _NUMBERED.fullmatch(path.rpartition("/")[2])
    return int(found[1]) if found else None


def revision_in(path: str) -> tuple[int, int] | None:
    """A contract's number and revision, from its path."""
    found = _REVISION.fullmatch(path.rpartition("/")[2])
    return (int(found[1]), int(found[2] or 0)) if found else None
