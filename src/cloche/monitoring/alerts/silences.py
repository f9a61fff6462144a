"""
Silences: `monitor/_silences/ID.json`, one object each; the monitor reads them, `cloche alerts silence` writes them.

A silenced alert is measured and shown like any other. Who was not told meanwhile is told when the silence ends, if the
alert still fires then.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from cloche.errors import NotFoundError
from cloche.ids import RequestIds
from cloche.store import Store

ROOT: Final = "monitor/_silences"
#: Silences that have ended stay this long.
_KEPT_S: Final = 7 * 86_400.0
#: A silence is never longer: who forgets it has no alerts for good.
LONGEST_S: Final = 90 * 86_400.0


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is told of *rule* (a pattern) for *model* (a pattern) until *until*; seconds since 1970."""

    id: str
    rule: str
    model: str = "*"
    begin: float
    until: float
    by: str
    reason: str

    def covers(self, rule: str, model: str, now: float) -> bool:
        """Whether it holds now, for this rule and model."""
        fits = fnmatch.fnmatchcase(rule, self.rule) and fnmatch.fnmatchcase(model, self.model)
        return fits and self.begin <= now < self.until


def add(store: Store, *, rule: str, model: str, begin: float, until: float, by: str, reason: str) -> Silence:
    """
    Put a silence into the store.

    Raises:
        StoreError: the store did not take it.
    """
    made = Silence(id=RequestIds().new(), rule=rule, model=model, begin=begin, until=until, by=by, reason=reason)
    store.create(_path(made.id), msgspec.json.encode(made))
    return made


def end(store: Store, those: Iterable[Silence]) -> None:
    """Take silences away before their time."""
    for one in those:
        store.delete(_path(one.id))


def all_of(store: Store) -> list[Silence]:
    """Every silence, the oldest first; what is no silence is passed over."""
    found = []
    for path in store.list(ROOT):
        with contextlib.suppress(NotFoundError, msgspec.MsgspecError):
            found.append(_decoder.decode(store.get(path)))
    return found


def forget_old(store: Store, those: Iterable[Silence], now: float) -> None:
    """Take those away that ended long ago."""
    end(store, [one for one in those if one.until < now - _KEPT_S])


def until(those: Sequence[Silence], rule: str, model: str, now: float) -> float | None:
    """Until when nobody is told of *rule* for *model*; None where they are."""
    return max((one.until for one in those if one.covers(rule, model, now)), default=None)


def _path(identifier: str) -> str:
    return f"{ROOT}/{identifier}.json"


_decoder = msgspec.json.Decoder(Silence)
