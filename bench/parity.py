"""
Twin against model on random pipelines: `python bench/parity.py --count 1000 --seed 0`.

Each pipeline is fitted, lowered and guarded as when it is saved; where the guard admits the twin, both answer fresh
rows that the guard had not seen. The last line counts differences among those: it has to be zero.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from tests import pipelines  # noqa: E402


def main() -> int:
    """Run, print the table; the exit status is 1 where a twin differed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print each guard refusal")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    guarded = fresh = different = seed = done = 0
    worst, started = 0.0, time.monotonic()
    seed = chosen.seed * 1_000_000
    while done < chosen.count:
        seed += 1
        case = pipelines.case(seed)
        if case is None:
            verdicts["not fitted"] += 1
            continue
        result = pipelines.compare(case)
        done += 1
        verdicts[result.verdict] += 1
        guarded, fresh, worst = guarded + result.guarded, fresh + result.fresh, max(worst, result.worst)
        if result.verdict != "twin":
            reasons[f"{result.verdict}: {result.reason[:90]}"] += 1
        if result.verdict == "guard" and chosen.show:
            print(f"seed {seed}: {result.reason}\n    {case.what}")
        if result.found:
            different += 1
            print(f"DIFFERENT seed {seed}: {result.found[:2]}\n    {case.what}")
    print(f"{done} pipelines from seed {chosen.seed} in {time.monotonic() - started:.0f} s: {dict(verdicts)}")
    for reason, count in reasons.most_common(25):
        print(f"  {count:5}  {reason}")
    print(f"{guarded} guard rows; {fresh} fresh rows; largest |d| / (1 + |y|) {worst:.3g}")
    print(f"twins that differed on fresh rows: {different}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
