"""`cloche export`: a version for another tool."""

from __future__ import annotations

from pathlib import Path

import click

from cloche.api import exporting
from cloche.cli.output import json_option, print_json, store_option


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--to", type=click.Choice(("mlflow", "onnx")), required=True, help="Who is to read it.")
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="An empty folder.",
)
@store_option
@json_option
def export(reference: str, to: str, directory: Path, store: str | None, as_json: bool) -> None:
    """Write a version as an MLflow model folder or an ONNX file."""
    found = exporting.export(reference, to, directory, store=store)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.reference} for {found.to} in {found.directory}: {', '.join(found.files[:12])}")
    for note in found.notes:
        click.echo(f"note: {note}")
