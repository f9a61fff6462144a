"""
The fresh process: loads the staged model as any other machine would, and answers what the parent asks.

    python -P -m cloche.saving.child FLAVOR

Frames come in on standard input and go out on what was standard output; what the model prints goes to standard
error, so that it cannot break a frame. The process knows nothing of the parent's `__main__`: a model that only works
there fails here, before anything is published.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any

import msgspec

from cloche import pipes
from cloche.artifact import open_artifact
from cloche.contract.model import Output
from cloche.engines import NativeEngine
from cloche.flavors import FLAVORS, Flavor, get_flavor
from cloche.records import FrameSpec
from cloche.trust import TrustPolicy


class Rehearsal:
    """The staged model, and what can be asked of it."""

    def __init__(self) -> None:
        self._flavor: Flavor | None = None
        self._native: Any = None
        self._frame: FrameSpec | None = None

    def load(self, message: dict[str, Any]) -> dict[str, Any]:
        """Load the model file through its flavor, with the operator's list of types."""
        trust = TrustPolicy.from_dict(message["trust"])
        self._flavor = get_flavor(message["flavor"], trust.flavors)
        self._frame = msgspec.convert(message["frame"], FrameSpec)
        self._native = self._flavor.load(Path(message["directory"]), message["options"], trust)
        return {}

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Predict; whatever the model raises is the answer."""
        if self._flavor is None or self._frame is None:
            raise RuntimeError("nothing is loaded")
        output = msgspec.convert(message["output"], Output)
        engine = NativeEngine(self._flavor, self._native, self._frame, output)
        return engine.predict(message["columns"], message["n"]).to_dict()

    def open(self, message: dict[str, Any]) -> dict[str, Any]:
        """Open the finished artifact: the whole load order."""
        return {"identity": open_artifact(Path(message["directory"]), TrustPolicy.from_dict(message["trust"])).identity}


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer frames until the parent has gone."""
    rehearsal = Rehearsal()
    deeds = {"load": rehearsal.load, "answer": rehearsal.answer, "open": rehearsal.open}
    while True:
        try:
            message = pipes.read(source)
        except EOFError:
            return
        try:
            answer = {"ok": True, **deeds[message["do"]](message)}
        except (Exception, SystemExit) as exc:  # whatever the model raises is only its answer  # noqa: BLE001
            answer = {"ok": False, "type": type(exc).__name__, "message": str(exc)}
        pipes.write(sink, answer)


def main() -> None:
    """Keep the two pipes for frames, and give the model's own input and output elsewhere."""
    source, sink = pipes.take_stdio()
    if sys.argv[1] in FLAVORS:
        get_flavor(sys.argv[1])  # imports the model library while the parent is still writing
    serve(source, sink)


if __name__ == "__main__":
    main()
