"""
The objects of the registry as they lie in the store.

Each is written once. Readers ignore keys they do not know, so that a later cloche may add some.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from cloche.errors import StoreError

S = TypeVar("S", bound=msgspec.Struct)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a copied version came from."""

    store: str
    name: str
    version: int


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    `models/NAME/versions/000007.json`: an artifact got a number.

    `manifest` is the sha256 of the artifact's `manifest.json`, `signature` that of its `manifest.sig`;
    `revision` is the contract's at the time, `copied_from` the version of another store that it is a copy of.
    """

    name: str
    version: int
    contract: int
    revision: int
    manifest: str
    by: str
    at: str
    signature: str | None = None
    copied_from: Origin | None = None


class Tombstone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`models/NAME/versions/000007.deleted.json`: the version is gone, its number stays taken."""

    name: str
    version: int
    by: str
    at: str
    why: str | None = None

    def __str__(self) -> str:
        return f"deleted by {self.by} on {self.at}" + (f" because: {self.why}" if self.why else "")


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What callers of a contract's number are told: deprecated since (RFC 3339), served until (a day)."""

    deprecated: str | None = None
    sunset: str | None = None


class RouteState(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where every route of a name points: `live` maps a contract's number to the version that answers it.

    `notices` holds by contract number what its callers are told; absent where that is nothing.
    """

    default_contract: int
    live: dict[int, int]
    canary: Any = None
    shadow: Any = None
    notices: dict[int, Notice] | msgspec.UnsetType = msgspec.UNSET

    def notice(self, number: int) -> Notice:
        """What callers of contract *number* are told."""
        return Notice() if isinstance(self.notices, msgspec.UnsetType) else self.notices.get(number, Notice())

    def routes_of(self, version: int) -> list[str]:
        """The routes that point at *version*."""
        found = {"live": self.live, "canary": self.canary, "shadow": self.shadow}
        return [route for route, target in found.items() if _names(target, version)]


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What an event did to `live` of one contract: `before` → `version`.

    `kind` is publish, promote, rollback, delete, default or sunset. A rollback names in `undoes` the event that it
    undoes, and with it every later one of the contract. `version` is None where the contract had no version before
    that. A delete leaves the routes as they are; `deleted` is the version that is gone. `default` makes the contract
    the default in place of `was`; `sunset` says in `until` how long it is served.
    """

    kind: str
    contract: int
    version: int | None
    before: int | None = None
    undoes: int | None = None
    deleted: int | None = None
    was: int | None = None
    until: str | None = None

    def __str__(self) -> str:
        if self.deleted is not None:
            return f"delete of version {self.deleted}"
        if self.was is not None:
            return f"contract {self.contract} is the default (was {self.was})"
        if self.kind == "sunset":
            return f"contract {self.contract} is served " + (f"until {self.until}" if self.until else "without an end")
        to = f"version {self.version}" if self.version is not None else f"no version for contract {self.contract}"
        return f"{self.kind} to {to}" if self.before is None else f"{self.kind} to {to} (was {self.before})"


class RouteEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    `models/NAME/routes/000012.json`: the whole routing state after one change.

    `previous` is the sha256 of the bytes of the event before: the history is a chain.
    """

    name: str
    event: int
    routes: RouteState
    change: Change
    by: str
    at: str
    why: str | None = None
    previous: str | None = None


class Revision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A contract as it stands from version *version* on: `1`, `1.1`, `2` …

    `breaks` and `additions` say what differs from the revision before, or from the number before.
    """

    number: int
    revision: int
    version: int
    at: str
    breaks: tuple[str, ...] = ()
    additions: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`1`, `1.1`"""
        return f"{self.number}.{self.revision}" if self.revision else str(self.number)


class Promises(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What callers are told of the contract numbers of a name: how they changed, which are on their way out."""

    notices: dict[int, Notice] = {}
    revisions: tuple[Revision, ...] = ()


#: Of a name whose contract has no history that is known here.
NO_PROMISES = Promises()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference means now; `pinned` ones stay, the others follow their route."""

    name: str
    version: VersionRecord
    route: str | None
    pinned: bool


def _names(target: Any, version: int) -> bool:
    """Whether a route's target, of whatever layout, names the version."""
    if isinstance(target, dict):
        return any(_names(one, version) for one in target.values())
    if isinstance(target, list | tuple):
        return any(_names(one, version) for one in target)
    return type(target) is int and target == version


def encode(document: msgspec.Struct) -> bytes:
    """The bytes that are stored: the same for the same values."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_working_out = threading.Lock()


def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    found = _decoders.get(kind)
    if found is None:
        with _working_out:  # where two threads work a type out at once, msgspec crashes the process
            found = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return found


def decode(raw: bytes, kind: type[S], where: str) -> S:
    """
    Read what `encode` wrote; unknown keys are ignored.

    Raises:
        StoreError: it is something else; *where* names the object.
    """
    try:
        return _decoder(kind).decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise StoreError(f"{where}: expected a {kind.__name__}, got something else: {exc}; run: cloche verify") from exc
