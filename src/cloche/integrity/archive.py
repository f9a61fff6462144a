"""
Limits for zip archives (`.skops`, `.npz`, `.keras`), checked on their directory before anything is unpacked.

The directory of a zip is the attacker's text: names, sizes and links in it are refused by rule, and
compressed members are counted while they are unpacked, since a declared size may lie.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from dataclasses import dataclass

from cloche.errors import ArchiveLimitError, WrongFormatError

_MAGIC = b"PK\x03\x04"
_CHUNK = 1 << 16
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may unpack to; the ratio counts from `free_bytes` on, small files may compress well."""

    total_bytes: int = 2 << 30
    members: int = 200_000
    ratio: float = 100.0
    free_bytes: int = 16 << 20


DEFAULT = ArchiveLimits()


def check_archive(raw: bytes, name: str, limits: ArchiveLimits = DEFAULT) -> None:
    """
    Check the zip archive *raw*, which messages call *name*.

    Raises:
        WrongFormatError: it is no zip archive, or not one this rule can judge (encrypted, bzip2, prefixed).
        ArchiveLimitError: it would unpack to too much, or to paths, links or names it must not hold.
    """
    try:
        archive = zipfile.ZipFile(_opened(raw, name))
    except (zipfile.BadZipFile, ValueError, UnicodeDecodeError, NotImplementedError) as exc:
        raise WrongFormatError(f"{name}: expected a zip archive: {exc}") from exc
    with archive:
        members = archive.infolist()
        _check_directory(members, len(raw), name, limits)
        for member in members:
            _check_member(member, name)
            _count(archive, member, name)


def _opened(raw: bytes, name: str) -> io.BytesIO:
    if raw.startswith(_MAGIC):
        return io.BytesIO(raw)
    what = "a pickle" if raw[:1] == b"\x80" else "other bytes"
    raise WrongFormatError(f"{name}: expected a zip archive, got {what}; it was not opened")


def _check_directory(members: list[zipfile.ZipInfo], size: int, name: str, limits: ArchiveLimits) -> None:
    if len(members) > limits.members:
        raise ArchiveLimitError(f"{name}: expected at most {limits.members} members, got {len(members)}")
    total = sum(member.file_size for member in members)
    allowed = min(limits.total_bytes, max(limits.free_bytes, int(limits.ratio * size)))
    if total > allowed:
        raise ArchiveLimitError(f"{name}: {size} bytes would unpack to {total}, more than the {allowed} allowed")
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise ArchiveLimitError(f"{name}: the member {twice!r} is there more than once")


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    path = member.filename
    if path.startswith("/") or "\\" in path or ":" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ArchiveLimitError(f"{name}: expected members with plain relative paths, got {path!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ArchiveLimitError(f"{name}: the member {path!r} is a link")
    if member.flag_bits & 0x1 or member.compress_type not in _METHODS:
        raise WrongFormatError(f"{name}: the member {path!r} is encrypted or of a compression that is not read here")
    if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
        raise ArchiveLimitError(f"{name}: the stored member {path!r} declares two different sizes")


def _count(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> None:
    """Unpack a compressed member piece by piece; its real size must be the declared one."""
    if member.compress_type == zipfile.ZIP_STORED:
        return
    seen, where = 0, f"{name}: the member {member.filename!r}"
    try:
        with archive.open(member) as file:
            while piece := file.read(_CHUNK):
                seen += len(piece)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as exc:
        raise ArchiveLimitError(f"{where} is not what its header declares: {exc}") from exc
    if seen != member.file_size:
        raise ArchiveLimitError(f"{where} declares {member.file_size} bytes, holds {seen}")
