"""`cloche alerts`: what fires; silence a rule, try a sink, check a file, export to Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from cloche.api import alerting
from cloche.api.workplace import workplace
from cloche.cli.ages import parse_age
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.monitoring.alerts import lengths
from cloche.monitoring.alerts.rules import Rule
from cloche.monitoring.alerts.vocabulary import measured, told
from cloche.monitoring.documents import AlertRow

_rules_option = click.option(
    "--rules", "file", metavar="FILE", help="Rules [default: the setting, else cloche.toml here, if there is one]."
)


@click.group(invoke_without_command=True)
@click.option("--model", metavar="NAME", help="Only this model.")
@click.option("--all", "everything", is_flag=True, help="Rules too that are at rest.")
@store_option
@json_option
@click.pass_context
def alerts(context: click.Context, model: str | None, everything: bool, store: str | None, as_json: bool) -> None:
    """Show what fires, and who was told; as the monitor saw it last."""
    if context.invoked_subcommand is not None:
        return
    here = workplace(store)
    found, silenced = alerting.alerts(here, model), alerting.silences_of(here)
    if as_json:
        print_json({"store": here.store.describe(), "models": found, "silences": silenced})
        return
    print_store(here.store.describe())
    rows = [(one, row) for one in found for row in one.alerts if everything or row.phase not in ("ok", "no_data")]
    if not found:
        click.echo("no monitor has looked yet: cloche serve runs one, or cloche monitor")
    elif not rows:
        click.echo(f"nothing fires ({sum(len(one.alerts) for one in found)} rules)")
    else:
        headers = ("model", "rule", "phase", "severity", "value", "since", "told", "why")
        print_table(headers, (_cells(one.model, row) for one, row in rows))
    for each in silenced:
        click.echo(f"silenced: {each.rule} for {each.model} until {_moment(each.until)}, by {each.by}: {each.reason}")


@alerts.command()
@click.argument("rule")
@click.option("--for", "length", required=True, metavar="AGE", help="How long: 30m, 2h, 7d.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded.")
@click.option("--model", default="*", show_default=True, metavar="PATTERN", help="Only these models.")
@_rules_option
@store_option
@json_option
def silence(
    rule: str, length: str, reason: str, model: str, file: str | None, store: str | None, as_json: bool
) -> None:
    """Tell nobody of RULE (a pattern) for a while; it is measured and shown all the same."""
    here = workplace(store)
    made = alerting.silence(here, rule, model=model, length=parse_age(length, "--for"), reason=reason, file=file)
    if as_json:
        print_json({"store": here.store.describe(), "silence": made})
        return
    print_store(here.store.describe())
    click.echo(f"{rule} is silenced until {_moment(made.until)} (cloche alerts unsilence {made.id})")


@alerts.command()
@click.argument("rule", metavar="RULE|ID")
@store_option
@json_option
def unsilence(rule: str, store: str | None, as_json: bool) -> None:
    """End a silence: who was not told of what still fires is told now."""
    here = workplace(store)
    ended = alerting.unsilence(here, rule)
    if as_json:
        print_json({"store": here.store.describe(), "ended": ended})
        return
    print_store(here.store.describe())
    click.echo(f"ended {len(ended)} silence{'s' if len(ended) != 1 else ''} of {rule}")


@alerts.command()
@click.argument("sink")
@_rules_option
@store_option
@json_option
def test(sink: str, file: str | None, store: str | None, as_json: bool) -> None:
    """Send a test notice to SINK, now and from here."""
    here = workplace(store)
    answered = alerting.test(here, sink, file)
    if as_json:
        print_json({"sink": sink, "answered": answered})
        return
    click.echo(f"{sink} took it: {answered}")


@alerts.command()
@_rules_option
@store_option
@json_option
def check(file: str | None, store: str | None, as_json: bool) -> None:
    """Read the rules, and list what would be in force."""
    here = workplace(store)
    book = alerting.book_of(here, file)
    if as_json:
        print_json(
            {
                "notes": alerting.doubts(here, book),
                "rules": [_plain(one) for one in book.rules],
                "sinks": {name: one.kind for name, one in book.sinks.items()},
            }
        )
        return
    print_table(
        ("rule", "when", "over", "for", "model", "severity", "sinks"),
        (
            (
                one.name,
                one.when.text,
                lengths.shown(one.over_s) if one.when.measure.windowed else "",
                lengths.shown(one.timing.for_s) if one.timing.for_s else "",
                one.model,
                one.severity,
                "all" if one.sinks is None else " ".join(one.sinks) or "nobody",
            )
            for one in book.rules
        ),
    )
    click.echo("sinks: " + (", ".join(f"{name} ({one.kind})" for name, one in book.sinks.items()) or "none"))
    for note in alerting.doubts(here, book):
        click.echo(f"note: {note}", err=True)


@alerts.group()
def export() -> None:
    """Write the rules for another system."""


@export.command()
@click.option(
    "-o", "--output", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR"
)
@_rules_option
@store_option
@json_option
def prometheus(folder: Path, file: str | None, store: str | None, as_json: bool) -> None:
    """Write Prometheus rules with tests, Alertmanager's routing and a Grafana board into DIR."""
    written = alerting.export_prometheus(workplace(store), folder, file)
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")


def _plain(one: Rule) -> dict[str, object]:
    return {
        "name": one.name,
        "when": one.when.text,
        "model": one.model,
        "severity": one.severity,
        "for_s": one.timing.for_s,
        "over_s": one.over_s,
        "sinks": one.sinks,
    }


def _cells(model: str, row: AlertRow) -> tuple[object, ...]:
    measure = measured(row.expression)
    value = "" if measure is None else told(row.value, measure.unit)
    sinks = "; ".join(f"{sink}: {text}" for sink, text in row.deliveries.items())
    return model, row.rule, row.phase, row.severity, value, _moment(row.since), sinks, row.why


def _moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
