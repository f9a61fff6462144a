"""`cloche predict URL|NAME ROWS`: one call from the shell, through a server or without one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from cloche.api.loading import load
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.client import Client
from cloche.errors import UsageError
from cloche.serving import Prediction
from cloche.tables import read, to_wire


@click.command()
@click.argument("target", metavar="URL|NAME[@VERSION]")
@click.argument("rows", metavar="[JSON|FILE|-]", default="-")
@click.option("--key", envvar="CLOCHE_KEY", metavar="KEY", help="API key [env: CLOCHE_KEY].")
@click.option("--model", metavar="NAME", help="The model to call where the server holds several.")
@store_option
@json_option
def predict(target: str, rows: str, key: str | None, model: str | None, store: str | None, as_json: bool) -> None:
    """Predict ROWS: JSON, a .json, .csv or .parquet file, or stdin.

    With a URL the server answers; with a NAME the model is opened in this process.
    """
    data = _rows(rows)
    if target.startswith(("http://", "https://")):
        with Client(target, key=key, model=model) as client:
            prediction = client.predict(data)
    else:
        if not as_json:
            print_store(workplace(store).store.describe())
        prediction = load(target, store=store).predict(data)
    if as_json:
        print_json(prediction.to_dict())
    else:
        _print(prediction)


def _rows(text: str) -> Any:
    """A JSON document given as text, in a file or on standard input; or the rows of a table file."""
    if text == "-":
        return _json(sys.stdin.buffer.read(), "standard input")
    if text.lstrip()[:1] in ("{", "["):
        return _json(text.encode(), "the argument")
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"rows: expected JSON, a file or '-', got '{text[:64]}' (no such file)")
    if path.suffix == ".json":
        return _json(path.read_bytes(), str(path))
    return to_wire(read(path))


def _json(raw: bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as exc:
        raise UsageError(f"{where}: expected JSON: {exc}") from exc


def _print(prediction: Prediction) -> None:
    for warning in prediction.warnings:
        click.echo(f"warning: {warning.text()}", err=True)
    single = not isinstance(prediction.prediction, list)
    answers = [prediction.prediction] if single else prediction.prediction
    if prediction.probabilities is None:
        print_table(("prediction",), ((answer,) for answer in answers))
        return
    columns = {name: [value] if single else value for name, value in prediction.probabilities.items()}
    shares = zip(*columns.values(), strict=True)
    print_table(
        ("prediction", *columns), ((a, *(f"{p:.3f}" for p in share)) for a, share in zip(answers, shares, strict=True))
    )
