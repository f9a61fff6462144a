"""`cloche reproduce`: train a version again, and see whether the answers are the same."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cloche.api import rerunning
from cloche.api.reproducing import Reproduction
from cloche.api.reproducing import reproduce as train_again
from cloche.api.rerunning import Rerun, Where
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.cli.summaries import column_changes
from cloche.errors import UsageError

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("reference", metavar="NAME[@VERSION|@ROUTE]")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT …]")
@click.option("--yes", is_flag=True, help="Run the script without asking.")
@click.option("--python", metavar="FILE", help="Another interpreter: one with the versions of `cloche show --lock`.")
@click.option("--script", type=click.Path(path_type=Path), metavar="FILE", help="The script, where you have it.")
@click.option("--repo", type=_FOLDER, metavar="DIR", help="A clone that holds the commit [default: here].")
@click.option("--in", "folder", type=_FOLDER, metavar="DIR", help="Run it in DIR, where its data lies.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0), metavar="S", help="Give up after this long.")
@store_option
@json_option
def reproduce(
    reference: str, arguments: tuple[str, ...], yes: bool, python: str | None, script: Path | None, repo: Path | None,
    folder: Path | None, timeout_s: float | None, store: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Run the recorded training script again, and compare the answers.

    It runs in a new process, from a checkout of the recorded commit or the copy in the artifact, and saves into a
    store that is thrown away. Exit status 1 where the answers differ, or where it cannot be run.
    """
    here = workplace(store)
    record = here.registry.resolve(reference).version
    where = Where(script=script, repository=repo, folder=folder, python=python, arguments=arguments or None)
    with rerunning.prepared(here, record, here.registry.manifest_of(record), where) as rerun:
        if not as_json:
            print_store(here.store.describe())
        _ask(rerun, yes=yes)
        found = train_again(here, record, rerun, timeout_s=timeout_s)
    if as_json:
        print_json({"store": here.store.describe(), "same_data": found.same_data, "reproduction": found})
    else:
        for line in _lines(found):
            click.echo(line)
    return 0 if found.verdict == "equal" else 1


def _ask(rerun: Rerun, *, yes: bool) -> None:
    """It is the reader's own machine that runs it: nothing starts unseen."""
    click.echo(f"script: {rerun.source}\nrun:    {shlex.join(rerun.command)}\nin:     {rerun.folder}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("reproduce: this runs the training script with all that you may do; say --yes")
    click.confirm("Run it with all that you may do?", abort=True, err=True)


def _lines(found: Reproduction) -> Iterator[str]:
    tolerance = f"{found.tolerance['absolute']:g} + {found.tolerance['relative']:g} · |y|"
    name = f"{found.name}@{found.version}"
    if found.verdict == "equal":
        yield f"{name}: reproduced from {found.source}: {found.rows} rows answered alike, within {tolerance}"
    else:
        yield f"{name}: different from what {found.source} gives now; of {found.rows} rows, the first differences:"
        yield from (f"  {line}" for line in found.differences)
    if found.columns is None:
        yield "training table: not known"
    elif found.same_data:
        yield "training table: the same values in every column"
    else:
        yield "training table:"
        yield from column_changes(found.columns)
    for key, both in found.hyperparameters.items():
        yield f"hyperparameter {key}: {both['old']} then, {both['new']} now"
    yield from (f"environment: {line}" for line in found.environment)
    yield from (f"note: {line}" for line in found.notes)
