"""
An environment that holds what `pip install cloche[EXTRA]` would bring, by pyproject.toml and the metadata of what is
installed here, and nothing else: links instead of downloads.
"""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOURCE = Path(__file__).parent.parent / "src"


def closure(*extras: str) -> set[str]:
    """The names of all distributions that cloche with *extras* needs."""
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [*project["dependencies"], *(text for one in extras for text in project["optional-dependencies"][one])]
    found: set[str] = set()
    waiting = [Requirement(text) for text in texts]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(text) for text in importlib.metadata.requires(name) or ()]
    return found


def environment(place: Path, *extras: str) -> Path:
    """Make it in *place*; its Python."""
    venv.create(place, with_pip=False, symlinks=True)
    site = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name in closure(*extras):
        files = importlib.metadata.files(name) or ()
        for top in {file.parts[0] for file in files if file.parts[0] != ".."} - {"__pycache__"}:
            linked = site / top
            if not linked.exists():
                linked.symlink_to(importlib.metadata.distribution(name).locate_file(top))
    (site / "cloche.pth").write_text(f"{SOURCE}\n")
    return place / "bin" / "python"
