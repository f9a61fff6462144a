"""Rules of cloche as rules of Prometheus."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any, Final

from cloche.monitoring.alerts import lengths
from cloche.monitoring.alerts.export import promql
from cloche.monitoring.alerts.rules import Rule, RuleBook

GROUP: Final = "cloche"
#: What the monitor cannot tell of itself: that it is silent, and that its own notices do not arrive.
OF_MONITOR: Final = (
    {
        "alert": "ClocheMonitorSilent",
        "expr": "max by (model) (cloche_monitor_age_seconds) > 900 and on (model) "
        'sum by (model) (rate(cloche_requests_total{route="predict"}[15m])) > 0',
        "for": "5m",
        "labels": {"severity": "critical", "rule": "monitor-silent"},
        "annotations": {"summary": "{{ $labels.model }} is asked, and no monitor has looked at it for 15 minutes"},
    },
    {
        "alert": "ClocheAlertNotDelivered",
        "expr": "max by (model, rule, sink) (cloche_alert_delivery_failing) == 1",
        "for": "10m",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "{{ $labels.sink }} does not take the alert {{ $labels.rule }} of cloche"},
    },
)


def document(book: RuleBook) -> dict[str, Any]:
    """The rules file."""
    return {"groups": [{"name": GROUP, "rules": [*(rule_of(one, book) for one in book.rules), *OF_MONITOR]}]}


def rule_of(rule: Rule, book: RuleBook) -> dict[str, Any]:
    """One rule; `clear` and `no_data_after` have no counterpart there."""
    found: dict[str, Any] = {"alert": alert_name(rule), "expr": promql.condition(rule)}
    if rule.timing.for_s:
        found["for"] = lengths.shown(rule.timing.for_s)
    if rule.timing.keep_firing_s:
        found["keep_firing_for"] = lengths.shown(rule.timing.keep_firing_s)
    return {**found, "labels": labels_of(rule), "annotations": texts_of(rule, book)}


def alert_name(rule: Rule) -> str:
    """`error-rate` is `ClocheErrorRate`."""
    words = "".join(sign if sign.isalnum() else " " for sign in rule.name).split()
    return "Cloche" + "".join(word[:1].upper() + word[1:] for word in words)


def labels_of(rule: Rule) -> dict[str, str]:
    """What identifies the alert beside the model, and decides where it goes."""
    return {"severity": rule.severity, "rule": rule.name}


def texts_of(rule: Rule, book: RuleBook) -> dict[str, str]:
    """What people are told. `value` is written with three digits."""
    about = "{{ $labels.model }}" if promql.QUERIES[rule.when.measure.name].by_model else "cloche"
    found = {"summary": f"{about}: {_plain(rule.when.text)}", "value": '{{ printf "%.3g" $value }}'}
    if rule.guidance is not None:
        found["description"] = _plain(rule.guidance.meaning)
        found["checks"] = _plain(" ".join(rule.guidance.checks))
        found["roll_back"] = _plain(rule.guidance.roll_back)
    if rule.page is not None:
        found["page"] = _plain(rule.page)
    return {**found, **_people(rule, book)}


def _people(rule: Rule, book: RuleBook) -> dict[str, str]:
    """Owner, contact and runbook of each model, chosen by its name when the alert fires."""
    if rule.when.measure.of_store or not promql.QUERIES[rule.when.measure.name].by_model:
        return {}
    found = {}
    for key in ("owner", "contact", "runbook"):
        texts = {name: text for name, one in book.owners.items() if (text := getattr(one, key)) and _may_be(rule, name)}
        if texts:
            found[key] = _chosen(texts)
    return found


def _may_be(rule: Rule, name: str) -> bool:
    return any(sign in name for sign in "*?[") or fnmatch.fnmatchcase(name, rule.model)


def _chosen(texts: Mapping[str, str]) -> str:
    """`{{ if eq … }}`; exact names before patterns, as `RuleBook.owner_of` does."""
    exact = [(name, text) for name, text in texts.items() if not any(sign in name for sign in "*?[")]
    patterns = [(name, text) for name, text in texts.items() if (name, text) not in exact]
    tests = [(f"eq $labels.model {_go(name)}", text) for name, text in exact]
    tests += [(f"match {_go(f'^{promql.regex(name)}$')} $labels.model", text) for name, text in patterns]
    branches = [
        f"{{{{ {'else ' if place else ''}if {test} }}}}{_plain(text)}" for place, (test, text) in enumerate(tests)
    ]
    return "".join(branches) + "{{ end }}"


def _go(text: str) -> str:
    return promql.quoted(text)


def _plain(text: str) -> str:
    """Text that Prometheus' templates pass through."""
    return text.replace("{{", '{{ "{{" }}') if "{{" in text else text
