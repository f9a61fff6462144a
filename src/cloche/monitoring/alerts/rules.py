"""The rules in force: what is watched, who is told, and who looks after which model. Plain data, no clock, no store."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cloche.monitoring.alerts.grammar import Expression
from cloche.monitoring.alerts.phases import Reading, Timing
from cloche.monitoring.alerts.vocabulary import OF_STATUS

SEVERITIES: Final = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a rule means, what to look at first, and when to roll back."""

    meaning: str
    checks: tuple[str, str, str]
    roll_back: str


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One rule. `model` is a pattern as of file names; `sinks` None means all of them.

    `clear` is where it counts as below again, in the unit of its threshold. `silence` is True, or until when (seconds
    since 1970) nobody is told.
    """

    name: str
    when: Expression
    model: str = "*"
    over_s: float = 300.0
    timing: Timing = field(default_factory=Timing)
    clear: float | None = None
    min_requests: int = 20
    severity: str = "warning"
    sinks: tuple[str, ...] | None = None
    repeat_s: float | None = None
    silence: bool | float = False
    page: str | None = None
    guidance: Guidance | None = None

    @property
    def enough_hits(self) -> float | None:
        """
        Of a share that has to be exceeded: more hits than this say so in however few requests, because it would be
        exceeded in `min_requests` of which no other is a hit.
        """
        if self.when.measure.name not in OF_STATUS or self.when.comparison not in (">", ">="):
            return None
        return (self.when.threshold or 0.0) * self.min_requests

    def about(self, model: str) -> bool:
        """Whether the rule is about *model*."""
        return fnmatch.fnmatchcase(model, self.model)

    def reading(self, value: float | None) -> Reading:
        """What *value* says: exceeded, below, or between the two where `clear` leaves room."""
        if value is None:
            return "missing"
        if self.when.holds(value):
            return "over"
        return "near" if self.clear is not None and self.when.holds(value, self.clear) else "under"

    def silenced_until(self, now: float) -> float | None:
        """Until when its own `silence` holds; None where it does not."""
        if isinstance(self.silence, bool):
            return float("inf") if self.silence else None
        return self.silence if self.silence > now else None


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """A sink as it stands in the file: its kind and its options, `${VAR}` not yet looked up."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is told of a model, and where it is written what to do."""

    owner: str | None = None
    contact: str | None = None
    runbook: str | None = None


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Everything that a rules file says, with the defaults that it leaves in force."""

    rules: tuple[Rule, ...] = ()
    sinks: Mapping[str, SinkSpec] = field(default_factory=dict)
    owners: Mapping[str, Owner] = field(default_factory=dict)

    def of(self, model: str) -> list[Rule]:
        """The rules about *model*, without those about the whole store."""
        return [one for one in self.rules if not one.when.measure.of_store and one.about(model)]

    @property
    def of_store(self) -> list[Rule]:
        """The rules about the whole store."""
        return [one for one in self.rules if one.when.measure.of_store]

    def owner_of(self, model: str) -> Owner:
        """By name, else by the first pattern that fits."""
        exact = self.owners.get(model)
        fitting = (one for pattern, one in self.owners.items() if fnmatch.fnmatchcase(model, pattern))
        return exact or next(fitting, Owner())
