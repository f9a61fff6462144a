"""Whether the libraries installed here are those the model was saved with, as far as it matters: major.minor."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, Final

from cloche.flavors import Flavor
from cloche.manifest import Manifest

#: Imports `email` and `zipfile` with it; a twin never asks.
_METADATA: Final = "importlib.metadata"


def other_versions(manifest: Manifest, flavor: Flavor) -> tuple[str, ...]:
    """
    Each library of the flavor whose major.minor differs: `scikit-learn 1.5.2 when saved, 1.9.1 here`; then what the
    flavor itself finds changed.
    """
    found = [*flavor.changes(manifest.options)]
    for package in flavor.packages:
        saved, here = manifest.environment.packages.get(package), _installed(package)
        if saved is None or _minor(saved) != _minor(here):
            found.append(f"{package} {saved or 'unknown'} when saved, {here or 'not installed'} here")
    return tuple(found)


def _installed(package: str) -> str | None:
    metadata: Any = import_module(_METADATA)
    try:
        version: str = metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
    return version


def _minor(version: str | None) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", version or "")[:2])
