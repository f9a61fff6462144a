"""
API keys: who may call, and what. The store holds the SHA-256 of each key, never the key.

A key is 256 random bits, so that its plain hash cannot be searched. A revoked or expired key is as good as none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use

if TYPE_CHECKING:
    from cloche.keys.model import SCOPES, Key, Snapshot
    from cloche.keys.ring import KeyRing

__all__ = [
    "SCOPES",
    "Key",
    "KeyRing",
    "Snapshot",
]

__getattr__ = on_first_use(
    __name__,
    {
        "model": ("Key", "SCOPES", "Snapshot"),
        "ring": ("KeyRing",),
    },
)
