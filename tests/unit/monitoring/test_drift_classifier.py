"""Texts and vectors: what changed is told apart though length and norm stay, and what did not change is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from cloche.contract.model import Contract, Field, Output
from cloche.monitoring.documents import FieldDrift
from cloche.monitoring.drift import DriftSettings, verdicts
from cloche.monitoring.drift.classifier import LEAST_ROWS, psi_of, told_apart
from cloche.monitoring.drift.deciding import DRIFT, decide
from cloche.monitoring.drift.windows import Slot
from cloche.monitoring.reference import Reference, ReferenceSample
from cloche.monitoring.samples import CAPACITY, EVERY, Sample
from cloche.monitoring.tallies import FieldTally, Tally
from cloche.profile import profile
from cloche.records import Column, Table

SETTINGS = DriftSettings()
HOUR = 3600.0
CONTRACT = Contract(
    fields=(Field(name="text", type="text"), Field(name="vector", type="vector", length=100)),
    output=Output(task="regression", type="number"),
)
WORDS = np.array([f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("ck", "nd", "st", "r", "ll", "mp")])
USUAL = 1 / np.arange(1, len(WORDS) + 1)
WEATHER, SPORTS = (np.random.default_rng(seed).dirichlet(np.full(len(WORDS), 0.05)) for seed in (1, 2))
#: Vectors of norm 1 around a direction.
NORTH, EAST = np.eye(100)[:2]


def texts(rng: np.random.Generator, n: int, topic: np.ndarray = WEATHER, length: int = 20) -> list[str]:
    """A third of the words are of the topic, the others are everybody's."""
    shares = 0.67 * USUAL / USUAL.sum() + 0.33 * topic
    return [" ".join(words) for words in WORDS[rng.choice(len(WORDS), (n, length), p=shares / shares.sum())]]


