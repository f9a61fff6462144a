"""`cloche save` and `cloche inspect`: from a model file and a training table to a published version."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from cloche.api import saving
from cloche.api.files import open_model_file, read_training_table
from cloche.api.workplace import workplace
from cloche.cli.model_options import CONFIG, MAX_LENGTH, MODULE, OUTPUT, TASK, TOKENIZER
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.contract.model import LogInputs
from cloche.contract.overrides import merge_assignments
from cloche.errors import UsageError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEY = click.option(
    "--key", "keys", multiple=True, metavar="FIELD", help="Identifies the entity: logged, never shown to the model."
)
_CONTEXT = click.option(
    "--context", multiple=True, metavar="FIELD", help="Logged for segments and times, never shown to the model."
)


@click.command()
@click.argument("model_file", type=_FILE, metavar="MODEL_FILE")
@click.option("--name", required=True, help="The model's name in the store.")
@click.option("--inputs", type=_FILE, metavar="TABLE", help="The training table: .csv or .parquet.")
@click.option(
    "--target", "targets", multiple=True, metavar="COLUMN", help="The column of TABLE that the model predicts."
)
@click.option(
    "--test",
    type=_FILE,
    metavar="TABLE",
    help="Rows the model was not fitted on, with the target: metrics come from them.",
)
@_KEY
@_CONTEXT
@click.option("--private", multiple=True, metavar="FIELD", help="Its values are shown nowhere.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD.KEY=VALUE", help="Override a learnt rule.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME=VALUE",
    help="A figure of your own, recorded beside the measured ones.",
)
@click.option("--class", "classes", multiple=True, metavar="LABEL", help="Labels of the classes, in order; repeat.")
@click.option("--data-version", metavar="TEXT", help="Your own name for the training data.")
@click.option("--seed", type=int, help="The seed of the split or the fit.")
@click.option("--description", metavar="TEXT", help="One paragraph for the model card.")
@click.option("--license", "license_id", metavar="SPDX", help="Under which license others may use it: Apache-2.0.")
@click.option("--script", type=_FILE, metavar="FILE", help="The program that trained it: recorded, not run.")
@click.option(
    "--log-inputs",
    type=click.Choice(get_args(LogInputs)),
    help="What the log keeps of inputs: values, bins, nothing [default: as before, else keep].",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "twin", "native", "onnx"]),
    default="auto",
    show_default=True,
    help="What answers: the first there is; the twin, its own library, or its ONNX form or no save.",
)
@MODULE
@CONFIG
@TOKENIZER
@MAX_LENGTH
@TASK
@OUTPUT
@click.option("--sign", "sign_with", type=_FILE, metavar="KEY", help="Sign it with this Ed25519 private key (PEM).")
@click.option("--promote", is_flag=True, help="Make the new version live at once.")
@click.option("--new-contract", is_flag=True, help="Publish under the next contract number, beside the old ones.")
@store_option
@json_option
def save(
    model_file: Path,
    name: str,
    inputs: Path | None,
    targets: tuple[str, ...],
    test: Path | None,
    keys: tuple[str, ...],
    context: tuple[str, ...],
    private: tuple[str, ...],
    assignments: tuple[str, ...],
    metrics: tuple[str, ...],
    classes: tuple[str, ...],
    data_version: str | None,
    seed: int | None,
    description: str | None,
    license_id: str | None,
    script: Path | None,
    log_inputs: LogInputs | None,
    engine: str,
    module: str | None,
    config: Path | None,
    tokenizer: Path | None,
    max_length: int | None,
    task: str | None,
    output: str | None,
    sign_with: Path | None,
    promote: bool,
    new_contract: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Freeze a model file as the next version of NAME: .skops, .ubj, .txt, .cbm, .rds …, or a net's tensors.

    It is loaded back in a fresh process and answers its golden rows before anything is published.
    """
    here = workplace(store)
    table, truth = (None, None) if inputs is None else read_training_table(inputs, targets)
    model, options = open_model_file(model_file, here.trust, module=module, config=config)
    version = saving.save(
        model,
        name,
        inputs=table,
        targets=truth,
        test=None if test is None else read_training_table(test, targets),
        keys=keys,
        context=context,
        private=private,
        contract=merge_assignments(assignments),
        metrics=_figures(metrics),
        classes=classes or None,
        data_version=data_version,
        seed=seed,
        description=description,
        license_id=license_id,
        script=script if script is not None else False,
        log_inputs=log_inputs,
        engine=engine,
        tokenizer=tokenizer,
        max_length=max_length,
        **options,
        task=task,
        output=output,
        promote=promote,
        new_contract=new_contract,
        sign_with=sign_with,
        store=store,
        quiet=True,
    )
    if as_json:
        print_json(version)
    else:
        click.echo(str(version))


@click.command()
@click.argument("model_file", type=_FILE, metavar="MODEL_FILE")
@click.option("--inputs", type=_FILE, metavar="TABLE", help="The training table: .csv or .parquet.")
@click.option(
    "--target", "targets", multiple=True, metavar="COLUMN", help="The column of TABLE that the model predicts."
)
@_KEY
@_CONTEXT
@click.option("--class", "classes", multiple=True, metavar="LABEL", help="Labels of the classes, in order; repeat.")
@MODULE
@CONFIG
@TOKENIZER
@MAX_LENGTH
@store_option
@json_option
def inspect(
    model_file: Path,
    inputs: Path | None,
    targets: tuple[str, ...],
    keys: tuple[str, ...],
    context: tuple[str, ...],
    classes: tuple[str, ...],
    module: str | None,
    config: Path | None,
    tokenizer: Path | None,
    max_length: int | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Show what `cloche save` would learn; nothing is stored."""
    here = workplace(store)
    table, truth = (None, None) if inputs is None else read_training_table(inputs, targets)
    model, options = open_model_file(model_file, here.trust, module=module, config=config)
    found = saving.inspect(
        model,
        table,
        targets=truth,
        keys=keys,
        context=context,
        classes=classes or None,
        tokenizer=tokenizer,
        max_length=max_length,
        config=options.get("config"),
    )
    if as_json:
        print_json({"contract": found.contract, "notes": found.notes})
        return
    print_store(here.store.describe())
    print_table(("field", "role", "rule"), ((rule.name, rule.role, rule.rule) for rule in found.rules))
    for note in found.notes:
        click.echo(f"note: {note}")


def _figures(texts: tuple[str, ...]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        try:
            figures[name] = float(value)
        except ValueError:
            raise UsageError(f"--metric: expected NAME=NUMBER, got '{text}'") from None
        if not sign or not name:
            raise UsageError(f"--metric: expected NAME=NUMBER, got '{text}'")
    return figures
