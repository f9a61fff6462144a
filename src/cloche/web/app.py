"""
The ASGI application: hands the head to the gate, the request to its handler, the answer to the wire.

It works under our runner and mounted in another program; it decides nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from cloche._version import __version__
from cloche.config import ServerConfig
from cloche.errors import DrainingError, NotFoundError
from cloche.protocols import openapi
from cloche.serving.deployments import Deployments
from cloche.web import pages, views
from cloche.web.answer import CLIENT_CLOSED, Answer, head_of, let_in, of_error, of_failure, of_json, of_refusal
from cloche.web.express import Express
from cloche.web.gate import Admitted, Gate, Refusal
from cloche.web.head import Head
from cloche.web.labeling import Labeling
from cloche.web.predicting import ClientGoneError, Infer, Predicting, Receive, infer_here
from cloche.web.recording import Records, recorded, state_of
from cloche.web.traces import Traces

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
LogRequest = Callable[[dict[str, Any]], None]


def silent(_record: dict[str, Any]) -> None:
    """For a mounted application: the program around it logs its requests."""


class App:
    """One server's models as an ASGI 3 application."""

    def __init__(
        self,
        deployments: Deployments,
        gate: Gate,
        config: ServerConfig,
        *,
        infer: Infer = infer_here,
        log_request: LogRequest = silent,
        records: Records | None = None,
        traces: Traces | None = None,
    ) -> None:
        self._deployments = deployments
        self._gate = gate
        self._records = records
        self._traces = traces
        self._record_within_s = config.request_timeout_s
        self._log_request = log_request
        self._predicting = Predicting(deployments, config, infer, gate.take_of_model)
        self._labeling = Labeling(deployments, config, records)
        self._handlers: dict[str, Callable[[Admitted, Scope], Answer]] = {
            "live": lambda _request, _scope: of_json(views.live()),
            "health": self._ready,
            "ready": self._ready,
            "metadata": self._metadata,
            "model": self._metadata,
            "models": self._models,
            "openapi": self._openapi,
            "docs": self._docs,
            "docs_changes": self._docs_changes,
            "docs_content": self._docs_content,
            "static": self._static,
            "home": self._home,
            "ping": self._ping,
            "version": lambda _request, _scope: Answer(200, f"{__version__}\n".encode()),
            "preflight": self._preflight,
        }

    def express(self) -> Express | None:
        """The short way of plain predict requests on the running loop; none where records take longer than a write."""
        if self._records is not None and not self._records.at_once:
            return None
        return Express(
            self._predicting,
            self._gate,
            timeout_s=self._record_within_s,
            log_request=self._log_request,
            records=self._records,
            traces=self._traces,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        headers = scope["headers"]
        head = Head.of(scope["method"], _path(scope), scope["query_string"], headers, _certificate(scope))
        verdict = let_in(self._gate, head, self._gate.proxies.client(_peer(scope), headers))
        try:
            answer = await self._recorded(verdict, scope, receive)
        finally:
            self._gate.leave(verdict)
        if answer.status != CLIENT_CLOSED:
            await send(_start(answer, verdict, self._gate.cors.headers(head.headers)))
            await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else answer.body})
        record = self._gate.finish(verdict, answer.status, len(answer.body), time.monotonic(), answer.facts)
        self._log_request(record)
        if self._traces is not None:
            self._traces.finish(verdict.trace, record, self._scheme(scope))

    async def _recorded(self, verdict: Admitted | Refusal, scope: Scope, receive: Receive) -> Answer:
        """The answer, when its record is kept."""
        try:
            answer = await self._answer(verdict, scope, receive)
        except ClientGoneError:
            answer = Answer(CLIENT_CLOSED, b"")
        if self._records is None:
            return answer
        return await recorded(self._records, verdict, answer, self._record_within_s)

    async def _answer(self, verdict: Admitted | Refusal, scope: Scope, receive: Receive) -> Answer:
        if isinstance(verdict, Refusal):
            return of_refusal(verdict)
        try:
            if verdict.target.route.name == "predict":
                return await self._predicting.answer(verdict, receive)
            if verdict.target.route.name == "label":
                return await self._labeling.answer(verdict, receive)
            return self._handlers[verdict.target.route.name](verdict, scope)
        except ClientGoneError:
            raise
        except asyncio.CancelledError:
            if self._gate.phase != "closed":  # not our shutdown: the program around us wants this to end
                raise
            return of_error(DrainingError("the server shut down before the model had answered"), verdict)
        except Exception as exc:  # noqa: BLE001  the last net
            return of_failure(exc, verdict)

    def _ready(self, _request: Admitted, _scope: Scope) -> Answer:
        return of_json(views.ready(self._deployments, self._gate, self._records))

    def _ping(self, _request: Admitted, _scope: Scope) -> Answer:
        views.ready(self._deployments, self._gate, self._records)
        return Answer(200, b"\n")

    def _metadata(self, request: Admitted, _scope: Scope) -> Answer:
        held = self._deployments.model(request.target.model)
        if not request.may_see(held.name):
            raise NotFoundError("the key covers no such model")
        return of_json(views.metadata(held, state_of(self._records)))

    def _models(self, request: Admitted, _scope: Scope) -> Answer:
        return of_json(views.models(self._deployments, request))

    def _openapi(self, request: Admitted, scope: Scope) -> Answer:
        served = views.served(self._deployments, request)
        return of_json(
            openapi.document(
                served,
                keys_required=self._gate.keys_required,
                root_path=scope.get("root_path", ""),
            )
        )

    def _docs(self, request: Admitted, scope: Scope) -> Answer:
        served = [] if self._gate.keys_required else views.served(self._deployments, request)
        page = pages.docs(
            served, chosen=_chosen(request), keys_required=self._gate.keys_required, base_url=self._base_url(scope)
        )
        return _of_page(page)

    def _docs_content(self, request: Admitted, scope: Scope) -> Answer:
        served = views.served(self._deployments, request)
        return _of_page(
            pages.content(
                served, chosen=_chosen(request), keys_required=self._gate.keys_required, base_url=self._base_url(scope)
            )
        )

    def _docs_changes(self, request: Admitted, _scope: Scope) -> Answer:
        return _of_page(pages.changes(views.served(self._deployments, request), chosen=_chosen(request)))

    def _static(self, request: Admitted, _scope: Scope) -> Answer:
        page = pages.static(request.target.file or "")
        if page is None:
            raise NotFoundError("no such file")
        return _of_page(page)

    def _base_url(self, scope: Scope) -> str:
        """Where the caller reached us, for the examples on the docs page."""
        headers, root = scope["headers"], scope.get("root_path", "").rstrip("/")
        host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "127.0.0.1:8000")
        return f"{self._scheme(scope)}://{host}{root}"

    def _scheme(self, scope: Scope) -> str:
        """The scheme that the caller spoke, to us or to a proxy that we believe."""
        return self._gate.proxies.scheme(_peer(scope), scope["headers"], scope.get("scheme", "http"))

    def _preflight(self, request: Admitted, _scope: Scope) -> Answer:
        return Answer(204, b"", dict(self._gate.cors.answer(request.target.route.methods)))

    def _home(self, _request: Admitted, scope: Scope) -> Answer:
        return Answer(307, b"", {"location": f"{scope.get('root_path', '')}/docs"})


