"""
How Prometheus is asked what a measure asks: PromQL over our own `/metrics`, and series that a rule is tested with.

What Prometheus cannot compute from what we count (the share of a class, a field's missing values) it reads from
`cloche_alert_value`: the monitor measures, Prometheus decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cloche.monitoring.alerts import lengths
from cloche.monitoring.alerts.rules import Rule
from cloche.monitoring.alerts.vocabulary import ANSWERS, ANY, OF_STATUS

#: Requests a minute in the series of tests.
_A_MINUTE: Final = 1_000.0
_HIGHEST_MS: Final = 30_000.0
Series = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Query:
    """
    `value`: PromQL of the value, one for each model, or one in all where `by_model` is False.

    `series` gives the series in which a model has a value for so many minutes, and what `value` then is exactly; None
    where a test's series cannot have it.
    """

    value: Callable[[Rule], str]
    series: Callable[[Rule, str, float, int], tuple[Series, float] | None]
    by_model: bool = True


def condition(rule: Rule) -> str:
    """PromQL that has a result where *rule* is exceeded."""
    query, when = QUERIES[rule.when.measure.name], rule.when
    value = query.value(rule)
    if when.comparison is not None:
        found = f"{value} {when.comparison} {number(when.threshold or 0.0)}"
    else:
        found = f"{value} == {0 if when.negated else 1}"
    if when.measure.name == "ready" and when.negated:
        found += " or absent(cloche_ready)"
    if when.measure.counted == "requests":
        found = f"({found}) and on (model) {_enough(rule)}"
    return found


def model_like(pattern: str) -> str:
    """A name that *pattern* fits, for tests."""
    return re.sub(r"\[!?(.)[^\]]*\]", r"\1", "penguins" if pattern == "*" else re.sub(r"[*?]", "x", pattern))


def number(value: float) -> str:
    """As PromQL spells it."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


# -- selectors ----------------------------------------------------------------------------------


def _selector(metric: str, rule: Rule, /, **labels: str) -> str:
    """*labels* are matchers with their operator: `status='=~"5.."'`."""
    matchers = [f"{name}{text}" for name, text in labels.items()]
    if rule.model != "*":
        matchers.append(f"model=~{quoted(regex(rule.model))}")
    return metric + (f"{{{','.join(matchers)}}}" if matchers else "")


def regex(pattern: str) -> str:
    """A pattern of file names in RE2."""
    found = []
    for part in re.findall(r"\[!?[^\]]+\]|.", pattern):
        if len(part) > 1:
            found.append(part.replace("[!", "[^", 1))
        else:
            found.append({"*": ".*", "?": "."}.get(part, re.escape(part)))
    return "".join(found)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _is(text: str) -> str:
    return f"={quoted(text)}"


def _requests(rule: Rule, status: str = "") -> str:
    more = {"status": f'=~"{status}"'} if status else {}
    return _selector("cloche_requests_total", rule, route='="predict"', **more)


def _count(rule: Rule, status: str = "") -> str:
    return f"sum by (model) (increase({_requests(rule, status)}[{lengths.shown(rule.over_s)}]))"


def _enough(rule: Rule) -> str:
    """Requests that are many enough, or hits that are."""
    many = f"{_count(rule)} >= {rule.min_requests}"
    if rule.enough_hits is None:
        return many
    return f"({many} or {_count(rule, OF_STATUS[rule.when.measure.name] + '..')} > {number(float(rule.enough_hits))})"


def _rate(selector: str, rule: Rule, by: str = "model") -> str:
    return f"sum by ({by}) (rate({selector}[{lengths.shown(rule.over_s)}]))"


# -- the queries --------------------------------------------------------------------------------


def _of_status(status: str, code: str) -> Query:
    def value(rule: Rule) -> str:
        whole = _rate(_requests(rule), rule)
        return f"({_rate(_requests(rule, status), rule)} or {whole} * 0) / {whole}"

    def series(rule: Rule, model: str, level: float, minutes: int) -> tuple[Series, float] | None:
        each = max(_A_MINUTE, 2.0 * rule.min_requests)
        kinds = ((code, level * each), ("200", (1 - level) * each))
        return [(_request_series(model, status), _rising(a_minute, minutes)) for status, a_minute in kinds], level

    return Query(value, series)


