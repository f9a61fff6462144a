"""
`trust.json` in a configuration folder: what `cloche trust` was told, by whom, when and why.

It is read beside `config.toml`, in the system's folder and in the user's, and written in the user's only. A file that
others may change is refused: whoever can write there decides what may run.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from cloche.errors import UsageError

if sys.platform != "win32":
    import fcntl

FILE = "trust.json"
FORMAT = "cloche-trust/1"
Kind = Literal["artifact", "key", "type", "function"]
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OTHERS_WRITE = 0o022


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One thing that the operator trusts.

    `what` is the identity of an artifact (sha256 of its manifest, lower-case hex), the base64 of an Ed25519 public
    key, or a dotted name; `name` says in words which artifact (`penguins@3`) or whose key.
    """

    kind: Kind
    what: str
    by: str
    at: str
    reason: str | None = None
    name: str | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True):
    grants: tuple[Grant, ...] = ()
    schema: str = FORMAT


_file = msgspec.json.Decoder(_File)


def read(path: Path) -> tuple[Grant, ...]:
    """
    The grants in *path*; none where there is no such file.

    Raises:
        UsageError: others may change the file, or it is not one of ours.
    """
    try:
        with path.open("rb") as file:
            refuse_writable(path, os.fstat(file.fileno()))
            raw = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    _refuse_open_folder(path.parent)
    try:
        found = _file.decode(raw)
    except msgspec.MsgspecError as exc:
        raise UsageError(f"{path}: {exc}; cloche trust writes it") from exc
    if found.schema != FORMAT:
        raise UsageError(f"{path}: expected schema '{FORMAT}', got '{found.schema[:64]}'; a newer cloche wrote it")
    for grant in found.grants:
        check(grant.kind, grant.what, str(path))
    return found.grants


def check(kind: Kind, what: str, where: str) -> None:
    """
    Refuse what cannot be trusted as *kind*.

    Raises:
        UsageError: it is no sha256, no public key, no dotted name; *where* begins the message.
    """
    expected, fits = _EXPECTED[kind]
    if not fits(what):
        raise UsageError(f"{where}: expected {expected}, got {what[:80]!r}")


def add(path: Path, grant: Grant) -> bool:
    """
    Write *grant* into *path*, in the place of an earlier one for the same thing; whether it is new.

    Raises:
        UsageError: it is not what its kind says, or the file cannot be written.
    """
    check(grant.kind, grant.what, f"trust {grant.kind}")
    with _changing(path) as write:
        before = read(path)
        kept = [one for one in before if (one.kind, one.what) != (grant.kind, grant.what)]
        write([*kept, grant])
    return len(kept) == len(before)


def remove(path: Path, kind: Kind, what: str) -> Grant | None:
    """
    Take the grant for *what* out of *path*; what it was, or None where there was none.

    Raises:
        UsageError: the file cannot be written.
    """
    with _changing(path) as write:
        before = read(path)
        gone = next((one for one in before if (one.kind, one.what) == (kind, what)), None)
        if gone is not None:
            write([one for one in before if one is not gone])
    return gone


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[Callable[[list[Grant]], None]]:
    """The folder, made and locked: two commands at once lose nothing of each other's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_open_folder(path.parent)
        with _locked(path.parent):
            yield lambda grants: _write(path, grants)
    except OSError as exc:
        raise UsageError(f"{path}: cannot write: {exc.strerror}") from exc


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":  # folders cannot be opened there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, grants: list[Grant]) -> None:
    """Readable by its owner only, whole or not at all; a link stays one, and what it leads to is replaced."""
    target = path.resolve()
    document = {"schema": FORMAT, "grants": msgspec.to_builtins(grants)}
    descriptor, staged = tempfile.mkstemp(prefix=".trust-", dir=target.parent)  # made with 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(staged).replace(target)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise


# -- who may write ---------------------------------------------------------------------------------


def refuse_writable(path: Path, found: os.stat_result) -> None:
    """
    Refuse a file of another user, or one that group or others may write.

    Raises:
        UsageError: the message holds the command that closes it.
    """
    if sys.platform == "win32":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise UsageError(f"{path}: it says what is trusted, and belongs to another user (uid {found.st_uid})")
    if found.st_mode & _OTHERS_WRITE:
        raise UsageError(f"{path}: it says what is trusted, and others may change it; run: chmod 600 '{path}'")


def _refuse_open_folder(folder: Path) -> None:
    """Who may write to the folder may replace the file; a mount that nobody can write to is no such folder."""
    if sys.platform == "win32" or os.statvfs(folder).f_flag & os.ST_RDONLY:
        return
    found = folder.stat()
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & _OTHERS_WRITE:
        raise UsageError(
            f"{folder}: what is trusted lies there, and others may change the folder; run: chmod 700 '{folder}'"
        )


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


_EXPECTED: dict[Kind, tuple[str, Callable[[str], bool]]] = {
    "artifact": ("the sha256 of a manifest (64 lower-case hex digits)", lambda text: bool(_SHA256.fullmatch(text))),
    "key": ("the base64 of an Ed25519 public key", _is_key),
    "type": ("package.module.Class", lambda text: bool(_DOTTED.fullmatch(text))),
    "function": ("package.module.function", lambda text: bool(_DOTTED.fullmatch(text))),
}
