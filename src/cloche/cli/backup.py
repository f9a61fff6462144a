"""`cloche backup | restore`: everything in a store, somewhere else, and back."""

from __future__ import annotations

import click

from cloche.api import copying
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.registry import Copied


@click.command()
@click.option("--to", required=True, metavar="STORE", help="URL or path of the backup.")
@store_option
@json_option
def backup(to: str, store: str | None, as_json: bool) -> int:
    """Bring a backup up to date: models, versions, routes, keys; what is new there is read back and hashed.

    A backup is a store: `cloche verify --store` hashes all of it. Exit status 1 when the store had lost something.
    """
    here = workplace(store)
    target, done = copying.backup(here, to)
    return _report(here.store.describe(), f"backed up to {target.describe()}", done, as_json)


@click.command()
@click.option("--from", "source", required=True, metavar="STORE", help="URL or path of the backup.")
@click.option("--to", metavar="STORE", help="The store to fill [default: as --store].")
@store_option
@json_option
def restore(source: str, to: str | None, store: str | None, as_json: bool) -> int:
    """Fill a store from the last backup, and verify it.

    The store has to be empty, or an earlier state of the same history.
    """
    here = workplace(to if to is not None else store)
    backup_store, done = copying.restore_from(here, source)
    return _report(here.store.describe(), f"restored from {backup_store.describe()}", done, as_json)


def _report(where: str, what: str, done: Copied, as_json: bool) -> int:
    if as_json:
        print_json({"store": where, "written": done.written, "there": done.there, "missing": done.missing})
    else:
        print_store(where)
        click.echo(f"{what}: {done.written} objects written, {done.there} were there")
        for sha256 in done.missing:
            click.echo(f"error: the store had lost the file {sha256}; cloche verify says of which version", err=True)
    return 1 if done.missing else 0
