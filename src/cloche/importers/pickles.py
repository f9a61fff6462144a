"""
Pickles, read by an unpickler of ours that imports nothing but what is on a list. It runs in the sandbox only.

`names` follows the file with stand-ins for everything it asks for, so it sees what the real reading would import, also
in a file whose end is missing; `load` builds the objects. joblib's arrays, which lie raw between the opcodes, are read
here: joblib's own reader opens arrays of objects with the plain unpickler.
"""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import math
import pickle
import zlib
from collections.abc import Callable, Collection
from typing import IO, Any, ClassVar

import numpy as np

from cloche.errors import ImportRefusedError, UntrustedTypeError

_MAX_BYTES = 4 << 30
_CHUNK = 1 << 20
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
#: What names of Python 2 and of numpy 1 are called now.
_MOVED = {"copy_reg": "copyreg", "__builtin__": "builtins", "numpy.core": "numpy._core"}
#: Built for real when names are listed: how long an array is depends on it.
_REAL = frozenset({"numpy.dtype"})
Find = Callable[[str], Any]


def content(raw: bytes) -> bytes:
    """
    What lies in *raw*, unpacked where it is compressed.

    Raises:
        ImportRefusedError: it is broken, or more than may be read here.
    """
    opener = next((made for mark, made in _STREAMS if raw.startswith(mark)), None)
    if opener is None:
        return raw
    try:
        return _unpacked(opener(), raw)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as exc:
        raise ImportRefusedError(f"the compressed stream is broken: {exc}") from exc


_STREAMS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"\x5d\x00\x00", lzma.LZMADecompressor),
    (b"\x78", zlib.decompressobj),
)


def _unpacked(decompressor: Any, raw: bytes) -> bytes:
    found = io.BytesIO()
    for start in range(0, len(raw), _CHUNK):
        found.write(decompressor.decompress(raw[start : start + _CHUNK]))
        if found.tell() > _MAX_BYTES:
            raise ImportRefusedError(f"the stream unpacks to more than {_MAX_BYTES} bytes")
        if decompressor.eof:
            break
    return found.getvalue()


def names(raw: bytes) -> tuple[tuple[str, ...], str | None]:
    """Every name that reading *raw* imports, in order, and what went wrong (None: nothing)."""
    asked: dict[str, None] = {}

    def stand_in(name: str) -> Any:
        asked.setdefault(name)
        return np.dtype if name in _REAL else type("StandIn", (_StandIn,), {})

    try:
        _Reader(io.BytesIO(raw), stand_in).load()
    except Exception as exc:  # noqa: BLE001  a broken or hostile file raises anything
        return tuple(asked), f"{type(exc).__name__}: {exc}"
    return tuple(asked), None


def load(raw: bytes, allowed: Collection[str]) -> Any:
    """
    The object in *raw*.

    Raises:
        UntrustedTypeError: it asks for a name that is not *allowed*.
    """

    def real(name: str) -> Any:
        if name not in allowed:
            raise UntrustedTypeError(f"the name '{name}' is not on the allow-list; it was not imported")
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)

    return _Reader(io.BytesIO(raw), real).load()


#: The unpickler in Python: the one in C hides its stack.
_Unpickler: Any = vars(pickle)["_Unpickler"]


class _Reader(_Unpickler):  # type: ignore[misc]
    """An unpickler whose names come from *find*, and which reads the arrays of joblib itself."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(self, file: IO[bytes], find: Find) -> None:
        super().__init__(file)
        self._source = file
        self._find = find

    def find_class(self, module: str, name: str) -> Any:
        full = f"{_today(module)}.{name}"
        return _Array if full == _WRAPPER else self._find(full)

    def persistent_load(self, _id: Any) -> Any:
        raise ImportRefusedError("the pickle refers to objects outside itself (a persistent id)")

    def load_build(self) -> None:
        super().load_build()
        stack: list[Any] = self.stack
        if isinstance(stack[-1], _Array):
            stack[-1] = stack[-1].read(self._source, self._find)

    dispatch[pickle.BUILD[0]] = load_build


def _today(module: str) -> str:
    for old, new in _MOVED.items():
        if module == old or module.startswith(f"{old}."):
            return new + module[len(old) :]
    return module


class _Array:
    """In the place of joblib's `NumpyArrayWrapper`: what it tells of the raw array that follows it."""

    shape: Any = ()
    order: Any = "C"
    dtype: Any = None
    numpy_array_alignment_bytes: Any = None

    def read(self, file: IO[bytes], find: Find) -> Any:
        """
        The array whose bytes come next.

        Raises:
            ImportRefusedError: there are not as many as it says.
        """
        if not isinstance(self.dtype, np.dtype) or not isinstance(self.shape, tuple):
            raise ImportRefusedError("an array of joblib without a dtype or a shape")
        if self.dtype.hasobject:
            return _Reader(file, find).load()
        count = math.prod(_length(one) for one in self.shape)
        if self.numpy_array_alignment_bytes is not None:
            file.read(file.read(1)[0])
        size = count * self.dtype.itemsize
        raw = file.read(size)
        if len(raw) != size:
            raise ImportRefusedError(f"an array of {size} bytes, of which {len(raw)} are there")
        flat = np.frombuffer(raw, dtype=self.dtype, count=count).copy()
        if self.order == "F":
            return flat.reshape(self.shape[::-1]).transpose()
        return flat.reshape(self.shape)


def _length(told: Any) -> int:
    if not isinstance(told, int) or not 0 <= told <= _MAX_BYTES:
        raise ImportRefusedError("an array of joblib with a shape that no array has")
    return int(told)


class _StandIn:
    """Takes whatever a pickle does with a class or an object, and does nothing."""

    def __new__(cls, *_given: Any, **_named: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *_given: Any, **_named: Any) -> None:
        pass

    def __call__(self, *_given: Any, **_named: Any) -> Any:
        return _StandIn()

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def append(self, _item: Any) -> None:
        pass

    def extend(self, _items: Any) -> None:
        pass

    def add(self, _item: Any) -> None:
        pass
