"""`cloche list | show | diff`: what is in the store."""

from __future__ import annotations

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.cli.summaries import differences, shown


@click.command("list")
@click.argument("name", required=False)
@store_option
@json_option
def list_models(name: str | None, store: str | None, as_json: bool) -> None:
    """List the models, or the versions of one."""
    here = workplace(store)
    rows = here.registry.overview(name)
    if as_json:
        print_json({"store": here.store.describe(), "models" if name is None else "versions": rows})
        return
    print_store(here.store.describe())
    if not rows:
        click.echo("no models yet; cloche.save(model, NAME, inputs=X) makes the first one", err=True)
        return
    headers = list(rows[0])
    print_table(headers, ([row[header] for header in headers] for row in rows))


@click.command()
@click.argument("reference", metavar="NAME[@VERSION|@ROUTE]")
@store_option
@json_option
def show(reference: str, store: str | None, as_json: bool) -> None:
    """Show one version; with --json everything known about it."""
    here = workplace(store)
    document = here.registry.show(reference)
    if as_json:
        print_json({"store": here.store.describe()} | document)
        return
    print_store(here.store.describe())
    for line in shown(document):
        click.echo(line)


@click.command()
@click.argument("name")
@click.argument("old", type=int)
@click.argument("new", type=int)
@store_option
@json_option
def diff(name: str, old: int, new: int, store: str | None, as_json: bool) -> None:
    """Compare two versions of a model.

    Contract, metrics, hyperparameters, training, environment: what differs. With --json every figure.
    """
    here = workplace(store)
    document = here.registry.diff(name, old, new)
    if as_json:
        print_json({"store": here.store.describe()} | document)
        return
    print_store(here.store.describe())
    for line in differences(document):
        click.echo(line)
