"""Prometheus' Alertmanager, API v2: it groups, silences and routes; we only say what is so."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import msgspec

from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.sinks import http
from cloche.monitoring.alerts.sinks.base import Sink
from cloche.monitoring.alerts.sinks.options import Option, text_of

_PATH: Final = "/api/v2/alerts"
#: A monitor that dies ends its alerts after so long; Prometheus' own clients use a few intervals too.
_LASTS_S: Final = 600.0
_ANNOTATIONS: Final = ("why", "meaning", "expression", "owner", "contact", "runbook", "page", "roll_back")


class Alertmanager(Sink):
    """POSTs to `/api/v2/alerts`, again every minute while the alert fires, with an end when it is over."""

    kind = "alertmanager"
    meaning = "Alertmanager, API v2 (`/api/v2/alerts`)"
    resend_s = 60.0
    options: ClassVar = (
        Option("url", "Alertmanager's address, without `/api/v2/alerts`", kind="url", required=True),
        Option("username", "for HTTP's basic authentication"),
        Option("password", "and its password", secret=True),
        Option("token", "or a bearer token", secret=True),
        Option("labels", "further labels of every alert: a table", kind="table"),
        Option("generator_url", "where the alert links to: the dashboard", kind="url"),
        Option("ca_file", "certificates (PEM) to trust in the place of the system's", kind="file"),
        Option("timeout_s", "how long to wait for an answer", kind="number", default=http.TIMEOUT_S),
    )

    def send(self, notice: Notice) -> str:
        body = msgspec.json.encode([self.alert(notice, datetime.now(UTC))])
        url = (text_of(self._given["url"]) or "").rstrip("/") + _PATH
        headers = {"Content-Type": "application/json", **self._authorization()}
        return http.post(url, body, headers, ca_file=self._given["ca_file"], timeout_s=self._given["timeout_s"])

    def alert(self, notice: Notice, now: datetime) -> dict[str, Any]:
        """What is sent. Labels identify: they are the same from the first to the last, so no value is among them."""
        labels = {"alertname": notice.rule, "severity": notice.severity, "model": notice.model, "source": "cloche"}
        labels |= {name: text_of(value) or "" for name, value in (self._given["labels"] or {}).items()}
        texts = {name: getattr(notice, name) for name in _ANNOTATIONS}
        texts |= {"summary": notice.title, "value": notice.value_text}
        over = None if notice.status in ("firing", "test") else notice.ended or notice.at
        ends = over or (now + timedelta(seconds=_LASTS_S)).isoformat(timespec="seconds").replace("+00:00", "Z")
        found = {
            "labels": {name: text for name, text in labels.items() if text},
            "annotations": {name: text for name, text in texts.items() if text},
            "startsAt": notice.started,
            "endsAt": ends,
        }
        generator = text_of(self._given["generator_url"])
        return found | ({"generatorURL": generator} if generator else {})

    def _authorization(self) -> dict[str, str]:
        token, password = text_of(self._given["token"]), text_of(self._given["password"])
        if token is not None:
            return {"Authorization": f"Bearer {token}"}
        if password is None:
            return {}
        pair = f"{text_of(self._given['username']) or ''}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
