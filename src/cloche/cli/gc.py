"""`cloche gc`: deletes the files that no version names."""

from __future__ import annotations

import click

from cloche.api.workplace import workplace
from cloche.cli.ages import parse_age
from cloche.cli.output import json_option, print_json, print_store, store_option


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@click.option("--grace", default="24h", show_default=True, metavar="AGE", help="How long a marked file stays.")
@store_option
@json_option
def collect(dry_run: bool, grace: str, store: str | None, as_json: bool) -> None:
    """Mark the files that no version names; delete those marked at least a day ago.

    What `cloche delete` and interrupted saves leave behind. Safe while others save: run it once a day.
    """
    here = workplace(store)
    done = here.registry.collect(by=here.user, grace=parse_age(grace, "--grace"), dry_run=dry_run)
    if as_json:
        print_json({"store": here.store.describe(), "dry_run": dry_run, "files": done})
        return
    print_store(here.store.describe())
    would = "would be " if dry_run else ""
    click.echo(f"{done.kept} files kept, {done.marked} {would}marked, {done.waiting} waiting")
    click.echo(f"{done.deleted} files ({done.bytes_deleted} bytes) {would}deleted")
