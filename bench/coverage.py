"""
How often the 95 % intervals of `cloche.evaluation` hold the truth.

    python bench/coverage.py [--streams 4000] [--rows 50 100 400 2000]

Draws many tables from known populations, measures each, and counts the intervals that hold the value of the population
(known from four million rows), for metrics and for paired differences of two models. Prints a table a population.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Output
from cloche.evaluation import Answers, Part, Quality, measured
from cloche.evaluation.paired import differences
from cloche.evaluation.report import estimates
from cloche.records import Column, Outputs

POPULATION = 2_000_000
Draw = Callable[[np.random.Generator, int], tuple[Any, list[Any]]]


class Classes:
    """Labels from classes of unequal size; two models whose probabilities are off by a temperature."""

    def __init__(self, shares: Sequence[float], signal: float = 1.3) -> None:
        self.shares, self.signal = np.array(shares), signal
        names = tuple(f"c{code}" for code in range(len(shares)))
        self.output = Output(task="classification", type="string", classes=names, probabilities=True)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Column, list[Answers]]:
        k = len(self.shares)
        truth = rng.choice(k, size=n, p=self.shares)
        seen = rng.normal(size=(n, k)) + self.signal * (truth[:, None] == np.arange(k))
        found = []
        for temperature, noise in ((0.8, 0.0), (1.0, 0.7)):
            logits = (self.signal * (seen + noise * rng.normal(size=(n, k))) + np.log(self.shares)) / temperature
            chances = np.exp(logits - logits.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            guess = [self.output.classes[code] for code in chances.argmax(axis=1)]
            found.append(Answers(self.output, Outputs(guess, chances.tolist())))
        values = np.array(self.output.classes, dtype=object)[truth]
        return Column("y", "string", values, np.zeros(n, dtype=bool), "object"), found


class Numbers:
    """Numbers with errors of unequal spread; *heavy*: errors with the tails of Student's t with 5 degrees."""

    def __init__(self, *, heavy: bool = False) -> None:
        self.heavy = heavy
        self.output = Output(task="regression", type="number")

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Column, list[Answers]]:
        spread = rng.gamma(4.0, 1.0, n)
        error = (rng.standard_t(5, (2, n)) if self.heavy else rng.normal(size=(2, n))) * (0.4 + 0.1 * spread)
        x = 20 + spread  # far from 0, where a percentage has no mean
        truth = x + error[0]
        found = [x, x + 0.2 + 0.5 * error[1]]
        column = Column("y", "number", truth, np.zeros(n, dtype=bool), "float64")
        return column, [Answers(self.output, Outputs(guess.tolist())) for guess in found]


POPULATIONS = {
    "two classes, 60:40": Classes([0.6, 0.4]),
    "two classes, 95:5": Classes([0.95, 0.05]),
    "three classes, 60:30:10": Classes([0.6, 0.3, 0.1]),
    "numbers": Numbers(),
    "numbers with heavy tails": Numbers(heavy=True),
}


def told(quality: Any) -> dict[str, tuple[float, Any]]:
    """Every number with its interval; differences as `Δ name`."""
    found = {one.name: (one.value, one.interval) for one in quality.whole.metrics}
    return found | {f"Δ {one.name}": (one.difference, one.interval) for one in quality.whole.differences}


def truth_of(population: Any) -> dict[str, float]:
    """The values of the population; the medians' bootstrap is not needed for that."""
    column, (one, other) = population.draw(np.random.default_rng(1), POPULATION)
    mine, its = (
        {name: value for name, (value, _) in told(measured(answers, column)).items()} for answers in (one, other)
    )
    return mine | {f"Δ {name}": value - its[name] for name, value in mine.items()}


def coverage(
    population: Any, truth: dict[str, float], n: int, streams: int, *, seed: int = 0, medians: bool = True
) -> dict[str, tuple[float, int]]:
    """By metric the share of intervals that hold the truth, and how many tables told the metric with an interval."""
    rng = np.random.default_rng(seed)
    held: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for _ in range(streams):
        column, (one, other) = population.draw(rng, n)
        quality = measured(one, column, other=other) if medians else without_medians(one, other, column)
        for name, (_, interval) in told(quality).items():
            if interval is not None and name in truth:
                seen[name] += 1
                held[name] += interval[0] - 1e-12 <= truth[name] <= interval[1] + 1e-12
    return {name: (held[name] / count, count) for name, count in seen.items()}


def without_medians(one: Answers, other: Answers, column: Column) -> Quality:
    """The same without the difference of medians, whose bootstrap takes longer than all else."""
    found, its = (estimates(each.output, each.outputs, column) for each in (one, other))
    metrics = tuple(each.metric("test") for each in found if each.need is None)
    return Quality(whole=Part(n=len(column.values), metrics=metrics, differences=tuple(differences(found, its))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[50, 200, 1_000])
    parser.add_argument("--population", choices=sorted(POPULATIONS), action="append")
    given = parser.parse_args()
    for title in given.population or POPULATIONS:
        population = POPULATIONS[title]
        truth = truth_of(population)
        columns = {n: coverage(population, truth, n, given.streams) for n in given.rows}
        print(f"\n| {title} | truth |" + "".join(f" n = {n} |" for n in given.rows))
        print("|---|---|" + "---|" * len(given.rows))
        for name, value in truth.items():
            cells = [columns[n].get(name) for n in given.rows]
            shown = ["" if one is None else f"{one[0]:.3f}" + _few(one[1], given.streams) for one in cells]
            print(f"| {name} | {value:.4f} | {' | '.join(shown)} |", flush=True)


def _few(told_in: int, streams: int) -> str:
    return "" if told_in == streams else f" (told in {told_in / streams:.0%})"


if __name__ == "__main__":
    main()
