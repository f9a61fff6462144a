"""`cloche import`: bring a model that another tool wrote."""

from __future__ import annotations

from pathlib import Path

import click

from cloche.api import importing
from cloche.api.files import read_config, read_training_table
from cloche.cli.model_options import CONFIG, MAX_LENGTH, MODULE, OUTPUT, TASK, TOKENIZER
from cloche.cli.output import json_option, print_json, store_option
from cloche.contract.overrides import merge_assignments
from cloche.errors import UsageError
from cloche.importers import Structure
from cloche.saving import SaveRequest

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@click.option("--name", required=True, help="The model's name in the store.")
@click.option("--inputs", type=_FILE, metavar="TABLE", help="The training table: .csv or .parquet.")
@click.option(
    "--target", "targets", multiple=True, metavar="COLUMN", help="The column of TABLE that the model predicts."
)
@click.option("--test", type=_FILE, metavar="TABLE", help="Rows the model was not fitted on, with the target.")
@click.option("--key", "keys", multiple=True, metavar="FIELD", help="Identifies the entity: never shown to the model.")
@click.option("--context", multiple=True, metavar="FIELD", help="Logged for segments, never shown to the model.")
@click.option("--private", multiple=True, metavar="FIELD", help="Its values are shown nowhere.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD.KEY=VALUE", help="Override a learnt rule.")
@click.option("--class", "classes", multiple=True, metavar="LABEL", help="Labels of the classes, in order; repeat.")
@MODULE
@CONFIG
@TOKENIZER
@MAX_LENGTH
@TASK
@OUTPUT
@click.option("--description", metavar="TEXT", help="One paragraph for the model card.")
@click.option(
    "--trust",
    is_flag=True,
    help="You know who made it: convert a pickle, in a process that is shut in; have R open an R object.",
)
@click.option("--no-sandbox", is_flag=True, help="With --trust where no process can be shut in: open it nevertheless.")
@click.option("--sign", "sign_with", type=_FILE, metavar="KEY", help="Sign it with this Ed25519 private key (PEM).")
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
    module: str | None,
    config: Path | None,
    tokenizer: Path | None,
    max_length: int | None,
    task: str | None,
    output: str | None,
    description: str | None,
    trust: bool,
    no_sandbox: bool,
    sign_with: Path | None,
    promote: bool,
    new_contract: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Store a model that MLflow, vetiver, BentoML, skops or a library wrote.

    PATH is a folder, an archive or a file; what it is, is told by its content. The exit status is 0 only when
    something safe was stored: opening it runs no code, or (an R object) it is opened nowhere but where its digest or
    its signer is trusted.
    """
    if targets and inputs is None and test is None:
        raise UsageError("--target: names a column of a table; give the training table: --inputs TABLE")
    table, truth = (None, None) if inputs is None else read_training_table(inputs, targets)
    options = {"tokenizer": tokenizer, "max_length": max_length, "task": task, "output": output}
    request = SaveRequest(
        inputs=table,
        targets=truth,
        test=None if test is None else read_training_table(test, targets),
        keys=keys,
        context=context,
        private=private,
        overrides=merge_assignments(assignments),
        classes=classes or None,
        description=description,
        model_options={option: value for option, value in options.items() if value is not None},
    )
    found = importing.import_model(
        path,
        name,
        request,
        structure=Structure(module, None if config is None else read_config(config)),
        trust=trust,
        sandbox=not no_sandbox,
        sign_with=sign_with,
        promote=promote,
        new_contract=new_contract,
        store=store,
    )
    if as_json:
        print_json(found)
        return
    click.echo(f"imported from {found.kind} ({found.format})")
    click.echo(str(found.version))
