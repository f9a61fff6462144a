"""`cloche import`: bring a model that another tool wrote."""

from __future__ import annotations

from pathlib import Path

import click

from cloche.api import importing
from cloche.api.files import read_training_table
from cloche.cli.output import json_option, print_json, store_option
from cloche.contract.overrides import merge_assignments
from cloche.saving import SaveRequest

_TABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@click.option("--name", required=True, help="The model's name in the store.")
@click.option("--inputs", type=_TABLE, metavar="TABLE", help="The training table: .csv or .parquet.")
@click.option(
    "--target", "targets", multiple=True, metavar="COLUMN", help="The column of TABLE that the model predicts."
)
@click.option("--test", type=_TABLE, metavar="TABLE", help="Rows the model was not fitted on, with the target.")
@click.option("--key", "keys", multiple=True, metavar="FIELD", help="Identifies the entity: never shown to the model.")
@click.option("--context", multiple=True, metavar="FIELD", help="Logged for segments, never shown to the model.")
@click.option("--private", multiple=True, metavar="FIELD", help="Its values are shown nowhere.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD.KEY=VALUE", help="Override a learnt rule.")
@click.option("--class", "classes", multiple=True, metavar="LABEL", help="Labels of the classes, in order; repeat.")
@click.option("--trust", is_flag=True, help="Convert a pickle: it is opened in a process that is shut in.")
@click.option("--no-sandbox", is_flag=True, help="With --trust where no process can be shut in: open it nevertheless.")
@click.option("--promote", is_flag=True, help="Make the new version live at once.")
@click.option("--new-contract", is_flag=True, help="Publish under the next contract number, beside the old ones.")
@store_option
@json_option
def import_model(
    path: Path,
    name: str,
    inputs: Path | None,
    targets: tuple[str, ...],
    test: Path | None,
    keys: tuple[str, ...],
    context: tuple[str, ...],
    private: tuple[str, ...],
    assignments: tuple[str, ...],
    classes: tuple[str, ...],
    trust: bool,
    no_sandbox: bool,
    promote: bool,
    new_contract: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Store a model that MLflow, vetiver, BentoML, skops or a library wrote.

    PATH is a folder, an archive or a file; what it is, is told by its content. The exit status is 0 only when
    something was stored that opens without running its code.
    """
    table, truth = (None, None) if inputs is None else read_training_table(inputs, targets)
    request = SaveRequest(
        inputs=table,
        targets=truth,
        test=None if test is None else read_training_table(test, targets),
        keys=keys,
        context=context,
        private=private,
        overrides=merge_assignments(assignments),
        classes=classes or None,
    )
    found = importing.import_model(
        path,
        name,
        request,
        trust=trust,
        sandbox=not no_sandbox,
        promote=promote,
        new_contract=new_contract,
        store=store,
    )
    if as_json:
        print_json(found)
        return
    click.echo(f"imported from {found.kind} ({found.format})")
    click.echo(str(found.version))
