"""
Drift: how often it is seen, how soon, and how often where there is none, beside four peers.

    python bench/drift.py [--streams 6] [--scratch /tmp/cloche-bench-drift] [--write]

Every tool sees the same streams (`drift_streams.py`) and is asked as its own documentation begins. cloche counts rows
as the monitor does and gives the verdicts that the alert `data-drift` goes by. Each peer (`drift_peers/`) lives in an
environment of its own in the scratch folder, made when it is missing; what cannot be installed or imported is named
with the reason.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from drift_streams import SHIFTS, Stream, losses, streams

from cloche.contract.model import Contract, Field, Output
from cloche.monitoring.drift import DriftSettings, verdicts
from cloche.monitoring.drift.windows import Slot
from cloche.monitoring.quality.concept import Detector
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import count
from cloche.monitoring.tallies import summed
from cloche.profile import pairs, profile
from cloche.saving.reference import to_json
from cloche.tables import read

#: By name on the index: the script that asks it, and what has to be installed.
PEERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "evidently": ("evidently_rows.py", ("evidently", "pandas<3")),
    "nannyml": ("nannyml_rows.py", ("nannyml", "statsmodels", "pandas<3")),
    "alibi-detect": ("alibi_rows.py", ("alibi-detect",)),
    "river": ("river_losses.py", ("river",)),
}
SHAPE = {"reference": 5_000, "rows": 500, "before": 6, "after": 8}
LOSSES = 20
LIMIT_S = 200
HERE = Path(__file__).parent
HEADING = "## Drift beside others"


# -- ours -----------------------------------------------------------------------------------------

_FIELDS = tuple(
    [Field(name=name, type="number", nullable=True) for name in ("x", "y", "z", "heavy", "gappy")]
    + [Field(name="level", type="category", levels=("a", "b", "c", "d", "e"))]
)
_CONTRACT = Contract(fields=_FIELDS, output=Output(task="regression", type="number"))


def ours(stream: Stream) -> list[bool]:
    """Whether a field has drifted, by window, as the monitor says it."""
    table = read(pd.DataFrame(stream.reference))
    known = profile(table, _CONTRACT)
    reference = Reference.of(to_json(known, pairs=pairs(table, _CONTRACT, known)))
    slots, found = [], []
    for number, window in enumerate(stream.windows):
        tally = summed(one.tally for one in count(_logged(window), 1, 1, reference))
        slots.append(Slot(number * 3_600.0, 3_600.0, tally))
        found.append(any(one.state == "drift" for one in verdicts(reference, slots, DriftSettings())))
    return found


def _logged(window: dict[str, Any]) -> pa.Table:
    n = len(window["x"])
    values = {f"in_{name}": pa.array(values, from_pandas=True) for name, values in window.items()}
    return pa.table(
        {
            "time": pa.array(np.zeros(n, dtype=np.int64)).cast(pa.timestamp("us", "UTC")),
            "row": np.zeros(n, dtype=np.int32),
            "status": np.full(n, 200, dtype=np.int16),
            "latency_ms": np.ones(n),
            "problems": pa.array([None] * n, pa.list_(pa.string())),
            "route": ["live"] * n,
            "prediction": np.zeros(n),
            **values,
        }
    )


def our_losses() -> Iterator[dict[str, Any]]:
    for stream, at in losses(LOSSES):
        detector = Detector()
        fired = [place for place, loss in enumerate(stream) if detector.take(float(loss), float(place))]
        yield {"detector": "cloche (HDDM_A, δ = 1e-4)", "at": at, "fired": fired}


# -- peers ----------------------------------------------------------------------------------------


def asked(name: str, scratch: Path, count: int) -> tuple[list[dict[str, Any]], str]:
    """The lines of a peer, and why there are none or not all."""
    python = scratch / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(scratch / name)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS[name][1]]
        done = subprocess.run(pip, check=False, capture_output=True, text=True)
        if done.returncode:
            return [], f"cannot be installed: {_last(done.stderr)}"
    arguments = json.dumps({"streams": count, "losses": LOSSES, **SHAPE})
    command = [str(python), str(HERE / "drift_peers" / PEERS[name][0]), arguments]
    quiet = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}  # two of them would tell their makers
    surroundings = {**os.environ, **quiet, "PYTHONPATH": str(HERE)}
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=LIMIT_S, cwd=scratch, env=surroundings
        )
        text, why = done.stdout, "" if done.returncode == 0 else f"does not run: {_last(done.stderr)}"
    except subprocess.TimeoutExpired as exc:
        text = (exc.stdout or b"").decode()
        why = f"not all streams within {LIMIT_S} s"
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")], why


def version_of(name: str, scratch: Path) -> str:
    python = scratch / name / "bin" / "python"
    code = f"import importlib.metadata as m; print(m.version('{name}'))"
    done = subprocess.run([str(python), "-c", code], check=False, capture_output=True, text=True)
    return done.stdout.strip() or "?"


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "no word")[:200]


# -- what it comes to -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One tool: its lines, how long a window took, and what was wrong."""

    name: str
    lines: list[dict[str, Any]]
    ms: float
    why: str = ""


