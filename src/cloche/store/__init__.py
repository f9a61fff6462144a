"""The store: named objects that are written once, in a folder or an object store. The only home of obstore."""

from __future__ import annotations

from cloche.store.store import FOLDER, MARKER, MARKER_TEXT, Store

__all__ = ["FOLDER", "MARKER", "MARKER_TEXT", "Store"]
