"""`cloche list | show | diff`: what is in the store."""

from __future__ import annotations

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.cli.summaries import differences, lock_lines, shown
from cloche.errors import UsageError
from cloche.registry import parse_reference


def _two(words: tuple[str, ...]) -> tuple[str, int, int]:
    if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
        return words[0], int(words[1]), int(words[2])
    if len(words) == 2:
        old, new = map(parse_reference, words)
        if old.name == new.name and old.version is not None and new.version is not None:
            return old.name, old.version, new.version
    raise UsageError(f"diff: expected NAME OLD NEW or NAME@OLD NAME@NEW, got {' '.join(words)}")


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
@click.option("--lock", is_flag=True, help="Print the libraries it was saved with as pinned requirements.")
@store_option
@json_option
def show(reference: str, lock: bool, store: str | None, as_json: bool) -> None:
    """Show one version; with --json everything known about it."""
    here = workplace(store)
    if lock and not as_json:
        print_store(here.store.describe())
        record = here.registry.resolve(reference).version
        click.echo("\n".join(lock_lines(here.registry.manifest_of(record), f"{record.name}@{record.version}")))
        return
    document = here.registry.show(reference)
    if as_json:
        print_json({"store": here.store.describe()} | document)
        return
    print_store(here.store.describe())
    for line in shown(document):
        click.echo(line)


@click.command()
@click.argument("versions", nargs=-1, required=True, metavar="NAME OLD NEW | NAME@OLD NAME@NEW")
@store_option
@json_option
def diff(versions: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """Compare two versions of a model.

    Contract, metrics, hyperparameters, training, columns of the training table, environment: what differs. With --json
    every figure.
    """
    here = workplace(store)
    document = here.registry.diff(*_two(versions))
    if as_json:
        print_json({"store": here.store.describe()} | document)
        return
    print_store(here.store.describe())
    for line in differences(document):
        click.echo(line)
