"""What is stored of a key, and how a token is checked against it. The secret itself is stored nowhere."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from cloche import rates

SCOPES = ("predict", "label", "view", "manage", "metrics")
_TOKEN = re.compile(r"clk_([0-9a-z]{8})_[A-Za-z0-9_-]{43}")
_NOBODY = hashlib.sha256(b"").hexdigest()


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of a key. No `models` means all, no `rate` any; times are RFC 3339 in UTC."""

    id: str
    sha256: str
    name: str | None = None
    scopes: tuple[str, ...]
    models: tuple[str, ...] = ()
    created: str
    expires: str | None = None
    revoked: str | None = None
    rate: str | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            rates.parse(self.rate)

    def allows(self, scope: str, model: str | None = None) -> bool:
        """Whether the key may do *scope*, on *model* where one is meant; `manage` may also view."""
        if scope not in self.scopes and not (scope == "view" and "manage" in self.scopes):
            return False
        return model is None or not self.models or model in self.models

    def ended(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        return self.revoked is not None or (self.expires is not None and datetime.fromisoformat(self.expires) <= now)

    def state(self, now: datetime | None = None) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.ended(now or utc_now()) else "active"

    def public(self) -> dict[str, Any]:
        """What may be shown: everything but the hash."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return {key: value for key, value in told.items() if key != "sha256"} | {"state": self.state()}


class Revocation(msgspec.Struct, frozen=True):
    """That a key has ended, and when."""

    at: str


_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys at one moment: what a server asks, and keeps while the store is away."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    #: Tokens that were found right: asked for again with every request. Never a wrong one.
    _known: dict[str, Key] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.keys)

    def usable(self, now: datetime | None = None) -> int:
        """How many keys are neither revoked nor expired."""
        moment = now or utc_now()
        return sum(not key.ended(moment) for key in self.keys.values())

    def authenticate(self, token: str, now: datetime | None = None) -> Key | None:
        """The key that *token* is, if it is one that may still be used; takes as long for any wrong one."""
        known = self._known.get(token)
        if known is not None:
            return known if known.expires is None or not known.ended(now or utc_now()) else None
        parts = _TOKEN.fullmatch(token)
        key = self.keys.get(parts[1]) if parts else None
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        same = hmac.compare_digest(digest, _NOBODY if key is None else key.sha256)
        if key is None or not same or key.ended(now or utc_now()):
            return None
        if len(self._known) < _MOST_KNOWN:
            self._known[token] = key
        return key


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """*moment* in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
