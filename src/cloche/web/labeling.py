"""`POST …/labels`: the truth about answers, taken down and not looked at; the log joins it to them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from cloche.config import ServerConfig
from cloche.contract.labels import CompiledLabels, ValidLabel
from cloche.errors import ClocheError, ForbiddenError, NotFoundError, UnsupportedMediaTypeError
from cloche.prediction_log.frames import Label, Labels
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments
from cloche.web.answer import Answer, of_failure, of_json
from cloche.web.bodies import Bounds
from cloche.web.gate import Admitted, Facts
from cloche.web.predicting import LARGE_BODY, Receive, apart, read_body
from cloche.web.recording import Records
from cloche.web.traces import measured

_JSON = "application/json"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Labeling:
    """Takes labels; 202 says that they are kept as safely as answers are."""

    def __init__(
        self,
        deployments: Deployments,
        config: ServerConfig,
        records: Records | None,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._deployments = deployments
        self._config = config
        self._records = records
        self._clock_us = clock_us
        self._compiled: WeakKeyDictionary[Deployment, CompiledLabels] = WeakKeyDictionary()

    async def answer(self, admitted: Admitted, receive: Receive) -> Answer:
        """Read, check, write down."""
        sent = admitted.head.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent != _JSON:
            raise UnsupportedMediaTypeError(f"Content-Type: expected {_JSON}, got '{sent[:64] or 'none'}'")
        deployment = self._deployments.find(admitted.target.model)
        if not admitted.may_see(deployment.name):
            raise ForbiddenError(f"the key lacks the scope 'label' for model '{deployment.name}'")
        body = await read_body(receive, self._config.max_body_bytes, self._config.body_timeout_s)
        facts = Facts(deployment.name, deployment.version, deployment.number, bytes_in=len(body))
        try:
            return await self._taken(admitted, deployment, body, facts)
        except ClocheError as exc:
            return of_failure(exc, admitted, facts)

    async def _taken(self, admitted: Admitted, deployment: Deployment, body: bytes, facts: Facts) -> Answer:
        trace = measured(admitted.trace)
        if trace is not None:
            trace.begin("decode")
        compiled, bounds = self._labels_of(deployment), Bounds(self._config.max_json_depth, self._config.max_text_bytes)

        def decoded() -> list[ValidLabel]:
            bounds.check(body, json=True)
            return compiled.decode(body, max_rows=self._config.max_rows)

        labels = await apart(len(body) > LARGE_BODY, decoded)
        if trace is not None:
            trace.begin("record")
        if self._records is None:
            raise NotFoundError("this server keeps no log that labels could be joined to")
        if labels:
            frame = Labels(
                admitted.request_id,
                self._clock_us(),
                None if admitted.caller is None else admitted.caller.id,
                deployment.name,
                tuple(map(_label, labels)),
            )
            within_s = self._config.request_timeout_s
            await self._records.record_labels(frame, deployment.logged.contract, within_s=within_s)
        if trace is not None:
            trace.end()
        content = {"accepted": len(labels), "request_id": admitted.request_id}
        return replace(of_json(content, status=202), facts=replace(facts, rows=len(labels)))

    def _labels_of(self, deployment: Deployment) -> CompiledLabels:
        found = self._compiled.get(deployment)
        if found is None:
            found = self._compiled[deployment] = CompiledLabels(deployment.logged.contract)
        return found


def _label(one: ValidLabel) -> Label:
    event_us = None if one.event_time is None else (one.event_time - _EPOCH) // _MICROSECOND
    return Label(one.label, one.id, one.row, one.key, event_us)
