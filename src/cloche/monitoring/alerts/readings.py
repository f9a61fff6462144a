"""How each measure of the vocabulary is read from the facts: a value, or None and why there is none."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cloche.monitoring.alerts import lengths
from cloche.monitoring.alerts.facts import Facts, Window
from cloche.monitoring.alerts.rules import Rule
from cloche.monitoring.alerts.vocabulary import ANSWERS, ANY, LAMP_STATES, OF_STATUS
from cloche.monitoring.documents import FieldDrift, Lamp, QualityMetric, Series
from cloche.monitoring.tallies import FieldTally, quantile_ms

#: A value in the unit of the measure (None where there is none), and what stands behind it in a few words.
Read = tuple[float | None, str]


def read(rule: Rule, facts: Facts) -> Read:
    """The value of *rule*'s expression."""
    name = rule.when.measure.name
    if name not in WINDOWED:
        return OTHERS[name](rule, facts)
    window = facts.window(rule.over_s)
    short = _too_few(rule, window)
    return (None, short) if short else WINDOWED[name](rule, facts, window)


def _too_few(rule: Rule, window: Window) -> str:
    counted = rule.when.measure.counted
    n = window.served.requests if counted == "requests" else window.live.rows
    if not counted or n >= rule.min_requests:
        return ""
    if rule.enough_hits is not None and _hits(rule.when.measure.name, window) > rule.enough_hits:
        return ""
    return f"{n} {counted} in {lengths.shown(rule.over_s)}, {rule.min_requests} are needed"


# -- over a window ------------------------------------------------------------------------------


def _hits(name: str, window: Window) -> int:
    return sum(n for status, n in window.served.status.items() if status.startswith(OF_STATUS[name]))


def _of_status(name: str, word: str) -> Callable[[Rule, Facts, Window], Read]:
    def share(_rule: Rule, _facts: Facts, window: Window) -> Read:
        return _share(_hits(name, window), window.served.requests, f"requests {word}")

    return share


def _latency(share: float) -> Callable[[Rule, Facts, Window], Read]:
    def within(_rule: Rule, _facts: Facts, window: Window) -> Read:
        return quantile_ms(window.served.latency, share), f"of {window.served.requests} requests"

    return within


def _requests(rule: Rule, _facts: Facts, window: Window) -> Read:
    return float(window.served.requests), f"in {lengths.shown(rule.over_s)}"


def _request_rate(rule: Rule, _facts: Facts, window: Window) -> Read:
    return window.served.requests / rule.over_s, f"{window.served.requests} in {lengths.shown(rule.over_s)}"


def _class_share(rule: Rule, facts: Facts, window: Window) -> Read:
    wanted, output = str(rule.when.argument), window.live.output
    known = output.classes.keys() | set(facts.reference.classes.levels if facts.reference.classes else ())
    if wanted not in known and facts.reference.classes is not None:
        return None, f"no class '{wanted}'{_near(wanted, known)}"
    return _share(output.classes.get(wanted, 0), output.rows, "answers")


def _mean(rule: Rule, facts: Facts, window: Window) -> Read:
    name = str(rule.when.argument)
    known, output = facts.reference, window.live.output
    if name in ANSWERS:
        tally, of = (output.number, known.number) if name == "prediction" else (output.confidence, known.confidence)
    else:
        tally, of = window.live.fields.get(name), known.fields.get(name)
    if tally is None or (of is None and name not in ANSWERS):
        return None, f"no numbers are counted for '{name}'{_near(name, known.fields)}"
    if not tally.finite:
        return None, f"no number among {tally.n} values of '{name}'"
    centre = (of.mean if of is not None else None) or 0.0
    return centre + tally.total / tally.finite, f"of {tally.finite} values"


def _of_field(count: Callable[[FieldTally], int], word: str) -> Callable[[Rule, Facts, Window], Read]:
    def share(rule: Rule, facts: Facts, window: Window) -> Read:
        name = str(rule.when.argument)
        tally = window.live.fields.get(name)
        if tally is None:
            return None, f"nothing is counted for a field '{name}'{_near(name, facts.reference.fields)}"
        return _share(count(tally), tally.n, f"values {word}")

    return share


