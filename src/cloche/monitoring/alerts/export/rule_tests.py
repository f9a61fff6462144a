"""Unit tests of the exported rules for `promtool test rules`: each fires where it should, and is silent below."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from cloche.monitoring.alerts.export import promql
from cloche.monitoring.alerts.export.prometheus_rules import alert_name, labels_of, texts_of
from cloche.monitoring.alerts.grammar import Expression
from cloche.monitoring.alerts.rules import Rule, RuleBook
from cloche.monitoring.alerts.vocabulary import LAMP_STATES

_MORE_MIN: Final = 6


def document(book: RuleBook, rules: str) -> dict[str, Any]:
    """The file of tests; *rules* is the name of the file that they are about."""
    tests = [one for rule in book.rules for one in _of_rule(rule, book)]
    return {"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}


def _of_rule(rule: Rule, book: RuleBook) -> Iterator[dict[str, Any]]:
    for fires in (True, False):
        level = level_of(rule.when, fires=fires)
        model = promql.model_like(rule.model)
        minutes = math.ceil((rule.over_s + rule.timing.for_s) / 60) + _MORE_MIN
        made = None if level is None else promql.QUERIES[rule.when.measure.name].series(rule, model, level, minutes)
        if made is None:
            continue
        series, value = made
        told = [_alert(rule, book, model, value)] if fires else []
        yield {
            "name": f"{rule.name}: {'fires' if fires else 'is silent'}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series],
            "alert_rule_test": [
                {"eval_time": f"{minutes}m", "alertname": alert_name(rule), "exp_alerts": told},
            ],
        }


def _alert(rule: Rule, book: RuleBook, model: str, value: float) -> dict[str, Any]:
    by_model = promql.QUERIES[rule.when.measure.name].by_model
    owner = book.owner_of(model)
    texts = {}
    for name, text in texts_of(rule, book).items():
        if name in ("owner", "contact", "runbook"):
            texts[name] = getattr(owner, name) or ""
        else:
            texts[name] = text.replace("{{ $labels.model }}", model).replace('{{ "{{" }}', "{{")
    texts["value"] = f"{value:.3g}"
    return {
        "exp_labels": labels_of(rule) | ({"model": model} if by_model else {}),
        "exp_annotations": texts,
    }


def level_of(when: Expression, *, fires: bool) -> float | None:
    """A value at which *when* is exceeded, or is not; None where there is none in its unit."""
    if when.comparison is None:
        return float(fires != when.negated)
    bound = when.threshold or 0.0
    tried = [bound * 1.5, bound / 2, bound + 1.0, bound - 1.0, (1 + bound) / 2, bound, 0.0]
    if when.measure.unit == "lamp":
        tried = [float(place) for place in range(len(LAMP_STATES))]
    limit = 1.0 if when.measure.unit == "share" else math.inf
    lowest = -math.inf if when.measure.unit == "number" else 0.0
    return next((one for one in tried if lowest <= one <= limit and when.holds(one) == fires), None)
