"""Archives of whole folders (`.bentomodel`, `.tar.gz`, `.zip`), unpacked by rule into a folder of our own."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from cloche.errors import ArchiveLimitError, NotAFileError, PathEscapeError, WrongFormatError
from cloche.importers.contents import TAR, Format
from cloche.integrity import check_path
from cloche.integrity.archive import DEFAULT, ArchiveLimits

_MAX_ZIP = 2 << 30
_MAX_MEMBERS = 20_000
_CHUNK = 1 << 16
_MAX_READ = 1 << 20
_HEAD = 8
_STREAMS: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"\x5d\x00\x00", lzma.open),
)
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
)


def unpack(path: Path, kind: Format, folder: Path, limits: ArchiveLimits = DEFAULT) -> None:
    """
    Unpack the archive *path* into the empty *folder*.

    Links, devices, paths that lead out and names that come twice are refused, whatever else the archive holds; what
    is unpacked is counted while it is written.

    Raises:
        WrongFormatError: it is broken.
        ArchiveLimitError, PathEscapeError, NotAFileError: it holds what it must not.
    """
    allowed = min(limits.total_bytes, max(limits.free_bytes, int(limits.ratio * path.stat().st_size)))
    members = _tar(path) if kind is TAR else _zip(path)
    left, seen = allowed, set[str]()
    try:
        for name, content in members:
            _check_name(path.name, name, seen)
            left -= _write(content, folder / name, left, f"{path.name}: {name}", allowed)
    except (ArchiveLimitError, PathEscapeError, NotAFileError):
        raise
    except _BROKEN as exc:
        raise WrongFormatError(f"{path.name}: the archive is broken: {type(exc).__name__}: {exc}") from exc


def _check_name(archive: str, name: str, seen: set[str]) -> None:
    try:
        check_path(name)
    except PathEscapeError as exc:
        raise PathEscapeError(f"{archive}: expected members with plain relative paths, got {name!r}") from exc
    if name in seen:
        raise ArchiveLimitError(f"{archive}: the member {name!r} is there more than once")
    seen.add(name)
    if len(seen) > _MAX_MEMBERS:
        raise ArchiveLimitError(f"{archive}: expected at most {_MAX_MEMBERS} members")


class _Piecewise(io.RawIOBase):
    """
    An unpacked stream of which nobody reads much at once: tarfile takes the headers of a member (PAX, long names) into
    memory as one, and they may say that they are as large as the disk.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        super().__init__()
        self._stream, self._name = stream, name

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """As of the stream."""
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """As of the stream."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """The next *size* bytes."""
        if not 0 <= size <= _MAX_READ:
            raise ArchiveLimitError(f"{self._name}: expected headers of at most {_MAX_READ} bytes, got {size}")
        return self._stream.read(size)


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    opener = next((made for mark, made in _STREAMS if head.startswith(mark)), open)
    return opener(path, "rb")


def _tar(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with _unpacked(path) as stream, tarfile.TarFile(fileobj=_Piecewise(stream, path.name)) as archive:
        for count, member in enumerate(archive):
            if count > _MAX_MEMBERS:
                raise ArchiveLimitError(f"{path.name}: expected at most {_MAX_MEMBERS} members")
            name = member.name.removeprefix("./")
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise NotAFileError(f"{path.name}: the member {member.name!r} is no plain file")
            content = archive.extractfile(member)
            if content is not None:
                yield name, content


def _zip(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if path.stat().st_size > _MAX_ZIP:
        raise ArchiveLimitError(f"{path.name}: expected a zip archive of at most {_MAX_ZIP} bytes")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if member.external_attr >> 28 not in (0, 0o10):  # the kind of a Unix file
                raise NotAFileError(f"{path.name}: the member {member.filename!r} is no plain file")
            with archive.open(member) as content:
                yield member.filename, content


def _write(content: IO[bytes], target: Path, left: int, where: str, allowed: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("xb") as file:
        while piece := content.read(_CHUNK):
            written += len(piece)
            if written > left:
                raise ArchiveLimitError(f"{where}: the archive unpacks to more than the {allowed} bytes allowed")
            file.write(piece)
    return written
