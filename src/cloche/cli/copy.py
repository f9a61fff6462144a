"""`cloche copy`: a version in another store."""

from __future__ import annotations

import click

from cloche.api.copying import copy
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option


@click.command("copy")
@click.argument("reference", metavar="NAME[@VERSION|@ROUTE]")
@click.option("--to", required=True, metavar="STORE", help="URL or path of the other store.")
@click.option("--name", metavar="NAME", help="Another name there [default: the same].")
@store_option
@json_option
def copy_version(reference: str, to: str, name: str | None, store: str | None, as_json: bool) -> None:
    """Register a version in another store.

    The artifact stays what it is, byte for byte; its number and its contract are those of the other store.
    """
    here = workplace(store)
    record, new = copy(here, reference, to, name=name)
    if as_json:
        print_json({"store": here.store.describe(), "to": to, "new": new, "version": record})
        return
    print_store(here.store.describe())
    state = "copied to" if new else "was there already:"
    click.echo(f"{reference} {state} {record.name}@{record.version} in {to} (sha256 {record.manifest[:12]}…)")
