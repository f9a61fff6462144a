"""What the monitor says, as metrics: read from its documents in the store while somebody asks for metrics."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cloche.errors import StoreError
from cloche.metrics import Samples
from cloche.monitoring import shelf
from cloche.monitoring.alerts.telling import fails
from cloche.monitoring.documents import RANGES, ModelDocument
from cloche.store import Store

_EVERY_S: Final = 5.0
#: Nothing is read when nobody has asked for so long.
_ASKED_S: Final = 300.0
_LAMPS: Final = {"ok": 0.0, "warn": 1.0, "alarm": 2.0, "unknown": -1.0}
_DRIFT: Final = {"ok": 0.0, "small": 1.0, "drift": 2.0, "insufficient": -1.0}
_PHASES: Final = {"ok": 0.0, "pending": 1.0, "firing": 2.0, "resolved": 3.0, "no_data": -1.0}
_RANGE: Final = next(iter(RANGES))
_Found = dict[str, dict[tuple[str, ...], list[float]]]


class Monitored:
    """The newest documents of the models that are served here."""

    def __init__(self, store: Store, models: Callable[[], Iterable[str]]) -> None:
        self._store = store
        self._models = models
        self._documents: Mapping[str, ModelDocument] = {}
        self._asked = time.monotonic()

    def samples(self) -> Samples:
        """The documents as samples; the next minutes they are kept fresh."""
        self._asked = time.monotonic()
        return samples_of(self._documents.values(), time.time())

    async def keep_fresh(self) -> None:
        """To be cancelled. A store that does not answer leaves things as they were."""
        while True:
            if time.monotonic() - self._asked < _ASKED_S:
                with contextlib.suppress(StoreError):
                    self._documents = await asyncio.to_thread(self._read)
            await asyncio.sleep(_EVERY_S)

    def _read(self) -> dict[str, ModelDocument]:
        found = ((name, shelf.read(self._store, name, _RANGE)) for name in list(self._models()))
        return {name: document for name, document in found if document is not None}


def samples_of(documents: Iterable[ModelDocument], now: float) -> Samples:
    """What *documents* say at *now*, in seconds since 1970."""
    found: _Found = {}
    for one in documents:
        _add(found, "cloche_monitor_age_seconds", (one.model,), max(0.0, now - one.made))
        for lamp in ("service", "data", "predictions", "performance"):
            _add(found, "cloche_model_lamp", (one.model, lamp), _LAMPS[getattr(one.lamps, lamp).state])
        _drift(found, one)
        _quality(found, one)
        _alerts(found, one)
    return found


def _drift(found: _Found, one: ModelDocument) -> None:
    for field in one.drift:
        _add(found, "cloche_drift_state", (one.model, field.name), _DRIFT[field.state])
        if field.effect is not None and field.measure != "correlation":
            _add(found, "cloche_drift_effect", (one.model, field.name), field.effect)
        area = field.measures.get("classifier_auc")
        if area is not None:
            _add(found, "cloche_drift_classifier_auc", (one.model, field.name), area)


def _quality(found: _Found, one: ModelDocument) -> None:
    for metric in one.quality:
        lines = {"realised": metric.realised, "estimated": metric.estimated}
        for kind, line in lines.items():
            values = [] if line is None else list(line.values)
            if kind == "realised":
                values = [
                    v for v, early in zip(values, _early(metric.provisional, len(values)), strict=True) if not early
                ]
            known = [value for value in values if value is not None]
            if known:
                _add(found, "cloche_quality", (one.model, metric.name, kind), known[-1])
        if metric.baseline is not None:
            _add(found, "cloche_quality", (one.model, metric.name, "baseline"), metric.baseline)


def _early(provisional: list[bool], count: int) -> list[bool]:
    return [*provisional, *[False] * count][:count]


def _alerts(found: _Found, one: ModelDocument) -> None:
    for row in one.alerts:
        _add(found, "cloche_alert_phase", (one.model, row.rule, row.severity), _PHASES[row.phase])
        if row.value is not None:
            _add(found, "cloche_alert_value", (one.model, row.rule), row.value)
        for sink, text in row.deliveries.items():
            _add(found, "cloche_alert_delivery_failing", (one.model, row.rule, sink), float(fails(text)))


def _add(found: _Found, name: str, labels: tuple[str, ...], value: float) -> None:
    found.setdefault(name, {})[labels] = [value]
