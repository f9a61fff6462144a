"""`cloche evaluate`: how good a version is, on a table or on what it answered and was told since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cloche.api.evaluating import evaluate as evaluated
from cloche.api.workplace import workplace
from cloche.cli.ages import parse_age
from cloche.cli.moments import parse_moment
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.errors import UsageError
from cloche.evaluation import Difference, Part
from cloche.registry import Evaluation

#: What is told of a segment.
_HEADLINES = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "mae", "rmse", "bias")


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.argument("table", required=False, type=click.Path(path_type=Path))
@click.option(
    "--target", multiple=True, metavar="COLUMN", help="The column with the truth; repeat for several outputs."
)
@click.option(
    "--logged", is_flag=True, help="Measure what the version answered and was told since, instead of a table."
)
@click.option("--since", metavar="TIME", help="With --logged: from 2026-11-24, or from 7d ago.")
@click.option("--until", metavar="TIME", help="With --logged: up to then.")
@click.option(
    "--horizon", metavar="AGE", help="With --logged: how late a label by key may be [default: the model's, else 30d]."
)
@click.option("--segment", "segments", multiple=True, metavar="COLUMN", help="Measure by this column too; repeat.")
@click.option("--against", type=int, metavar="VERSION", help="The difference to another version, on the same rows.")
@store_option
@json_option
def evaluate(
    reference: str, table: Path | None, target: tuple[str, ...], logged: bool, since: str | None, until: str | None,
    horizon: str | None, segments: tuple[str, ...], against: int | None, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure a version on rows with known truths; the result is kept beside it.

    \b
    cloche evaluate penguins@3 recent.csv --target species --segment island --against 2
    cloche evaluate penguins --logged --since 7d
    """
    if (table is None) != logged:
        raise UsageError("evaluate: expected a TABLE with --target, or --logged")
    if logged and target:
        raise UsageError("evaluate: --target names a column of a TABLE; with --logged the truths are the labels")
    if not logged and (since or until or horizon):
        raise UsageError("evaluate: --since, --until and --horizon go with --logged")
    found = evaluated(
        reference, table, target=target, segments=segments, against=against, store=store,
        since=None if since is None else parse_moment(since, "--since"),
        until=None if until is None else parse_moment(until, "--until"),
        horizon=None if horizon is None else parse_age(horizon, "--horizon"),
    )  # fmt: skip
    where = workplace(store).store.describe()
    if as_json:
        print_json({"store": where} | {"evaluation": found})
        return
    print_store(where)
    _print(found)


def _print(found: Evaluation) -> None:
    what = "logged rows" if found.source == "log" else f"rows of {found.data or 'a table'}"
    click.echo(f"{found.name} version {found.version} on {found.rows} {what}, {found.measured} with a truth")
    if found.labels:
        told = ", ".join(f"{n} {name}" for name, n in found.labels.items() if n and name not in ("labels", "rows"))
        click.echo(f"labels: {found.labels['labels']}" + (f" ({told})" if told else ""))
    for note in found.notes:
        click.echo(f"note: {note}")
    _print_part(found.quality.whole, found.against)
    for column in dict.fromkeys(part.column for part in found.quality.segments):
        click.echo("")
        _print_segments([part for part in found.quality.segments if part.column == column], found.against)


def _print_segments(parts: list[Part], against: int | None) -> None:
    """A line a segment, with the first figures; all of them are in `--json`."""
    names = [name for name in _HEADLINES if any(name in _names_of(part) for part in parts)]
    told = [(part.segment, part.n, *(_cell(part, name) for name in names)) for part in parts]
    print_table((parts[0].column, "rows", *names), told)
    if against is not None:
        apart = [(part.segment, part.n, *(_apart(part, name) for name in names)) for part in parts]
        print_table((f"against version {against}", "rows", *names), apart)


def _names_of(part: Part) -> set[str]:
    return {one.name for one in part.metrics} | {one.name for one in part.not_enough}


def _cell(part: Part, name: str) -> str:
    found = part.metric(name)
    if found is not None:
        return f"{_number(found.value)} ({_interval(found.interval)})"
    return "not enough rows" if name in _names_of(part) else ""


def _apart(part: Part, name: str) -> str:
    found = next((one for one in part.differences if one.name == name), None)
    if found is None or found.interval is None:
        return "not enough rows" if name in _names_of(part) else ""
    return f"{found.difference:+.4g} ({_interval(found.interval)})"


def _print_part(part: Part, against: int | None) -> None:
    rows = [(one.name, _number(one.value), _interval(one.interval), f"n {one.n}") for one in _whole(part.metrics)]
    print_table(("metric", "value", "95 %", "rows"), rows)
    for one in part.not_enough:
        if "[" not in one.name:
            click.echo(f"{one.name}: not enough rows: {one.need}")
    if against is not None and part.differences:
        click.echo(f"\nagainst version {against}, on the same rows")
        print_table(("metric", "difference", "95 %", "verdict"), map(_difference, _whole(part.differences)))


def _difference(one: Difference) -> tuple[str, str, str, str]:
    verdict = one.verdict or ("" if one.interval else "too few rows tell them apart")
    return one.name, f"{one.difference:+.4g}", _interval(one.interval), verdict


def _whole(found: tuple[Any, ...]) -> Iterator[Any]:
    """Of single classes only `--json` tells; several outputs are told each."""
    names = {one.name.partition("[")[0] for one in found if "[" not in one.name}
    classes = {"precision", "recall", "f1"}
    return (one for one in found if "[" not in one.name or one.name.partition("[")[0] not in names | classes)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4g} … {interval[1]:.4g}"
