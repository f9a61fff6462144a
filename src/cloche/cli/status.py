"""`cloche status`: what each running server serves, by its own reports."""

from __future__ import annotations

from collections.abc import Mapping

import click

from cloche.api.status import HostStatus, status
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.registry.reports import ModelReport


@click.command(name="status")
@click.argument("name", required=False)
@store_option
@json_option
def show_status(name: str | None, store: str | None, as_json: bool) -> None:
    """Show every running server of the store: what it is to serve, what it serves, and why not.

    By the reports that servers write on a change and every 30 seconds; one that is silent for longer than 90 seconds
    is marked.
    """
    here = workplace(store)
    hosts = status(here, name)
    if as_json:
        print_json({"store": here.store.describe(), "hosts": hosts})
        return
    print_store(here.store.describe())
    if not hosts:
        click.echo("no server has reported" if name is None else f"no server that serves {name} has reported")
        return
    print_table(("host", "url", "pid", "workers", "report", "notes"), map(_host_row, hosts))
    click.echo()
    print_table(
        ("host", "model", "wanted", "serving", "warm", "why"),
        (_model_row(host, model) for host in hosts for model in host.models),
    )


def _host_row(host: HostStatus) -> tuple[object, ...]:
    current = sum(worker.current for worker in host.workers)
    workers = str(current) if current == host.slots else f"{current} of {host.slots}"
    notes = [*(("silent",) if host.silent else ()), *(f"{one} away" for one in host.degraded)]
    return host.machine, host.url, host.pid, workers, f"{host.age_s:.0f} s ago", ", ".join(notes)


def _model_row(host: HostStatus, model: ModelReport) -> tuple[object, ...]:
    why = "; ".join(f"version {version}: {reason}" for version, reason in sorted(model.refused.items()))
    pinned = "" if model.route is not None else " (pinned)"
    warm = ", ".join(map(str, model.warm))
    return host.machine, f"{model.name}{pinned}", _versions(model.wanted), _versions(model.serving), warm, why


def _versions(by_contract: Mapping[int, int]) -> str:
    """`3`, or `3, 5 (contract 2)` where there are several contracts."""
    if len(by_contract) < 2:
        return ", ".join(map(str, by_contract.values()))
    return ", ".join(f"{version} (contract {number})" for number, version in sorted(by_contract.items()))
