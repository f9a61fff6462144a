"""`cloche log status | compact | purge | export | erase`: the record of what was asked and answered."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from cloche.api import log as api
from cloche.api.workplace import workplace
from cloche.cli.ages import parse_age
from cloche.cli.moments import parse_moment
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.errors import UsageError
from cloche.prediction_log.status import LogStatus


@click.group()
def log() -> None:
    """Look at, export and clean the prediction log."""


@log.command("status")
@click.argument("name", required=False)
@store_option
@json_option
def show_status(name: str | None, store: str | None, as_json: bool) -> None:
    """Show what waits, what is folded, and who folds."""
    here = workplace(store)
    found = api.status(here, name)
    if as_json:
        print_json({"store": here.store.describe(), "log": found})
        return
    print_store(here.store.describe())
    _print_status(found)


@log.command()
@click.argument("name", required=False)
@store_option
@json_option
def compact(name: str | None, store: str | None, as_json: bool) -> None:
    """Merge small files; take away what nothing refers to since an hour.

    `cloche serve` and `cloche monitor` do it every hour.
    """
    here = workplace(store)
    done = api.compact(here, name)
    if as_json:
        print_json({"store": here.store.describe(), "tables": done})
        return
    print_store(here.store.describe())
    print_table(("table", "files merged", "files removed"), ((one.path, one.merged, one.removed) for one in done))


@log.command()
@click.argument("name")
@click.option("--before", metavar="MOMENT", help="Rows from before this day or moment: 2026-11-24.")
@click.option("--older-than", metavar="AGE", help="Rows that are older: 90d.")
@store_option
@json_option
def purge(name: str, before: str | None, older_than: str | None, store: str | None, as_json: bool) -> None:
    """Take old rows and labels of a model out of the log.

    Their files go an hour later. To take away one person, see `cloche log erase`; to keep a number of days always, the
    setting `[log] retention_days`.
    """
    if (before is None) == (older_than is None):
        raise UsageError("expected one of --before and --older-than")
    moment = (
        parse_moment(before, "--before")
        if before is not None
        else datetime.now(UTC) - parse_age(str(older_than), "--older-than")
    )
    here = workplace(store)
    rows = api.purge(here, name, moment)
    if as_json:
        print_json({"store": here.store.describe(), "name": name, "before": moment, "rows": rows})
        return
    print_store(here.store.describe())
    click.echo(f"{rows} rows of {name} from before {moment.isoformat()} are gone")


@log.command()
@click.argument("name")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file: .parquet, or .csv.")
@click.option("--since", metavar="MOMENT", help="Requests from this day or moment on.")
@click.option("--until", metavar="MOMENT", help="Requests before this day or moment.")
@click.option("--version", type=click.IntRange(1), help="Answers of this version alone.")
@click.option("--all", "everything", is_flag=True, help="Also requests that were refused or failed.")
@store_option
@json_option
def export(
    name: str,
    output: Path,
    since: str | None,
    until: str | None,
    version: int | None,
    everything: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Write the answered rows of a model to one file, a row each; the fields under their own names."""
    here = workplace(store)
    done = api.export(
        here,
        name,
        output,
        since=None if since is None else parse_moment(since, "--since"),
        until=None if until is None else parse_moment(until, "--until"),
        version=version,
        everything=everything,
    )
    if as_json:
        print_json({"store": here.store.describe(), "file": output, "rows": done.rows, "columns": done.columns})
        return
    print_store(here.store.describe())
    click.echo(f"{output}: {done.rows} rows, {len(done.columns)} columns")


@log.command()
@click.argument("name")
@click.option("--where", required=True, metavar="FIELD=VALUE", help="Whose rows: a key, any field, or request_id.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded, so name nobody.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
@json_option
def erase(name: str, where: str, reason: str, yes: bool, store: str | None, as_json: bool) -> None:
    """Take a person out of the log of a model, for ever: rows, labels, old files, this host's spool.

    What other hosts have not landed yet is dropped when it lands. The erasure itself is recorded, without the value.
    """
    here = workplace(store)
    wanted = api.erasure(here, name, where, why=reason)
    if not yes:
        if as_json:
            raise UsageError("--json asks nothing: say --yes")
        found = api.find(here, wanted)
        question = f"erase {found.rows} rows and {found.labels} labels of {name} from {here.store.describe()}?"
        click.confirm(question, abort=True, err=True)
    done = api.erase(here, wanted)
    if as_json:
        print_json({"store": here.store.describe(), "name": name, "erased": done})
        return
    print_store(here.store.describe())
    click.echo(f"erased {done.rows} rows and {done.labels} labels of {name}; recorded as {done.id}")


def _print_status(found: LogStatus) -> None:
    click.echo(f"waiting: {found.waiting} segments ({found.waiting_bytes} bytes)")
    when = f"fold {found.fold} at {found.folded_at} by {found.folded_by}" if found.fold else "nothing is folded yet"
    click.echo(f"last:    {when}")
    click.echo(f"lease:   {found.holder or 'held by nobody'}")
    click.echo(f"spools:  {found.spools}; damaged segments set aside: {found.damaged}")
    if found.erasures:
        left = f", {found.unfinished_erasures} of them unfinished: erase again" if found.unfinished_erasures else ""
        click.echo(f"erased:  {found.erasures} times{left}")
    if found.spool is not None:
        click.echo(f"here:    {found.spool_waiting} sealed segments in {found.spool}")
    if found.tables:
        click.echo()
        headers = ("table", "rows", "files", "bytes", "fold")
        print_table(headers, ((one.path, one.rows, one.files, one.bytes, one.fold) for one in found.tables))
