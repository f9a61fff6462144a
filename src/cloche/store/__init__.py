"""The store: named objects that are written once, in a folder or an object store. The only home of obstore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use

if TYPE_CHECKING:
    from cloche.store.address import FOLDER, Address, address_of
    from cloche.store.store import MARKER, MARKER_TEXT, Store

__all__ = ["FOLDER", "MARKER", "MARKER_TEXT", "Address", "Store", "address_of"]

__getattr__ = on_first_use(
    __name__, {"address": ("FOLDER", "Address", "address_of"), "store": ("MARKER", "MARKER_TEXT", "Store")}
)
