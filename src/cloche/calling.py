"""
What a call to a cloche server is, whatever carries it: where to, what is sent, when again, what the answer means.

The two clients differ in their I/O only. A retry is made only where it is safe: the request never arrived (no
connection, or a kept-alive one that the server had closed), or the server said itself that it did no work (429, 503).
A time-out is never retried.
"""

from __future__ import annotations

import math
import re
import ssl
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

import msgspec

from cloche import errors
from cloche.contract.problems import Problem
from cloche.serving.answers import Prediction
from cloche.serving.model import wire_row
from cloche.tables import read, to_wire

_SAFE_STATUS = frozenset({429, 503})
_MAX_WAIT_S = 5.0
#: Names of DESIGN 8 whose class is not simply `<name>Error`.
_ERRORS: Mapping[str, type[errors.ClocheError]] = {"InternalError": errors.EngineError}
_FROM_A_SERVER = (errors.RequestError, errors.NotFoundError, errors.ServingError)
_PATH = re.compile(r"(?P<root>.*?)(?:/models/(?P<model>[^/]+))?(?:/predict)?/*")


class NotSentError(Exception):
    """The request surely did not reach the server."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, ready to be written; *path* begins below the server's root."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    retry_after: str | None
    raw: bytes


#: One label, or several: `{"request_id": …, "row": 0, "label": …, "event_time": …}` or `{"key": {…}, "label": …}`.
Labels = Mapping[str, Any] | Iterable[Mapping[str, Any]]
#: Yields the seconds to wait before the call is sent (again), is sent what became of it, returns the answer.
Talk = Generator[float, Reply | NotSentError, dict[str, Any]]


class Server:
    """Where calls go and what stands in all of them; the arguments are those of the clients."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        model: str | None,
        contract: int | None,
        timeout_s: float,
        retries: int,
        verify: str | bool,
    ) -> None:
        parts, self.host, self.port = _parts(url)
        self.tls = _tls_context(verify) if parts.scheme == "https" else None
        self.root, in_url = _root_and_model(parts.path)
        self.timeout_s = timeout_s
        self._retries = retries
        self._model = model or in_url
        self._headers = {"Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {_plain('key', key)}"
        self._path = _predict_path(self._model, contract)

    @property
    def where(self) -> str:
        """The server in a message."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{self.host}" + (f":{self.port}" if self.port else "") + self.root

    # -- calls ----------------------------------------------------------------------------------

    def predicting(self, rows: Any, *, probabilities: bool, top: int | None, request_id: str | None) -> Call:
        """
        The call that asks for predictions.

        Raises:
            InvalidInputError: a value that JSON has no word for.
        """
        query = {} if probabilities else {"probabilities": "false"}
        if top is not None:
            query["top"] = str(top)
        headers = self._headers | {"Content-Type": "application/json"}
        if request_id is not None:
            headers["X-Request-ID"] = _plain("request_id", request_id)
        headers |= _trace_headers()
        path = self._path + (f"?{urlencode(query)}" if query else "")
        return Call("POST", self.root + path, headers, _body(rows))

    def labeling(self, labels: Labels) -> Call:
        """
        The call that tells the truth about answers.

        Raises:
            UsageError: *labels* is neither a mapping nor several of them.
            InvalidInputError: a value that JSON has no word for.
        """
        path = f"/models/{quote(self._model, safe='')}/labels" if self._model else "/labels"
        return Call("POST", self.root + path, self._headers | {"Content-Type": "application/json"}, _label_body(labels))

    def getting(self, path: str) -> Call:
        """The call that reads one of the server's own routes."""
        return Call("GET", self.root + path, self._headers)

    def describing(self) -> Call:
        """The call that reads about the model."""
        return self.getting(f"/models/{quote(self._model, safe='')}" if self._model else "/metadata")

    # -- what becomes of them -------------------------------------------------------------------

    def talk(self) -> Talk:
        """
        One call from the first attempt to its answer.

        Raises:
            ServerUnreachableError: it never arrived.
            ClocheError: as the server says.
        """
        wait = 0.0
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            outcome = yield wait
            if isinstance(outcome, NotSentError):
                if last:
                    raise errors.ServerUnreachableError(f"{self.where}: {outcome}") from outcome
                wait = 0.05 * 2**attempt
            elif outcome.status in _SAFE_STATUS and not last:
                wait = _retry_after(outcome.retry_after)
            else:
                return _answer(outcome.status, outcome.raw, self.where)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def prediction(self, answer: Mapping[str, Any]) -> Prediction:
        """
        Raises:
            ServingError: it is none.
        """
        known = {key: value for key, value in answer.items() if key in Prediction.__struct_fields__}
        if "prediction" not in known:
            raise errors.ServingError(f"{self.where}: an answer without 'prediction'; is this a cloche server?")
        known["warnings"] = msgspec.convert(answer.get("warnings", []), list[Problem])
        return Prediction(**known)

    def accepted(self, answer: Mapping[str, Any]) -> int:
        """
        How many labels were taken.

        Raises:
            ServingError: the answer does not say so.
        """
        found = answer.get("accepted")
        if not isinstance(found, int):
            raise errors.ServingError(f"{self.where}: an answer without 'accepted'; is this a cloche server?")
        return found

    def too_late(self) -> errors.DeadlineExceededError:
        """The error for an answer that did not come in time."""
        return errors.DeadlineExceededError(f"{self.where}: no answer within {self.timeout_s:g} s")

    def broken(self, why: str = "the connection broke before an answer came") -> errors.ServerUnreachableError:
        """The error for a connection that broke when the server may have read the request."""
        return errors.ServerUnreachableError(f"{self.where}: {why}")


def _trace_headers() -> dict[str, str]:
    """The span that the program is in, where it traces itself with OpenTelemetry (W3C Trace Context)."""
    current_span = getattr(sys.modules.get("opentelemetry.trace"), "get_current_span", None)
    context = current_span and current_span().get_span_context()
    if not context or not context.is_valid:
        return {}
    state = context.trace_state.to_header()
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return {"traceparent": parent, "tracestate": state} if state else {"traceparent": parent}


def _parts(url: str) -> tuple[SplitResult, str, int | None]:
    """The URL in pieces, its host and its port."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts, parts.hostname, parts.port
    except ValueError:  # half an IPv6 address, a port beyond 65535
        pass
    raise errors.UsageError(f"url: expected 'http://host:port', got '{url}'")


def _root_and_model(path: str) -> tuple[str, str | None]:
    """`/proxied/models/penguins/predict` → `/proxied` and `penguins`."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise AssertionError("unreachable: the pattern takes every path")
    model = found["model"]
    return found["root"], None if model is None else unquote(model)


def _plain(what: str, text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise errors.UsageError(f"{what}: expected printable ASCII, got {text[:64]!r}")
    return text


def _predict_path(model: str | None, contract: int | None) -> str:
    prefix = f"/models/{quote(model, safe='')}" if model else ""
    return f"{prefix}/predict" if contract is None else f"{prefix}/v{contract}/predict"


def _body(rows: Any) -> bytes:
    wire = _wire(rows)
    problems = list(_beyond_json([wire] if isinstance(wire, Mapping) else wire, single=isinstance(wire, Mapping)))
    if problems:
        raise errors.InvalidInputError(problems)
    return msgspec.json.encode(wire)


def _label_body(labels: Labels) -> bytes:
    single = isinstance(labels, Mapping)
    given = [labels] if isinstance(labels, Mapping) else list(labels)
    if not all(isinstance(one, Mapping) for one in given):
        raise errors.UsageError("labels: expected a mapping such as {'request_id': …, 'label': …}, or several of them")
    wire = [_plain_label(one) for one in given]
    problems = list(_beyond_json(map(_flat, wire), single=single))
    if problems:
        raise errors.InvalidInputError(problems)
    return msgspec.json.encode(wire[0] if single else wire)


def _plain_label(label: Mapping[str, Any]) -> dict[str, Any]:
    """Also what lies inside: the fields of a key, the truth about several outputs."""
    return {name: wire_row(value) if isinstance(value, Mapping) else value for name, value in wire_row(label).items()}


def _flat(label: Mapping[str, Any]) -> dict[str, Any]:
    inside = {name: value for name, value in label.items() if isinstance(value, Mapping)}
    rest = {name: value for name, value in label.items() if name not in inside}
    return rest | {f"{name}.{part}": one for name, value in inside.items() for part, one in value.items()}


def _beyond_json(rows: Iterable[Mapping[str, Any]], *, single: bool) -> Iterator[Problem]:
    """What an encoder would send as something else without a word: infinity as null, bytes as base64."""
    for row, values in enumerate(rows):
        for name, value in values.items():
            if value is None or type(value) in (str, bool, int):
                continue
            if isinstance(value, float) and math.isinf(value):
                message = "infinity is no JSON number; send null for a missing value"
            elif not isinstance(value, (str, int, float, list, tuple, Mapping)):
                message = f"a {type(value).__name__} cannot be sent; expected text, a number, a boolean, a list or None"
            else:
                continue
            yield Problem(row=None if single else row, field=str(name), code="wrong_type", message=message)


def _wire(rows: Any) -> Any:
    """Rows as JSON-able values: a dict stays one object, everything else becomes a list of them."""
    if isinstance(rows, Mapping):
        return wire_row(rows)
    if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
        return [wire_row(row) for row in rows]
    return to_wire(read(rows))


def _answer(status: int, raw: bytes, where: str) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError as exc:
        raise errors.ServingError(f"{where}: status {status} with a body that is not JSON") from exc
    if status >= 400:
        raise _error(status, answer)
    if not isinstance(answer, dict):
        raise errors.ServingError(f"{where}: status {status} with a body that is no answer of cloche")
    return answer


def _error(status: int, answer: Any) -> errors.ClocheError:
    body = answer if isinstance(answer, dict) else {}
    name, message = str(body.get("error", "")), str(body.get("message", f"status {status}"))
    if name == "InvalidInput":
        problems = msgspec.convert(body.get("problems", []), list[Problem])
        error: errors.ClocheError = errors.InvalidInputError(problems, body.get("problems_total"))
    else:
        error = _error_class(name, status)(message)
    error.request_id = body.get("request_id")
    return error


def _error_class(name: str, status: int) -> type[errors.ClocheError]:
    found = _ERRORS.get(name) or getattr(errors, f"{name}Error", None)
    if isinstance(found, type) and issubclass(found, _FROM_A_SERVER):
        return found
    return errors.RequestError if status < 500 else errors.ServingError


def _retry_after(text: str | None) -> float:
    try:
        return min(max(float(text or 0.2), 0.0), _MAX_WAIT_S)
    except ValueError:
        return 0.2


def _tls_context(verify: str | bool) -> ssl.SSLContext:
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
