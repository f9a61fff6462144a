"""
What is known of every alert, in the store: `monitor/_alerts/NAME/000000000042.json`, numbered and create-only.

Whoever writes number N + 1 may tell the sinks what stands in it: of two monitors at once, one. A monitor that starts
goes on from the last number.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final, Literal

import msgspec

from cloche.errors import NotFoundError, ObjectExistsError
from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.phases import Condition
from cloche.store import Store

ROOT: Final = "monitor/_alerts"
#: In the place of a model's name: rules about the whole store. No model is called so.
OF_STORE: Final = "_store"
KEPT: Final = 3
_NUMBERED: Final = re.compile(r"(\d{12})\.json")


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What one sink is told, or was told last.

    `due`: to be sent from `at` on · `sending`: by `holder`, since `at` · `sent` and `given_up`: at `at`. `first` is
    when it was to be sent first, `outcome` what the last attempt gave. `after` waits for the end of one under way.
    """

    notice: Notice
    state: Literal["due", "sending", "sent", "given_up"] = "due"
    at: float
    first: float
    attempts: int = 0
    outcome: str = ""
    holder: str = ""
    after: Notice | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One rule for one model. `told` counts its notices; `started` is when it last began to fire, `deliveries` is by sink.

    `open`: sinks were, or are to be, told that it fires, and not yet that it is over.
    """

    condition: Condition = Condition()
    started: float | None = None
    told: int = 0
    told_at: float | None = None
    open: bool = False
    deliveries: dict[str, Delivery] = {}


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All alerts of one model, by rule."""

    alerts: dict[str, Alert] = {}
    schema: str = "cloche-alerts/1"


class Memories:
    """The memories of all models, as one monitor keeps them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[int, Memory]] = {}

    def of(self, name: str) -> Memory:
        """
        What is known of *name*; read from the store the first time.

        Raises:
            StoreError: the store did not answer.
        """
        if name not in self._known:
            self._known[name] = self._newest(name)
        return self._known[name][1]

    def keep(self, name: str, memory: Memory) -> bool:
        """
        Write *memory* as the next one; False where somebody else wrote it first, whose word counts then.

        Raises:
            StoreError: the store did not take it.
        """
        number = self._known.get(name, (0, memory))[0] + 1
        try:
            self._store.create(_path(name, number), msgspec.json.encode(memory))
        except ObjectExistsError:
            self._known.pop(name, None)
            return False
        numbers = _numbers(self._store, name)
        if numbers and numbers[-1] > number:  # we slept, somebody went on, and took away what had our number
            self._store.delete(_path(name, number))
            self._known.pop(name, None)
            return False
        self._known[name] = (number, memory)
        for old in numbers[:-KEPT]:
            self._store.delete(_path(name, old))
        return True

    def _newest(self, name: str) -> tuple[int, Memory]:
        numbers = _numbers(self._store, name)
        for number in reversed(numbers[-KEPT:]):
            with contextlib.suppress(NotFoundError, msgspec.MsgspecError):
                return numbers[-1], _decoder.decode(self._store.get(_path(name, number)))
        return (numbers[-1] if numbers else 0), Memory()


def _path(name: str, number: int) -> str:
    return f"{ROOT}/{name}/{number:012d}.json"


def _numbers(store: Store, name: str) -> list[int]:
    names = (path.rpartition("/")[2] for path in store.list(f"{ROOT}/{name}"))
    return sorted(int(found[1]) for found in map(_NUMBERED.fullmatch, names) if found)


_decoder = msgspec.json.Decoder(Memory)
