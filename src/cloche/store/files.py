"""Objects of a file:// store as files: created once and durably, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path

from cloche.errors import ObjectExistsError, StoreError, StoreUnreachableError

_STAGED = re.compile(r".+#\d+")


def create_file(root: Path, path: str, data: bytes) -> None:
    """
    Create a file of a file:// store, durably.

    obstore links a file before its bytes are on the disk, so that a power cut could leave an empty version
    object that can never be replaced. Here: staged and fsynced, then linked, then its folders fsynced. The staged
    name ends in `#digits`, which obstore leaves out of its lists.
    """
    target = _inside(root, path)
    staged = target.with_name(f"{target.name}#{secrets.randbits(62)}")
    try:
        if not root.parent.is_dir():
            raise StoreUnreachableError(f"store {root}: the folder {root.parent} does not exist; create it first")
        _make_folders(target.parent, root.parent)
        try:
            _write_synced(staged, data)
            os.link(staged, target)
        finally:
            staged.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except FileExistsError as exc:
        if target.is_file():
            raise ObjectExistsError(f"store {root}: object '{path}' exists already") from exc
        raise StoreUnreachableError(f"store {root}: expected a folder, got a file: {exc.filename}") from exc
    except OSError as exc:
        raise StoreUnreachableError(f"store {root}: cannot write '{path}': {_cause(exc)}") from exc


def delete_file(root: Path, path: str) -> None:
    """Unlink a file of a file:// store, durably."""
    target = _inside(root, path)
    try:
        target.unlink()
        _sync_folder(target.parent)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as exc:
        raise StoreUnreachableError(f"store {root}: cannot delete '{path}': {_cause(exc)}") from exc


def discard_staged(root: Path, before: float) -> None:
    """Unlink the staged files that are older than the moment *before* (seconds since the epoch)."""
    for path in root.rglob("*#*"):
        with contextlib.suppress(OSError):
            if _STAGED.fullmatch(path.name) and path.stat().st_mtime < before:
                path.unlink()


def _inside(root: Path, path: str) -> Path:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise StoreError(f"store {root}: '{path}' is not the name of an object")
    return root.joinpath(*parts)


def _make_folders(folder: Path, stop: Path) -> None:
    """Create what is missing between *stop* and *folder*; each new entry is fsynced in its parent."""
    missing = []
    while folder != stop and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        _sync_folder(one.parent)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there; NTFS journals its entries
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cause(exc: OSError) -> str:
    if exc.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK) and exc.filename2 is not None:
        return f"{exc.strerror}: its file system has no hard links, which create-only writes need"
    return exc.strerror or type(exc).__name__
