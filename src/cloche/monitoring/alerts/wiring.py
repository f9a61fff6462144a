"""Alerts as the observer asks for them: from what a look has seen to the facts of the rules."""

from __future__ import annotations

from functools import partial

from cloche.monitoring.alerts.alerting import Alerts
from cloche.monitoring.alerts.facts import Facts
from cloche.monitoring.alerts.surroundings import Hosts, Requests
from cloche.monitoring.documents import AlertRow, Lamps
from cloche.monitoring.seen import SERVICE_S, Quality, Seen
from cloche.store import Store


class AlertsOf:
    """What `Observer(alerts_of=…)` calls."""

    def __init__(self, alerts: Alerts, store: Store) -> None:
        self._alerts = alerts
        self._hosts = Hosts(store)
        self._requests = Requests(store)

    def __call__(self, seen: Seen, quality: Quality, lamps: Lamps) -> list[AlertRow]:
        return self._alerts.look(
            Facts(
                model=seen.model,
                now=seen.now,
                live=seen.version,
                reference=seen.reference,
                drift=seen.drift,
                quality=quality.metrics,
                lamps=lamps,
                window=self._requests.window(seen.model, seen.version, seen.minutes, SERVICE_S, seen.now),
                last_request=partial(self._requests.last, seen.model, seen.minutes, seen.now),
                ready=partial(self._hosts.ready, seen.model, seen.now),
                log_waiting_s=partial(self._hosts.log_waiting_s, seen.now),
            )
        )