WINDOWED: Final[Mapping[str, Callable[[Rule, Facts, Window], Read]]] = {
    "error_rate": _of_status("error_rate", "failed"),
    "refused_share": _of_status("refused_share", "were refused"),
    "latency_p50": _latency(0.5),
    "latency_p90": _latency(0.9),
    "latency_p95": _latency(0.95),
    "latency_p99": _latency(0.99),
    "requests": _requests,
    "request_rate": _request_rate,
    "share": _class_share,
    "mean": _mean,
    "missing": _of_field(lambda tally: tally.missing, "are missing"),
    "unseen": _of_field(lambda tally: tally.unseen, "were not seen in training"),
    "outside": _of_field(lambda tally: tally.below + tally.above, "are outside the range of training"),
}


# -- of the moment ------------------------------------------------------------------------------


def _no_traffic(rule: Rule, facts: Facts) -> Read:
    """From the last request alone: a day of roll-ups is not read for it."""
    last = facts.last_request()
    if last is None:
        return None, "it was not asked in the last week"
    return float(facts.now - last > rule.over_s), f"the last request was {lengths.about(facts.now - last)} ago"


def _ready(_rule: Rule, facts: Facts) -> Read:
    ready = facts.ready()
    if ready is None:
        return None, "no host has served it"
    return float(ready), "served" if ready else "no host serves it"


def _log_waiting(_rule: Rule, facts: Facts) -> Read:
    waiting_s = facts.log_waiting_s()
    return waiting_s, "no host has told it" if waiting_s is None else "the oldest record of a host"


def _drift(rule: Rule, facts: Facts) -> Read:
    those, why = _fields(rule, facts)
    judged = [one for one in those if one.state != "insufficient"]
    if not judged:
        return None, why or (those[0].why if those else "no verdict yet")
    drifted = [one.name for one in judged if one.state == "drift"]
    return float(bool(drifted)), ", ".join(drifted) if drifted else f"{len(judged)} as in the reference"


def _effect(rule: Rule, facts: Facts) -> Read:
    those, why = _fields(rule, facts)
    known = [(one.effect, one.name) for one in those if one.effect is not None and one.measure != "correlation"]
    if not known:
        return None, why or "no verdict yet"
    effect, name = max(known)
    return effect, name


def _fields(rule: Rule, facts: Facts) -> tuple[list[FieldDrift], str]:
    """The verdicts meant, and why there are none; inputs and answers of one name are told apart as the lamps do."""
    wanted = str(rule.when.argument)
    if wanted == ANY:
        return [one for one in facts.drift if one.name not in ANSWERS], ""
    those = [one for one in facts.drift if one.name == wanted]
    names = [one.name for one in facts.drift]
    return those, "" if those or not names else f"no verdict on a field '{wanted}'{_near(wanted, names)}"


def _lamp(rule: Rule, facts: Facts) -> Read:
    lamp: Lamp = getattr(facts.lamps, str(rule.when.argument))
    return (float(LAMP_STATES.index(lamp.state)) if lamp.state in LAMP_STATES else None), lamp.why


def _quality(rule: Rule, facts: Facts) -> Read:
    return _last(rule, facts, lambda one: one.realised, settled=True)


def _estimated(rule: Rule, facts: Facts) -> Read:
    return _last(rule, facts, lambda one: one.estimated, settled=False)


def _last(rule: Rule, facts: Facts, line: Callable[[QualityMetric], Series | None], *, settled: bool) -> Read:
    """The last step that has a value, and of which no more labels are expected."""
    wanted = str(rule.when.argument)
    metric = next((one for one in facts.quality if one.name == wanted), None)
    if metric is None:
        known = [one.name for one in facts.quality]
        return None, f"no metric '{wanted}'{_near(wanted, known)}" if known else "no labels yet"
    series = line(metric)
    values = [] if series is None else list(series.values)
    if settled:
        values = [
            value
            for place, value in enumerate(values)
            if not (place < len(metric.provisional) and metric.provisional[place])
        ]
    known_values = [value for value in values if value is not None]
    when_saved = "" if metric.baseline is None else f"when it was saved {metric.baseline:.4g}"
    return (known_values[-1], when_saved) if known_values else (None, "no labels yet" if settled else "no estimate yet")


OTHERS: Final[Mapping[str, Callable[[Rule, Facts], Read]]] = {
    "no_traffic": _no_traffic,
    "ready": _ready,
    "log_waiting_s": _log_waiting,
    "drift": _drift,
    "effect": _effect,
    "quality": _quality,
    "estimated": _estimated,
    "lamp": _lamp,
}


def _share(n: int, whole: int, what: str) -> Read:
    return (n / whole, f"{n} of {whole} {what}") if whole else (None, f"no {what.partition(' ')[0]}")


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
