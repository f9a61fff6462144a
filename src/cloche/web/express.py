"""
The express lane: a plain predict request from the parser to the data plane and back, without an ASGI task.

An adapter like `app.py`: gate, call, records and answers are the same, and so is every byte that leaves. Whatever is
odd about a request (a form, an option, an origin, a length that is not told …) takes the other way. The answers of one
turn of the loop are written down in one write, then sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from cloche.contract.compiled import ValidRows
from cloche.errors import DrainingError, LogUnavailableError
from cloche.records import Outputs
from cloche.serving.deployment import Deployment
from cloche.web import routes
from cloche.web.answer import CLIENT_CLOSED, Answer, let_in, of_failure, of_refusal
from cloche.web.call import Call
from cloche.web.gate import Admitted, Gate, Refusal
from cloche.web.head import Head
from cloche.web.known_heads import KnownHeads
from cloche.web.predicting import LARGE_BODY, MANY_ROWS, Predicting
from cloche.web.recording import Records, not_recorded, request_of
from cloche.web.routes import Target
from cloche.web.traces import Trace, Traces, measured

_log = logging.getLogger("cloche.web")
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

    transport: asyncio.Transport

    def send_express(self, cycle: ExpressCycle, answer: Answer, verdict: Admitted | Refusal) -> None: ...


class _Nobody:
    """In the place of an event."""

    def set(self) -> None:
        """Nobody waits."""


class ExpressCycle:
    """
    A request of the express lane in the place of uvicorn's `RequestResponseCycle`: it is counted, waited for and closed
    as one. `message_event` has nobody who waits. `verdict` is the gate's, once it was asked.
    """

    __slots__ = (
        "_connection", "body", "call", "deployment", "disconnected", "keep_alive", "more_body", "response_complete",
        "response_started", "scheme", "verdict",
    )  # fmt: skip
    message_event = _Nobody()

    def __init__(self, connection: Connection, *, keep_alive: bool, scheme: str) -> None:
        self._connection = connection
        self.scheme = scheme
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.verdict: Admitted | Refusal | None = None
        self.call: Call | None = None
        self.deployment: Deployment | None = None

    def answer_express(self, answer: Answer, verdict: Admitted | Refusal) -> None:
        """Send the answer; a caller that has gone gets none."""
        self.response_started = self.response_complete = True
        if self.disconnected:
            return
        try:
            self._connection.send_express(self, answer, verdict)
        except Exception:
            self._connection.transport.close()  # half an answer may be out
            raise


class Express:
    """
    One lane a worker; on its event loop alone.

    `admit` by the head, then `ask` with the body; where that does not come with its head `expect` looks at what the
    head alone decides, and `give_up` ends what does not come at all.
    """

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
        self._asked: dict[ExpressCycle, Admitted | Refusal] = {}  # let in or refused, and not answered
        self._answers: list[_Answered] = []
        self._loop = asyncio.get_running_loop()
        self.heads = KnownHeads(gate)

    def takes(self, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether the request is a plain one."""
        return method == b"POST" and _is_predict(url) and _is_plain(headers)

    def admit(self, cycle: ExpressCycle, head: Head, peer: str | None, leads_to: Target | None = None) -> None:
        """Let the request of *cycle* in, or refuse it; *leads_to* where the gate has said so of this head before."""
        verdict = cycle.verdict = self._asked[cycle] = let_in(self._gate, head, peer, leads_to)
        if isinstance(verdict, Refusal):
            self._answer(cycle, of_refusal(verdict))

    def expect(self, cycle: ExpressCycle) -> None:
        """The body is still to come: what its head alone decides is answered at once."""
        verdict = self._asked.get(cycle)
        if isinstance(verdict, Admitted):
            try:
                self._predicting.meant(verdict)
            except Exception as exc:  # noqa: BLE001  as in `app.py`
                self._answer(cycle, of_failure(exc, verdict))

    def ask(self, cycle: ExpressCycle, body: bytes, *, expected: bool) -> None:
        """Answer the request, in this turn of the loop or a later one; *expected*: its head was looked at before."""
        verdict = self._asked.get(cycle)
        if not isinstance(verdict, Admitted):  # answered already
            return
        try:
            call, deployment = self._predicting.begin(verdict, body, expected=expected)
            cycle.call, cycle.deployment = call, deployment
            rows = call.rows(body)
            deployment.submit(rows, self._timeout_s, lambda result: self._done(cycle, call, rows, result))
        except Exception as exc:  # noqa: BLE001  as in `app.py`
            self._answer(cycle, _failed(cycle, verdict, exc))

    def give_up(self, cycle: ExpressCycle, exc: Exception | None) -> None:
        """A request whose body did not come: *exc* says why not, None that its caller has gone."""
        verdict = self._asked.get(cycle)
        if verdict is not None:
            self._answer(cycle, Answer(CLIENT_CLOSED, b"") if exc is None else of_failure(exc, verdict))

    def abandon(self) -> None:
        """The server is gone before the models have answered; everybody is told."""
        for cycle, verdict in list(self._asked.items()):
            late = DrainingError("the server shut down before the model had answered")
            self._answer(cycle, _failed(cycle, verdict, late))
        self._flush()

    def _done(self, cycle: ExpressCycle, call: Call, rows: ValidRows, result: Outputs | Exception) -> None:
        if cycle not in self._asked:  # abandoned
            return
        if len(rows) <= MANY_ROWS or isinstance(result, Exception):
            self._answer(cycle, _encoded(call, rows, result))
            return
        work = self._loop.run_in_executor(None, _encoded, call, rows, result)
        work.add_done_callback(lambda made: self._answer(cycle, made.result()))

    def _answer(self, cycle: ExpressCycle, answer: Answer) -> None:
        verdict = self._asked.pop(cycle, None)
        if verdict is None:  # abandoned
            return
        if not self._answers:
            self._loop.call_soon(self._flush)
        self._answers.append((cycle, verdict, answer))

    def _flush(self) -> None:
        """Write down what was answered in this turn, then let it leave."""
        answers, self._answers = self._answers, []
        for cycle, verdict, answer in self._recorded(answers):
            try:
                self._leave(cycle, verdict, answer)
            except Exception:  # noqa: BLE001  the others are still to leave
                _log.exception("request %s failed", verdict.request_id)

    def _recorded(self, answers: list[_Answered]) -> list[_Answered]:
        """*answers*, as they may leave."""
        if self._records is None or not answers:
            return answers
        traces = [] if self._traces is None else _traced(answers)
        for trace in traces:
            trace.begin("record")
        try:
            self._records.record_all([(request_of(verdict, one), one.answered) for _, verdict, one in answers])
        except LogUnavailableError as exc:
            return [(cycle, verdict, not_recorded(exc, verdict)) for cycle, verdict, _ in answers]
        except Exception as exc:  # noqa: BLE001  one of them cannot be written down; nothing was
            if len(answers) > 1:
                return [kept for one in answers for kept in self._recorded([one])]
            [(cycle, verdict, _)] = answers
            return [(cycle, verdict, not_recorded(exc, verdict))]
        for trace in traces:
            trace.end()
        return answers

    def _leave(self, cycle: ExpressCycle, verdict: Admitted | Refusal, answer: Answer) -> None:
        if cycle.deployment is not None:
            self._predicting.end(cycle.deployment)
        self._gate.leave(verdict)
        cycle.answer_express(answer, verdict)
        now = time.monotonic()
        record = self._gate.finish(verdict, answer.status, len(answer.body), now, answer.facts)
        self._log_request(record)
        if self._traces is not None:
            self._traces.finish(verdict.trace, record, cycle.scheme)


_Answered = tuple[ExpressCycle, Admitted | Refusal, Answer]


def _encoded(call: Call, rows: ValidRows, result: Outputs | Exception) -> Answer:
    try:
        if isinstance(result, Exception):
            raise result
        return call.answered(rows, result)
    except Exception as exc:  # noqa: BLE001  as in `app.py`
        return call.failed(exc)


def _traced(answers: list[_Answered]) -> list[Trace]:
    found = (measured(verdict.trace) for _, verdict, _ in answers)
    return [trace for trace in found if trace is not None]


def _failed(cycle: ExpressCycle, verdict: Admitted | Refusal, exc: BaseException) -> Answer:
    return of_failure(exc, verdict) if cycle.call is None else cycle.call.failed(exc)


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
