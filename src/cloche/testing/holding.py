"""Whether a file that a flavor wrote holds a pickle, in itself or in a member of an archive."""

from __future__ import annotations

import gzip
import io
import pickletools
import zipfile
from collections.abc import Iterator

_GZIP = b"\x1f\x8b"
_OBJECTS = b"'descr': '|O'"
_NUMPY = b"\x93NUMPY"
_MEMBERS = 2_000


def pickles(name: str, raw: bytes) -> Iterator[str]:
    """The places in *raw* that are pickles: `model.zip/data.pkl`."""
    if _is_pickle(raw):
        yield name
    if raw.startswith(_NUMPY) and _OBJECTS in raw[:256]:
        yield f"{name} (an array of Python objects)"
    if raw.startswith(_GZIP):
        yield from pickles(f"{name} (unpacked)", gzip.decompress(raw))
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for member in archive.namelist()[:_MEMBERS]:
                yield from pickles(f"{name}/{member}", archive.read(member))


def _is_pickle(raw: bytes) -> bool:
    """It begins with a protocol and runs to its STOP: two bytes alone may stand in any file."""
    if len(raw) < 3 or raw[0] != 0x80 or not 2 <= raw[1] <= 5:
        return False
    try:
        return any(code.name == "STOP" for code, _, _ in pickletools.genops(raw))
    except (ValueError, IndexError, UnicodeDecodeError):
        return False
