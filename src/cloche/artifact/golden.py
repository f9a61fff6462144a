"""
`golden.jsonl`: at most 200 rows as they come over the wire, each with the model's answer.

They run through contract and engine at every load: a model saved under another version of its library can
open, run, and be wrong; only these rows see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cloche.contract.compiled import CompiledContract
from cloche.engines import Engine, differences
from cloche.errors import ArtifactError, GoldenRowsError, InvalidInputError, ManifestError
from cloche.manifest import Tolerance
from cloche.records import Outputs

GOLDEN = "golden.jsonl"
MAX_ROWS = 200


class GoldenRow(NamedTuple):
    """A wire row, and what the model answered: `prediction`, and `probabilities` and `score` where it gives them."""

    row: dict[str, Any]
    answer: dict[str, Any]


def write(path: Path, rows: Sequence[Mapping[str, Any]], outputs: Outputs) -> None:
    """Write the first 200 of *rows* with their answers."""
    lines = []
    for place, row in enumerate(rows[:MAX_ROWS]):
        lines.append(msgspec.json.encode({"row": row, "answer": _answer(outputs, place)}))
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def _answer(outputs: Outputs, place: int) -> dict[str, Any]:
    answer = {"prediction": outputs.prediction[place]}
    if outputs.probabilities is not None:
        answer["probabilities"] = outputs.probabilities[place]
    if outputs.score is not None:
        answer["score"] = outputs.score[place]
    return answer


def read(path: Path) -> list[GoldenRow]:
    """The golden rows of the file *path*."""
    return parse(path.read_bytes())


def parse(raw: bytes) -> list[GoldenRow]:
    """
    The golden rows in the bytes of a `golden.jsonl`.

    Raises:
        ManifestError: it is not of this format.
    """
    try:
        lines = [_line.decode(line) for line in raw.splitlines() if line.strip()]
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ManifestError(f"{GOLDEN}: {exc}") from exc
    if len(lines) > MAX_ROWS:
        raise ManifestError(f"{GOLDEN}: expected at most {MAX_ROWS} rows, got {len(lines)}")
    return [GoldenRow(line.row, line.answer) for line in lines]


def check(compiled: CompiledContract, engine: Engine, path: Path, tolerance: Tolerance) -> None:
    """Check the rows in the file *path*; see `check_rows`."""
    check_rows(compiled, engine, read(path), tolerance)


def check_rows(compiled: CompiledContract, engine: Engine, rows: Sequence[GoldenRow], tolerance: Tolerance) -> None:
    """
    Ask the engine for every golden row, through the contract, and compare.

    Raises:
        GoldenRowsError: a row is refused, the engine raises, or an answer differs.
    """
    if not rows:
        return
    found = differences(_expected(rows), _asked(compiled, engine, rows), tolerance)
    if found:
        told = "; ".join(found[:3])
        raise GoldenRowsError(f"{GOLDEN}: of {len(rows)} rows some have other answers than when it was saved: {told}")


def _asked(compiled: CompiledContract, engine: Engine, rows: Sequence[GoldenRow]) -> Outputs:
    try:
        valid = compiled.validate([one.row for one in rows], single=False)
        return engine.predict(valid.columns(), len(valid))
    except InvalidInputError as exc:
        raise GoldenRowsError(f"{GOLDEN}: the contract refuses a golden row: {exc}") from exc
    except ArtifactError:
        raise
    except Exception as exc:  # the model's own library raises what it likes
        raise GoldenRowsError(f"{GOLDEN}: the model raised {type(exc).__name__}: {exc}") from exc


def _expected(rows: Sequence[GoldenRow]) -> Outputs:
    answers = [one.answer for one in rows]
    return Outputs(
        [one.get("prediction") for one in answers],
        [one["probabilities"] for one in answers] if all("probabilities" in one for one in answers) else None,
        [one["score"] for one in answers] if all("score" in one for one in answers) else None,
    )


class _Line(msgspec.Struct, frozen=True):
    row: dict[str, Any]
    answer: dict[str, Any]


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_line = msgspec.json.Decoder(_Line)
