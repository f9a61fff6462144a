"""
The alerts of all models, one look after the other: read, decide, keep, tell.

What is decided is kept in the store before anybody is told, so that a monitor that is killed anywhere goes on where it
was, and of two at once only one tells.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Iterator, Sequence
from typing import Final

import msgspec

from cloche.errors import StoreError
from cloche.logs import event
from cloche.monitoring.alerts import phases, silences, telling
from cloche.monitoring.alerts.courier import Courier, Outcome, Place
from cloche.monitoring.alerts.facts import Facts
from cloche.monitoring.alerts.memory import OF_STORE, Alert, Delivery, Memories, Memory
from cloche.monitoring.alerts.notices import Notice, Status, fingerprint, moment
from cloche.monitoring.alerts.readings import Read, read
from cloche.monitoring.alerts.rules import Owner, Rule
from cloche.monitoring.alerts.rules_file import InForce, RulesFile
from cloche.monitoring.alerts.vocabulary import told as value_told
from cloche.monitoring.documents import AlertRow
from cloche.store import Store

_log = logging.getLogger("cloche.alerts")
#: How long a look waits for its notices, where none before is still under way.
WAIT_S: Final = 3.0
#: Silences are read at most so often, rules about the store looked at.
_EVERY_S: Final = 4.0
HOSTS_EVERY_S: Final = 60.0
_QUIET: Final = ("ok", "no_data")
_OF_HOSTS: Final = ("ready", "log_waiting_s")


class Alerts:
    """The alerts of one monitor; *holder* names it."""

    def __init__(self, store: Store, rules: RulesFile, holder: str) -> None:
        self._store = store
        self._rules = rules
        self._holder = holder
        self._memories = Memories(store)
        self._courier = Courier()
        self._silences: list[silences.Silence] = []
        self._silences_read = self._store_read = float("-inf")
        self._store_rows: list[AlertRow] = []
        self._resent: dict[Place, float] = {}
        self._owed: dict[str, Memory] = {}  # what the store did not take yet
        self._restless: set[str] = set()
        self._with_hosts: set[str] = set()

    @property
    def again_within_s(self) -> float:
        """
        When the next look is wanted although nothing lands: at once while something is pending or firing or to be told,
        each minute while there are hosts that may fall silent, else never.
        """
        if self._restless or not self._courier.idle:
            return 0.0
        return HOSTS_EVERY_S if self._with_hosts else math.inf

    def owner_of(self, model: str) -> Owner:
        """Who is told of *model*."""
        return self._rules.in_force().book.owner_of(model)

    def look(self, facts: Facts) -> list[AlertRow]:
        """
        Decide every rule about the model of *facts*, and tell what is new; its rows, with those about the whole store.

        Raises:
            StoreError: the store did not answer; nobody was told of what could not be kept.
        """
        force = self._rules.in_force()
        if abs(facts.now - self._silences_read) >= _EVERY_S:
            self._silences = silences.all_of(self._store)
            silences.forget_old(self._store, self._silences, facts.now)
            self._silences_read = facts.now
        if abs(facts.now - self._store_read) >= _EVERY_S:
            self._store_read = facts.now
            self._store_rows = self._look(OF_STORE, force.book.of_store, facts, force)
        return [*self._look(facts.model, force.book.of(facts.model), facts, force), *self._store_rows]

    # -- one look -------------------------------------------------------------------------------

    def _look(self, name: str, rules: Sequence[Rule], facts: Facts, force: InForce) -> list[AlertRow]:
        before = self._settled(
            name, self._owed.pop(name) if name in self._owed else self._memories.of(name), 0.0, facts.now
        )
        reads = {rule.name: read(rule, facts) for rule in rules}
        alerts = {rule.name: self._decided(rule, before, reads[rule.name], facts, name, force) for rule in rules}
        alerts |= _without_rule(before, alerts.keys(), facts.now)
        alerts = {rule: _possible(alert, force.sinks) for rule, alert in alerts.items()}
        claims = list(self._claims(name, alerts, force, facts.now))
        for place, claimed in claims:
            alerts[place.rule] = _with(alerts[place.rule], place.sink, claimed)
        memory = Memory(alerts=alerts)
        if memory == self._memories.of(name) or self._memories.keep(name, memory):
            memory = self._tell(name, memory, claims, force, facts.now)
        else:
            _log.warning("another monitor looks after the alerts of %s; its word counts", name)
            memory = self._memories.of(name)
        self._note(name, memory)
        hosts = any(rule.when.measure.name in _OF_HOSTS and reads[rule.name][0] is not None for rule in rules)
        (self._with_hosts.add if hosts else self._with_hosts.discard)(name)
        return [
            self._row(rule, memory.alerts.get(rule.name, Alert()), reads[rule.name], name, facts.now) for rule in rules
        ]

    def _decided(self, rule: Rule, before: Memory, found: Read, facts: Facts, name: str, force: InForce) -> Alert:
        alert = before.alerts.get(rule.name, Alert())
        now = phases.step(alert.condition, rule.reading(found[0]), rule.timing, facts.now)
        status = telling.status_of(alert, now, rule.repeat_s, facts.now)
        if status == "firing" and not alert.open:
            alert = msgspec.structs.replace(alert, started=facts.now)
        after = msgspec.structs.replace(alert, condition=now)
        if status is None:
            return after
        notice = self._notice(rule, after, status, found, facts, name)
        level = logging.WARNING if notice.firing else logging.INFO
        event(_log, level, f"alert {status}", rule=rule.name, model=notice.model, severity=rule.severity,
              value=notice.value_text, why=notice.why)  # fmt: skip
        sinks = list(force.sinks) if rule.sinks is None else [one for one in rule.sinks if one in force.sinks]
        return telling.told(after, notice, sinks, facts.now)

    def _notice(self, rule: Rule, alert: Alert, status: Status, found: Read, facts: Facts, name: str) -> Notice:
        model = "" if name == OF_STORE else facts.model
        print_, owner, guidance = fingerprint(rule.name, name), self.owner_of(model), rule.guidance
        return Notice(
            id=f"{print_}-{alert.told + 1}",
            fingerprint=print_,
            status=status,
            rule=rule.name,
            expression=rule.when.text,
            severity=rule.severity,
            model=model,
            version=facts.live if model else None,
            value=found[0],
            value_text=value_told(found[0], rule.when.measure.unit),
            threshold=rule.when.threshold,
            why=found[1],
            started=moment(alert.started if alert.started is not None else facts.now),
            ended=None if status == "firing" else moment(facts.now),
            at=moment(facts.now),
            owner=owner.owner,
            contact=owner.contact,
            runbook=owner.runbook,
            page=rule.page,
            meaning=None if guidance is None else guidance.meaning,
            checks=() if guidance is None else guidance.checks,
            roll_back=None if guidance is None else guidance.roll_back,
            store=self._store.describe(),
            repeated=status == "firing" and alert.condition.since != facts.now,
        )

    # -- telling --------------------------------------------------------------------------------

    def _claims(
        self, name: str, alerts: dict[str, Alert], force: InForce, now: float
    ) -> Iterator[tuple[Place, Delivery]]:
        for rule, alert in alerts.items():
            silenced = self._silenced(rule, name, force, now)
            for sink, one in alert.deliveries.items():
                place = Place(name, rule, sink)
                if sink in force.sinks and place not in self._courier and silenced is None and telling.due(one, now):
                    yield place, telling.claimed(one, self._holder, now)

    def _tell(
        self, name: str, memory: Memory, claims: Sequence[tuple[Place, Delivery]], force: InForce, now: float
    ) -> Memory:
        """Send what is kept as ours to send, and keep what became of it."""
        patient = self._courier.idle
        for place, one in claims:
            self._courier.send(place, force.sinks[place.sink], one.notice)
        self._resend(name, memory, force, now)
        after = self._settled(name, memory, WAIT_S if patient else 0.0, now)
        try:
            if after == memory or self._memories.keep(name, after):
                return after
        except StoreError as exc:
            _log.warning("what became of the notices of %s is not kept yet: %s", name, exc)
            self._owed[name] = after
            return after
        return self._memories.of(name)

    def _resend(self, name: str, memory: Memory, force: InForce, now: float) -> None:
        """Receivers that forget are told again what fires; that is no news, and is kept nowhere."""
        for rule, alert in memory.alerts.items():
            for sink, one in alert.deliveries.items():
                place, every_s = Place(name, rule, sink), getattr(force.sinks.get(sink), "resend_s", None)
                if every_s is None or one.state != "sent" or not one.notice.firing or place in self._courier:
                    continue
                if now - max(self._resent.get(place, 0.0), one.at) >= every_s:
                    self._resent[place] = now
                    self._courier.send(place, force.sinks[sink], one.notice)

    def _settled(self, name: str, memory: Memory, within_s: float, now: float) -> Memory:
        alerts = dict(memory.alerts)
        for outcome in self._courier.ended(name, within_s):
            alert = alerts.get(outcome.place.rule)
            one = None if alert is None else alert.deliveries.get(outcome.place.sink)
            _say(outcome)
            if alert is not None and one is not None and one.notice.id == outcome.notice.id:
                after = _after(one, outcome, now)
                alerts[outcome.place.rule] = _with(alert, outcome.place.sink, after)
        return Memory(alerts=alerts)

    # -- what is shown --------------------------------------------------------------------------

    def _row(self, rule: Rule, alert: Alert, found: Read, name: str, now: float) -> AlertRow:
        until = self._silenced_until(rule, name, now)
        return AlertRow(
            rule=rule.name,
            expression=rule.when.text,
            phase=alert.condition.phase,
            severity=rule.severity,
            value=found[0],
            threshold=rule.when.threshold,
            since=alert.condition.since,
            why=found[1],
            page=rule.page,
            silenced_until=until,
            deliveries={
                sink: telling.shown(one, silenced=until is not None) for sink, one in sorted(alert.deliveries.items())
            },
        )

    def _silenced(self, rule: str, name: str, force: InForce, now: float) -> float | None:
        known = next((one for one in force.book.rules if one.name == rule), None)
        return None if known is None else self._silenced_until(known, name, now)

    def _silenced_until(self, rule: Rule, name: str, now: float) -> float | None:
        own = rule.silenced_until(now)
        given = silences.until(self._silences, rule.name, "" if name == OF_STORE else name, now)
        ends = [one for one in (own, given) if one is not None]
        return min(max(ends), now + silences.LONGEST_S) if ends else None

    def _note(self, name: str, memory: Memory) -> None:
        busy = any(
            alert.condition.phase not in _QUIET
            or any(one.state in ("due", "sending") for one in alert.deliveries.values())
            for alert in memory.alerts.values()
        )
        (self._restless.add if busy else self._restless.discard)(name)


def _with(alert: Alert, sink: str, one: Delivery) -> Alert:
    return msgspec.structs.replace(alert, deliveries={**alert.deliveries, sink: one})


def _after(one: Delivery, outcome: Outcome, now: float) -> Delivery:
    """After an attempt; of a repetition only a failure is news, which ends with the next that is taken."""
    if one.state == "sending":
        return telling.settled(one, taken=outcome.taken, outcome=outcome.text, at=now)
    if outcome.taken:
        return msgspec.structs.replace(one, outcome=outcome.text)
    return msgspec.structs.replace(one, outcome=f"failed: {outcome.text}")


def _possible(alert: Alert, sinks: Container[str]) -> Alert:
    """Without what waits for a sink that is not there any more."""
    kept = {name: one for name, one in alert.deliveries.items() if name in sinks or one.state in ("sent", "given_up")}
    return alert if len(kept) == len(alert.deliveries) else msgspec.structs.replace(alert, deliveries=kept)


def _without_rule(before: Memory, kept: Container[str], now: float) -> dict[str, Alert]:
    """Alerts whose rule was taken away: who was told that they fire is told that they are over."""
    found = {}
    for name, alert in before.alerts.items():
        if name in kept:
            continue
        last = next((one.notice for one in alert.deliveries.values()), None)
        if alert.open and last is not None:
            over = msgspec.structs.replace(
                last, id=f"{last.fingerprint}-{alert.told + 1}", status="resolved", ended=moment(now), at=moment(now),
                why="the rule was taken away",
            )  # fmt: skip
            alert = telling.told(msgspec.structs.replace(alert, condition=phases.Condition()), over, (), now)
        if any(one.state in ("due", "sending") for one in alert.deliveries.values()):
            found[name] = alert
    return found


def _say(outcome: Outcome) -> None:
    if not outcome.taken:
        event(_log, logging.WARNING, "alert not delivered", sink=outcome.place.sink, rule=outcome.place.rule,
              model=outcome.notice.model, outcome=outcome.text, delivery=outcome.notice.id)  # fmt: skip
