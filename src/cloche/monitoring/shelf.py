"""
Where documents lie in the store, and who takes old ones away: `monitor/NAME/RANGE/000000000042.json`, those of one
version under `RANGE@VERSION`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from typing import Final

import msgspec

from cloche.errors import NotFoundError, ObjectExistsError
from cloche.monitoring.documents import RANGES, ModelDocument, asked
from cloche.store import Store

ROOT: Final = "monitor"
#: The range that is published with every look that found something new.
SHORTEST: Final = next(iter(RANGES))
#: A reader that listed a document finds it still there.
KEPT: Final = 3
_CLEAR_EVERY_S: Final = 3_600.0
_NUMBERED = re.compile(r"(\d{12})\.json")


def models(store: Store) -> list[str]:
    """The names of the models that have documents, sorted."""
    return sorted(name for name in store.folders(ROOT) if not name.startswith("_"))


def read(store: Store, model: str, range_: str, *, version: int | None = None) -> ModelDocument | None:
    """
    The newest document of a model and a range, or of one *version* in it; None where there is none (any more), or a
    later cloche wrote it. Where only the live version was asked, what is of all is of that one. Long ranges are made
    anew seldom: their lamps and alerts are those of the shortest.

    Raises:
        StoreError: the store did not answer.
    """
    if range_ not in RANGES:
        return None
    whole = _newest(store, model, _folder(range_, None))
    if (range_, version) == (SHORTEST, None):
        return whole
    found = whole if version is None else _of_version(store, whole, model, range_, version)
    newest = whole if range_ == SHORTEST else _newest(store, model, SHORTEST)
    return found if found is None or newest is None else found.brought_up_to(newest)


def _of_version(
    store: Store, whole: ModelDocument | None, model: str, range_: str, version: int
) -> ModelDocument | None:
    """What is of all is of the live one, where only that was asked."""
    if whole is not None and version == whole.live and not asked(whole) and any(v.requests for v in whole.versions):
        return msgspec.structs.replace(whole, version=version)
    return _newest(store, model, _folder(range_, version))


def _newest(store: Store, model: str, folder: str) -> ModelDocument | None:
    for number in reversed(_numbers(store, model, folder)[-KEPT:]):
        with contextlib.suppress(NotFoundError, msgspec.MsgspecError):
            return ModelDocument.from_json(store.get(_path(model, folder, number)))
    return None


class Shelf:
    """Where one monitor puts its documents."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: dict[tuple[str, str], int] = {}
        self._cleared: dict[tuple[str, str], float] = {}

    def put(self, document: ModelDocument) -> None:
        """
        Publish *document* after those before it, and take the oldest away.

        Raises:
            StoreError: the store did not take it.
        """
        key = (document.model, _folder(document.range, document.version))
        number = self._last.get(key)
        if number is None:
            number = max(_numbers(self._store, *key), default=0)
        while True:
            number += 1
            with contextlib.suppress(ObjectExistsError):
                self._store.create(_path(*key, number), document.to_json())
                break
        self._last[key] = number
        for old in _numbers(self._store, *key)[:-KEPT]:
            self._store.delete(_path(*key, old))

    def keep(self, model: str, range_: str, versions: Collection[int], now: float) -> None:
        """
        Let the documents of other *versions* go that lie in the range, once an hour.

        Raises:
            StoreError: the store did not answer.
        """
        if now - self._cleared.get((model, range_), float("-inf")) < _CLEAR_EVERY_S:
            return
        self._cleared[model, range_] = now
        kept = {_folder(range_, one) for one in versions}
        for folder in self._store.folders(f"{ROOT}/{model}"):
            if folder.startswith(f"{range_}@") and folder not in kept:
                for path in self._store.list(f"{ROOT}/{model}/{folder}/"):
                    self._store.delete(path)


def _folder(range_: str, version: int | None) -> str:
    return range_ if version is None else f"{range_}@{version}"


def _path(model: str, folder: str, number: int) -> str:
    return f"{ROOT}/{model}/{folder}/{number:012d}.json"


def _numbers(store: Store, model: str, folder: str) -> list[int]:
    names = (path.rpartition("/")[2] for path in store.list(f"{ROOT}/{model}/{folder}/"))
    return sorted(int(found[1]) for found in map(_NUMBERED.fullmatch, names) if found)
