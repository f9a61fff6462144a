"""`cloche bom`: what a version is made of, for those who keep an inventory."""

from __future__ import annotations

from pathlib import Path

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_text, print_json, print_store, store_option
from cloche.errors import UsageError
from cloche.saving.bom import bill


@click.command()
@click.argument("reference", metavar="NAME[@VERSION|@ROUTE]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it there.")
@store_option
def bom(reference: str, output: Path | None, store: str | None) -> None:
    """Print the bill of materials: CycloneDX 1.6 (JSON) with a model card.

    Model, training data, libraries, files, each with its digest; the same bytes for a version every time.
    """
    here = workplace(store)
    record = here.registry.resolve(reference).version
    manifest, contract = here.registry.manifest_of(record), here.registry.contract_of(record)
    document = bill(manifest, contract, digest=record.manifest, version=record.version)
    print_store(here.store.describe())
    if output is None:
        print_json(document)
        return
    try:
        output.write_text(json_text(document) + "\n", encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{output}: {exc.strerror}") from exc
