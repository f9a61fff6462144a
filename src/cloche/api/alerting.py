"""Alerts from the front door: what fires, silences, a test of a sink, and rules for Prometheus."""

from __future__ import annotations

import fnmatch
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

from cloche.api.workplace import Workplace
from cloche.errors import DeliveryError, NotFoundError, StoreError, UsageError
from cloche.monitoring import shelf
from cloche.monitoring.alerts import export as exporting
from cloche.monitoring.alerts import silences
from cloche.monitoring.alerts.courier import attempt
from cloche.monitoring.alerts.notices import Notice, fingerprint, moment
from cloche.monitoring.alerts.reading import read
from cloche.monitoring.alerts.rules import RuleBook
from cloche.monitoring.alerts.rules_file import RulesFile, rules_file
from cloche.monitoring.alerts.silences import Silence
from cloche.monitoring.alerts.sinks import sink_of
from cloche.monitoring.alerts.sinks.options import unset
from cloche.monitoring.documents import RANGES, AlertRow

_SHORTEST = next(iter(RANGES))


@dataclass(frozen=True, slots=True)
class ModelAlerts:
    """The alerts of one model, and when the monitor looked last (seconds since 1970)."""

    model: str
    looked: float
    alerts: Sequence[AlertRow]


def rules_of(here: Workplace, named: str | None = None) -> RulesFile:
    """The file of rules: *named*, else that of the setting, else `cloche.toml` where the command was started."""
    return rules_file(named or here.settings.monitor.rules, here.settings.cwd, os.environ)


def book_of(here: Workplace, named: str | None = None) -> RuleBook:
    """
    The rules in that file, or the defaults; no variable of the environment is looked up.

    Raises:
        UsageError: something in it is wrong.
    """
    path = named or here.settings.monitor.rules
    cwd = here.settings.cwd
    return read(cwd / path) if path is not None else read(cwd / "cloche.toml", found_here=True)


def doubts(here: Workplace, book: RuleBook) -> list[str]:
    """
    What is no mistake in itself and may be one: variables that are not set here, patterns that no model of the store
    fits.
    """
    found = [
        f"[sinks.{name}]: the environment here has no {variable}; that of the monitor needs it"
        for name, one in book.sinks.items()
        for variable in unset(one.options, os.environ)
    ]
    try:
        models = here.registry.models()
    except StoreError:
        return found
    patterns = {f"rule '{one.name}': 'model'": one.model for one in book.rules} | {
        f"[models.{pattern}]": pattern for pattern in book.owners
    }
    for where, pattern in patterns.items():
        if models and not any(fnmatch.fnmatchcase(model, pattern) for model in models):
            near = get_close_matches(pattern, models, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            found.append(f"{where}: no model in {here.store.describe()} is called '{pattern}'{hint}")
    return found


def alerts(here: Workplace, name: str | None = None) -> list[ModelAlerts]:
    """
    What the monitor said last of every model, or of *name*.

    Raises:
        ModelNotFoundError: no such model.
    """
    if name is not None and not here.registry.versions(name):
        raise here.registry.no_model(name)
    wanted = [name] if name is not None else shelf.models(here.store)
    documents = [shelf.read(here.store, model, _SHORTEST) for model in wanted]
    return [ModelAlerts(one.model, one.made, one.alerts) for one in documents if one is not None]


def silences_of(here: Workplace) -> list[Silence]:
    """The silences that hold or will hold."""
    return [one for one in silences.all_of(here.store) if one.until > time.time()]


def silence(here: Workplace, rule: str, *, model: str, length: timedelta, reason: str, file: str | None) -> Silence:
    """
    Tell nobody of *rule* (a pattern) for *model* (a pattern) for *length*.

    Raises:
        NotFoundError: no such rule.
        UsageError: no reason, or too long.
    """
    if not reason.strip():
        raise UsageError("--reason: expected a reason; it is recorded")
    if not 0 < length.total_seconds() <= silences.LONGEST_S:
        raise UsageError("--for: expected more than nothing and at most 90d; a rule with enabled = false is for good")
    known = _rules(here, file)
    if not any(sign in rule for sign in "*?[") and rule not in known:
        raise _no_rule(rule, known)
    now = time.time()
    until = now + length.total_seconds()
    return silences.add(here.store, rule=rule, model=model, begin=now, until=until, by=here.user, reason=reason)


def unsilence(here: Workplace, rule: str) -> list[Silence]:
    """
    End the silences of *rule* (or of that id).

    Raises:
        NotFoundError: there is none.
    """
    held = silences_of(here)
    those = [one for one in held if rule in (one.rule, one.id)]
    if not those:
        named = ", ".join(sorted({one.rule for one in held})) or "none"
        raise NotFoundError(f"store {here.store.describe()}: no silence of '{rule}'; silenced: {named}")
    silences.end(here.store, those)
    return those


def test(here: Workplace, name: str, file: str | None) -> str:
    """
    Send a test notice to the sink *name*; what it answered.

    Raises:
        NotFoundError: no such sink.
        DeliveryError: it did not take it.
    """
    book = book_of(here, file)
    if name not in book.sinks:
        near = get_close_matches(name, book.sinks, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; sinks: {', '.join(sorted(book.sinks)) or 'none'}"
        raise NotFoundError(f"no sink '{name}'{hint}")
    now = moment(time.time())
    notice = Notice(
        id=f"test-{here.user}-{time.time_ns()}",
        fingerprint=fingerprint("test", ""),
        status="test",
        rule="test",
        expression="cloche alerts test",
        severity="info",
        model="",
        value_text="a test",
        why=f"sent by {here.user}",
        started=now,
        at=now,
        meaning="Nothing is wrong: somebody tries whether alerts arrive.",
        store=here.store.describe(),
    )
    taken, text = attempt(sink_of(book.sinks[name], os.environ), notice)
    if not taken:
        raise DeliveryError(f"sink '{name}': {text}")
    return text


def export_prometheus(here: Workplace, folder: Path, file: str | None) -> list[Path]:
    """
    Write rules, their tests, Alertmanager's routing and a Grafana board into *folder*.

    Raises:
        UsageError: the folder cannot be written.
    """
    return exporting.write(exporting.prometheus(book_of(here, file)), folder)


def _rules(here: Workplace, file: str | None) -> list[str]:
    """Those in the file, and those that a monitor elsewhere has."""
    told = {row.rule for one in alerts(here) for row in one.alerts}
    return sorted(told | {one.name for one in book_of(here, file).rules})


def _no_rule(rule: str, known: Sequence[str]) -> NotFoundError:
    near = get_close_matches(rule, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"rules: {', '.join(known)}"
    return NotFoundError(f"no rule '{rule}'; {hint}")
