"""Four lamps say at a glance whether somebody has to look: service, data, predictions, performance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cloche.monitoring.documents import ConceptDrift, FieldDrift, Lamp, Lamps, LampState, ParitySample, QualityMetric
from cloche.monitoring.reference import Reference
from cloche.monitoring.service import service_lamp
from cloche.monitoring.tallies import Tally

_ANSWERS: Final = ("prediction", "confidence")
_SHOWN: Final = 3
#: What `saving.estimation` needs.
ESTIMATION_ROWS: Final = 100
_NO_REFERENCE: Final = {
    "field": "no version is live, or it was saved without inputs",
    "answer": "it was saved without a test set, so nothing says how answers are usually distributed",
}
#: A rise of the loss is told for a day: the detector takes the new level for granted then.
_CONCEPT_S: Final = 86_400.0


def lit(
    before: Lamps,
    recent: Tally,
    drift: Sequence[FieldDrift],
    quality: Sequence[QualityMetric],
    now: float,
    *,
    reference: Reference | None = None,
    concept: ConceptDrift | None = None,
    parity: ParitySample | None = None,
) -> Lamps:
    """The lamps now; one whose state is that of *before* keeps its "since". *reference* is the live version's."""
    answers = [one for one in drift if one.type != "pair" and one.name in _ANSWERS]
    inputs = [one for one in drift if one not in answers]
    return Lamps(
        service=_since(before.service, service_lamp(recent, None), now),
        data=_since(before.data, _of_drift(inputs, "field"), now),
        predictions=_since(before.predictions, _of_parity(parity) or _of_drift(answers, "answer"), now),
        performance=_since(before.performance, _of_quality(quality, reference or Reference(), concept, now), now),
    )


def moment(text: str) -> float:
    """RFC 3339 as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def _of_drift(those: Sequence[FieldDrift], what: str) -> Lamp:
    drifted = [one.name for one in those if one.state == "drift"]
    if drifted:
        return Lamp(state="alarm", why=f"drift: {_listed(drifted)}")
    near = [one.name for one in those if one.state == "small" and (one.effect or 0.0) >= (one.threshold or 0.0)]
    if near:
        return Lamp(state="warn", why=f"seen in one window: {_listed(near)}")
    known = [one for one in those if one.state != "insufficient"]
    if not known:
        why = those[0].why if those else _NO_REFERENCE[what]
        return Lamp(state="unknown", why=f"not enough data: {why}" if those else why)
    return Lamp(state="ok", why=f"{len(known)} {what}{'s' if len(known) != 1 else ''} as in the reference")


def _of_parity(sample: ParitySample | None) -> Lamp | None:
    """Answers that are not the model's own are worse than any drift of them."""
    if sample is None or not sample.different:
        return None
    n = sample.equal + sample.different
    return Lamp(state="alarm", why=f"{sample.different} of {n} logged answers are not what the model's library answers")


def _of_quality(
    metrics: Sequence[QualityMetric], reference: Reference, concept: ConceptDrift | None, now: float
) -> Lamp:
    """From the first metric: worse than its baseline by more than chance explains, or not; then what labels say."""
    told = next((one for one in metrics if one.state != "unknown"), None)
    if told is not None and told.state != "ok":
        return Lamp(state=told.state, why=told.why)
    if concept is not None and concept.at is not None and now - concept.at < _CONCEPT_S:
        why = f"the loss has risen from {concept.before:.3g} to {concept.after:.3g} as labels came"
        return Lamp(state="warn", why=why)
    if told is not None:
        return Lamp(state="ok", why=told.why)
    why = next((one.why for one in metrics if one.why), f"no labels yet, and {_unestimated(reference)}")
    return Lamp(state="unknown", why=why)


def _unestimated(reference: Reference) -> str:
    """What is missing for an estimate."""
    n = max((one.get("n") or 0 for one in reference.quality if one.get("split") == "test"), default=0)
    if reference.estimation is None and n < ESTIMATION_ROWS:
        had = f"a test set of {n} rows, {ESTIMATION_ROWS} are needed" if n else "no test set"
        return f"nothing to estimate from: it was saved with {had}"
    return "nothing to estimate from"


def _since(before: Lamp, now: Lamp, at: float) -> Lamp:
    same: LampState = before.state
    since = before.since if same == now.state and before.since is not None else at
    return Lamp(state=now.state, since=since, why=now.why)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
