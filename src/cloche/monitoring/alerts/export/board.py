"""A Grafana board over our metrics; a test runs every query of it against a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

_PREDICT: Final = 'route="predict",model=~"$model"'
_MODEL: Final = 'model=~"$model"'
_ASKED: Final = f"sum by (model) (rate(cloche_requests_total{{{_PREDICT}}}[$__rate_interval]))"
_FAILED: Final = _ASKED.replace("}[", ',status=~"5.."}[')
_BUCKETS: Final = f"cloche_request_seconds_bucket{{{_PREDICT}}}[$__rate_interval]"
_WIDTH: Final = 12
_HEIGHT: Final = 8
#: Title, unit of Grafana, and the queries with their legends.
PANELS: Final = (
    ("Requests a second by status", "reqps", (
        (f"sum by (status) (rate(cloche_requests_total{{{_PREDICT}}}[$__rate_interval]))", "{{status}}"),
    )),
    ("Share of requests that failed", "percentunit", (
        (f"({_FAILED} or {_ASKED} * 0) / {_ASKED}", "{{model}}"),
    )),
    ("Answered within", "s", tuple(
        (f"histogram_quantile({share}, sum by (le) (rate({_BUCKETS})))", f"p{100 * share:g}")
        for share in (0.5, 0.9, 0.99)
    )),
    ("Rows a second by engine", "rowsps", (
        (f"sum by (model, engine) (rate(cloche_rows_total{{{_MODEL}}}[$__rate_interval]))", "{{model}} {{engine}}"),
    )),
    ("Refused, by reason", "reqps", (
        (f"sum by (error) (rate(cloche_predictions_refused_total{{{_MODEL}}}[$__rate_interval]))", "{{error}}"),
    )),
    ("In flight and waiting", "short", (
        ("sum(cloche_in_flight)", "requests in flight"),
        (f"sum by (model) (cloche_queue_rows{{{_MODEL}}})", "rows waiting, {{model}}"),
    )),
    ("Workers that answer", "short", (("sum by (instance) (cloche_workers)", "{{instance}}"),)),
    ("Ready", "bool", (("min by (instance) (cloche_ready)", "{{instance}}"),)),
    ("Versions", "short", (
        (f"count by (model, version, use) (cloche_model_info{{{_MODEL}}})", "{{model}}@{{version}} {{use}}"),
    )),
    ("Records that wait for the store", "s", (
        ("max by (instance) (cloche_log_oldest_waiting_seconds)", "oldest, {{instance}}"),
    )),
    ("Lamps: 0 ok, 1 warn, 2 alarm, -1 unknown", "short", (
        (f"max by (model, lamp) (cloche_model_lamp{{{_MODEL}}})", "{{model}} {{lamp}}"),
    )),
    ("Drift: 0 ok, 1 small, 2 drift, -1 not enough data", "short", (
        (f"max by (model, field) (cloche_drift_state{{{_MODEL}}})", "{{model}} {{field}}"),
    )),
    ("Effect of drift", "short", (
        (f"max by (model, field) (cloche_drift_effect{{{_MODEL}}})", "{{model}} {{field}}"),
    )),
    ("Quality: realised, estimated, when it was saved", "short", (
        (f"max by (model, metric, kind) (cloche_quality{{{_MODEL}}})", "{{model}} {{metric}} {{kind}}"),
    )),
    ("Alerts: 1 pending, 2 firing, 3 resolved, -1 no data", "short", (
        (f"max by (model, rule) (cloche_alert_phase{{{_MODEL}}})", "{{model}} {{rule}}"),
    )),
    ("Notices that a sink does not take", "short", (
        (f"sum by (sink) (cloche_alert_delivery_failing{{{_MODEL}}})", "{{sink}}"),
    )),
    ("Since the monitor looked", "s", (
        (f"max by (model) (cloche_monitor_age_seconds{{{_MODEL}}})", "{{model}}"),
    )),
)  # fmt: skip
_VARIABLE: Final = "label_values(cloche_model_info, model)"


def text() -> str:
    """The board as JSON."""
    return json.dumps(document(), indent=1) + "\n"


def queries() -> list[str]:
    """Every query of the board, `$model` and `$__rate_interval` in them."""
    return [query for _, _, those in PANELS for query, _ in those]


def document() -> dict[str, Any]:
    """The board, to be imported with a Prometheus chosen as its source."""
    return {
        "title": "cloche",
        "uid": "cloche",
        "tags": ["cloche"],
        "timezone": "browser",
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), _models()]},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    for place, (title, unit, those) in enumerate(PANELS):
        yield {
            "id": place + 1,
            "type": "timeseries",
            "title": title,
            "datasource": {"type": "prometheus", "uid": "${source}"},
            "gridPos": {"x": place % 2 * _WIDTH, "y": place // 2 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + number), "expr": query, "legendFormat": legend}
                for number, (query, legend) in enumerate(those)
            ],
        }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _models() -> dict[str, Any]:
    return {
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": {"query": _VARIABLE, "refId": "models"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
