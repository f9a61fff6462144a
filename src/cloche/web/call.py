"""
One predict request at the version that answers it: the same steps whichever way it came.

Pure but for its clock: bytes in, `ValidRows`; outputs in, an answer. Who waits for the engine is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from msgspec.structs import replace

from cloche.config import ServerConfig
from cloche.contract.compiled import PLAIN_DEPTH, ValidRows
from cloche.errors import ForbiddenError, InvalidInputError
from cloche.prediction_log.version import Answered
from cloche.protocols import forms
from cloche.protocols.dialect import Dialect, get_dialect
from cloche.protocols.form import Form
from cloche.records import Outputs
from cloche.serving.answers import shape
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments
from cloche.web.answer import Answer, of_failure
from cloche.web.bodies import Bounds
from cloche.web.deadline import TIMEOUT_HEADER, Deadline
from cloche.web.gate import Admitted, Facts
from cloche.web.notices import headers_of
from cloche.web.options import Options, options_of
from cloche.web.traces import measured


@dataclass(frozen=True, slots=True)
class Asked:
    """What the head of a predict request says of its body and of the answer."""

    options: Options
    sent: Form
    wanted: Form
    deadline: Deadline

    @classmethod
    def by(cls, admitted: Admitted) -> Asked:
        """
        Raises:
            RequestError: an option, a form or a time that is not spoken here.
        """
        if admitted.target.route.dialect is not None:
            return cls._in_dialect(admitted, get_dialect(admitted.target.route.dialect))
        headers, query = admitted.head.headers, admitted.head.query
        sent, wanted = headers.get("content-type"), headers.get("accept")
        if not query and sent in _PLAINLY and wanted in _ANYTHING and TIMEOUT_HEADER not in headers:
            return _PLAIN
        return cls(
            options_of(query),
            forms.form_of_body(sent),
            forms.form_of_answer(wanted),
            Deadline.of(headers.get(TIMEOUT_HEADER), admitted.started),
        )

    @classmethod
    def _in_dialect(cls, admitted: Admitted, dialect: Dialect) -> Asked:
        """Other servers know no options and no choice of answers."""
        headers = admitted.head.headers
        form = forms.form_of_body(headers.get("content-type"), dialect.forms)
        return cls(Options(), form, form, Deadline.of(headers.get(TIMEOUT_HEADER), admitted.started))


#: What most requests say, or leave out.
_PLAINLY = (None, "application/json")
_ANYTHING = (None, "*/*")
_PLAIN = Asked(Options(), forms.FORMS[0], forms.FORMS[0], Deadline())


_bounds = lru_cache(maxsize=16)(Bounds)


class Call:
    """A predict request whose version is known, until it is answered."""

    __slots__ = ("_admitted", "_asked", "_config", "_deployment", "_facts", "_route", "_told", "_trace")

    def __init__(
        self,
        admitted: Admitted,
        asked: Asked,
        deployment: Deployment,
        deployments: Deployments,
        config: ServerConfig,
        bytes_in: int,
    ) -> None:
        held = deployments.get(deployment.name)
        notice = None if held is None else held.promises.notices.get(deployment.number)
        self._admitted = admitted
        self._asked = asked
        self._deployment = deployment
        self._config = config
        self._trace = measured(admitted.trace)
        self._facts = Facts(
            deployment.name, deployment.version, deployment.number, None, None, bytes_in, deployment.engine
        )
        #: How it came to its version: by a route, or because path or command named exactly that one.
        self._route = "pinned" if admitted.target.version is not None else deployments.route_of(deployment)
        self._told = headers_of(notice, deployment.name, config.root_path)

    def rows(self, body: bytes) -> ValidRows:
        """
        What *body* asks for.

        Raises:
            ForbiddenError: the key does not cover the model, which a path need not name.
            MalformedBodyError, TooLargeError, InvalidInputError: as the contract says.
        """
        if not self._admitted.may_see(self._deployment.name):
            raise ForbiddenError(f"the key lacks the scope 'predict' for model '{self._deployment.name}'")
        if self._trace is not None:
            self._trace.begin("decode")
        rows = self._read_plainly(body)
        if rows is None:
            rows = self._read(body)
        if self._trace is not None:
            self._trace.begin("infer")  # from here the rows wait for the engine
        return rows

    def _read_plainly(self, body: bytes) -> ValidRows | None:
        """The rows of a body that cannot break a bound and that the fast pass accepts, as most are."""
        config = self._config
        if (
            self._asked.sent is not forms.FORMS[0]
            or len(body) > config.max_text_bytes
            or config.max_json_depth < PLAIN_DEPTH
        ):
            return None
        return self._deployment.compiled.decode_plain_json(body, max_rows=config.max_rows)

    def _read(self, body: bytes) -> ValidRows:
        sent, config = self._asked.sent, self._config
        bounds = _bounds(config.max_json_depth, config.max_text_bytes)
        if sent.text:
            bounds.check(body, json=sent.media_type != "text/csv")
        rows = sent.decode(self._deployment.compiled, body, config.max_rows)
        if not sent.text and len(body) > config.max_text_bytes:
            bounds.check_values(rows.rows)
        return rows

    def answered(self, rows: ValidRows, outputs: Outputs) -> Answer:
        """The answer that *outputs* are."""
        if self._trace is not None:
            self._trace.begin("encode")
        deployment, asked = self._deployment, self._asked
        shaped = shape(
            outputs,
            rows,
            model=deployment.name,
            version=deployment.version,
            request_id=self._admitted.request_id,
            top=asked.options.top,
            probabilities=asked.options.probabilities,
        )
        content = asked.wanted.encode(shaped, deployment.compiled.contract.output, rows.single)
        if self._trace is not None:
            self._trace.end()
        headers = asked.wanted.headers(shaped)
        return Answer(
            200,
            content,
            headers | self._told if self._told else headers,
            replace(self._facts, rows=len(rows)),
            Answered(deployment.logged, self._route, rows, outputs),
        )

    def failed(self, exc: BaseException) -> Answer:
        """The answer that *exc* is."""
        if self._trace is not None:
            self._trace.end(type(exc).__name__.removesuffix("Error"))
        answer = of_failure(exc, self._admitted, self._facts)
        problems = exc.problems if isinstance(exc, InvalidInputError) else ()
        answered = Answered(self._deployment.logged, self._route, problems=problems)
        return replace(answer, headers={**answer.headers, **self._told}, answered=answered)
