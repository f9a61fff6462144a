"""
What the monitor publishes and the dashboard and `cloche report` show: plain data, JSON in the store.

One document for each model and range, made anew by whoever holds the lease: `monitor/NAME/RANGE/000000000042.json`.
Times are seconds since 1970, UTC; a series has one value a step, None where nothing was measured.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

FORMAT: Final = "cloche-monitor/1"
#: The ranges that are kept ready: how many seconds back, and how many seconds a step.
RANGES: Final[dict[str, tuple[int, int]]] = {
    "1h": (3_600, 60),
    "6h": (21_600, 300),
    "24h": (86_400, 900),
    "7d": (604_800, 3_600),
    "30d": (2_592_000, 21_600),
    "90d": (7_776_000, 86_400),
}
#: Of so many versions there are documents of their own, the newest that were asked.
MOST_VERSIONS: Final = 50
LampState = Literal["ok", "warn", "alarm", "unknown"]
DriftState = Literal["ok", "small", "drift", "insufficient"]
AlertPhase = Literal["ok", "pending", "firing", "resolved", "no_data"]


class Lamp(msgspec.Struct, frozen=True, kw_only=True):
    """One of service, data, predictions, performance: its state, since when, and why in a sentence."""

    state: LampState = "unknown"
    since: float | None = None
    why: str = "nothing measured yet"


class Lamps(msgspec.Struct, frozen=True, kw_only=True):
    """The four lamps of a model."""

    service: Lamp = Lamp()
    data: Lamp = Lamp()
    predictions: Lamp = Lamp()
    performance: Lamp = Lamp()


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart; `low` and `high` bound it where it is an estimate."""

    name: str
    values: list[float | None]
    low: list[float | None] | None = None
    high: list[float | None] | None = None
    unit: str = ""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the reference and of the window in the same bins (`edges`, one more) or levels (`labels`)."""

    labels: list[str]
    reference: list[float]
    current: list[float]
    edges: list[float] | None = None


class FieldDrift(msgspec.Struct, frozen=True, kw_only=True):
    """
    The verdict on one field, or on the answers (`name` "prediction", "confidence").

    `effect` is in the units of `threshold`; `measure` names what says most: "psi", "classifier" (of texts and vectors,
    as the PSI that its AUC stands for) or "correlation". `p` is adjusted for all fields of the model.
    """

    name: str
    type: str
    state: DriftState
    measure: str = "psi"
    effect: float | None = None
    threshold: float | None = None
    p: float | None = None
    n: int = 0
    reference_n: int = 0
    why: str = ""
    since: float | None = None
    importance: float | None = None
    missing: float | None = None
    missing_reference: float | None = None
    outside: float | None = None
    unseen: float | None = None
    measures: dict[str, float | None] = {}
    trend: list[float | None] = []
    histogram: Histogram | None = None


class QualityMetric(msgspec.Struct, frozen=True, kw_only=True):
    """
    One metric over time: `realised` from labels (with interval), `estimated` without (CBPE, DLE).

    `labelled` is the share of rows that have a label by step, `covered` that of the whole range; a step of which more
    labels are expected is provisional.
    `value`, from `low` to `high` over `n` labelled rows, is that of the whole range, without provisional steps where
    the others have rows enough, and `expected` what is estimated for it; `state` and `why` say whether that is worse
    than the baseline.
    """

    name: str
    better: Literal["higher", "lower"]
    baseline: float | None = None
    realised: Series | None = None
    estimated: Series | None = None
    labelled: list[float | None] = []
    covered: float | None = None
    provisional: list[bool] = []
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    expected: float | None = None
    state: LampState = "unknown"
    why: str = ""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A metric within one segment (or class) of the window, with its interval."""

    field: str
    value: str
    metric: str
    n: int
    estimate: float | None
    low: float | None = None
    high: float | None = None
    gap: float | None = None  #: from the whole, where it is significant


class ConceptDrift(msgspec.Struct, frozen=True, kw_only=True):
    """
    Whether the loss of the live version has risen in the order in which labels came: `at` is when that was seen last,
    `before` and `after` are the mean losses on its two sides (errors, or parts of four times the mean error).
    """

    version: int
    n: int
    at: float | None = None
    before: float | None = None
    after: float | None = None


class ParitySample(msgspec.Struct, frozen=True, kw_only=True):
    """
    Logged answers of a version that the model's own library was asked again (`at`, seconds since 1970): so many equal,
    different, impossible to ask. `why` says how the first different one (`request_id`) differs, or why none could be.
    """

    version: int
    at: float
    equal: int = 0
    different: int = 0
    impossible: int = 0
    request_id: str | None = None
    why: str = ""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A change of routes on the time axis."""

    at: float
    what: str
    version: int | None = None
    by: str | None = None
    why: str | None = None


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's state for this model; `deliveries` are the last of each sink: `webhook: 200`, `mail: refused`."""

    rule: str
    expression: str
    phase: AlertPhase
    severity: str = "warning"
    value: float | None = None
    threshold: float | None = None
    since: float | None = None
    why: str = ""
    page: str | None = None
    silenced_until: float | None = None
    deliveries: dict[str, str] = {}


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version, where it serves, and what it answered in the range."""

    version: int
    contract: int
    created: str
    routes: list[str] = []
    requests: int = 0
    rows: int = 0


class ProblemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A reason for which requests were refused, and how often."""

    field: str
    code: str
    n: int


class RecentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A recent answer; never a value of an input."""

    request_id: str
    row: int
    at: float
    version: int
    prediction: str
    confidence: float | None = None
    latency_ms: float | None = None


class ModelDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything a model's page shows for one range and, where `version` is set, one version.

    Of all versions together, drift, quality, segments and calibration are those of the live one; else those of
    `version`, against its own reference. Lamps, alerts and uptime are always of the model.
    """

    model: str
    range: str
    made: float
    start: float
    end: float
    step_s: int
    task: str
    live: int | None = None
    version: int | None = None
    folded_until: float | None = None  #: what was answered later is not in here yet
    owner: str | None = None
    contact: str | None = None
    runbook: str | None = None
    lamps: Lamps = Lamps()
    traffic: list[Series] = []  #: requests by status class ("2xx", "4xx", "5xx") a step
    latency: list[Series] = []  #: p50, p90, p95, p99 in ms
    uptime: list[float | None] = []  #: share of the step in which a host was ready
    answers: list[Series] = []  #: shares of classes, or p10, p50, p90 of a number
    drift: list[FieldDrift] = []
    quality: list[QualityMetric] = []
    segments: list[Segment] = []
    calibration: list[dict[str, float]] = []
    concept: ConceptDrift | None = None
    parity: ParitySample | None = None
    alerts: list[AlertRow] = []
    versions: list[VersionRow] = []
    marks: list[Mark] = []
    problems: list[ProblemRow] = []
    recent: list[RecentRow] = []
    decided: float | None = None  #: when lamps and alerts were, where they are younger than `made`
    schema: str = FORMAT

    def brought_up_to(self, newest: ModelDocument) -> ModelDocument:
        """
        What does not depend on the range (lamps, alerts, verdicts, routes, …) as a younger document of the same model
        tells it.
        """
        if newest.made <= self.made:
            return self
        counted = {one.version: one for one in self.versions}
        versions = [
            msgspec.structs.replace(counted.get(one.version, _uncounted(one)), routes=one.routes)
            for one in newest.versions
        ]
        of_live = self.version in (None, newest.live)
        return msgspec.structs.replace(
            self,
            live=newest.live,
            task=newest.task if of_live else self.task,
            owner=newest.owner,
            contact=newest.contact,
            runbook=newest.runbook,
            lamps=newest.lamps,
            drift=newest.drift if of_live else self.drift,
            concept=newest.concept if of_live else self.concept,
            parity=newest.parity if of_live else self.parity,
            alerts=newest.alerts,
            versions=versions,
            marks=[*self.marks, *(one for one in newest.marks if one not in self.marks and one.at >= self.made)],
            recent=[one for one in newest.recent if self.version in (None, one.version)],
            decided=newest.made,
        )

    def to_json(self) -> bytes:
        """The bytes that are stored."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, raw: bytes) -> ModelDocument:
        """
        What `to_json` gave.

        Raises:
            msgspec.DecodeError: it is no such document.
        """
        return _decoder.decode(raw)


def asked(document: ModelDocument) -> list[int]:
    """
    The versions that have documents of their own, the newest first: those that were asked in the range, where that is
    not the live one alone.
    """
    found = [one.version for one in document.versions if one.requests]
    return [] if found == [document.live] else found[:MOST_VERSIONS]


class ExactField(msgspec.Struct, frozen=True, kw_only=True):
    """
    One field on raw rows, for `cloche report --exact`; it is in no document.

    `quantiles` are of the values by name. Distances are from the reference: `ks` and `wasserstein` of numbers, `tv` of
    levels. `ks_high` where the reference is known in bins only: the distance lies between `ks` and it. `p` where both
    sides are raw.
    """

    name: str
    type: str
    n: int
    missing: int = 0
    mean: float | None = None
    deviation: float | None = None
    quantiles: dict[str, float] = {}
    distinct: int | None = None
    unseen: dict[str, int] = {}
    ks: float | None = None
    ks_high: float | None = None
    p: float | None = None
    wasserstein: float | None = None
    tv: float | None = None


def _uncounted(one: VersionRow) -> VersionRow:
    """A version that was published since."""
    return msgspec.structs.replace(one, requests=0, rows=0)


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_decoder = msgspec.json.Decoder(ModelDocument)
