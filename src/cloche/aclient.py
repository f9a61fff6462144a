"""Call a running cloche server from an event loop: the same calls, answers and errors as `Client`, many at once."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from cloche import errors
from cloche.calling import Call, Labels, NotSentError, Reply, Server
from cloche.http1 import BrokenAnswerError, Connection, NoAnswerError
from cloche.serving.answers import Prediction


class AsyncClient:
    """
    Connections to a cloche server, shared by the tasks of an event loop.

    Args:
        url: The server, `http://127.0.0.1:8000`, or one model of it, `http://…/models/penguins`; a `/predict` at
            the end is left out.
        key: An API key (`cloche keys create`); sent as `Authorization: Bearer`.
        model: The model to call where the server holds several.
        contract: The contract number to speak; by default the server's default one.
        timeout_s: Seconds to wait for a connection and for each answer.
        retries: How often a request that surely did nothing is sent again.
        verify: A CA bundle's path, or False to accept any certificate (tests only).
        connections: Most connections at once; further calls wait for one.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        model: str | None = None,
        contract: int | None = None,
        timeout_s: float = 30.0,
        retries: int = 2,
        verify: str | bool = True,
        connections: int = 10,
    ) -> None:
        self._server = Server(
            url, key=key, model=model, contract=contract, timeout_s=timeout_s, retries=retries, verify=verify
        )
        if connections < 1:
            raise errors.UsageError(f"connections: expected at least 1, got {connections}")
        self._most = connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._free = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []

    async def predict(
        self, rows: Any, *, probabilities: bool = True, top: int | None = None, request_id: str | None = None
    ) -> Prediction:
        """
        Ask for predictions: one row (a dict) gives scalars, many (a list of dicts, a DataFrame) give lists.

        Args:
            rows: Field values by name; missing values are `None` or the library's own (NaN, NA, NaT).
            probabilities: Ask for class probabilities where the model has them.
            top: Only the K most probable classes.
            request_id: Sent as `X-Request-ID`: kept in the log beside the server's own id.

        Raises:
            InvalidInputError: a row breaks the contract; `.problems` says where and how.
            UnauthorizedError, ForbiddenError, NotFoundError, TooLargeError, OverloadedError, …: as the server says.
            DeadlineExceededError: no answer within `timeout_s`.
            ServerUnreachableError: nobody answered.
        """
        call = self._server.predicting(rows, probabilities=probabilities, top=top, request_id=request_id)
        return self._server.prediction(await self._ask(call))

    async def label(self, labels: Labels) -> int:
        """
        Tell the truth about answers, one label (a dict) or many (a list of dicts); how many were taken.

        Args:
            labels: `{"request_id": …, "label": …}` with the `request_id` of the answer or the one that was sent with
                it, a `row` (0-based) where there were several; or `{"key": {…}, "label": …}` with the values of the
                model's key fields. `event_time`: when it became true (aware; without it, when it is received).

        Raises:
            InvalidInputError: a label is none of this model; `.problems` says where and how.
            UnauthorizedError, ForbiddenError, NotFoundError, TooLargeError, LogUnavailableError, …: as the server says.
            DeadlineExceededError: no answer within `timeout_s`; the labels may have been taken.
            ServerUnreachableError: nobody answered.
        """
        return self._server.accepted(await self._ask(self._server.labeling(labels)))

    async def metadata(self) -> dict[str, Any]:
        """What the server says of its model: version, contract, classes, metrics."""
        return await self._ask(self._server.describing())

    async def models(self) -> dict[str, Any]:
        """The models that the server holds."""
        return await self._ask(self._server.getting("/models"))

    async def ready(self) -> bool:
        """Whether the server would answer a prediction now; False also where nobody listens."""
        try:
            await self._ask(self._server.getting("/ready"))
        except (errors.ServerUnreachableError, errors.ServingError):
            return False
        return True

    async def close(self) -> None:
        """Close the idle connections; the next call opens a new one."""
        self._drop_idle()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, call: Call) -> dict[str, Any]:
        self._settle_in()
        talk = self._server.talk()
        wait = next(talk)
        while True:
            if wait:
                await asyncio.sleep(wait)
            outcome = await self._sent(call)
            try:
                wait = talk.send(outcome)
            except StopIteration as done:
                answer: dict[str, Any] = done.value
                return answer

    async def _sent(self, call: Call) -> Reply | NotSentError:
        async with self._free:
            try:
                return await self._send(call, await self._connection())
            except NotSentError as exc:
                return exc

    async def _send(self, call: Call, connection: Connection) -> Reply:
        reused, kept = connection.used, False
        try:
            async with asyncio.timeout(self._server.timeout_s):
                answer = await connection.exchange(call.method, call.path, call.headers, call.body)
            kept = connection.reusable
        except TimeoutError as exc:
            raise self._server.too_late() from exc
        except NoAnswerError as exc:
            if reused:  # an idle connection that the server had closed: the request was not read
                self._drop_idle()
                raise NotSentError(str(exc)) from exc
            raise self._server.broken() from exc
        except BrokenAnswerError as exc:
            raise self._server.broken(str(exc)) from exc
        finally:
            if kept:
                self._idle.append(connection)
            else:
                connection.close()
        return Reply(answer.status, answer.headers.get("retry-after"), answer.body)

    async def _connection(self) -> Connection:
        """The connection that was used last, if one is left; else a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        there = self._server
        try:
            async with asyncio.timeout(there.timeout_s):
                return await Connection.open(there.host, there.port, there.tls)
        except TimeoutError as exc:
            raise NotSentError(f"no connection within {there.timeout_s:g} s") from exc
        except OSError as exc:
            raise NotSentError(exc.strerror or str(exc)) from exc

    def _settle_in(self) -> None:
        """Connections belong to the loop they were made on; another `asyncio.run` begins anew."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._drop_idle()
            self._loop, self._free = loop, asyncio.Semaphore(self._most)

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
