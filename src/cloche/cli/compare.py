"""`cloche compare`: whether a version answers as the server that it is to replace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cloche.api.comparing import Compared, Refused
from cloche.api.comparing import compare as compare_rows
from cloche.api.other_servers import WAYS, OtherServer, way_of
from cloche.cli.output import json_option, print_json, print_table, store_option
from cloche.errors import UsageError
from cloche.tables import read, to_wire

_TABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("url", metavar="URL")
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option(
    "--rows", "table", type=_TABLE, required=True, metavar="TABLE", help="The rows to send: .csv or .parquet."
)
@click.option(
    "--as", "server", type=click.Choice(sorted(WAYS)), default="mlflow", show_default=True, help="What answers there."
)
@click.option(
    "--target", "targets", multiple=True, metavar="COLUMN", help="A column of TABLE that is not sent; repeat."
)
@click.option(
    "--tolerance", type=click.FloatRange(min=0.0), help="How far numbers may differ [default: the version's own]."
)
@click.option("--wrap", metavar="NAME", help="The argument that the rows go under (BentoML).")
@click.option("--answer", metavar="KEY", help="The key of the answers, where it is none of the usual ones.")
@click.option("--one-row", is_flag=True, help="Send each row alone, as one object.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with every request; repeat.")
@store_option
@json_option
def compare(
    url: str,
    reference: str,
    table: Path,
    server: str,
    targets: tuple[str, ...],
    tolerance: float | None,
    wrap: str | None,
    answer: str | None,
    one_row: bool,
    headers: tuple[str, ...],
    store: str | None,
    as_json: bool,
) -> int:
    """Send rows to the server at URL and to a version here, and tell where their answers differ.

    The exit status is 0 only where rows were answered, and all of them alike. Without a path URL is asked as such
    servers are: /invocations of MLflow, else /predict.
    """
    other = OtherServer(
        url, way_of(server), wrap=wrap, answer=answer, single=one_row, headers=dict(map(_header, headers))
    )
    found = compare_rows(other, reference, _rows(table, targets), tolerance=tolerance, store=store)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0 if found.alike else 1


def _rows(path: Path, targets: tuple[str, ...]) -> list[dict[str, Any]]:
    table = read(path)
    missing = [name for name in targets if name not in table.columns]
    if missing:
        raise UsageError(f"{path}: no column '{missing[0]}'; it has: {', '.join(table.columns)}")
    if not table.rows:
        raise UsageError(f"{path}: there is no row in it")
    return [{name: value for name, value in row.items() if name not in targets} for row in to_wire(table)]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"--header: expected 'NAME: VALUE', got '{text}'")
    return name.strip(), value.strip()


def _print(found: Compared) -> None:
    if found.differences:
        shown = ((one.row, _shown(one.theirs), _shown(one.ours)) for one in found.differences)
        print_table(("row", "theirs", "ours"), shown)
    more = found.differing - len(found.differences)
    if more:
        click.echo(f"and {more} more")
    neither = f", {found.both_refused} refused by both" if found.both_refused else ""
    worst = "" if found.worst is None else f"; the largest difference of numbers is {found.worst:.3g}"
    click.echo(
        f"{found.rows} rows ({found.compared}): {found.equal} equal, {found.differing} different{neither}{worst}"
    )
    if found.why_refused is not None:
        click.echo(f"the first that both refuse, {found.why_refused}")
    click.echo(_verdict(found))


def _verdict(found: Compared) -> str:
    if found.alike:
        return f"{found.ours} answers as {found.theirs}"
    if found.differing:
        return f"{found.ours} does not answer as {found.theirs}"
    return "nothing was compared: both refuse every row (a column that neither expects? --target COLUMN leaves it out)"


def _shown(value: Any) -> str:
    return f"refused: {value.why}" if isinstance(value, Refused) else str(value)
