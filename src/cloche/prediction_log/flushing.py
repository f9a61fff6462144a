"""
Waiting until what was written survives more than a kill: once for all who wait at the same moment.

One object an event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os

from cloche.errors import LogUnavailableError
from cloche.prediction_log.writer import SegmentWriter

_log = logging.getLogger("cloche.log")
#: What is written within this lands in one segment.
_GATHER_S = 0.01
_LOOK_S = 0.005


class Flushing:
    """Flushes to the disk, or (*landed*) hands over and waits until the store has it."""

    def __init__(self, writer: SegmentWriter, landed: bool) -> None:
        self._writer = writer
        self._landed = landed
        self._next: asyncio.Future[None] | None = None
        self._turn: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """
        Return when everything that was written until now is flushed.

        Raises:
            LogUnavailableError: the disk did not do it.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            self._turn = asyncio.create_task(self._take_turn(self._next, self._turn, self._writer.unsealed))
        await asyncio.shield(self._next)

    async def _take_turn(self, done: asyncio.Future[None], before: asyncio.Task[None] | None, unsealed: int) -> None:
        if before is not None:
            await asyncio.wait([before])
        if self._landed:
            await asyncio.sleep(_GATHER_S)
        self._next = None  # whoever comes from now on was not written yet
        try:
            await (self._hand_over() if self._landed else self._flush())
            if self._writer.unsealed != unsealed:
                raise OSError("a segment could not be handed over")
        except Exception as exc:  # noqa: BLE001  whatever it is, those who wait are told
            _log.error("records could not be flushed: %s", exc)
            done.set_exception(LogUnavailableError("the record of this answer could not be flushed; try again"))
            done.exception()  # nobody may be left who waits for it
        else:
            done.set_result(None)

    async def _flush(self) -> None:
        descriptor = self._writer.duplicate()
        if descriptor is None:  # sealed meanwhile, which flushed it
            return
        try:
            await asyncio.to_thread(os.fdatasync, descriptor)
        except OSError:
            self._writer.seal()  # a second flush of the same pages would succeed without having written them
            raise
        finally:
            os.close(descriptor)

    async def _hand_over(self) -> None:
        """Whoever lands a segment takes it away."""
        self._writer.seal()
        mine = self._writer.waiting()
        while mine & self._writer.waiting():
            await asyncio.sleep(_LOOK_S)
