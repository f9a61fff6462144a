"""An answer before it is sent, and the errors as answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from cloche.errors import ClocheError
from cloche.prediction_log.version import Answered
from cloche.web import problems
from cloche.web.gate import Admitted, Facts, Gate, Refusal
from cloche.web.head import Head
from cloche.web.routes import Target

JSON = "application/json"
CLIENT_CLOSED = 499  #: as nginx logs it; never on the wire
_log = logging.getLogger("cloche.web")


class Answer(msgspec.Struct, frozen=True):
    """Status, body and headers; `facts` are for the log line, `answered` for the record of a prediction."""

    status: int
    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=lambda: {"content-type": JSON})
    facts: Facts = Facts()
    answered: Answered | None = None


def let_in(gate: Gate, head: Head, peer: str | None, leads_to: Target | None = None) -> Admitted | Refusal:
    """What the gate says now; where asking it fails, that is an answer too."""
    now = time.monotonic()
    try:
        return gate.admit(head, peer, now, leads_to)
    except Exception as exc:  # noqa: BLE001  the last net
        status, name = problems.INTERNAL
        refused = gate.refuse(head, peer, now, status, problems.message_of(exc), name)
        _log.exception("request %s failed", refused.request_id)
        return refused


def of_json(content: Any, *, status: int = 200) -> Answer:
    """*content* as JSON; what may change from one request to the next is not to be kept."""
    return Answer(status, msgspec.json.encode(content), {"content-type": JSON, "cache-control": "no-store"})


def of_refusal(refused: Refusal) -> Answer:
    """The answer to a request that the gate kept out."""
    headers = {"content-type": JSON, **dict(refused.headers)}
    return Answer(refused.status, refused.body(), headers, Facts(error=refused.error))


def of_failure(exc: BaseException, request: Admitted | Refusal, facts: Facts | None = None) -> Answer:
    """
    The answer to a request that *exc* has ended.

    Where that is an error of ours the caller learns nothing, and the log everything.
    """
    status = problems.status_of(exc)
    if status == problems.INTERNAL:
        _log.error("request %s failed: %s", request.request_id, exc, exc_info=exc)
    if facts is None:
        return of_error(exc, request)
    return of_error(exc, request, replace(facts, error=_name_of(exc, status[1])))


def _name_of(exc: BaseException, otherwise: str) -> str:
    return type(exc).__name__.removesuffix("Error") if isinstance(exc, ClocheError) else otherwise


def of_error(exc: BaseException, request: Admitted | Refusal, facts: Facts | None = None) -> Answer:
    """The answer that *exc* stands for."""
    status, name = problems.status_of(exc)
    message = problems.message_of(exc)
    content = problems.body(status, name, message, request.request_id, exc, dialect=_dialect(request))
    headers = {"content-type": JSON, **dict(problems.extra_headers(exc))}
    return Answer(status, content, headers, replace(facts or Facts(error=name), why=message))


def _dialect(request: Admitted | Refusal) -> str | None:
    return request.dialect if isinstance(request, Refusal) else request.target.route.dialect


def head_of(
    answer: Answer, verdict: Admitted | Refusal, more: Sequence[tuple[str, str]] = ()
) -> list[tuple[bytes, bytes]]:
    """The headers of *answer* as they go on the wire; *more* are those of cross-origin answers."""
    headers = [_encoded(*header) for header in answer.headers.items()]
    if more:
        headers.extend(_encoded(*header) for header in more)
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    headers.append((b"x-request-id", verdict.request_id.encode()))
    if verdict.client_request_id is not None:
        headers.append((b"x-client-request-id", verdict.client_request_id.encode()))
    if verdict.close or (answer.status >= 400 and (answer.status == 408 or _body_will_not_come(verdict))):
        headers.append((b"connection", b"close"))
    return headers


@lru_cache(maxsize=256)
def _encoded(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")


def _body_will_not_come(verdict: Admitted | Refusal) -> bool:
    """A refused caller that waited for `100 Continue` may or may not send its body: the next byte is ambiguous."""
    return "expect" in verdict.head.headers
