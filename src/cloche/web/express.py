"""
The express lane: a plain predict request from the parser to the data plane and back, without an ASGI task.

An adapter like `app.py`: gate, call, records and answers are the same, and so is every byte that leaves. Whatever is
odd about a request (a form, an option, an origin, a length that is not told …) takes the other way. The answers of one
turn of the loop are written down in one write, then sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from cloche.contract.compiled import ValidRows
from cloche.errors import DrainingError
from cloche.records import Outputs
from cloche.serving.deployment import Deployment
from cloche.web import routes
from cloche.web.answer import CLIENT_CLOSED, Answer, of_failure, of_refusal
from cloche.web.call import Call
from cloche.web.gate import Admitted, Gate, Refusal
from cloche.web.head import Head
from cloche.web.predicting import LARGE_BODY, Predicting
from cloche.web.recording import Records, not_recorded, request_of
from cloche.web.traces import Trace, Traces, measured

#: Headers that ask for something beyond a plain answer.
_ODD = frozenset(
    (
        b"content-encoding", b"expect", b"origin", b"transfer-encoding", b"upgrade",
        b"x-api-version", b"x-request-timeout-ms",
    )
)  # fmt: skip
_JSON = (b"application/json", b"application/x-www-form-urlencoded")
_ANY = (b"*/*", b"application/json")


class Connection(Protocol):
    """Where an answer of the lane leaves."""

    def send_express(self, cycle: ExpressCycle, answer: Answer, verdict: Admitted | Refusal) -> None: ...


class ExpressCycle:
    """
    A request of the express lane in the place of uvicorn's `RequestResponseCycle`: it is counted, waited for and closed
    as one. `message_event` has nobody who waits.
    """

    def __init__(self, connection: Connection, *, keep_alive: bool, scheme: str) -> None:
        self._connection = connection
        self.scheme = scheme
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.message_event = self

    def set(self) -> None:
        """Nobody waits."""

    def answer_express(self, answer: Answer, verdict: Admitted | Refusal) -> None:
        """Send the answer; a caller that has gone gets none."""
        self.response_started = self.response_complete = True
        if not self.disconnected:
            self._connection.send_express(self, answer, verdict)


@dataclass(slots=True, eq=False)
class _Asked:
    cycle: ExpressCycle
    verdict: Admitted | Refusal
    call: Call | None = None
    deployment: Deployment | None = None


class Express:
    """One lane a worker; on its event loop alone."""

    def __init__(
        self,
        predicting: Predicting,
        gate: Gate,
        *,
        timeout_s: float,
        log_request: Callable[[dict[str, Any]], None],
        records: Records | None,
        traces: Traces | None,
    ) -> None:
        self._predicting = predicting
        self._gate = gate
        self._timeout_s = timeout_s
        self._log_request = log_request
        self._records = records
        self._traces = traces
        self._asked: set[_Asked] = set()
        self._answers: list[tuple[_Asked, Answer]] = []
        self._loop = asyncio.get_running_loop()

    def takes(self, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether the request is a plain one."""
        return method == b"POST" and _is_predict(url) and _is_plain(headers)

    def ask(self, cycle: ExpressCycle, head: Head, peer: str | None, body: bytes) -> None:
        """Answer the request of *cycle*, in this turn of the loop or a later one."""
        verdict = self._gate.admit(head, peer, time.monotonic())
        asked = _Asked(cycle, verdict)
        self._asked.add(asked)
        if isinstance(verdict, Refusal):
            self._answer(asked, of_refusal(verdict))
            return
        try:
            call, deployment = self._predicting.begin(verdict, body)
            asked.call, asked.deployment = call, deployment
            rows = call.rows(body)
            deployment.submit(rows, self._timeout_s, lambda result: self._done(asked, call, rows, result))
        except Exception as exc:  # noqa: BLE001  as in `app.py`
            self._answer(asked, _failed(asked, exc))

    def abandon(self) -> None:
        """The server is gone before the models have answered; everybody is told."""
        for asked in list(self._asked):
            self._answer(asked, _failed(asked, DrainingError("the server shut down before the model had answered")))
        self._flush()

    def give_up(self, cycle: ExpressCycle, head: Head, peer: str | None, exc: Exception | None) -> None:
        """A request whose body did not come: *exc* says why not, None that its caller has gone."""
        verdict = self._gate.admit(head, peer, time.monotonic())
        asked = _Asked(cycle, verdict)
        self._asked.add(asked)
        if isinstance(verdict, Refusal):
            self._answer(asked, of_refusal(verdict))
        else:
            self._answer(asked, Answer(CLIENT_CLOSED, b"") if exc is None else of_failure(exc, verdict))

    def _done(self, asked: _Asked, call: Call, rows: ValidRows, result: Outputs | Exception) -> None:
        if asked not in self._asked:  # abandoned
            return
        try:
            if isinstance(result, Exception):
                raise result
            answer = call.answered(rows, result)
        except Exception as exc:  # noqa: BLE001  as in `app.py`
            answer = call.failed(exc)
        self._answer(asked, answer)

    def _answer(self, asked: _Asked, answer: Answer) -> None:
        self._asked.discard(asked)
        if not self._answers:
            self._loop.call_soon(self._flush)
        self._answers.append((asked, answer))

    def _flush(self) -> None:
        """Write down what was answered in this turn, then let it leave."""
        answers, self._answers = self._answers, []
        if self._records is not None and answers:
            traces = [] if self._traces is None else _traced(answers)
            for trace in traces:
                trace.begin("record")
            try:
                self._records.record_all([(request_of(a.verdict, answer), answer.answered) for a, answer in answers])
            except Exception as exc:  # noqa: BLE001  as in `app.py`
                answers = [(asked, not_recorded(exc, asked.verdict)) for asked, _ in answers]
            else:
                for trace in traces:
                    trace.end()
        for asked, answer in answers:
            self._leave(asked, answer)

    def _leave(self, asked: _Asked, answer: Answer) -> None:
        if asked.deployment is not None:
            self._predicting.end(asked.deployment)
        self._gate.leave(asked.verdict)
        asked.cycle.answer_express(answer, asked.verdict)
        now = time.monotonic()
        record = self._gate.finish(asked.verdict, answer.status, len(answer.body), now, answer.facts)
        self._log_request(record)
        if self._traces is not None:
            self._traces.finish(asked.verdict.trace, record, asked.cycle.scheme)


def _traced(answers: list[tuple[_Asked, Answer]]) -> list[Trace]:
    found = (measured(asked.verdict.trace) for asked, _ in answers)
    return [trace for trace in found if trace is not None]


def _failed(asked: _Asked, exc: BaseException) -> Answer:
    return of_failure(exc, asked.verdict) if asked.call is None else asked.call.failed(exc)


@lru_cache(maxsize=1024)
def _is_predict(url: bytes) -> bool:
    if b"%" in url or b"?" in url or b"#" in url:
        return False
    target = routes.match(url.decode("ascii", "replace"))
    return target is not None and target.route.name == "predict"


def _is_plain(headers: list[tuple[bytes, bytes]]) -> bool:
    told = False
    for name, value in headers:
        if name in _ODD:
            return False
        if name == b"content-type":
            if value not in _JSON:
                return False
        elif name == b"accept":
            if value not in _ANY:
                return False
        elif name == b"content-length":
            told = len(value) < 6 and int(value) <= LARGE_BODY
    return told
