"""
What a file is, by its first bytes: a suffix is what somebody claims.

Nothing is opened here as what it is; a compressed file is unpacked as far as its first bytes only.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cloche.errors import ImportRefusedError
from cloche.integrity import read_plain

_HEAD = 1024
_LZMA_MEMORY = 1 << 28
_LZ4 = b"\x04\x22\x4d\x18"
#: A pickle of the number that `torch.save` began its files with.
_OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_TAR_MARK = slice(257, 262)
_TEXT_PICKLE = re.compile(rb"[(cdl\]}]{1,3}[^\x00]|[(]?c[A-Za-z_][\w.]*\n[A-Za-z_]")
_ONNX = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42]")


@dataclass(frozen=True, slots=True)
class Format:
    """
    What a file is: `suffix` is the one by which a flavor opens it; None where none of ours can.

    Opening a `code` format runs code that lies in the file. `remedy` says how a file that nothing here opens becomes
    one that is opened.
    """

    name: str
    suffix: str | None
    code: bool = False
    remedy: str | None = None


PICKLE = Format("pickle", None, code=True)
ZIP = Format("zip archive", None)
TAR = Format("tar archive", None)
SKOPS = Format("skops", ".skops")
KERAS = Format("Keras", ".keras")
TORCH = Format("PyTorch", ".pt")
TORCH_EXPORT = Format("PyTorch export", ".pt2")
HDF5 = Format("HDF5", ".h5")
SAFETENSORS = Format("safetensors", ".safetensors")
XGBOOST = Format("XGBoost", ".ubj")
XGBOOST_JSON = Format(
    "XGBoost JSON",
    None,
    remedy="have XGBoost write its binary form: booster.load_model(path); booster.save_model('m.ubj')",
)
LIGHTGBM = Format("LightGBM", ".txt")
CATBOOST = Format("CatBoost", ".cbm")
ONNX = Format("ONNX", ".onnx")
RDS = Format("R", ".rds", code=True)

#: What a member of a zip archive says of the whole.
_MEMBERS: tuple[tuple[re.Pattern[str], Format], ...] = (
    (re.compile(r"schema\.json"), SKOPS),
    (re.compile(r"model\.weights\.h5"), KERAS),
    (re.compile(r"(?:[^/]+/)?(?:models/[^/]+\.json|archive_version)"), TORCH_EXPORT),
    (re.compile(r"(?:[^/]+/)?data\.pkl"), TORCH),
)
#: The beginnings of compressed streams, and how to unpack some bytes of them.
_STREAMS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", lambda raw: zlib.decompressobj(31).decompress(raw, _HEAD)),
    (b"BZh", lambda raw: bz2.BZ2Decompressor().decompress(raw, _HEAD)),
    (b"\xfd7zXZ\x00", lambda raw: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(raw, _HEAD)),
    (b"\x5d\x00\x00", lambda raw: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(raw, _HEAD)),
    (b"\x78\x01", lambda raw: zlib.decompressobj().decompress(raw, _HEAD)),
    (b"\x78\x5e", lambda raw: zlib.decompressobj().decompress(raw, _HEAD)),
    (b"\x78\x9c", lambda raw: zlib.decompressobj().decompress(raw, _HEAD)),
    (b"\x78\xda", lambda raw: zlib.decompressobj().decompress(raw, _HEAD)),
)


def format_of(path: Path, called: str | None = None) -> Format:
    """
    What the file *path* is, which messages call *called*.

    Raises:
        NotAFileError: it is a link or a special file.
        ImportRefusedError: no model format is known that begins so.
    """
    found = guess(path)
    if found is None:
        raise ImportRefusedError(
            f"{called or path.name}: not a model file that is known here (by its content; the name does not count); "
            "known are skops, pickle and joblib, XGBoost, LightGBM, CatBoost, ONNX, PyTorch, Keras, HDF5, safetensors "
            "and R files"
        )
    return found


def guess(path: Path) -> Format | None:
    """`format_of`, or None where it is nothing that is known."""
    head = read_plain(path, limit=1 << 16)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip(path)
    for mark, unpack in _STREAMS:
        if head.startswith(mark):
            return _inside(head, unpack)
    if head.startswith(_LZ4):
        raise ImportRefusedError(
            f"{path.name}: an LZ4 stream, which is not read here; write it again with "
            "joblib.dump(model, path, compress=3), or without compress="
        )
    return _plain(head, path)


def _inside(head: bytes, unpack: Callable[[bytes], bytes]) -> Format | None:
    """What a compressed file holds, by its own first bytes."""
    try:
        inner = unpack(head)[:_HEAD]
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError):
        return None
    if inner[_TAR_MARK] == b"ustar":
        return TAR
    if _is_r(inner):
        return RDS
    return PICKLE if _is_pickle(inner) else None


def _plain(head: bytes, path: Path) -> Format | None:
    if _is_safetensors(head, path.stat().st_size):
        return SAFETENSORS
    checks: tuple[tuple[bool, Format], ...] = (
        (head[_TAR_MARK] == b"ustar", TAR),
        (head.startswith(b"\x89HDF\r\n\x1a\n"), HDF5),
        (head.startswith(b"CBM1"), CATBOOST),
        (head.startswith(b"tree\n"), LIGHTGBM),
        (head.startswith(b"{L") and b"learner" in head[:64], XGBOOST),
        (head.startswith(b"{") and b'"learner"' in head[:128], XGBOOST_JSON),
        (_ONNX.match(head) is not None, ONNX),
        (_is_r(head), RDS),
        (head.startswith(_OLD_TORCH), TORCH),
        (_is_pickle(head), PICKLE),
    )
    return next((found for holds, found in checks if holds), None)


def _is_pickle(head: bytes) -> bool:
    binary = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return binary or _TEXT_PICKLE.match(head) is not None


def _is_r(head: bytes) -> bool:
    return head[:2] in (b"X\n", b"A\n", b"B\n") or head.startswith((b"RDX", b"RDA", b"RDB"))


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def _zip(path: Path) -> Format:
    with path.open("rb") as file:
        names = _names(file)
    for pattern, found in _MEMBERS:
        if any(pattern.fullmatch(name) for name in names):
            return found
    return ZIP


def _names(file: BinaryIO) -> list[str]:
    """The names in the directory of an archive; none where it has no directory that can be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError):
        return []
