"""How far labels were followed: what a monitor that was killed leaves to the next one."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec

from cloche.monitoring.numbered import Numbered
from cloche.monitoring.quality.concept import Detector
from cloche.store import Store

FORMAT: Final = "cloche-quality/1"


class Dirty(msgspec.Struct):
    """Hours of a day (their first seconds since 1970) whose labels changed; those received after `since_us` are new."""

    hours: list[int]
    since_us: int


class State(msgspec.Struct, kw_only=True):
    """
    `labels` counts the labels that were looked at by the day they were received, `until_us` is when the last one was.

    `dirty` is what has to be counted again, by day of the answers. `unmatched` are moments (microseconds since 1970) at
    which labels came whose answers were not there yet: they are looked at again for a while.
    """

    labels: dict[str, int] = {}
    until_us: int = 0
    dirty: dict[str, Dirty] = {}
    unmatched: list[int] = []
    detectors: dict[int, Detector] = {}
    aged: str = ""  #: the day before which quarters of an hour were merged to hours
    schema: str = FORMAT


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_decoder = msgspec.json.Decoder(State)


class Remembered:
    """The state of one model's quality, in the store."""

    def __init__(self, store: Store, model: str) -> None:
        self._objects = Numbered(store, f"monitor/{model}/quality")

    def read(self) -> State:
        """
        The last state; a new one where there is none that can be read, which counts everything again.

        Raises:
            StoreError: the store did not answer.
        """
        raw = self._objects.last()
        with contextlib.suppress(msgspec.MsgspecError):
            return State() if raw is None else _decoder.decode(raw)
        return State()

    def write(self, state: State) -> None:
        """
        Keep *state*.

        Raises:
            StoreError: the store did not take it.
        """
        self._objects.put(msgspec.json.encode(state))
