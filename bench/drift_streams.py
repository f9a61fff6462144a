"""The streams of `drift.py`: a reference, then windows of rows, from some window on shifted. No library but numpy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Columns = dict[str, Any]
LEVELS = ("a", "b", "c", "d", "e")
SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)
NUMBERS = ("x", "y", "z", "heavy", "gappy")
#: A shift in one column (`correlation`: of two, whose own distributions stay).
SHIFTS: dict[str, str] = {
    "none": "nothing changes",
    "mean 0.3": "x moves by 0.3 standard deviations",
    "mean 0.6": "x moves by 0.6 standard deviations",
    "scale 1.5": "the standard deviation of x grows by half",
    "tail": "one row of twenty has x beyond five standard deviations",
    "level mix": "a fifth of the rows turn to the rarest level",
    "missing": "missing values of gappy go from 2 % to 15 %",
    "correlation": "the correlation of y and z goes from 0.8 to 0",
}


@dataclass(frozen=True)
class Stream:
    """One reference and `windows`, each a table of columns; from window `at` on there is the shift."""

    shift: str
    reference: Columns
    windows: list[Columns]
    at: int


def streams(count: int, *, reference: int, rows: int, before: int, after: int, seed: int = 1) -> Iterator[Stream]:
    """So many of each shift, always the same ones."""
    for number, shift in enumerate(SHIFTS):
        for place in range(count):
            rng = np.random.default_rng((seed, number, place))
            known = table(rng, reference, "none")
            yield Stream(
                shift,
                known,
                [table(rng, rows, shift if w >= before else "none") for w in range(before + after)],
                before,
            )


def table(rng: np.random.Generator, n: int, shift: str) -> Columns:
    """Rows after *shift*; missing numbers are NaN."""
    together = rng.normal(0, 1, n)
    near = 0.0 if shift == "correlation" else 0.8
    gappy = rng.normal(0, 1, n)
    gappy[rng.random(n) < (0.15 if shift == "missing" else 0.02)] = np.nan
    level = rng.choice(LEVELS, n, p=SHARES)
    if shift == "level mix":
        level[rng.random(n) < 0.2] = LEVELS[-1]
    return {
        "x": _CHANGED.get(shift, _same)(rng, rng.normal(0, 1, n)),
        "y": together,
        "z": near * together + np.sqrt(1 - near**2) * rng.normal(0, 1, n),
        "heavy": rng.standard_t(3, n),
        "gappy": gappy,
        "level": level,
    }


def _same(_rng: np.random.Generator, x: Any) -> Any:
    return x


def _tail(rng: np.random.Generator, x: Any) -> Any:
    x[rng.random(len(x)) < 0.05] = 5 + rng.exponential(1.0)
    return x


_CHANGED: dict[str, Callable[[np.random.Generator, Any], Any]] = {
    "mean 0.3": lambda _rng, x: x + 0.3,
    "mean 0.6": lambda _rng, x: x + 0.6,
    "scale 1.5": lambda _rng, x: x * 1.5,
    "tail": _tail,
}


def losses(count: int, *, seed: int = 2) -> Iterator[tuple[Any, int]]:
    """Streams of right (0) and wrong (1) in the order of labels; the error doubles from 10 % at the given place on."""
    for place in range(count):
        rng = np.random.default_rng((seed, place))
        yield np.concatenate([rng.random(10_000) < 0.1, rng.random(4_000) < 0.2]).astype(float), 10_000


def tell(flags: Callable[[Stream], list[bool]]) -> None:
    """For a peer's script: a JSON line a stream, whether a column was flagged by window; argv[1] is how many."""
    chosen = json.loads(sys.argv[1])
    shape = {key: chosen[key] for key in ("reference", "rows", "before", "after")}
    for one in streams(chosen["streams"], **shape):
        print(json.dumps({"shift": one.shift, "flags": flags(one)}), flush=True)
