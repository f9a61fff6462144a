"""`POST …/predict`: the main path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from cloche.config import ServerConfig
from cloche.contract.compiled import ValidRows
from cloche.errors import RequestTimeoutError, TooLargeError
from cloche.records import Outputs
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments
from cloche.web.answer import Answer
from cloche.web.call import Asked, Call
from cloche.web.gate import Admitted

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Infer = Callable[[Deployment, ValidRows, float], Awaitable[Outputs]]
#: Decoding more than this takes milliseconds.
LARGE_BODY = 64_000
#: So many answers are written in a thread too.
MANY_ROWS = 500
_T = TypeVar("_T")


class ClientGoneError(Exception):
    """The caller hung up before the request was complete; nobody is left to answer."""


async def infer_here(deployment: Deployment, rows: ValidRows, timeout_s: float) -> Outputs:
    """Ask the engine on the loop that we run on."""
    return await deployment.infer(rows, timeout_s)


class Predicting:
    """Answers predict requests."""

    def __init__(
        self, deployments: Deployments, config: ServerConfig, infer: Infer, take: Callable[[str, float], None]
    ) -> None:
        self._deployments = deployments
        self._config = config
        self._infer = infer
        self._take = take

    async def answer(self, admitted: Admitted, receive: Receive) -> Answer:
        """Read, check, predict, shape."""
        asked, target = self.meant(admitted), admitted.target  # before a long body comes
        body = await read_body(receive, self._config.max_body_bytes, self._config.body_timeout_s)
        with self._deployments.use(target.model, target.contract, target.version) as deployment:
            call = Call(admitted, asked, deployment, self._deployments, self._config, len(body))
            try:
                rows = await apart(len(body) > LARGE_BODY, lambda: call.rows(body))
                async with asked.deadline.kept():
                    outputs = await self._infer(deployment, rows, self._config.request_timeout_s)
                return await apart(len(rows) > MANY_ROWS, lambda: call.answered(rows, outputs))
            except Exception as exc:  # noqa: BLE001  it is logged as this version's, whatever it is
                return call.failed(exc)

    def meant(self, admitted: Admitted) -> Asked:
        """
        What the head asks for, counted as a request for the model that it means.

        Raises:
            RequestError, NotFoundError, NotReadyError, RateLimitedError: it will not be answered, whatever its body is.
        """
        asked, target = Asked.by(admitted), admitted.target
        meant = self._deployments.find(target.model, target.contract, target.version)
        self._count(admitted, meant)
        return asked

    def begin(self, admitted: Admitted, body: bytes, *, expected: bool = False) -> tuple[Call, Deployment]:
        """
        A call whose body is there; its deployment is kept from being unloaded until `end`. *expected*: `meant` has
        counted it.

        Raises:
            RequestError, NotFoundError, NotReadyError, RateLimitedError: as `meant`.
        """
        asked, target = Asked.by(admitted), admitted.target
        deployment = self._deployments.hold(target.model, target.contract, target.version)
        try:
            if not expected:
                self._count(admitted, deployment)
            return Call(admitted, asked, deployment, self._deployments, self._config, len(body)), deployment
        except BaseException:
            self._deployments.release(deployment)
            raise

    def _count(self, admitted: Admitted, deployment: Deployment) -> None:
        """Against the rate of the model; a key of another one, which is refused later, uses up none of it."""
        if admitted.may_see(deployment.name):
            self._take(deployment.name, time.monotonic())

    def end(self, deployment: Deployment) -> None:
        """What `begin` held is let go."""
        self._deployments.release(deployment)


async def apart(large: bool, work: Callable[[], _T]) -> _T:
    """What *work* gives; *large* work is done in a thread, so that others are answered meanwhile."""
    return await asyncio.to_thread(work) if large else work()


async def read_body(receive: Receive, limit: int, timeout_s: float) -> bytes:
    """
    The whole body, chunked or not.

    Raises:
        TooLargeError: more than *limit* bytes arrived.
        RequestTimeoutError: it was not complete after *timeout_s*.
        ClientGoneError: the caller hung up.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit)
    except TimeoutError:
        raise RequestTimeoutError(f"body: not complete after {timeout_s:g} s") from None


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLargeError(f"body: at most {limit} bytes, got more; send fewer rows a request")
        if not message.get("more_body", False):
            return bytes(body)