def vectors(rng: np.random.Generator, n: int, towards: np.ndarray = NORTH, spread: float = 1.0) -> list[np.ndarray]:
    drawn = 2 * towards + spread * rng.normal(size=(n, 100))
    return list(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def table(given: dict[str, list[Any]]) -> Table:
    columns = {}
    for name, values in given.items():
        held = np.empty(len(values), dtype=object)
        held[:] = values
        kind = "vector" if name == "vector" else "string"
        columns[name] = Column(name, kind, held, np.array([one is None for one in values]), "object")
    return Table(columns, len(next(iter(given.values()))), "pandas")


def reference_of(given: dict[str, list[Any]]) -> Reference:
    inputs = profile(table(given), CONTRACT)
    return Reference.of(json.dumps({"inputs": inputs}).encode())


def slot(reference: Reference, given: dict[str, list[Any]], hour: int, n: int) -> Slot:
    """A window of *n* rows as roll-ups tell it, of which *given* were sampled."""
    fields, samples = {}, {}
    for name, values in given.items():
        field = reference.fields[name]
        there = [value for value in values if value is not None]
        sizes = [len(one) if isinstance(one, str) else float(np.linalg.norm(one)) for one in there]
        edges = np.array(field.edges)
        places = np.clip(np.searchsorted(edges, sizes, side="right") - 1, 0, len(field.counts) - 1)
        fields[name] = FieldTally(
            n=len(values),
            missing=len(values) - len(there),
            below=int((sizes < edges[0]).sum()),
            above=int((sizes > edges[-1]).sum()),
            counts=np.bincount(places, minlength=len(field.counts)).tolist(),
        )
        assert field.sample is not None
        known, rows = field.sample.features.rows(values)
        keys = np.random.default_rng(hour).integers(0, EVERY, int(known.sum()), np.uint64)
        samples[name] = Sample.made(EVERY, keys, rows)
    return Slot(hour * HOUR, HOUR, Tally(requests=n, rows=n, fields=fields), samples)


Make = Callable[[np.random.Generator, int], dict[str, list[Any]]]


def as_before(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    return {"text": texts(rng, n), "vector": vectors(rng, n)}


def other_topic(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    return as_before(rng, n) | {"text": texts(rng, n, SPORTS)}


def half_other_topic(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    mixed = texts(rng, n // 2, SPORTS) + texts(rng, n - n // 2)
    return as_before(rng, n) | {"text": mixed}


def other_direction(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    return as_before(rng, n) | {"vector": vectors(rng, n, EAST)}


def longer(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    return as_before(rng, n) | {"text": texts(rng, n, length=40)}


def nearly_all_missing(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    gone = texts(rng, LEAST_ROWS - 1, SPORTS) + [None] * (n - LEAST_ROWS + 1)
    return as_before(rng, n) | {"text": gone}


def judged(change: Make, n: int = 600, *, rows: int | None = None, hours: int = 2) -> dict[str, FieldDrift]:
    rng = np.random.default_rng(7)
    reference = reference_of(as_before(rng, 1_000))
    slots = [slot(reference, change(rng, n), hour, rows or n) for hour in range(hours)]
    return {one.name: one for one in verdicts(reference, slots, SETTINGS)}


@pytest.mark.parametrize(
    ("change", "drifted", "measure"),
    [
        pytest.param(as_before, set(), None, id="nothing"),
        pytest.param(other_topic, {"text"}, "classifier", id="topic-with-the-same-length"),
        pytest.param(half_other_topic, {"text"}, "classifier", id="half-of-the-rows-of-another-topic"),
        pytest.param(other_direction, {"vector"}, "classifier", id="direction-with-the-same-norm"),
        pytest.param(longer, {"text"}, "psi", id="length"),
        pytest.param(nearly_all_missing, {"text"}, "psi", id="too-few-to-tell-apart"),
    ],
)
def test_what_changed_drifts(change: Make, drifted: set[str], measure: str | None) -> None:
    found = judged(change)
    assert {name for name, one in found.items() if one.state == "drift"} == drifted
    for name in drifted:
        assert found[name].measure == measure
        assert found[name].effect is not None
        assert found[name].effect >= found[name].threshold
        assert len(found[name].trend) == 2


def test_what_a_verdict_tells() -> None:
    one = judged(other_topic)["text"]
    area = one.measures["classifier_auc"]
    assert area is not None
    assert area > 0.7
    assert one.effect == pytest.approx(float(psi_of(np.array(area))))
    assert one.measures["classifier_p"] is not None
    assert one.measures["classifier_p"] < 1e-6
    assert one.why.startswith(f"a classifier tells it from the reference, AUC {area:.2f} (a PSI of ")
    assert one.measures["psi"] is not None
    assert one.measures["psi"] < 0.1, "its length is as it was"


@pytest.mark.parametrize("change", [other_topic, other_direction], ids=["text", "vector"])
def test_one_window_is_not_enough(change: Make) -> None:
    (one,) = (one for one in judged(change, hours=1).values() if one.measures["classifier_auc"] > 0.6)
    assert one.state == "small"
    assert "2 windows one after the other" in one.why


def test_few_rows_get_no_verdict() -> None:
    assert judged(other_topic, 60, rows=40)["text"].state == "insufficient"


def test_an_artifact_without_samples_is_compared_by_length_and_norm() -> None:
    rng = np.random.default_rng(7)
    given = as_before(rng, 1_000)
    inputs = profile(table(given), CONTRACT)
    for one in inputs.values():
        del one["sample"]
    old, new = Reference.of(json.dumps({"inputs": inputs}).encode()), reference_of(given)
    assert not old.sampled
    slots = [slot(new, other_topic(rng, 600), hour, 600) for hour in range(2)]
    found = {one.name: one for one in verdicts(old, slots, SETTINGS)}
    assert {one.state for one in found.values()} == {"ok"}
    assert "classifier_auc" not in found["text"].measures
    bare = [Slot(one.start, one.seconds, one.tally) for one in slots]  # roll-ups of an older cloche
    assert {one.state for one in verdicts(new, bare, SETTINGS)} == {"ok"}


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        pytest.param({"features": {"kind": "words", "width": 128}, "rows": "AAAA"}, "rows of 128 bytes", id="cut-off"),
        pytest.param({"features": {"kind": "words", "width": 128}, "rows": "?"}, "base64", id="no-base64"),
        pytest.param({"features": {"kind": "x"}, "rows": ""}, "expected a kind of", id="unknown"),
    ],
)
def test_a_damaged_sample_is_refused(sample: dict[str, Any], said: str) -> None:
    one = {"type": "text", "role": "input", "n": 3, "missing": 0, "sample": sample}
    with pytest.raises(ValueError, match=said):
        Reference.of(json.dumps({"inputs": {"text": one}}).encode())


@pytest.mark.parametrize("psi", [0.05, 0.1, 0.25])
def test_an_area_stands_for_the_psi_of_two_normal_laws(psi: float) -> None:
    delta = np.sqrt(psi)
    grid = np.linspace(-12, 12, 200_001)
    before, now = stats.norm.pdf(grid), stats.norm.pdf(grid, delta)
    area = float(np.trapezoid(stats.norm.cdf(grid) * now, grid))
    assert np.trapezoid((now - before) * np.log(now / before), grid) == pytest.approx(psi, rel=1e-6)
    assert float(psi_of(np.array(area))) == pytest.approx(psi, rel=1e-6)
    assert area == pytest.approx(float(special.ndtr(delta / np.sqrt(2))))


def test_equal_rows_are_nobody_s() -> None:
    reference = reference_of({"text": ["the same again"] * 250 + ["and another"] * 250})
    field = reference.fields["text"].sample
    assert field is not None
    half = field.matrix()[:200]
    same = Sample.made(EVERY, np.arange(200, dtype=np.uint64), half)
    found = told_apart(field, same)
    assert found is not None
    assert found[0] == pytest.approx(0.5, abs=0.1)
    constant = reference_of({"text": ["the same again"] * 500}).fields["text"].sample
    assert constant is not None
    assert told_apart(constant, Sample.made(EVERY, np.arange(99, dtype=np.uint64), constant.matrix()[:99])) == (
        0.5,
        0.5,
    )


# -- no drift -----------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    """Features of *n* rows of one law."""
    if kind == "words":
        shares = 1 / np.arange(1, 129)
        return np.minimum(rng.multinomial(20, shares / shares.sum(), size=n), 255).astype(np.uint8)
    size = int(kind)
    return np.clip(np.rint(rng.normal(size=(n, size)) * 31) + 128, 4, 252).astype(np.uint8)


def described(kind: str) -> dict[str, Any]:
    if kind == "words":
        return {"kind": "words", "width": 128}
    return {"kind": "projection", "length": int(kind), "center": [0.0] * int(kind), "scale": [1.0] * int(kind)}


def months(kind: str, m: int, n: int, references: int, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas and p of (references, windows) without drift; a window of any rows has a sample of *n*."""
    rng = np.random.default_rng(m + n)
    known = Reference.of(
        json.dumps({
            "inputs": {
                "x": {
                    "type": "text", "role": "input", "n": m, "missing": 0,
                    "sample": {"features": described(kind), "rows": ""},
                }
            }
        }).encode()
    ).fields["x"].sample  # fmt: skip
    assert known is not None
    areas, p = np.empty((references, windows)), np.empty((references, windows))
    for row in range(references):
        reference = ReferenceSample(known.features, drawn(rng, kind, m).tobytes())
        for column in range(windows):
            sample = Sample.made(EVERY, np.arange(n, dtype=np.uint64), drawn(rng, kind, n))
            found = told_apart.__wrapped__(reference, sample)  # remembering costs more than it brings here
            assert found is not None
            areas[row, column], p[row, column] = found
    return areas, p


@pytest.mark.parametrize(
    ("kind", "m", "n", "references", "windows"),
    [
        pytest.param("1", 300, CAPACITY, 1_500, 1, id="one-number-full-samples"),
        pytest.param("8", 200, LEAST_ROWS, 1_500, 1, id="small-samples"),
        pytest.param("words", 300, CAPACITY, 200, 1, id="words"),
    ],
)
def test_p_is_no_smaller_than_chance_makes_it(kind: str, m: int, n: int, references: int, windows: int) -> None:
    areas, p = months(kind, m, n, references, windows)
    z = (areas - 0.5) / np.sqrt(2 * (n + m + 1) / (12 * n * m))
    assert abs(z.mean()) < 0.15, "no leaning to either side"
    assert 0.9 < z.std() < 1.1, "the variance of the mean of dependent areas"
    for level in (0.05, 0.01):
        assert (p <= level).sum() <= stats.binom.ppf(0.999, p.size, level)


@pytest.mark.parametrize(
    ("kind", "n", "references"),
    [
        # A window of 1,000,000 rows has the same sample as one of 300.
        pytest.param("16", CAPACITY, 40, id="a-million-rows-an-hour"),
        pytest.param("8", LEAST_ROWS, 60, id="50-rows-a-window"),
    ],
)
def test_no_drift_no_alarm(kind: str, n: int, references: int) -> None:
    """One reference for all windows of a month: what chance did to it is the same in each."""
    windows = 60
    areas, p = months(kind, 300, n, references, windows)
    rows = np.full(windows, max(n, SETTINGS.min_rows))
    firing = decide(psi_of(areas), p, rows, SETTINGS, SETTINGS.effect) == DRIFT
    begun = int((np.diff(firing.astype(int), prepend=0, axis=1) == 1).sum())
    upper = stats.chi2.ppf(0.99, 2 * (begun + 1)) / 2 / (references * windows / 720)
    assert upper <= 1.5, "alarms a month of hourly windows; nominal is one"
