"""
The same models inside another program: as an ASGI application to mount, or asked directly.

The engines start when these are made, not in a lifespan: a mounted application gets none.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloche.config import ServerConfig
from cloche.errors import ClocheError
from cloche.ids import RequestIds
from cloche.prediction_log.lander import OwnLog
from cloche.registry import Registry
from cloche.serving.answers import Prediction, shape
from cloche.serving.background import BackgroundHost
from cloche.serving.deployments import Deployments
from cloche.serving.host import HostConfig, ModelHost
from cloche.serving.model import wire_rows
from cloche.trust import TrustPolicy
from cloche.web.app import Send, create_app
from cloche.web.gate import Gate
from cloche.web.predicting import Receive
from cloche.web.recording import DirectCall
from cloche.web.traces import Traces


def host_config(config: ServerConfig, references: Sequence[str], *, everything: bool = False) -> HostConfig:
    """What a host needs to know of a server's settings."""
    return HostConfig(
        references=tuple(references),
        everything=everything,
        default=config.default,
        engine=config.engine,
        device=config.device,
        strict=config.strict,
        strict_start=config.strict_start,
        queue_rows=config.queue_rows,
        grace_s=config.grace_s,
    )


def _close(host: BackgroundHost, log: OwnLog | None, traces: Traces | None = None) -> None:
    with contextlib.ExitStack() as stack:
        for one in (traces, log, host):
            if one is not None:
                stack.callback(one.close)


class MountedApp:
    """
    `cloche.asgi`: an ASGI application. The program around it decides who may come in.

    It follows promotions and rollbacks; `close` ends its engines, and so does the end of the program.
    """

    def __init__(
        self,
        registry: Registry,
        references: Sequence[str],
        *,
        config: ServerConfig,
        trust: TrustPolicy,
        cache: Path,
        log: OwnLog | None = None,
        traces: Traces | None = None,
    ) -> None:
        self._host = BackgroundHost(ModelHost(registry, host_config(config, references), trust=trust, cache=cache))
        self._finalizer = weakref.finalize(self, _close, self._host, log, traces)
        gate = Gate(new_id=RequestIds().new, max_body_bytes=config.max_body_bytes, guard_host=False, traces=traces)
        records = None if log is None else log.recorder
        self._app = create_app(
            self._host.deployments, gate, config, infer=self._host.infer, records=records, traces=traces
        )

    @property
    def deployments(self) -> Deployments:
        return self._host.deployments

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def close(self) -> None:
        """End the engines."""
        self._finalizer()


class Served:
    """`cloche.open`: one model to ask from a program's own handlers; same contract, engine and promotions."""

    def __init__(
        self,
        registry: Registry,
        reference: str,
        *,
        config: ServerConfig,
        trust: TrustPolicy,
        cache: Path,
        log: OwnLog | None = None,
    ) -> None:
        self._timeout_s = config.request_timeout_s
        self._host = BackgroundHost(
            ModelHost(registry, host_config(replace(config, default=None), [reference]), trust=trust, cache=cache)
        )
        self._finalizer = weakref.finalize(self, _close, self._host, log)
        self._records = None if log is None else log.recorder
        self._new_id = RequestIds().new

    async def infer(self, rows: Any, *, top: int | None = None, probabilities: bool = True) -> Prediction:
        """
        Answer one row (a dict: scalars) or many (a list of dicts, a table: lists); from any running loop.

        Raises:
            InvalidInputError: a row breaks the contract; `.problems` says where and how.
            ServingError: overloaded, not ready, too slow, the engine failed, or the record could not be kept.
        """
        call = DirectCall(self._new_id(), self._records, within_s=self._timeout_s)
        with self._host.deployments.use() as deployment:
            route = self._host.deployments.route_of(deployment)
            try:
                plain, single = wire_rows(rows, deployment.compiled.contract)
                valid = deployment.compiled.validate(plain, single=single)
                outputs = await self._host.infer(deployment, valid, self._timeout_s)
            except ClocheError as exc:
                await call.failed(deployment.logged, route, exc)
                raise
            await call.answered(deployment.logged, route, valid, outputs)
            return shape(
                outputs,
                valid,
                model=deployment.name,
                version=deployment.version,
                request_id=call.request_id,
                top=top,
                probabilities=probabilities,
            )

    def predict(self, rows: Any, *, top: int | None = None, probabilities: bool = True) -> Prediction:
        """The same as `infer`, for a thread that may block; not for an event loop."""
        return asyncio.run(self.infer(rows, top=top, probabilities=probabilities))

    def close(self) -> None:
        """End the engine."""
        self._finalizer()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
