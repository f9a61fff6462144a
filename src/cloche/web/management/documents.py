"""The monitor's documents as the management port reads them: in a thread, and no oftener than they change."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from cloche.dashboard.overview import RANGE
from cloche.errors import StoreError, StoreUnreachableError
from cloche.monitoring import shelf
from cloche.monitoring.documents import ModelDocument
from cloche.store import Store

#: A document is made anew every five seconds at most.
KEPT_S: Final = 2.0
_MOST: Final = 256


class Documents:
    """
    What `shelf` gives, kept for two seconds.

    Those who ask at once share one reading. While the store is away what was read last goes on being shown: each
    document says when it was made.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._held: OrderedDict[tuple[Any, ...], tuple[float, Any]] = OrderedDict()
        self._reading: dict[tuple[Any, ...], asyncio.Task[Any]] = {}

    async def models(self) -> list[str]:
        """
        The models that something was measured of, sorted.

        Raises:
            StoreError: the store did not answer, and was never read before.
        """
        found: list[str] = await self._kept(("models",), lambda: shelf.models(self._store))
        return found

    async def read(self, model: str, range_: str, version: int | None = None) -> ModelDocument | None:
        """
        The newest document; None where there is none.

        Raises:
            StoreError: as `models`.
        """
        found: ModelDocument | None = await self._kept(
            (model, range_, version), lambda: shelf.read(self._store, model, range_, version=version)
        )
        return found

    async def overview(self, names: set[str]) -> dict[str, ModelDocument | None]:
        """
        The document of the day of each of *names*.

        Raises:
            StoreError: as `models`.
        """
        return {name: await self.read(name, RANGE) for name in sorted(names)}

    def _there(self, read: Callable[[], Any]) -> Any:
        """What *read* gives; a folder that was unmounted would read as a store in which nothing was measured."""
        found = read()
        if not found and self._store.gone:
            raise StoreUnreachableError(f"store {self._store.describe()}: the folder is not there")
        return found

    async def _kept(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        held = self._held.get(key)
        if held is not None and self._clock() - held[0] < KEPT_S:
            return held[1]
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(asyncio.to_thread(self._there, read))
            task.add_done_callback(lambda _done: self._reading.pop(key, None))
        try:
            found = await asyncio.shield(task)
        except StoreError:
            if held is None:
                raise
            found = held[1]
        self._held[key] = (self._clock(), found)
        self._held.move_to_end(key)
        while len(self._held) > _MOST:
            self._held.popitem(last=False)
        return found
