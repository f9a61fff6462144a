"""
A model host on an event loop of its own, in a thread: for programs that we are a guest in.

A mounted application gets no lifespan and does not choose its loop, so the engines live here, and a
request waits for them from whatever loop it runs on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from cloche.contract.compiled import ValidRows
from cloche.records import Outputs
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments
from cloche.serving.host import ModelHost

_T = TypeVar("_T")


class BackgroundHost:
    """Starts *host* at once; raises what it raises. `close` ends thread and engines."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cloche-engines", daemon=True)
        self._thread.start()
        try:
            self._run(host.start())
        except BaseException:
            self._end()
            raise

    @property
    def deployments(self) -> Deployments:
        return self._host.deployments

    async def infer(self, deployment: Deployment, rows: ValidRows, timeout_s: float) -> Outputs:
        """Ask an engine from any running loop."""
        asked = asyncio.run_coroutine_threadsafe(deployment.infer(rows, timeout_s), self._loop)
        return await asyncio.wrap_future(asked)

    def close(self) -> None:
        """Finish what is in flight, then end the engines; called twice it does nothing."""
        if self._loop.is_closed():
            return
        self._run(self._host.close())
        self._end()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
