"""`cloche replay`: logged answers computed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

import click

from cloche.api.recomputing import Replayed
from cloche.api.replaying import replay as replay_one
from cloche.api.replaying import replay_sample
from cloche.api.workplace import workplace
from cloche.artifact import EngineChoice
from cloche.cli.moments import parse_moment
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.errors import UsageError

_SHOWN = 20


@click.command()
@click.argument("what", metavar="REQUEST_ID | NAME --sample N")
@click.option("--model", metavar="NAME", help="Look in the log of this model only.")
@click.option("--row", type=int, metavar="N", help="Only this row of the request, from 0.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="N answered rows of model NAME, at random.")
@click.option("--since", metavar="TIME", help="With --sample: rows from 2026-11-24, or from 7d ago.")
@click.option("--until", metavar="TIME", help="With --sample: rows up to then.")
@click.option("--engine", type=click.Choice(get_args(EngineChoice)), default="auto", help="Compute with this engine.")
@store_option
@json_option
def replay(
    what: str, model: str | None, row: int | None, sample: int | None, since: str | None, until: str | None,
    engine: EngineChoice, store: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Compute a logged answer again from its logged inputs, and compare.

    Exit status 1 where an answer differs by more than the version's tolerance, or nothing could be computed.

    \b
    cloche replay 06DYMW3K8R1P5T7V9X2Z4B6D8F
    cloche replay penguins --sample 1000 --since 7d
    """
    if sample is None:
        if since or until:
            raise UsageError("replay: --since and --until go with --sample")
        found = replay_one(what, model=model, row=row, engine=engine, store=store)
    else:
        if model or row is not None:
            raise UsageError("replay: --model and --row go with a REQUEST_ID; with --sample the model is NAME")
        start, end = (
            None if since is None else parse_moment(since, "--since"),
            None if until is None else parse_moment(until, "--until"),
        )
        found = replay_sample(what, sample, since=start, until=end, engine=engine, store=store)
    where = workplace(store).store.describe()
    if as_json:
        print_json({"store": where, "counts": counts(found), "rows": found})
    else:
        print_store(where)
        show(found)
    return status_of(found)


def status_of(found: Sequence[Replayed]) -> int:
    """The exit status: 1 where an answer differs, or nothing could be computed."""
    return 1 if any(one.equal is False for one in found) or not any(one.equal for one in found) else 0


def counts(found: Sequence[Replayed]) -> dict[str, int]:
    """How many answers are equal, different, or could not be computed again."""
    return {
        "equal": sum(one.equal is True for one in found),
        "different": sum(one.equal is False for one in found),
        "not_replayed": sum(one.equal is None for one in found),
    }


def show(found: Sequence[Replayed]) -> None:
    """What differs and perhaps why, then the counts."""
    for one in [one for one in found if one.equal is False][:_SHOWN]:
        click.echo(f"{_name(one)}: different")
        for line in one.differences:
            click.echo(f"  {line}")
        for line in one.explanations:
            click.echo(f"  because perhaps: {line}")
    for why, n in Counter(one.why for one in found if one.equal is None).most_common():
        click.echo(f"{n} not replayed: {why}")
    if len(found) == 1 and found[0].equal:
        click.echo(f"{_name(found[0])}: equal")
        return
    told = counts(found)
    click.echo(f"{told['equal']} equal, {told['different']} different, {told['not_replayed']} not replayed")


def _name(one: Replayed) -> str:
    row = "" if one.row is None else f" row {one.row}"
    return f"{one.request_id}{row} ({one.model} version {one.version})"
