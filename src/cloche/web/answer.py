"""An answer before it is sent, and the errors as answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cloche.prediction_log.version import Answered
from cloche.web import problems
from cloche.web.gate import Admitted, Facts, Refusal

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers; `facts` are for the log line, `answered` for the record of a prediction."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": JSON})
    facts: Facts = Facts()
    answered: Answered | None = None


def of_json(content: Any, *, status: int = 200) -> Answer:
    """*content* as JSON; what may change from one request to the next is not to be kept."""
    return Answer(status, msgspec.json.encode(content), {"content-type": JSON, "cache-control": "no-store"})


def of_refusal(refused: Refusal) -> Answer:
    """The answer to a request that the gate kept out."""
    headers = {"content-type": JSON, **dict(refused.headers)}
    return Answer(refused.status, refused.body(), headers, Facts(error=refused.error))


def of_error(exc: BaseException, request: Admitted | Refusal, facts: Facts | None = None) -> Answer:
    """The answer that *exc* stands for."""
    status, name = problems.status_of(exc)
    content = problems.body(name, problems.message_of(exc), request.request_id, exc)
    headers = {"content-type": JSON, **dict(problems.extra_headers(exc))}
    return Answer(status, content, headers, facts or Facts(error=name))
