"""`cloche report`: the dashboard of a model as one HTML file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.errors import UsageError
from cloche.monitoring.documents import RANGES
from cloche.prediction_log import homes


@click.command()
@click.argument("name")
@click.option("--range", "range_", default="7d", show_default=True, metavar="RANGE", help=f"{', '.join(RANGES)}.")
@click.option("--version", type=int, metavar="N", help="Of this version only.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file [default: NAME-RANGE.html]."
)
@click.option("--exact", is_flag=True, help="Measure every field on the raw rows of the log too.")
@click.option(
    "--reference", type=click.Path(path_type=Path), metavar="TABLE",
    help="With --exact: rows to compare with (.csv, .parquet), instead of the bins that the artifact holds.",
)  # fmt: skip
@store_option
@json_option
def report(
    name: str, range_: str, version: int | None, output: Path | None, exact: bool, reference: Path | None,
    store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write what the dashboard shows of NAME into one HTML file that asks nobody for anything.

    \b
    cloche report penguins --range 30d -o penguins.html
    cloche report penguins --exact --reference train.csv
    """
    if reference is not None and not exact:
        raise UsageError("report: --reference goes with --exact")
    if exact:
        homes.check("scipy")
    here = workplace(store)
    reporting: Any = import_module("cloche.api.reporting")
    document = reporting.document_of(here, name, range_, version)
    page = reporting.written_exactly(here, document, reference) if exact else reporting.written(document)
    path = output or Path(f"{name}-{range_}.html")
    try:
        path.write_text(page, "utf-8")
    except OSError as exc:
        raise UsageError(f"report: {path}: cannot write: {exc.strerror}") from exc
    if as_json:
        print_json({"store": here.store.describe(), "file": str(path), "made": document.made, "range": range_})
        return
    print_store(here.store.describe())
    click.echo(str(path))
