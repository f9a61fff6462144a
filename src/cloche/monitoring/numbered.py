"""What one monitor remembers for the next: `FOLDER/000000000042.json`, created once, the last one counts."""

from __future__ import annotations

import contextlib
import re
from typing import Final

from cloche.errors import NotFoundError, ObjectExistsError
from cloche.store import Store

#: A reader that listed an object finds it still there.
KEPT: Final = 3
_NUMBERED = re.compile(r"(\d{12})\.json")


class Numbered:
    """The objects of one folder."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._last: int | None = None

    def last(self) -> bytes | None:
        """
        The newest object; None where there is none.

        Raises:
            StoreError: the store did not answer.
        """
        for number in reversed(self._numbers()[-KEPT:]):
            with contextlib.suppress(NotFoundError):
                return self._store.get(self._path(number))
        return None

    def put(self, raw: bytes) -> None:
        """
        Put *raw* behind those that are there, and take the oldest away.

        Raises:
            StoreError: the store did not take it.
        """
        number = max(self._numbers(), default=0) if self._last is None else self._last
        while True:
            number += 1
            with contextlib.suppress(ObjectExistsError):
                self._store.create(self._path(number), raw)
                break
        self._last = number
        for old in self._numbers()[:-KEPT]:
            self._store.delete(self._path(old))

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012d}.json"

    def _numbers(self) -> list[int]:
        names = (path.rpartition("/")[2] for path in self._store.list(self._folder))
        return sorted(int(found[1]) for found in map(_NUMBERED.fullmatch, names) if found)
