"""
What sinks are told: one notice for each change of an alert, the same for all of them.

Its JSON is the body of webhooks and normative (`docs/reference/alerts.md`): keys are added, never renamed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

FORMAT: Final = "cloche-alert/1"
Status = Literal["firing", "resolved", "no_data", "test"]
_SIGNS: Final[dict[Status, str]] = {"firing": "FIRING", "resolved": "RESOLVED", "no_data": "NO DATA", "test": "TEST"}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """
    One change. `id` is that of this change, whoever is told and however often; `fingerprint` that of rule and model.

    Moments are RFC 3339, UTC. `value` and `threshold` are in the unit of the measure, `value_text` as people read it.
    `model` is empty where the rule is about the whole store. `repeated` where it still fires and was told before.
    """

    id: str
    fingerprint: str
    status: Status
    rule: str
    expression: str
    severity: str
    model: str
    version: int | None = None
    value: float | None = None
    value_text: str = ""
    threshold: float | None = None
    why: str = ""
    started: str
    ended: str | None = None
    at: str
    owner: str | None = None
    contact: str | None = None
    runbook: str | None = None
    page: str | None = None
    meaning: str | None = None
    checks: tuple[str, ...] = ()
    roll_back: str | None = None
    store: str = ""
    repeated: bool = False
    schema: str = FORMAT

    def to_json(self) -> bytes:
        """The body of a webhook."""
        return msgspec.json.encode(self)

    @property
    def title(self) -> str:
        """One line: `[FIRING] penguins: error-rate (critical)`."""
        about = self.model or "the store"
        return f"[{_SIGNS[self.status]}] {about}: {self.rule} ({self.severity})"

    @property
    def lines(self) -> list[str]:
        """What people are told below the title."""
        told_value = f"{self.expression}: {self.value_text}" + (f" ({self.why})" if self.why else "")
        facts = [self.meaning, told_value, f"since {self.started}" + (f" until {self.ended}" if self.ended else "")]
        facts += [f"{number}. {check}" for number, check in enumerate(self.checks, 1)] if self.firing else []
        facts.append(f"Roll back? {self.roll_back}" if self.roll_back and self.firing else None)
        people = ((self.owner, "owner"), (self.contact, "contact"), (self.runbook, "runbook"), (self.page, "page"))
        facts += [f"{name}: {text}" for text, name in people if text]
        return [one for one in facts if one]

    @property
    def firing(self) -> bool:
        """Whether somebody has to do something."""
        return self.status == "firing"


_decoder = msgspec.json.Decoder(Notice)


def fingerprint(rule: str, model: str) -> str:
    """What stays the same from the first to the last notice about a rule and a model: 16 hex digits."""
    return hashlib.sha256(f"{rule}\n{model}".encode()).hexdigest()[:16]


def moment(at: float) -> str:
    """Seconds since 1970 as RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
