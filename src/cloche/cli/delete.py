"""`cloche delete`: takes a version away."""

from __future__ import annotations

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.errors import UsageError
from cloche.registry import parse_reference


@click.command()
@click.argument("reference", metavar="NAME@VERSION")
@click.option("--reason", metavar="TEXT", help="Why; told to whoever asks for the version.")
@store_option
@json_option
def delete(reference: str, reason: str | None, store: str | None, as_json: bool) -> None:
    """Delete a version that no route points at, for ever.

    Its number is never used again. Its files go when `cloche gc` has run twice, a day apart.
    """
    wanted = parse_reference(reference)
    if wanted.version is None:
        raise UsageError(f"'{reference}': expected NAME@VERSION, a number")
    here = workplace(store)
    stone = here.registry.delete(wanted.name, wanted.version, by=here.user, why=reason)
    if as_json:
        print_json({"store": here.store.describe(), "deleted": stone})
        return
    print_store(here.store.describe())
    click.echo(f"{reference} is deleted")
