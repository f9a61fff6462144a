"""
Digests of files, and whether a directory holds exactly the files that were published.

Nothing is parsed here: these checks run before any content is read as anything but bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from cloche.errors import DigestMismatchError, MissingFileError, NotAFileError, PathEscapeError, UnlistedFileError


class FileEntry(msgspec.Struct, frozen=True):
    """A file of an artifact: lower-case hex sha256 and size in bytes."""

    sha256: str
    size: int


def sha256_file(path: Path) -> str:
    """The lower-case hex sha256 of the file *path*."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(directory: Path) -> list[str]:
    """
    Every file below *directory*, as sorted POSIX paths relative to it.

    Raises:
        NotAFileError: an entry is a link or a special file; links are not followed.
    """
    return sorted(path.relative_to(directory).as_posix() for path in _plain_files(directory, directory))


def _plain_files(directory: Path, root: Path) -> Iterator[Path]:
    for entry in os.scandir(directory):
        path = Path(entry.path)
        if entry.is_symlink():
            raise NotAFileError(f"{path.relative_to(root).as_posix()}: expected a plain file, got a link")
        if entry.is_dir(follow_symlinks=False):
            yield from _plain_files(path, root)
        elif entry.is_file(follow_symlinks=False):
            yield path
        else:
            raise NotAFileError(f"{path.relative_to(root).as_posix()}: expected a plain file, got a special file")


def file_entries(directory: Path) -> dict[str, FileEntry]:
    """What lies below *directory* now, by relative POSIX path; links and special files are refused."""
    return {
        name: FileEntry(sha256_file(directory / name), (directory / name).stat().st_size)
        for name in files_below(directory)
    }


def check_path(name: str) -> None:
    """
    Refuse a listed path that is not a plain relative POSIX path inside the artifact.

    Raises:
        PathEscapeError: *name* is absolute, holds `..`, a backslash, a drive or an empty part.
    """
    parts = name.split("/")
    if not name or "\\" in name or ":" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise PathEscapeError(f"manifest.json: files: expected a relative path inside the artifact, got {name!r}")


def verify_files(directory: Path, entries: Mapping[str, FileEntry], *, besides: Collection[str] = ()) -> None:
    """
    Check that *directory* holds exactly the files of *entries*, each of the listed size and digest.

    *besides* may lie there unlisted (the manifest itself and its signature).

    Raises:
        PathEscapeError, NotAFileError, UnlistedFileError, MissingFileError, DigestMismatchError
    """
    check_listing(directory, entries, besides=besides)
    for name, entry in sorted(entries.items()):
        _check_size(name, entry, (directory / name).stat().st_size)
        _check_digest(name, entry, sha256_file(directory / name))


def check_listing(directory: Path, entries: Mapping[str, FileEntry], *, besides: Collection[str] = ()) -> None:
    """Check names only: every listed path is inside and there, nothing else is, and all are plain files."""
    for name in sorted(entries):
        check_path(name)
    found = set(files_below(directory))
    for name in sorted(found - set(entries) - set(besides)):
        raise UnlistedFileError(f"{name}: lies in the artifact, and manifest.json does not list it")
    for name in sorted(set(entries) - found):
        raise MissingFileError(f"{name}: manifest.json lists it, and it is not there")


def read_verified(directory: Path, name: str, entry: FileEntry) -> bytes:
    """
    The bytes of the listed file *name*, read once: what was checked is what is returned.

    Raises:
        DigestMismatchError: size or sha256 are not those of *entry*.
        NotAFileError: the file became a link since it was listed.
    """
    raw = read_plain(directory / name, limit=entry.size)
    _check_size(name, entry, len(raw))
    _check_digest(name, entry, hashlib.sha256(raw).hexdigest())
    return raw


def read_plain(path: Path, *, limit: int) -> bytes:
    """The bytes of *path*, at most *limit* + 1 of them; a link or a special file is refused."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as exc:
        raise MissingFileError(f"{path.name}: not there") from exc
    except OSError as exc:
        raise NotAFileError(f"{path.name}: expected a readable plain file: {exc.strerror}") from exc
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAFileError(f"{path.name}: expected a plain file, got a special file")
        return file.read(limit + 1)


def _check_size(name: str, entry: FileEntry, size: int) -> None:
    if size != entry.size:
        came = f"more than {entry.size}" if size == entry.size + 1 else str(size)
        raise DigestMismatchError(f"{name}: expected {entry.size} bytes, got {came}")


def _check_digest(name: str, entry: FileEntry, digest: str) -> None:
    if digest != entry.sha256:
        raise DigestMismatchError(f"{name}: expected sha256 {entry.sha256[:12]}…, got {digest[:12]}…")
