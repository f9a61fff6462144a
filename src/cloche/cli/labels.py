"""`cloche label` sends the truth about answers into the log, `cloche labels` says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from cloche.api import labelling
from cloche.api.workplace import workplace
from cloche.cli.ages import parse_age
from cloche.cli.moments import parse_moment
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.errors import UsageError
from cloche.tables import read


@click.command()
@click.argument("name")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--label", "labels", multiple=True, required=True, metavar="COLUMN",
              help="The column with the truth; OUTPUT=COLUMN, repeated, for several outputs.")  # fmt: skip
@click.option("--id", "id", metavar="COLUMN", help="The column with the request ids, ours or your own.")
@click.option("--row", metavar="COLUMN", help="With --id: the column with the number of the row in its request.")
@click.option("--key", "keys", multiple=True, metavar="FIELD=COLUMN", help="By key: a column for each key field.")
@click.option("--event-time", metavar="COLUMN", help="When it became true [default: now].")
@store_option
@json_option
def label(
    name: str, table: Path, labels: tuple[str, ...], id: str | None, row: str | None, keys: tuple[str, ...],
    event_time: str | None, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send the truth about answers of NAME into its log, a row of TABLE each.

    One bad row, and nothing is sent. The same labels again change nothing; another label is a correction.

    \b
    cloche label penguins truths.csv --label species --id request_id
    cloche label churn outcomes.parquet --label left --key customer=customer_id --event-time left_at
    """
    here = workplace(store)
    if row is not None and id is None:
        raise UsageError("--row: expected with --id only")
    columns = labelling.Columns(_pairs(labels, "--label", alone=""), id, row, _pairs(keys, "--key"), event_time)
    sent = labelling.send(here, name, read(table), columns)
    if as_json:
        print_json({"store": here.store.describe(), "name": name, "labels": sent})
        return
    print_store(here.store.describe())
    click.echo(f"{sent} labels sent; cloche labels {name} says which answers they are about")


@click.command("labels")
@click.argument("name")
@click.option("--unmatched", is_flag=True, help="List the labels that belong to no answer, and why.")
@click.option("--ambiguous", is_flag=True, help="List the labels whose id is that of several answers.")
@click.option("--invalid", is_flag=True, help="List the labels that are no answer of the model.")
@click.option("--since", metavar="TIME", help="Answers and labels from 2026-11-24, or from 7d ago.")
@click.option("--horizon", metavar="AGE", help="How late a label by key may be [default: the model's, else 30d].")
@click.option("--set-horizon", metavar="AGE", help="Set that for the model, for all who read its labels.")
@store_option
@json_option
def show_labels(
    name: str, unmatched: bool, ambiguous: bool, invalid: bool, since: str | None, horizon: str | None,
    set_horizon: str | None, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say what became of the labels of NAME."""
    here = workplace(store)
    if set_horizon is not None:
        labelling.set_horizon(here, name, parse_age(set_horizon, "--set-horizon"))
    age = None if horizon is None else parse_age(horizon, "--horizon")
    state = labelling.labels(here, name, since=None if since is None else parse_moment(since, "--since"), horizon=age)
    asked = {"unmatched": unmatched, "ambiguous": ambiguous, "invalid": invalid}
    listed = state.listed([fate for fate, wanted in asked.items() if wanted])
    if as_json:
        document = {"store": here.store.describe(), "name": name, "counts": state.counts}
        print_json(document | ({"labels": listed} if any(asked.values()) else {}))
        return
    print_store(here.store.describe())
    if not any(asked.values()):
        print_table(("labels", ""), state.counts.items())
        return
    names = ("fate", "id", "row", "key", "label", "received", "why")
    print_table(names, ([_cell(one.get(column)) for column in names] for one in listed))


def _cell(value: object) -> object:
    return value if isinstance(value, str | int | None) else msgspec.json.encode(value).decode()


def _pairs(words: Sequence[str], flag: str, *, alone: str | None = None) -> dict[str, str]:
    """`FIELD=COLUMN` by field; a word without `=` is the column of *alone*, where that is allowed."""
    found: dict[str, str] = {}
    for word in words:
        field, sign, column = word.partition("=")
        if not sign and alone is not None and len(words) == 1:
            return {alone: word}
        if not sign or not field or not column or field in found:
            raise UsageError(f"{flag}: expected NAME=COLUMN, each name once, got '{word[:64]}'")
        found[field] = column
    return found