def _latency(share: float) -> Query:
    def value(rule: Rule) -> str:
        buckets = _selector("cloche_request_seconds_bucket", rule, route='="predict"')
        return f"1000 * histogram_quantile({share}, {_rate(buckets, rule, 'le, model')})"

    def series(rule: Rule, model: str, level: float, minutes: int) -> tuple[Series, float] | None:
        """All in the bucket up to *level*; beyond the highest bound it is that bound."""
        each, bound = max(_A_MINUTE, 2.0 * rule.min_requests), min(level, _HIGHEST_MS) / 1_000
        found = [(_request_series(model, "200"), _rising(each, minutes))]
        for le, a_minute in ((number(bound * 0.999), 0.0), (number(bound), each), ("+Inf", each)):
            labels = f'route="predict",model="{model}",version="1",le="{le}"'
            found.append((f"cloche_request_seconds_bucket{{{labels}}}", _rising(a_minute, minutes)))
        return found, 1_000 * (bound * 0.999 + bound * 0.001 * share)

    return Query(value, series)


def _traffic(value: Callable[[Rule], str], exactly: Callable[[Rule, float], float]) -> Query:
    def series(rule: Rule, model: str, level: float, minutes: int) -> tuple[Series, float] | None:
        a_minute = exactly(rule, level)
        return ([(_request_series(model, "200"), _rising(a_minute, minutes))], level) if a_minute >= 0 else None

    return Query(value, series)


def _gauge(metric: str, labels: Callable[[Rule], Mapping[str, str]], *, by_model: bool = True) -> Query:
    """The largest over all servers that tell it; `labels` as `_selector` takes them."""

    def value(rule: Rule) -> str:
        by = " by (model)" if by_model else ""
        given = _selector(metric, rule, **labels(rule)) if by_model else metric
        return f"max{by} ({given})"

    def series(rule: Rule, model: str, level: float, minutes: int) -> tuple[Series, float] | None:
        pairs = [f'model="{model}"'] if by_model else []
        pairs += [
            name + (text if text.startswith("=") and text[1] != "~" else '="age"')
            for name, text in labels(rule).items()
        ]
        return [(f"{metric}{{{','.join(pairs)}}}", f"{number(level)}x{minutes}")], level

    return Query(value, series, by_model)


def _field(rule: Rule) -> dict[str, str]:
    wanted = str(rule.when.argument)
    return {"field": f'!~"{"|".join(ANSWERS)}"' if wanted == ANY else _is(wanted)}


def _yes(query: Query, when: str, yes: float, no: float) -> Query:
    """A measure that is yes or no: *when* compares, `series` has the value *yes* or *no*."""

    def series(rule: Rule, model: str, level: float, minutes: int) -> tuple[Series, float] | None:
        found = query.series(rule, model, yes if level else no, minutes)
        return None if found is None else (found[0], level)

    return Query(lambda rule: f"({query.value(rule)} {when})", series, query.by_model)


def _of_rule(rule: Rule) -> dict[str, str]:
    return {"rule": _is(rule.name)}


def _of_metric(kind: str) -> Query:
    return _gauge("cloche_quality", lambda rule: {"metric": _is(str(rule.when.argument)), "kind": _is(kind)})


_COUNT: Final = _traffic(_count, lambda rule, level: level * 60 / rule.over_s)
_RATE: Final = _traffic(lambda rule: _rate(_requests(rule), rule), lambda _rule, level: level * 60)
_MEASURED: Final = _gauge("cloche_alert_value", _of_rule)

QUERIES: Final[Mapping[str, Query]] = {
    "error_rate": _of_status("5..", "500"),
    "refused_share": _of_status("4..", "400"),
    "latency_p50": _latency(0.5),
    "latency_p90": _latency(0.9),
    "latency_p95": _latency(0.95),
    "latency_p99": _latency(0.99),
    "requests": _COUNT,
    "request_rate": _RATE,
    "no_traffic": _yes(_COUNT, "== bool 0", 0.0, 100.0),
    "ready": _gauge("cloche_ready", lambda _rule: {}, by_model=False),
    "log_waiting_s": _gauge("cloche_log_oldest_waiting_seconds", lambda _rule: {}, by_model=False),
    "share": _MEASURED,
    "mean": _MEASURED,
    "missing": _MEASURED,
    "unseen": _MEASURED,
    "outside": _MEASURED,
    "drift": _yes(_gauge("cloche_drift_state", _field), "== bool 2", 2.0, 0.0),
    "effect": _gauge("cloche_drift_effect", _field),
    "quality": _of_metric("realised"),
    "estimated": _of_metric("estimated"),
    "lamp": _gauge("cloche_model_lamp", lambda rule: {"lamp": _is(str(rule.when.argument))}),
}


def _request_series(model: str, status: str) -> str:
    labels = f'route="predict",model="{model}",version="1",contract="1",status="{status}"'
    return f"cloche_requests_total{{{labels}}}"


def _rising(a_minute: float, minutes: int) -> str:
    return f"0+{number(round(a_minute, 6))}x{minutes}"
