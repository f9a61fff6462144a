"""`cloche promote | rollback | history`: which version answers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cloche.api import publishing, waiting
from cloche.api.waiting import Goal, Outcome
from cloche.api.workplace import Workplace, workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.registry import RouteEvent
from cloche.registry.reports import AgentReport

_REASON = click.option("--reason", metavar="TEXT", help="Why; kept in the history.")


_PREFLIGHT = click.option(
    "--preflight/--no-preflight", default=True, help="First open the version here, golden rows and all [default]."
)
_WAIT = click.option(
    "--wait", is_flag=True, help="Wait until every running server serves it; 1 where one refuses it or is silent."
)
_TIMEOUT = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), default=120.0, metavar="S", show_default=True,
    help="Wait no longer than this.",
)  # fmt: skip


@click.command()
@click.argument("name")
@click.argument("version", type=int)
@_REASON
@_PREFLIGHT
@_WAIT
@_TIMEOUT
@store_option
@json_option
def promote(
    name: str, version: int, reason: str | None, preflight: bool, wait: bool, timeout_s: float, store: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Make VERSION live; running servers follow in two seconds."""
    here = workplace(store)
    record = here.registry.version(name, version)
    before = here.registry.head(name)
    hosts = waiting.followers(here, name) if wait else []
    event = publishing.promote(here, name, version, why=reason, preflight=preflight)
    goal = waiting.goal_of(event, record.contract)
    return _conclude(here, before, event, goal, hosts if wait else None, timeout_s, as_json)


@click.command()
@click.argument("name")
@click.option("--to", type=int, metavar="VERSION", help="This version, instead of the one before the last promote.")
@click.option("--contract", type=int, metavar="N", help="Of contract N only.")
@_REASON
@_PREFLIGHT
@_WAIT
@_TIMEOUT
@store_option
@json_option
def rollback(
    name: str, to: int | None, contract: int | None, reason: str | None, preflight: bool, wait: bool, timeout_s: float,
    store: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Undo the last promote; running servers follow in two seconds."""
    here = workplace(store)
    before = here.registry.history(name)
    hosts = waiting.followers(here, name) if wait else []
    event = publishing.rollback(here, name, to=to, contract=contract, why=reason, preflight=preflight)
    goal = waiting.goal_of(event, None if to is None else here.registry.version(name, to).contract)
    return _conclude(here, before[-1] if before else None, event, goal, hosts if wait else None, timeout_s, as_json)


@click.command()
@click.argument("name")
@store_option
@json_option
def history(name: str, store: str | None, as_json: bool) -> None:
    """Show every change of the routes of NAME, oldest first."""
    here = workplace(store)
    events = here.registry.history(name)
    if as_json:
        print_json({"store": here.store.describe(), "events": events})
        return
    print_store(here.store.describe())
    headers = ("event", "at", "by", "change", "live", "why")
    print_table(headers, ((e.event, e.at, e.by, e.change, _live(e), e.why) for e in events))


def _conclude(
    here: Workplace,
    before: RouteEvent | None,
    event: RouteEvent,
    goal: Goal,
    hosts: Sequence[AgentReport] | None,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Print the event, and with *hosts* what became of it on each; the exit status. *before* itself: no change."""
    changed = event != before
    if not as_json:
        print_store(here.store.describe())
        told = str(event.change) if changed else "nothing to change"
        click.echo(f"{event.name}: {told}; live: {_live(event)}")
    outcomes = None if hosts is None else _wait(here, goal, hosts, timeout_s, as_json)
    if as_json:
        waited = {} if outcomes is None else {"hosts": outcomes}
        print_json({"store": here.store.describe(), "changed": changed, "event": event, **waited})
    return 0 if all(one.well for one in outcomes or ()) else 1


def _wait(here: Workplace, goal: Goal, hosts: Sequence[AgentReport], timeout_s: float, as_json: bool) -> list[Outcome]:
    if as_json:
        return waiting.wait(here, goal, hosts, timeout_s=timeout_s)
    if not hosts:
        click.echo(f"no running server follows {goal.name}: nothing to wait for")
        return []
    click.echo(f"waiting for {len(hosts)} {'server' if len(hosts) == 1 else 'servers'}", err=True)
    outcomes = waiting.wait(here, goal, hosts, timeout_s=timeout_s, tell=lambda one: click.echo(one.text()))
    for missing in (one for one in outcomes if one.state == "waiting"):
        click.echo(f"{missing.host} ({missing.url}): not yet after {timeout_s:g} s: {missing.why}")
    return outcomes


def _live(event: RouteEvent) -> str:
    return ", ".join(
        f"version {version} (contract {contract})" for contract, version in sorted(event.routes.live.items())
    )
