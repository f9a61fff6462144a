"""What an expression can see of one model at one moment: nothing is asked for that no rule wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cloche.monitoring.documents import FieldDrift, Lamps, QualityMetric
from cloche.monitoring.reference import Reference
from cloche.monitoring.tallies import Tally


@dataclass(frozen=True, slots=True)
class Window:
    """
    What was counted in the last so many seconds.

    `served`: of all versions, without what is counted in the bins of one (see `tallies.served`); `live`: all of the
    live version.
    """

    served: Tally
    live: Tally


def _nothing(_over_s: float) -> Window:
    return Window(Tally(), Tally())


@dataclass(frozen=True, slots=True)
class Facts:
    """
    One model at `now`, in seconds since 1970. `window` gives what was counted in so many seconds before.

    `last_request`: when it was asked last, in the week before; `ready`: whether a host serves it; `log_waiting_s`: how
    long the oldest record of any host waits. Each None where it is not known.
    """

    model: str
    now: float
    live: int | None = None
    reference: Reference = field(default_factory=Reference)
    drift: Sequence[FieldDrift] = ()
    quality: Sequence[QualityMetric] = ()
    lamps: Lamps = field(default_factory=Lamps)
    window: Callable[[float], Window] = _nothing
    last_request: Callable[[], float | None] = lambda: None
    ready: Callable[[], bool | None] = lambda: None
    log_waiting_s: Callable[[], float | None] = lambda: None
