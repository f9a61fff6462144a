"""`cloche contract NAME --default | --sunset | --callers | --changes`: numbers beside each other."""

from __future__ import annotations

import click

from cloche.api import numbers
from cloche.api.workplace import Workplace
from cloche.cli.output import print_json, print_store, print_table
from cloche.registry import RouteEvent


def change(here: Workplace, name: str, default: int | None, sunset: str | None, as_json: bool) -> None:
    """Make a number the default, say until when one is served, or both."""
    event: RouteEvent | None = None
    if sunset is not None:
        event = numbers.set_sunset(here, name, sunset)
    if default is not None:
        event = numbers.set_default(here, name, default)
    if as_json:
        print_json({"store": here.store.describe(), "event": event})
        return
    print_store(here.store.describe())
    if event is not None:
        click.echo(f"{name}: contract {event.routes.default_contract} is the default")
        for number in event.routes.live:
            notice = event.routes.notice(number)
            if notice.deprecated is not None:
                click.echo(f"contract {number} is deprecated since {notice.deprecated[:10]}")
            if notice.sunset is not None:
                click.echo(f"contract {number} is served until {notice.sunset}")


def show_callers(here: Workplace, name: str, as_json: bool) -> None:
    """Who still calls which number."""
    found = numbers.callers(here, name)
    if as_json:
        print_json({"store": here.store.describe(), "name": name, "callers": found})
        return
    print_store(here.store.describe())
    if not found.servers:
        click.echo("no server reports")
        return
    rows = [(one.contract, one.key or "(no key)", one.requests) for one in found.callers]
    print_table(("contract", "key", "requests"), rows)
    click.echo(f"counted since each of {found.servers} servers started, as last reported")


def show_changes(here: Workplace, name: str, as_json: bool) -> None:
    """What changed for callers from one revision to the next, oldest first."""
    found = numbers.changes(here, name)
    if as_json:
        print_json({"store": here.store.describe(), "name": name, "changes": found})
        return
    print_store(here.store.describe())
    for one in found:
        click.echo(f"contract {one.label}, from version {one.version} ({one.at[:10]})")
        for line in one.breaks:
            click.echo(f"  breaks: {line}")
        for line in one.additions:
            click.echo(f"  new: {line}")
        if one is not found[0] and not one.breaks and not one.additions:
            click.echo("  nothing that a caller would notice")
