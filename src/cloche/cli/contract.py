"""`cloche contract`: print it, change a rule, replay real traffic against it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from cloche.api import contracts
from cloche.api.workplace import Workplace, workplace
from cloche.cli import contract_numbers
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.cli.summaries import contract_lines
from cloche.contract.model import LogInputs
from cloche.contract.overrides import merge_assignments
from cloche.errors import UsageError


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="NAME[@VERSION] | check NAME TABLE")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="FIELD.KEY=VALUE",
    help="Publish a new version with this rule changed; repeat.",
)
@click.option(
    "--log-inputs",
    type=click.Choice(get_args(LogInputs)),
    help="Publish a new version of whose inputs the log keeps the values, the bins, or nothing.",
)
@click.option("--promote", is_flag=True, help="With --set: make the new version live at once.")
@click.option("--strict", is_flag=True, help="With check: refuse what would be answered with a warning.")
@click.option("--default", type=int, metavar="N", help="Let paths without a number mean contract N.")
@click.option("--sunset", metavar="N=DATE", help="Tell callers of contract N until when it is served; N= for no end.")
@click.option("--callers", is_flag=True, help="Who still calls which number, as the servers report.")
@click.option("--changes", is_flag=True, help="What changed for callers from one revision to the next.")
@store_option
@json_option
def contract(
    words: tuple[str, ...], assignments: tuple[str, ...], log_inputs: LogInputs | None, promote: bool, strict: bool,
    default: int | None, sunset: str | None, callers: bool, changes: bool, store: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Print or change (--set) the contract of NAME, or check a table.

    `check` replays a table of real traffic against it: which rows would be refused, and why.

    \b
    cloche contract penguins
    cloche contract penguins --set body_mass_g.minimum=0
    cloche contract penguins --default 2 --sunset 1=2027-06-30
    cloche contract check penguins recent.parquet      (exit status 1 if a row would be refused)
    """
    here = workplace(store)
    if len(words) == 3 and "check" in words[:2]:
        name = words[1] if words[0] == "check" else words[0]
        return _check(here, name, Path(words[2]), strict, as_json)
    if len(words) != 1:
        raise UsageError(f"contract: expected NAME or 'check NAME TABLE', got '{' '.join(words)}'")
    if assignments or log_inputs is not None:
        rules = merge_assignments(assignments)
        version = contracts.set_rules(here, words[0], rules, promote=promote, log_inputs=log_inputs)
        print_json(version) if as_json else click.echo(str(version))
        return 0
    if default is not None or sunset is not None:
        contract_numbers.change(here, words[0], default, sunset, as_json)
    elif callers:
        contract_numbers.show_callers(here, words[0], as_json)
    elif changes:
        contract_numbers.show_changes(here, words[0], as_json)
    else:
        _print(here, words[0], as_json)
    return 0


def _print(here: Workplace, reference: str, as_json: bool) -> None:
    found, contract = contracts.contract_of(here, reference)
    heading = {"store": here.store.describe(), "name": found.name, "version": found.version.version}
    heading["contract_number"] = found.version.contract
    if as_json:
        print_json(heading | {"contract": contract})
        return
    print_store(here.store.describe())
    click.echo(f"{found.name} version {found.version.version}, contract {found.version.contract}")
    for line in contract_lines(contract):
        click.echo(line)


def _check(here: Workplace, reference: str, table: Path, strict: bool, as_json: bool) -> int:
    if not table.is_file():
        raise UsageError(f"contract check: no such file: {table}")
    found, contract = contracts.contract_of(here, reference)
    replay = contracts.check_table(contract, table, strict=strict)
    if as_json:
        print_json(
            {"store": here.store.describe(), "name": found.name, "version": found.version.version, "replay": replay}
        )
    else:
        print_store(here.store.describe())
        for word, reasons in (("refused", replay.reasons), ("warning", replay.warning_reasons)):
            for reason in reasons:
                click.echo(f"{word}: {_rows(reason)}")
        click.echo(f"{replay.rows} rows: {replay.refused} refused, {replay.warned} answered with a warning")
    return 1 if replay.refused else 0


def _rows(reason: contracts.Reason) -> str:
    """`812 rows, first row 17: island: unknown level 'Dreem'`, or `row 17: …` of one alone."""
    return reason.first.text() if reason.rows == 1 else f"{reason.rows} rows, first {reason.first.text()}"
