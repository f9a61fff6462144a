"""`cloche parity`: whether the twin answered as the model's own library would have."""

from __future__ import annotations

import click

from cloche.api.replaying import replay_sample
from cloche.api.workplace import workplace
from cloche.cli import replay
from cloche.cli.moments import parse_moment
from cloche.cli.output import json_option, print_json, print_store, store_option


@click.command()
@click.argument("name")
@click.option(
    "--sample", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N", help="So many answered rows."
)
@click.option("--since", metavar="TIME", help="Rows from 2026-11-24, or from 7d ago.")
@click.option("--until", metavar="TIME", help="Rows up to then.")
@store_option
@json_option
def parity(name: str, sample: int, since: str | None, until: str | None, store: str | None, as_json: bool) -> int:
    """Compare logged answers of model NAME with the model's own library, at random.

    Whatever engine answered: the rows are computed again natively and compared within the version's tolerance. Exit
    status 1 where one differs, or none could be computed. The library has to be installed here.
    """
    start = None if since is None else parse_moment(since, "--since")
    end = None if until is None else parse_moment(until, "--until")
    found = replay_sample(name, sample, since=start, until=end, engine="native", store=store)
    where = workplace(store).store.describe()
    if as_json:
        print_json({"store": where, "counts": replay.counts(found), "rows": found})
    else:
        print_store(where)
        replay.show(found)
    return replay.status_of(found)
