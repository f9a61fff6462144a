"""What one look at a model found, and what others add to it: the words between the observer and those it asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloche.monitoring.documents import (
    AlertRow,
    ConceptDrift,
    FieldDrift,
    Lamps,
    ParitySample,
    QualityMetric,
    Segment,
)
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.tallies import Tally

#: Roll-ups of so many seconds are looked at every time.
SERVICE_S: Final = 900


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What a look found of one version of a model: the live one, or one that a document is made of. `task`, `reference`
    and `drift` are that version's; `version` is None where none is live.

    `minutes` are the roll-ups of the last `SERVICE_S` seconds, `recent` is what of them can be added over versions.
    """

    model: str
    task: str
    version: int | None
    now: float
    reference: Reference
    recent: Tally
    drift: Sequence[FieldDrift]
    minutes: Sequence[RollUp] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers were, as far as labels or estimates tell."""

    metrics: list[QualityMetric] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    calibration: list[dict[str, float]] = field(default_factory=list)
    concept: ConceptDrift | None = None


#: Quality of a version in a range; alerts of a model, decided once a look.
QualityOf = Callable[[Seen, str], Quality]
AlertsOf = Callable[[Seen, Quality, Lamps], list[AlertRow]]
UptimeOf = Callable[[str, float, int, int], list[float | None]]
ParityOf = Callable[[Seen], ParitySample | None]
