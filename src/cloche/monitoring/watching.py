"""The monitor as a whole: it folds, counts what it folds, and looks at what it counted."""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import time
from typing import Any

from cloche.config import LogConfig, MonitorConfig
from cloche.errors import ClocheError
from cloche.monitoring.alerts.alerting import Alerts
from cloche.monitoring.alerts.rules_file import RulesFile
from cloche.monitoring.parity import Parity
from cloche.monitoring.rollups import counting
from cloche.monitoring.rollups.recent import Recent
from cloche.monitoring.rollups.table import age
from cloche.monitoring.uptime import Uptimes
from cloche.prediction_log.monitoring import Monitor, holder
from cloche.registry import Registry

_log = logging.getLogger("cloche.monitor")
_DAY_S = 86_400


def watcher(registry: Registry, *, log: LogConfig, settings: MonitorConfig, rules: RulesFile) -> Monitor:
    """A monitor of the store of *registry* that folds, counts, publishes documents and alerts by *rules*."""
    recent, by = Recent(registry.store), holder()
    return Monitor(
        registry.store,
        by,
        derive=counting(registry, recent),
        observe=_Looking(registry, recent, log, settings, Alerts(registry.store, rules, by)),
        retention_days=log.retention_days,
    )


class _Looking:
    """
    The observer, made with the first look: SciPy takes a second, and no fold waits for it. A call gives within how many
    seconds alerts want the next one.
    """

    def __init__(
        self, registry: Registry, recent: Recent, log: LogConfig, settings: MonitorConfig, alerts: Alerts
    ) -> None:
        self._horizon = dt.timedelta(days=log.label_horizon_days)
        self._registry = registry
        self._uptimes = Uptimes(registry.store)
        self._parity = Parity(registry.store, settings.parity_rows)
        self._recent = recent
        self._settings = settings
        self._alerts = alerts
        self._observer: Any = None
        self._aged = 0

    def __call__(self) -> float:
        if self._observer is None:
            self._observer = self._made()
        self._sample()
        self._observer.look()
        self._age()
        return self._alerts.again_within_s

    def _sample(self) -> None:
        try:
            self._uptimes.sample(self._registry.models(), time.time())
        except ClocheError as exc:
            _log.warning("nobody knows whether models answer now: %s", exc)

    def _age(self) -> None:
        """Once a day minutes of past days become hours, and hours days."""
        day = int(time.time() // _DAY_S)
        if day == self._aged:
            return
        self._aged = day
        for model in self._registry.models():
            try:
                age(self._registry.store, model, time.time())
            except ClocheError as exc:
                _log.warning("roll-ups of %s stay by the minute until tomorrow: %s", model, exc)

    def _compared(self, seen: Any) -> Any:
        return self._parity.look(seen.model, seen.version, seen.now, asked=seen.recent.rows > 0)

    def _made(self) -> Any:
        observing: Any = importlib.import_module("cloche.monitoring.observing")
        wiring: Any = importlib.import_module("cloche.monitoring.alerts.wiring")
        drift: Any = importlib.import_module("cloche.monitoring.drift")
        quality: Any = importlib.import_module("cloche.monitoring.quality.watch")
        watch = quality.QualityWatch(self._registry, horizon=self._horizon)
        given = self._settings
        settings = drift.DriftSettings(
            effect=given.effect,
            min_rows=given.min_rows,
            window_rows=given.window_rows,
            window_minutes=given.window_minutes,
            persist=given.persist,
            false_alarms_per_month=given.false_alarms_per_month,
        )
        return observing.Observer(
            self._registry,
            settings=settings,
            recent=self._recent,
            quality_of=watch,
            news_of=lambda model: (watch.news(model), self._parity.news(model)),
            uptime_of=self._uptimes,
            parity_of=self._compared,
            alerts_of=wiring.AlertsOf(self._alerts, self._registry.store),
            owner_of=self._alerts.owner_of,
        )
