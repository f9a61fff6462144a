"""The closed list of files that a page may ask for, or holds in itself."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

#: Name and media type; each lies under `static/` here.
ASSETS: Final = {
    "management.css": "text/css; charset=utf-8",
    "dashboard.css": "text/css; charset=utf-8",
    "uplot.css": "text/css; charset=utf-8",
    "uplot.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
    "uplot.LICENSE.txt": "text/plain; charset=utf-8",
}


@cache
def read(name: str) -> bytes:
    """
    The bytes of one of `ASSETS`.

    Raises:
        KeyError: it is none of them.
    """
    if name not in ASSETS:
        raise KeyError(name)
    return (resources.files("cloche.dashboard") / "static" / name).read_bytes()
