"""
`python -m cloche.serving.engine_child DIRECTORY`: one opened artifact behind two pipes.

The first message in holds the operator's trust and which engine is asked for; the answer is the verified manifest
and contract, or why the artifact will not be opened. Then each message is a call. What the model prints goes to
standard error: the pipes are moved out of the reach of file descriptors 0 and 1 before anything is imported that
could write. It ends when its input ends, so it never outlives its server.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from cloche import pipes
from cloche.artifact import OpenArtifact, open_artifact
from cloche.engines import differences
from cloche.errors import ClocheError
from cloche.records import Columns, Outputs
from cloche.serving import isolate
from cloche.serving.warm_up import golden_columns
from cloche.trust import TrustPolicy

_log = logging.getLogger("cloche.engine")
_COMPARED = 8


def main(directory: str) -> int:
    """Open the artifact in *directory* and answer calls until the input ends."""
    calls, answers = pipes.take_stdio()
    # Ctrl-C and a service manager signal the whole group; the server lets us finish, then closes the pipe.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        return _serve(directory, calls, answers)
    except EOFError:  # the server has gone, or closed us
        return 0


def _serve(directory: str, calls: IO[bytes], answers: IO[bytes]) -> int:
    asked = pipes.read(calls)
    try:
        trust = TrustPolicy.from_dict(asked["trust"])
        opened = open_artifact(Path(directory), trust, engine=asked["engine"], device=asked["device"])
        engine = ChildEngine(opened)
    except Exception as exc:  # noqa: BLE001  an artifact may break any library on its way in
        if not isinstance(exc, ClocheError):
            _log.exception("the artifact could not be opened")
        pipes.write(
            answers, {"refused": f"{type(exc).__name__}: {exc}" if not isinstance(exc, ClocheError) else str(exc)}
        )
        return 1
    pipes.write(answers, engine.facts())
    while True:
        pipes.write(answers, engine.answer(pipes.read(calls)))


class ChildEngine:
    """An opened artifact that answers one call at a time."""

    def __init__(self, opened: OpenArtifact) -> None:
        self._opened = opened
        golden = golden_columns(opened, _COMPARED)
        self._known_good = golden[0] if golden else None
        self._together = _answers_alike(opened, golden)
        self._still_works()  # warm-up: the first call of many libraries is a slow one

    @property
    def name(self) -> str:
        """Which engine answers."""
        return self._opened.engine.name

    def facts(self) -> dict[str, Any]:
        """`EngineFacts` as a message; the reference only where the log needs its bins."""
        opened = self._opened
        return {
            "manifest": opened.manifest.to_json(),
            "contract": opened.contract.to_json(),
            "engine": opened.engine.name,
            "together": self._together,
            "reference": opened.reference_inputs() if opened.contract.log_inputs == "summary" else None,
        }

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Outputs, the rows that the model refuses, or that the engine is broken."""
        try:
            return self._predict(call["columns"], call["n"])
        except Exception:  # noqa: BLE001  nothing a model does may end the loop
            _log.exception("the engine failed")
            return {"broken": True}

    def _predict(self, columns: Columns, n: int) -> dict[str, Any]:
        result = isolate.answer(self._opened.engine.predict, columns, n)
        if isinstance(result, Outputs):
            return result.to_dict()
        _log.error("the model raised on %d of %d rows", len(result.rows), n, exc_info=result.cause)
        return {"refused_rows": result.rows} if self._still_works() else {"broken": True}

    def _still_works(self) -> bool:
        """Whether a row that was answered when the model was saved is still answered."""
        if self._known_good is None:
            return True
        try:
            self._opened.engine.predict(self._known_good, 1)
        except Exception:  # noqa: BLE001
            _log.exception("the model no longer answers a golden row")
            return False
        return True


def _answers_alike(opened: OpenArtifact, rows: list[Columns]) -> bool:
    """Whether rows are answered together as they are alone: a step may look at the whole table that it is given."""
    if len(rows) < 2:
        return False
    whole = {name: [row[name][0] for row in rows] for name in rows[0]}
    try:
        together = opened.engine.predict(whole, len(rows))
        alone = isolate.joined([opened.engine.predict(row, 1) for row in rows])
    except Exception:  # noqa: BLE001  a model may raise anything
        _log.exception("the golden rows are not answered together")
        return False
    return not differences(alone, together, opened.manifest.tolerance_of(opened.engine.name))


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(status)  # nothing is left to save, and taking the libraries down can last seconds
