"""
The throw-away process that opens a pickle: `python -P -m cloche.importers.convert`.

Told on standard input what to convert, it shuts itself in, lists what the file would import, and only where all of that
is on the list does it read the file and write the model again in its own library's safe format. What it answers is as
little to be believed as the file is.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from cloche import pipes
from cloche.errors import ClocheError
from cloche.flavors import flavor_of
from cloche.importers import isolation, pickles
from cloche.trust import TrustPolicy

#: What a library says of a model of another version of itself.
_OTHER_VERSION = "InconsistentVersionWarning"


def main() -> None:
    """One job, one answer."""
    source, sink = pipes.take_stdio()
    job = pipes.read(source)
    try:
        answer = _convert(job)
    except isolation.IsolationError as exc:
        answer = {"kind": "isolation", "message": str(exc)}
    except ClocheError as exc:
        answer = {"kind": "error", "message": str(exc)[:2000]}
    except (Exception, SystemExit) as exc:  # noqa: BLE001  a hostile file raises anything
        answer = {"kind": "error", "message": f"{type(exc).__name__}: {exc}"[:2000]}
    pipes.write(sink, answer)
    sys.stderr.flush()
    os._exit(0)  # what the objects do when they go is not waited for


def _convert(job: dict[str, Any]) -> dict[str, Any]:
    folder, trust = Path(job["folder"]), TrustPolicy.from_dict(job["trust"])
    path = Path(job["file"])
    if job["isolate"]:
        isolation.shut_in(folder)
    isolation.limit(path.stat().st_size)
    raw = pickles.content(path.read_bytes())
    asked, broken = pickles.names(raw)
    allowed = _allowed() | trust.allowed_types | trust.allowed_functions
    foreign = [name for name in asked if name not in allowed]
    if foreign or broken:
        return {"kind": "names", "foreign": foreign, "broken": broken, "asked": len(asked)}
    model, versions = _loaded(raw, allowed)
    flavor = flavor_of(model)
    converted = folder / "converted"
    converted.mkdir()
    options = flavor.dump(flavor.bundle(model, {}, None), converted, trust=trust)
    return {"kind": "done", "flavor": flavor.name, "options": options, "asked": len(asked), "versions": versions}


def _allowed() -> frozenset[str]:
    found: frozenset[str] = importlib.import_module("cloche.flavors.sklearn.pickled").allowed_names()
    return found


def _loaded(raw: bytes, allowed: frozenset[str]) -> tuple[Any, list[str]]:
    """The model, and under which versions of its library its parts were pickled, where these are others."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = pickles.load(raw, allowed)
    others = [one.message for one in said if one.category.__name__ == _OTHER_VERSION]
    return model, sorted({str(getattr(one, "original_sklearn_version", "another version")) for one in others})


if __name__ == "__main__":
    main()
