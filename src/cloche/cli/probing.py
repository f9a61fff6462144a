"""`cloche probe`: asks a server from outside whether it answers, and writes down what it saw for the uptime."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloche.api.workplace import Workplace
from cloche.client import Client
from cloche.contract.example import example_row
from cloche.errors import ClocheError, ForbiddenError, StoreError, UnauthorizedError, UsageError
from cloche.monitoring.uptime import Uptime


@dataclass(frozen=True, slots=True)
class Probed:
    """One look: whether the server answers for a model, within how long, and why not."""

    model: str
    up: bool
    at: float
    took_ms: float
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked of the server at *url*: whether it is ready and holds the model; with *predict* instead a prediction
    for the contract's example.
    """

    url: str
    models: tuple[str, ...] = ()
    key: str | None = None
    predict: bool = False
    timeout_s: float = 5.0


@dataclass(slots=True)
class Probe:
    """Asks one server about its models, and keeps what it saw in the store under the name of this machine."""

    here: Workplace
    asked: Asked
    clock: Callable[[], float] = time.time
    models: Sequence[str] = field(init=False)
    _rows: Mapping[str, dict[str, Any]] = field(init=False)
    _written: dict[str, Uptime] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.models = self.asked.models or _named_in(self.asked.url) or self._told()
        self._rows = {one: self._example(one) for one in self.models} if self.asked.predict else {}
        source = f"probe-{re.sub(r'[^A-Za-z0-9._-]', '-', platform.node())[:48] or 'host'}"
        self._written = {one: Uptime(self.here.store, one, source) for one in self.models}

    def look(self) -> list[Probed]:
        """
        Ask once about every model.

        Raises:
            StoreError: the store did not take what was seen in the minutes before.
            UsageError: the server wants a key, or another one: that is no downtime.
        """
        found = [self._asked(one) for one in self.models]
        for one in found:
            self._written[one.model].add(one.up, one.at)
        return found

    def finish(self) -> None:
        """
        Write down what was seen in the last minute.

        Raises:
            StoreError: the store did not take it.
        """
        for one in self._written.values():
            one.write()

    def _asked(self, model: str) -> Probed:
        at, started = self.clock(), time.perf_counter()
        why = None
        try:
            with self._client(model) as client:
                if model in self._rows:
                    client.predict(self._rows[model], request_id=f"probe-{int(at)}")
                elif not client.ready():
                    why = "not ready, or nobody answers"
                else:
                    client.metadata()  # a server that is ready need not hold this model
        except (UnauthorizedError, ForbiddenError) as exc:
            raise UsageError(f"probe: {exc}; give a key that may ask for '{model}': --key, CLOCHE_KEY") from exc
        except ClocheError as exc:
            why = str(exc)
        return Probed(model, why is None, at, (time.perf_counter() - started) * 1_000, why)

    def _client(self, model: str | None) -> Client:
        asked = self.asked
        model = None if _named_in(asked.url) else model
        return Client(asked.url, key=asked.key, model=model, timeout_s=asked.timeout_s, retries=0)

    def _told(self) -> list[str]:
        """The models that the server says it holds."""
        try:
            with self._client(None) as client:
                return [str(one["name"]) for one in client.models()["models"]]
        except ClocheError as exc:
            raise UsageError(
                f"probe: the server does not say which models it holds ({exc}); name one: --model"
            ) from exc

    def _example(self, model: str) -> dict[str, Any]:
        registry = self.here.registry
        return example_row(registry.contract_of(registry.resolve(model).version))


def probing(
    probe: Probe, every_s: float, stopping: Callable[[], bool], sleep: Callable[[float], None]
) -> Iterator[list[Probed]]:
    """Look every *every_s* seconds until *stopping*; a store that is away is waited for, its minute is lost."""
    while not stopping():
        until = time.monotonic() + every_s
        try:
            yield probe.look()
        except StoreError:
            yield []
        while not stopping() and time.monotonic() < until:
            sleep(min(0.2, every_s))


def _named_in(url: str) -> tuple[str, ...]:
    found = re.search(r"/models/([^/]+)", url)
    return (found[1],) if found else ()
