"""What the model is saved with: Python, the platform, and the distributions that are imported right now."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib import metadata

from cloche.manifest import Environment


def environment(needed: tuple[str, ...] = (), besides: Mapping[str, str] | None = None) -> Environment:
    """
    Python, platform, and name → version of every distribution with an imported module.

    *needed* are distributions the flavor asks for; they are listed where they are installed, imported or not. *besides*
    is what no Python distribution is (R and its packages).
    """
    imported = {name.partition(".")[0] for name in list(sys.modules)}
    packages = {name: version for name in needed if (version := _version(name)) is not None}
    for distribution in metadata.distributions():
        # What an interrupted pip left behind has no name.
        if distribution.metadata["Name"] and not imported.isdisjoint(_top_modules(distribution)):
            packages.setdefault(distribution.name, distribution.version)
    return Environment(
        python=platform.python_version(),
        platform=f"{sys.platform}-{platform.machine()}",
        packages=dict(sorted({**packages, **(besides or {})}.items())),
    )


def _top_modules(distribution: metadata.Distribution) -> set[str]:
    """
    The importable names at the top of what a distribution installed.

    `metadata.packages_distributions` says the same, and makes a path of every file there is: a second in a
    scientific environment.
    """
    named = distribution.read_text("top_level.txt")
    if named:
        return set(named.split())
    record = distribution.read_text("RECORD") or ""
    return {line.partition(",")[0].partition("/")[0].partition(".")[0] for line in record.splitlines()}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
