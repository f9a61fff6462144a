"""The secret of keyed hashes."""

from __future__ import annotations

from pathlib import Path

from cloche.errors import UsageError

_MIN_KEY_BYTES = 16


def read_hash_key(file: str | None) -> bytes | None:
    """
    The secret of keyed hashes; None where no file is named.

    Raises:
        UsageError: the file cannot be read, or holds too little.
    """
    if file is None:
        return None
    path = Path(file)
    try:
        key = path.read_bytes().strip()
    except OSError as exc:
        raise UsageError(f"[log] 'hash_key': {path}: {exc.strerror}") from exc
    if len(key) < _MIN_KEY_BYTES:
        raise UsageError(f"[log] 'hash_key': {path}: expected at least {_MIN_KEY_BYTES} bytes, got {len(key)}")
    return key