def create_app(
    deployments: Deployments,
    gate: Gate,
    config: ServerConfig,
    *,
    infer: Infer = infer_here,
    log_request: LogRequest = silent,
    records: Records | None = None,
    traces: Traces | None = None,
) -> App:
    """
    The application for *deployments*; *infer* is how the engines are reached from the loop it is called on.

    With *records* no prediction leaves before it is written down. *traces* are those that the gate begins.
    """
    return App(deployments, gate, config, infer=infer, log_request=log_request, records=records, traces=traces)


def _start(answer: Answer, verdict: Admitted | Refusal, more: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": answer.status, "headers": head_of(answer, verdict, more)}


def _path(scope: Scope) -> str:
    """The path below the mount; our own runner puts the root path before what came, which a proxy may have kept."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    for _ in range(2):
        if root and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :] or "/"
    return path


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def _certificate(scope: Scope) -> str | None:
    """The subject of the caller's certificate, as ASGI's TLS extension names it."""
    name: str | None = scope.get("extensions", {}).get("tls", {}).get("client_cert_name")
    return name


def _chosen(request: Admitted) -> str | None:
    return dict(parse_qsl(request.head.query)).get("model")


def _of_page(page: pages.Page) -> Answer:
    return Answer(page.status, page.body, page.headers)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing starts or stops here: what serves was started before the application was made."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