def row(told: Told) -> str:
    """Streams in which the shift was seen and the median window in which it first was; then false alarms."""
    cells = []
    for shift in SHIFTS:
        flags = [one["flags"] for one in told.lines if one["shift"] == shift]
        if shift == "none":
            continue
        first = [next((w for w, on in enumerate(those[SHAPE["before"] :], 1) if on), None) for those in flags]
        seen = [one for one in first if one is not None]
        if not flags:
            cells.append("")
        else:
            cells.append(f"{len(seen) / len(flags):.0%}" + (f", {np.median(seen):g}" if seen else ""))
    quiet = [
        on for one in told.lines for on in (one["flags"] if one["shift"] == "none" else one["flags"][: SHAPE["before"]])
    ]
    false = f"{np.mean(quiet):.1%}" if quiet else ""
    return f"| {told.name} | " + " | ".join(cells) + f" | {false} | {told.ms:.0f} |"


def detector_rows(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    for name in dict.fromkeys(one["detector"] for one in lines):
        those = [one for one in lines if one["detector"] == name]
        false = sum(sum(place < one["at"] for place in one["fired"]) for one in those)
        delays = [next((place - one["at"] for place in one["fired"] if place >= one["at"]), None) for one in those]
        seen = [one for one in delays if one is not None]
        rate = false / (len(those) * those[0]["at"]) * 10_000
        median = f"{np.median(seen):.0f}" if seen else ""
        yield f"| {name} | {len(seen)} of {len(those)} | {median} | {rate:.2f} |"


def report(tools: Sequence[Told], detectors: Sequence[dict[str, Any]], count: int, notes: Sequence[str]) -> str:
    shifts = [one for one in SHIFTS if one != "none"]
    said = "; ".join(f"{name}: {SHIFTS[name]}" for name in shifts)
    head = "| tool | " + " | ".join(shifts) + " | false alarms | ms a window |"
    rule = "|---|" + "--:|" * (len(shifts) + 2)
    before = (
        f"`PYTHONPATH=src python bench/drift.py --streams {count} --write`. {count} streams a shift: a reference of "
        f"{SHAPE['reference']:,} rows, {SHAPE['before']} windows of {SHAPE['rows']} rows as before, {SHAPE['after']} "
        f"after the shift; six columns. {said}."
    )
    how = (
        "Streams in which some column was flagged after the shift, and the median window in which it first was (1 is "
        "the first one; cloche wants to see it in two). False alarms: windows without a shift in which some column was "
        "flagged. A tool that flags every other window sees every shift at once: read both. 0.3 standard deviations "
        "are a PSI of 0.09, below the 0.1 from which cloche calls a difference one that matters. "
        "Evidently and NannyML run on pandas 2 only, NannyML with statsmodels, which it does not declare."
    )
    concept = (
        f"Concept drift: the share of wrong answers goes from 10 % to 20 % after 10,000 labels, {LOSSES} streams; "
        "median delay in labels, false alarms per 10,000 labels."
    )
    seen = [row(one) for one in tools if one.lines]
    said_of = [f"- {one}" for one in notes]
    fired = ["| detector | seen | delay | false alarms |", "|---|--:|--:|--:|", *detector_rows(detectors), ""]
    title = f"{HEADING}: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
    lines = [title, "", before, "", how, "", head, rule, *seen, "", *said_of, "", concept, "", *fired]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/cloche-bench-drift"))
    parser.add_argument("--write", action="store_true", help="put the tables into bench/RESULTS.md")
    chosen = parser.parse_args()
    chosen.scratch.mkdir(parents=True, exist_ok=True)
    windows = SHAPE["before"] + SHAPE["after"]
    started = time.perf_counter()
    lines = [{"shift": one.shift, "flags": ours(one)} for one in streams(chosen.streams, **SHAPE)]
    ms = (time.perf_counter() - started) * 1_000 / (len(lines) * windows)
    tools, notes, detectors = [Told("cloche", lines, ms)], [], list(our_losses())
    for name in PEERS:
        started = time.perf_counter()
        lines, why = asked(name, chosen.scratch, chosen.streams)
        version = version_of(name, chosen.scratch)
        if why:
            notes.append(f"{name} {version}: {why}" + (f" ({len(lines)} streams)" if lines else ""))
        if name == "river":
            detectors += [one | {"detector": f"river {version}: {one['detector']}"} for one in lines]
        elif lines:
            took = (time.perf_counter() - started) * 1_000 / (len(lines) * windows)
            tools.append(Told(f"{name} {version}", lines, took))
    text = report(tools, detectors, chosen.streams, notes)
    print(text)
    if chosen.write:
        _write(text)


def _write(text: str) -> None:
    path = HERE / "RESULTS.md"
    before, mark, after = path.read_text("utf-8").partition(f"\n{HEADING}")
    rest = after[after.index("\n## ") :] if mark and "\n## " in after else ""
    path.write_text(f"{before.rstrip()}\n\n{text}{rest}", "utf-8")


if __name__ == "__main__":
    main()
