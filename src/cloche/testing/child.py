"""
A process that opens artifacts which may be anything: whatever they do, they do it here.

    python -P -m cloche.testing.child

A message names a directory, the trust and whether to answer golden rows; the answer says what became of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cloche import pipes
from cloche.artifact import open_artifact
from cloche.errors import ArtifactError
from cloche.trust import TrustPolicy


def main() -> None:
    """Answer until the input ends."""
    source, sink = pipes.take_stdio()
    while True:
        try:
            message = pipes.read(source)
        except EOFError:
            return
        pipes.write(sink, _opened(message))


def _opened(message: dict[str, Any]) -> dict[str, Any]:
    try:
        open_artifact(Path(message["directory"]), TrustPolicy.from_dict(message["trust"]), engine="native")
    except ArtifactError as exc:
        return {"refused": type(exc).__name__, "message": str(exc)}
    except BaseException as exc:  # noqa: BLE001  the parent decides what that is
        return {"raised": type(exc).__name__, "message": str(exc)}
    return {"opened": True}


if __name__ == "__main__":
    main()
    sys.stderr.flush()
