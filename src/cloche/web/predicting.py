"""`POST …/predict`: the main path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any, TypeVar

from cloche.config import ServerConfig
from cloche.contract.compiled import ValidRows
from cloche.errors import ClocheError, ForbiddenError, InvalidInputError, RequestTimeoutError, TooLargeError
from cloche.prediction_log.version import Answered
from cloche.protocols import forms
from cloche.protocols.form import Form
from cloche.records import Outputs
from cloche.serving.answers import Prediction, shape
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments
from cloche.web.answer import Answer, of_error
from cloche.web.bodies import Bounds
from cloche.web.deadline import TIMEOUT_HEADER, Deadline
from cloche.web.gate import Admitted, Facts
from cloche.web.notices import headers_of
from cloche.web.options import Options, options_of

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Infer = Callable[[Deployment, ValidRows, float], Awaitable[Outputs]]
#: Decoding more than this takes milliseconds; it is done in a thread, so that others are answered meanwhile.
_LARGE_BODY = 64_000
_MANY_ROWS = 500
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
        options = options_of(admitted.head.query)
        headers = admitted.head.headers
        sent, wanted = forms.form_of_body(headers.get("content-type")), forms.form_of_answer(headers.get("accept"))
        target = admitted.target
        deadline = Deadline.of(headers.get(TIMEOUT_HEADER), admitted.started)
        meant = self._deployments.find(target.model, target.contract, target.version)  # before a long body comes
        self._take(meant.name, time.monotonic())
        body = await read_body(receive, self._config.max_body_bytes, self._config.body_timeout_s)
        with self._deployments.use(target.model, target.contract, target.version) as deployment:
            told = self._notice_of(deployment)
            facts = Facts(deployment.name, deployment.version, deployment.number, bytes_in=len(body))
            try:
                answer = await self._predict(admitted, deployment, body, (sent, wanted), options, facts, deadline)
            except ClocheError as exc:
                answer = of_error(exc, admitted, replace(facts, error=type(exc).__name__.removesuffix("Error")))
                problems = exc.problems if isinstance(exc, InvalidInputError) else ()
                answered = Answered(deployment.logged, self._route(admitted, deployment), problems=problems)
                answer = replace(answer, answered=answered)
            return replace(answer, headers={**answer.headers, **told}) if told else answer

    def _route(self, admitted: Admitted, deployment: Deployment) -> str:
        """How the request came to its version: by a route, or because path or command named exactly that one."""
        held = self._deployments.get(deployment.name)
        route = None if held is None or admitted.target.version is not None else held.route
        return route or "pinned"

    def _notice_of(self, deployment: Deployment) -> dict[str, str]:
        held = self._deployments.get(deployment.name)
        notice = None if held is None else held.promises.notices.get(deployment.number)
        return headers_of(notice, deployment.name, self._config.root_path)

    async def _predict(
        self,
        admitted: Admitted,
        deployment: Deployment,
        body: bytes,
        spoken: tuple[Form, Form],
        options: Options,
        facts: Facts,
        deadline: Deadline,
    ) -> Answer:
        if not admitted.may_see(deployment.name):
            raise ForbiddenError(f"the key lacks the scope 'predict' for model '{deployment.name}'")
        sent, wanted = spoken
        compiled, max_rows = deployment.compiled, self._config.max_rows
        bounds = Bounds(self._config.max_json_depth, self._config.max_text_bytes)

        def decoded() -> ValidRows:
            bounds.check(body, json=sent.media_type != "text/csv")
            return sent.decode(compiled, body, max_rows)

        rows = await _apart(len(body) > _LARGE_BODY, decoded)
        async with deadline.kept():
            outputs = await self._infer(deployment, rows, self._config.request_timeout_s)

        def encoded() -> tuple[bytes, dict[str, str]]:
            shaped = _shaped(outputs, rows, deployment, admitted.request_id, options)
            return wanted.encode(shaped, compiled.contract.output, rows.single), wanted.headers(shaped)

        content, headers = await _apart(len(rows) > _MANY_ROWS, encoded)
        answered = Answered(deployment.logged, self._route(admitted, deployment), rows, outputs)
        return Answer(200, content, headers, replace(facts, rows=len(rows)), answered)


def _shaped(outputs: Outputs, rows: ValidRows, deployment: Deployment, request_id: str, options: Options) -> Prediction:
    return shape(
        outputs,
        rows,
        model=deployment.name,
        version=deployment.version,
        request_id=request_id,
        top=options.top,
        probabilities=options.probabilities,
    )


async def _apart(large: bool, work: Callable[[], _T]) -> _T:
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
