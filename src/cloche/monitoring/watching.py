"""The monitor as a whole: it folds, counts what it folds, and looks at what it counted."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

from cloche.monitoring.rollups import counting
from cloche.monitoring.rollups.recent import Recent
from cloche.prediction_log.monitoring import Monitor, holder
from cloche.registry import Registry


def watcher(registry: Registry, *, retention_days: float | None, label_horizon_days: float = 30.0) -> Monitor:
    """
    A monitor of the store of *registry* that folds, counts and publishes documents; *label_horizon_days* is how late a
    label by key may be, of models that set nothing else.
    """
    recent = Recent()
    return Monitor(
        registry.store,
        holder(),
        derive=counting(registry, recent),
        observe=_Looking(registry, recent, label_horizon_days),
        retention_days=retention_days,
    )


class _Looking:
    """The observer, made with the first look: SciPy takes a second, and no fold waits for it."""

    def __init__(self, registry: Registry, recent: Recent, label_horizon_days: float) -> None:
        self._horizon = dt.timedelta(days=label_horizon_days)
        self._registry = registry
        self._recent = recent
        self._observer: Any = None

    def __call__(self) -> None:
        if self._observer is None:
            observing: Any = importlib.import_module("cloche.monitoring.observing")
            quality: Any = importlib.import_module("cloche.monitoring.quality.watch")
            watch = quality.QualityWatch(self._registry, horizon=self._horizon)
            self._observer = observing.Observer(
                self._registry, recent=self._recent, quality_of=watch, news_of=watch.news
            )
        self._observer.look()
