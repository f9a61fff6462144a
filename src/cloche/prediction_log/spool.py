"""
The spool of a host: segments that wait for the store, in a folder on a local disk.

Several processes write into one spool, each into a segment of its own (`000000000042.open`) on which it holds a lock;
sealed it is `000000000042.seg`. The kernel lets go of the lock when a writer dies, so that anybody can seal what a dead
one left. Numbers are never used twice: a fold knows by them what it has taken in. POSIX only.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cloche.errors import SpoolError
from cloche.ids import RequestIds
from cloche.prediction_log import layout, segments

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger("cloche.log")
_ABOUT = "spool.json"
_COUNTER = "number"
_MODE = 0o600
#: What is made beside its place is put there at once; older than this its maker was killed.
_UNFINISHED_S = 60.0
#: A file system that cannot reserve room; a full disk is then met by a write.
_NO_RESERVING = (errno.EOPNOTSUPP, errno.EINVAL)


class _About(msgspec.Struct, frozen=True):
    id: str
    store: str


class Spool:
    """The folder in which the segments for one store wait."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.id = identity

    @classmethod
    def open(cls, base: Path, store_url: str) -> Spool:
        """
        The spool below *base* for that store; made where there is none.

        Raises:
            SpoolError: it cannot be made, read or written.
        """
        if sys.platform == "win32":
            raise SpoolError("the prediction log needs file locks that Windows does not have; switch it off")
        folder = base / hashlib.sha256(store_url.encode()).hexdigest()[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not (folder / _ABOUT).exists():
                _create(folder / _ABOUT, msgspec.json.encode(_About(RequestIds().new(), store_url)))
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "this user may not write there")
            return cls(folder, msgspec.json.decode((folder / _ABOUT).read_bytes(), type=_About).id)
        except (OSError, msgspec.MsgspecError) as exc:
            raise SpoolError(f"spool {folder}: {exc}") from exc

    @classmethod
    def there(cls, base: Path, store_url: str) -> Spool | None:
        """The spool below *base* for that store; None where there is none."""
        folder = base / hashlib.sha256(store_url.encode()).hexdigest()[:16]
        return cls.open(base, store_url) if (folder / _ABOUT).exists() else None

    def next_number(self) -> int:
        """
        A number that no segment of this spool has had.

        Raises:
            OSError: it cannot be read or written down.
        """
        with _locked(self.folder / _COUNTER) as descriptor:
            told = os.pread(descriptor, 32, 0)
            if told and not told.isdigit():
                raise OSError(f"{self.folder / _COUNTER}: expected a number")
            number = 1 + max([int(told or b"0"), *(number for number, _, _ in self.segments())])
            os.pwrite(descriptor, b"%032d" % number, 0)
            os.fsync(descriptor)  # once a segment: after a power failure an old number would hide new records
            if not told:
                _sync_folder(self.folder)
        return number

    def segments(self) -> list[tuple[int, bool, Path]]:
        """Every segment as its number, whether it is sealed, and its path; in the order of the numbers."""
        found = [(layout.local_segment(path), path) for path in self.folder.iterdir()]
        return sorted((told[0], told[1], path) for told, path in found if told is not None)

    def seal_abandoned(self) -> None:
        """
        Seal what dead writers left, as far as it is whole, and take away what they had only begun.

        Raises:
            OSError: one cannot be read or renamed; the others were looked at all the same.
        """
        failures: list[OSError] = []
        for number, sealed, path in self.segments():
            if not sealed:
                try:
                    self._seal_abandoned(number, path)
                except FileNotFoundError:  # another process of this host was faster
                    continue
                except OSError as exc:
                    failures.append(exc)
        self._sweep(time.time() - _UNFINISHED_S)
        if failures:
            raise failures[0]

    def _seal_abandoned(self, number: int, path: Path) -> None:
        with _unlocked(path) as descriptor:
            if descriptor is None or not _same(descriptor, path):  # its writer lives, or has sealed it meanwhile
                return
            data = path.read_bytes()
            whole = segments.whole_bytes(data)
            if whole > len(segments.MAGIC):
                os.ftruncate(descriptor, whole)
                path.rename(layout.sealed_segment(self.folder, number))
            elif whole or not data.strip(b"\0"):  # nothing was recorded yet
                path.unlink()
            else:
                aside = path.with_suffix(".damaged")
                _log.error("%s is no segment any more: its first bytes are damaged; it is kept as %s", path, aside.name)
                path.rename(aside)

    def _sweep(self, before: float) -> None:
        """What was made beside its place by somebody who was killed meanwhile holds the room of a whole segment."""
        for path in self.folder.glob(".*"):
            with contextlib.suppress(OSError), _unlocked(path) as descriptor:
                if descriptor is not None and os.fstat(descriptor).st_mtime < before:
                    path.unlink()


class Segment:
    """
    One segment that this process writes.

    `written` is where the next frame goes: what lies before it is whole, whatever happened.
    """

    def __init__(self, spool: Spool, number: int, size: int, *, flushed: bool = False) -> None:
        """
        *flushed*: its name and its end are to be there after a power failure.

        Raises:
            OSError: the disk has no room for a segment, or cannot be written.
        """
        self.number = number
        self.written = 0
        self._folder = spool.folder
        self._flushed = flushed
        self._path = layout.open_segment(spool.folder, number)
        beside = spool.folder / f".{number:012d}.{secrets.token_hex(4)}"
        self._descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _reserve(self._descriptor, size)
            self.append(segments.MAGIC)
            beside.rename(self._path)
            if flushed:
                _sync_folder(spool.folder)
        except BaseException:
            beside.unlink(missing_ok=True)
            os.close(self._descriptor)
            raise

    def append(self, data: bytes) -> None:
        """
        Add whole frames, in one write.

        Raises:
            OSError: they were not all written; the segment ends before them.
        """
        try:
            done = os.pwrite(self._descriptor, data, self.written)
            if done != len(data):
                raise OSError(f"only {done} of {len(data)} bytes could be written")
        except OSError:
            with contextlib.suppress(OSError):  # whoever reads stops before a frame that is not whole
                os.ftruncate(self._descriptor, self.written)
            raise
        self.written += len(data)

    def discard(self) -> None:
        """
        Nothing was written: it goes, and its number is never used.

        Raises:
            OSError: it could not be removed; whoever seals what was abandoned does it.
        """
        try:
            self._path.unlink()
        finally:
            os.close(self._descriptor)

    def duplicate(self) -> int:
        """A descriptor of the same file, for a thread that flushes it while it may be sealed; to be closed."""
        return os.dup(self._descriptor)

    def seal(self) -> Path:
        """
        Nothing is added any more: it waits to be landed.

        Raises:
            OSError: it could not be flushed or renamed; whoever seals what was abandoned does it.
        """
        sealed = layout.sealed_segment(self._folder, self.number)
        try:
            os.ftruncate(self._descriptor, self.written)
            if self._flushed:
                os.fsync(self._descriptor)
            self._path.rename(sealed)
            if self._flushed:
                _sync_folder(self._folder)
        finally:
            os.close(self._descriptor)
        return sealed


def _reserve(descriptor: int, size: int) -> None:
    """A full disk is met here, not between two answers."""
    if sys.platform == "linux":
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as exc:
            if exc.errno not in _NO_RESERVING:
                raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _unlocked(path: Path) -> Iterator[int | None]:
    """*path*, opened and locked; None where somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(path: Path, data: bytes) -> None:
    """Whoever comes first decides what *path* holds, and it holds it after a power failure."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
        _sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _same(descriptor: int, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (found.st_ino, found.st_dev) == (held.st_ino, held.st_dev)
