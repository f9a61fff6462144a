"""Keys in one file, for those who hand them over as a mounted secret: one object a line, only ever appended."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from cloche.errors import ObjectExistsError, ObjectNotFoundError, StoreUnreachableError

_log = logging.getLogger(__name__)


class _Line(msgspec.Struct, frozen=True):
    path: str
    object: msgspec.Raw


class KeyFile:
    """Create-only objects in a file that only its owner may read; a file that is not there holds none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self) -> str:
        """How messages name it: the absolute path."""
        return str(self._path.absolute())

    def create(self, path: str, data: bytes) -> None:
        """Append the object *path*; raises ObjectExistsError where it is there already."""
        if path in self._objects():
            raise ObjectExistsError(f"{self.describe()}: object '{path}' exists already")
        line = msgspec.json.encode(_Line(path, msgspec.Raw(data.strip()))) + b"\n"
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, (b"\n" if self._torn(handle) else b"") + line)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as exc:
            raise StoreUnreachableError(f"{self.describe()}: cannot write: {exc.strerror}") from exc

    def get(self, path: str) -> bytes:
        """The bytes of the object *path*."""
        try:
            return self._objects()[path]
        except KeyError:
            raise ObjectNotFoundError(f"{self.describe()}: no object '{path}'") from None

    def list(self, prefix: str) -> list[str]:
        """Every object whose name starts with *prefix*."""
        return sorted(path for path in self._objects() if path.startswith(prefix))

    async def aget(self, path: str) -> bytes:
        """The same as `get`: the file is local and small."""
        return self.get(path)

    async def alist(self, prefix: str) -> list[str]:  # type: ignore[valid-type]
        """The same as `list`."""
        return self.list(prefix)

    def _objects(self) -> dict[str, bytes]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise StoreUnreachableError(f"{self.describe()}: cannot read: {exc.strerror}") from exc
        objects: dict[str, bytes] = {}
        for number, line in enumerate(raw.splitlines(), start=1):
            if line.strip():
                self._read_line(number, line, objects)
        return objects

    def _read_line(self, number: int, line: bytes, objects: dict[str, bytes]) -> None:
        try:
            one = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:  # its writer was killed, or somebody edited it
            _log.warning("%s: line %d: expected a key, got something else: %s", self.describe(), number, exc)
            return
        objects.setdefault(one.path, bytes(one.object))

    @staticmethod
    def _torn(handle: int) -> bool:
        size = os.fstat(handle).st_size
        return size > 0 and os.pread(handle, 1, size - 1) != b"\n"
