"""From a reference and the windows of a version to what the dashboard, the alerts and the report say of each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from msgspec import structs

from cloche.monitoring.documents import DriftState, FieldDrift, Histogram
from cloche.monitoring.drift import classifier, deciding, field_cells, measures
from cloche.monitoring.drift.correlations import correlations
from cloche.monitoring.drift.deciding import DriftSettings
from cloche.monitoring.drift.field_cells import Cells
from cloche.monitoring.drift.windows import Slot
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.tallies import FieldTally, OutputTally

_STATES: Final[Mapping[int, DriftState]] = {
    deciding.INSUFFICIENT: "insufficient",
    deciding.OK: "ok",
    deciding.SMALL: "small",
    deciding.DRIFT: "drift",
}
#: A smaller reference says too little of what is usual.
MIN_REFERENCE_ROWS: Final = 200
_MAX_LEVELS: Final = 30


@dataclass(frozen=True, slots=True)
class _Subject:
    """A field or a side of the answers, and its counts in each window; `tallies` where it has moments."""

    reference: FieldReference
    cells: Cells
    tallies: Sequence[FieldTally] | None


def verdicts(
    reference: Reference, windows: Sequence[Slot], settings: DriftSettings, *, waiting: int = 0
) -> list[FieldDrift]:
    """
    The verdict on every field and on the answers in the last of *windows*, with the trend over all of them.

    *windows* are full ones of one version, in the order of time; *waiting* rows are in none yet. Without a reference of
    the answers (no test set) there is no verdict on them: in-sample scores of a forest differ from fresh ones by a PSI
    of 1 with no drift at all.
    """
    subjects = [*_fields(reference, windows), *_answers(reference, windows)]
    found = _judged(subjects, windows, settings) if subjects and windows else []
    silent = {one.name for one in found}
    why = _too_soon(waiting, settings) if not windows else "the log keeps nothing of it that could be compared"
    quiet = [
        _nothing(one, why if one.n >= MIN_REFERENCE_ROWS else _too_small(one))
        for one in _known(reference)
        if one.name not in silent
    ]
    return [*found, *quiet, *_pairs(reference, windows, settings)]


# -- what is compared ---------------------------------------------------------------------------


def _known(reference: Reference) -> list[FieldReference]:
    answers = (reference.classes, reference.number, reference.confidence)
    inputs = [one for one in reference.fields.values() if one.comparable and one.role != "key"]
    return [*inputs, *(one for one in answers if one is not None)]


def _fields(reference: Reference, windows: Sequence[Slot]) -> list[_Subject]:
    found = []
    for one in reference.fields.values():
        if one.comparable and one.role != "key" and any(one.name in window.tally.fields for window in windows):
            tallies = [window.tally.fields.get(one.name, FieldTally()) for window in windows]
            found.append(_Subject(one, field_cells.of_field(one, tallies), tallies))
    return found


def _answers(reference: Reference, windows: Sequence[Slot]) -> list[_Subject]:
    outputs: list[OutputTally] = [window.tally.output for window in windows]
    found = []
    if reference.classes is not None:
        cells = field_cells.of_classes(reference.classes, [one.classes for one in outputs])
        found.append(_Subject(reference.classes, cells, None))
    for side in ("number", "confidence"):
        known: FieldReference | None = getattr(reference, side)
        if known is not None and any(getattr(one, side) is not None for one in outputs):
            tallies = [getattr(one, side) or FieldTally() for one in outputs]
            found.append(_Subject(known, field_cells.of_field(known, tallies), tallies))
    return found


# -- the verdicts -------------------------------------------------------------------------------


def _judged(subjects: Sequence[_Subject], windows: Sequence[Slot], settings: DriftSettings) -> list[FieldDrift]:
    rows = np.array([window.tally.rows for window in windows])
    seen = [_Seen(place, *_compared(one.cells, rows, settings)) for place, one in enumerate(subjects)]
    seen += [_classified(place, one.reference, windows) for place, one in enumerate(subjects) if one.reference.sample]
    small = [one.reference.n < MIN_REFERENCE_ROWS for one in subjects]
    p = np.array([np.ones(len(rows)) if small[one.subject] else one.p for one in seen])
    states = deciding.decide(np.array([one.effect for one in seen]), p, rows, settings, settings.effect)
    adjusted = deciding.adjust(p)
    found = []
    for place, one in enumerate(subjects):
        mine = [row for row, each in enumerate(seen) if each.subject == place]
        last = max(mine, key=lambda row: (states[row, -1], np.nan_to_num(seen[row].effect[-1], nan=-np.inf)))
        shown = replace(seen[last], p=adjusted[last])
        told = _told(one, windows, states[mine].max(axis=0), shown, settings, _measures(one, seen[mine[-1]]))
        found.append(_unjudged(told, one.reference) if small[place] else told)
    return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """One way to compare a field: effect and p by window; `areas` where it is a classifier."""

    subject: int
    effect: np.ndarray[Any, Any]
    p: np.ndarray[Any, Any]
    areas: np.ndarray[Any, Any] | None = None

    @property
    def measure(self) -> str:
        return "psi" if self.areas is None else "classifier"


def _classified(subject: int, reference: FieldReference, windows: Sequence[Slot]) -> _Seen:
    assert reference.sample is not None
    areas, p = classifier.over(reference.sample, [window.samples.get(reference.name) for window in windows])
    return _Seen(subject, classifier.psi_of(areas), p, areas)


def _compared(
    cells: Cells, rows: np.ndarray[Any, Any], settings: DriftSettings
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """
    Effect and p by window. Windows of about as many rows share their cells: by powers of two, from `min_rows` on.
    """
    effect, p = np.zeros(len(rows)), np.ones(len(rows))
    sizes = settings.min_rows * 2 ** np.floor(np.log2(np.maximum(rows, settings.min_rows) / settings.min_rows))
    for size in np.unique(sizes):
        those = sizes == size
        found = deciding.compared(cells.reference, cells.current[those], ordered=cells.ordered, n=int(size))
        effect[those], p[those] = np.nan_to_num(found[0]), found[1]
    return effect, p


def _told(
    one: _Subject,
    windows: Sequence[Slot],
    states: np.ndarray[Any, Any],
    shown: _Seen,
    settings: DriftSettings,
    measured: dict[str, float | None],
) -> FieldDrift:
    """*states* are of all measures together; *shown* is the one that says most."""
    last = int(states[-1])
    tally = None if one.tallies is None else one.tallies[-1]
    n = int(one.cells.current[-1].sum())
    changed = np.flatnonzero(states != last)
    return FieldDrift(
        name=one.reference.name,
        type=one.reference.type,
        state=_STATES[last],
        measure=shown.measure,
        effect=float(shown.effect[-1]),
        threshold=settings.effect,
        p=float(shown.p[-1]),
        n=n,
        reference_n=int(one.cells.reference.sum()),
        why=_why(last, shown, windows[-1].tally.rows, settings),
        since=windows[int(changed[-1]) + 1 if len(changed) else 0].start,
        importance=one.reference.importance,
        missing=_share(tally, "missing"),
        missing_reference=one.reference.missing / one.reference.n if one.reference.n else None,
        outside=None if tally is None or not tally.n else (tally.below + tally.above) / tally.n,
        unseen=_share(tally, "unseen"),
        measures=measured,
        trend=[None if np.isnan(value) else float(value) for value in shown.effect],
        histogram=_histogram(one),
    )


def _share(tally: FieldTally | None, what: str) -> float | None:
    return None if tally is None or not tally.n else float(getattr(tally, what) / tally.n)


def _why(state: int, shown: _Seen, rows: int, settings: DriftSettings) -> str:
    if state == deciding.INSUFFICIENT:
        return f"{rows} rows, a verdict needs {settings.min_rows}"
    effect, p = float(shown.effect[-1]), float(shown.p[-1])
    told = f"PSI {max(effect, 0.0):.3f} beyond chance (matters from {settings.effect:g}), p {p:.2g}"
    if shown.areas is not None:
        told = (
            f"a classifier tells it from the reference, AUC {shown.areas[-1]:.2f} (a PSI of {effect:.2f}, matters from "
            f"{settings.effect:g}), p {p:.2g}"
        )
    if state == deciding.SMALL and effect >= settings.effect:
        return f"{told}; a verdict needs it in {settings.persist} windows one after the other"
    return {deciding.OK: "as in the reference: ", deciding.SMALL: "different, but little: "}.get(state, "") + told


def _measures(one: _Subject, other: _Seen) -> dict[str, float | None]:
    """
    Other ways to look at the last window, for the reader; of these only the classifier's makes a verdict.
    """
    before, now = one.cells.reference, one.cells.current[-1]
    found: dict[str, float | None] = {}
    if other.areas is not None and not np.isnan(other.areas[-1]):
        found = {"classifier_auc": float(other.areas[-1]), "classifier_p": float(other.p[-1])}
    if not now.sum() or not before.sum():
        return found
    found |= {
        "psi": float(measures.psi(before, now)),
        "jensen_shannon": float(measures.jensen_shannon(before, now)),
        "total_variation": float(measures.total_variation(before, now)),
        "chi_square_p": float(measures.chi_square(before, now)[1]),
    }
    bins = one.cells.ordered
    if bins and now[:bins].sum() and before[:bins].sum():
        distance, p = measures.kolmogorov_smirnov(before[:bins], now[:bins])
        found |= {"kolmogorov_smirnov": float(distance), "kolmogorov_smirnov_p": float(p)}
        edges = np.array(one.reference.edges)
        if len(edges) == bins + 1:
            found["wasserstein"] = float(measures.wasserstein(edges, before[:bins], now[:bins]))
    return found | _moments(one.reference, tally=None if one.tallies is None else one.tallies[-1])


def _moments(reference: FieldReference, tally: FieldTally | None) -> dict[str, float | None]:
    if tally is None or not tally.finite or reference.mean is None:
        return {}
    off = tally.total / tally.finite
    variance = max(0.0, tally.squares / tally.finite - off**2)
    return {
        "mean": reference.mean + off,
        "mean_reference": reference.mean,
        "variance": variance,
        "variance_reference": reference.variance,
    }


def _histogram(one: _Subject) -> Histogram:
    before, now = measures.shares(one.cells.reference), measures.shares(one.cells.current[-1])
    wanted = list(range(len(one.cells.names)))
    if not one.cells.ordered and len(wanted) > _MAX_LEVELS:
        wanted = sorted(np.argsort(-(before + np.nan_to_num(now)), kind="stable")[:_MAX_LEVELS].tolist())
    edges = list(one.reference.edges) if one.cells.ordered and len(one.reference.edges) > 1 else None
    return Histogram(
        labels=[one.cells.names[place] for place in wanted],
        reference=[float(before[place]) for place in wanted],
        current=[float(np.nan_to_num(now[place])) for place in wanted],
        edges=edges,
    )


def _too_small(one: FieldReference) -> str:
    """The rows of the training table, or of the test set where it is about answers; that stays so for ever."""
    of = "the test set" if one.role == "output" else "the reference"
    return f"{of} has {one.n:,} row{'' if one.n == 1 else 's'}, {MIN_REFERENCE_ROWS} are needed"


def _too_soon(waiting: int, settings: DriftSettings) -> str:
    full = f"{settings.window_rows:,} after {settings.window_minutes} minutes, or {settings.min_rows:,} after a day"
    return f"{waiting:,} row{'' if waiting == 1 else 's'} in the first window, which is full with {full}"


def _unjudged(found: FieldDrift, one: FieldReference) -> FieldDrift:
    """What is seen in the window, without what would be a verdict."""
    return structs.replace(
        found, state="insufficient", effect=None, p=None, why=_too_small(one), since=None, measures={}, trend=[]
    )


def _nothing(one: FieldReference, why: str) -> FieldDrift:
    return FieldDrift(
        name=one.name, type=one.type, state="insufficient", reference_n=one.n, why=why, importance=one.importance
    )


# -- pairs --------------------------------------------------------------------------------------


def _pairs(reference: Reference, windows: Sequence[Slot], settings: DriftSettings) -> list[FieldDrift]:
    """The pairs whose correlation changed; of the others nothing is said."""
    if not reference.pairs or not windows:
        return []
    now = correlations(reference, [window.tally for window in windows])
    rows = np.array([window.tally.rows for window in windows])
    before = np.array(reference.correlations)
    m = min((one.n for one in reference.fields.values()), default=0)
    change, p = deciding.correlated(before, np.where(np.isnan(now), before[:, None], now), rows, m)
    if m < MIN_REFERENCE_ROWS:
        return []
    states = deciding.decide(change, p, rows, settings, settings.correlation)
    adjusted = deciding.adjust(p)
    return [
        FieldDrift(
            name=f"{one} × {other}",
            type="pair",
            state="drift",
            measure="correlation",
            effect=float(change[place, -1]),
            threshold=settings.correlation,
            p=float(adjusted[place, -1]),
            n=int(rows[-1]),
            reference_n=m,
            why=f"correlation {now[place, -1]:.2f}, in the reference {before[place]:.2f}",
            trend=[float(value) for value in change[place]],
        )
        for place, (one, other) in enumerate(reference.pairs)
        if states[place, -1] == deciding.DRIFT
    ]
