"""Call a running cloche server from Python; nothing but the standard library is on the wire."""

from __future__ import annotations

import http.client
import time
from types import TracebackType
from typing import Any

from cloche import errors
from cloche.calling import Call, Labels, NotSentError, Reply, Server
from cloche.serving.answers import Prediction


class Client:
    """
    A connection to a cloche server; not safe to share between threads.

    Args:
        url: The server, `http://127.0.0.1:8000`, or one model of it, `http://…/models/penguins`; a `/predict` at
            the end is left out.
        key: An API key (`cloche keys create`); sent as `Authorization: Bearer`.
        model: The model to call where the server holds several.
        contract: The contract number to speak; by default the server's default one.
        timeout_s: Seconds to wait for a connection and for each answer.
        retries: How often a request that surely did nothing is sent again.
        verify: A CA bundle's path, or False to accept any certificate (tests only).
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
    ) -> None:
        self._server = Server(
            url, key=key, model=model, contract=contract, timeout_s=timeout_s, retries=retries, verify=verify
        )
        self._connection: http.client.HTTPConnection | None = None

    def predict(
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
        return self._server.prediction(self._ask(call))

    def label(self, labels: Labels) -> int:
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
        return self._server.accepted(self._ask(self._server.labeling(labels)))

    def metadata(self) -> dict[str, Any]:
        """What the server says of its model: version, contract, classes, metrics."""
        return self._ask(self._server.describing())

    def models(self) -> dict[str, Any]:
        """The models that the server holds."""
        return self._ask(self._server.getting("/models"))

    def ready(self) -> bool:
        """Whether the server would answer a prediction now; False also where nobody listens."""
        try:
            self._ask(self._server.getting("/ready"))
        except (errors.ServerUnreachableError, errors.ServingError):
            return False
        return True

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _ask(self, call: Call) -> dict[str, Any]:
        talk = self._server.talk()
        try:
            wait = next(talk)
            while True:
                time.sleep(wait)
                wait = talk.send(self._sent(call))
        except StopIteration as done:
            answer: dict[str, Any] = done.value
            return answer

    def _sent(self, call: Call) -> Reply | NotSentError:
        try:
            return self._send(call)
        except NotSentError as exc:
            return exc

    def _send(self, call: Call) -> Reply:
        reused = self._connection is not None
        connection = self._connect()
        try:
            connection.request(call.method, call.path, body=call.body, headers=dict(call.headers))
            response = connection.getresponse()
            return Reply(response.status, response.headers.get("Retry-After"), response.read())
        except TimeoutError as exc:
            self.close()
            raise self._server.too_late() from exc
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as exc:
            self.close()
            if reused:  # an idle connection that the server had closed: the request was not read
                raise NotSentError(str(exc)) from exc
            raise self._server.broken() from exc
        except (http.client.HTTPException, OSError) as exc:
            self.close()
            raise self._server.broken(str(exc)) from exc

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = self._new_connection()
            try:
                self._connection.connect()
            except OSError as exc:
                self.close()
                raise NotSentError(exc.strerror or str(exc)) from exc
        return self._connection

    def _new_connection(self) -> http.client.HTTPConnection:
        there = self._server
        if there.tls is not None:
            return http.client.HTTPSConnection(there.host, there.port, timeout=there.timeout_s, context=there.tls)
        return http.client.HTTPConnection(there.host, there.port, timeout=there.timeout_s)
