"""
Which version answers a request: a table that is read by every request and replaced, never changed, by a switch.
"""

from __future__ import annotations

import difflib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cloche.errors import ModelNotFoundError, ModelRequiredError, NotReadyError, VersionNotServedError
from cloche.registry import NO_PROMISES, Promises
from cloche.serving.deployment import Deployment

#: No name is longer; of what was asked for instead no more is repeated.
_NAME_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Held:
    """
    What the server holds of one model: one version per contract number that answers by default, and
    versions kept warm beside them (the previous one, pinned ones) that answer when named exactly.

    `wanted` is what the routes ask for, by contract number; `refused` says why a version is not served here.
    `promises` is what callers are told of the contract numbers.
    """

    name: str
    route: str | None = "live"
    answering: Mapping[int, Deployment] = field(default_factory=dict)
    default_number: int | None = None
    warm: tuple[Deployment, ...] = ()
    wanted: Mapping[int, int] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    promises: Promises = NO_PROMISES

    def __iter__(self) -> Iterator[Deployment]:
        yield from self.answering.values()
        yield from self.warm

    @property
    def default(self) -> Deployment | None:
        """The version of the default contract, or of the lowest number that is held."""
        if self.default_number is not None and self.default_number in self.answering:
            return self.answering[self.default_number]
        return next((self.answering[number] for number in sorted(self.answering)), None)

    def version(self, version: int) -> Deployment | None:
        """The deployment of exactly that version, if it is held."""
        return next((one for one in self if one.version == version), None)


class Deployments:
    """
    All models of one server.

    `use` and `put` may be called from different threads: a mounted application answers on a loop that is
    not the one that switches versions.
    """

    def __init__(self, *, default: str | None = None) -> None:
        self._lock = threading.Lock()
        self._users: Counter[Deployment] = Counter()
        self._held: Mapping[str, Held] = {}
        self._default = default
        self._found: dict[tuple[str | None, int | None, int | None], Deployment] = {}  # what `find` said of this table
        #: What does not work right now although predictions do: {"store"} while it cannot be read.
        self.degraded: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def put(self, held: Held) -> None:
        """Show *held* to every request from now on."""
        with self._lock:
            self._held = {**self._held, held.name: held}
            self._found = {}

    def arrange(self, names: Iterable[str]) -> None:
        """Show the models of these names alone, in this order, to every request from now on."""
        with self._lock:
            self._held = {name: self._held[name] for name in names if name in self._held}
            self._found = {}

    @contextmanager
    def use(
        self, model: str | None = None, contract: int | None = None, version: int | None = None
    ) -> Iterator[Deployment]:
        """`find`, and keep what was found from being unloaded until the block ends."""
        found = self.hold(model, contract, version)
        try:
            yield found
        finally:
            self.release(found)

    def hold(self, model: str | None = None, contract: int | None = None, version: int | None = None) -> Deployment:
        """`find`, and keep what was found from being unloaded until `release`."""
        asked = model, contract, version
        with self._lock:
            found = self._found.get(asked)
            if found is None:
                found = self._found[asked] = self.find(model, contract, version)
            self._users[found] += 1
            return found

    def release(self, deployment: Deployment) -> None:
        """A request that held *deployment* is answered."""
        with self._lock:
            self._users[deployment] -= 1
            if not self._users[deployment]:
                del self._users[deployment]

    def in_use(self, deployment: Deployment) -> bool:
        """Whether a request is being answered by *deployment*."""
        return self._users[deployment] > 0

    @property
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return self._users.total()

    def get(self, name: str) -> Held | None:
        """What is held of *name*."""
        return self._held.get(name)

    def route_of(self, deployment: Deployment) -> str:
        """The route by which that version answers here, or "pinned" where it was named exactly."""
        held = self._held.get(deployment.name)
        return (None if held is None else held.route) or "pinned"

    @property
    def default_name(self) -> str | None:
        """The model that a path without a name means: the default, or the only one."""
        if self._default is not None:
            return self._default
        return next(iter(self._held)) if len(self._held) == 1 else None

    @property
    def ready(self) -> bool:
        """Whether every model has a version that answers."""
        return bool(self._held) and all(held.answering for held in self)

    def model(self, name: str | None) -> Held:
        """
        Raises:
            NotReadyError: no model is held yet.
            ModelRequiredError: several are served and none was named.
            ModelNotFoundError: no such model here.
        """
        if not self._held:
            raise NotReadyError("no model is loaded yet")
        if name is None:
            name = self.default_name
        if name is None:
            raise ModelRequiredError(
                "several models are served and the path names none; "
                f"use /models/NAME/… with one of: {_list(self._held)}"
            )
        held = self._held.get(name)
        if held is None:
            asked = name[:_NAME_SHOWN]
            near = difflib.get_close_matches(asked, self._held, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ModelNotFoundError(f"no model '{asked}' is served here (served: {_list(self._held)}){hint}")
        return held

    def find(self, model: str | None = None, contract: int | None = None, version: int | None = None) -> Deployment:
        """
        The version that answers a request.

        Raises:
            VersionNotServedError: this server does not hold that version, or none under that contract.
            NotReadyError: no version of the model could be loaded.
            ModelRequiredError, ModelNotFoundError: as `model` says.
        """
        held = self.model(model)
        if version is not None:
            found = held.version(version)
            missing = f"version {version} of '{held.name}' is not served here (served: {_versions(held)})"
        elif contract is not None:
            found = held.answering.get(contract)
            numbers = _list(held.answering)
            missing = f"no version of '{held.name}' is served under contract {contract} (served: {numbers})"
        else:
            found, missing = held.default, None
        if found is not None:
            return found
        if missing is None or not held.answering:
            raise NotReadyError(f"no version of '{held.name}' is loaded")
        raise VersionNotServedError(missing)


def _list(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"


def _versions(held: Held) -> str:
    return ", ".join(str(number) for number in sorted({one.version for one in held})) or "none"
