"""`cloche quality`: how good the answers of the live version are, as the monitor saw it last."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.errors import NotFoundError
from cloche.monitoring import shelf
from cloche.monitoring.documents import RANGES, ModelDocument, QualityMetric, Segment
from cloche.registry import check_name
from cloche.store import Store

_SHOWN = 20


@click.command()
@click.argument("name")
@click.option(
    "--range", "range_", type=click.Choice(tuple(RANGES)), default="24h", show_default=True, help="How far back."
)
@store_option
@json_option
def quality(name: str, range_: str, store: str | None, as_json: bool) -> int:
    """Say how good the live version of NAME is: by labels, and estimated where none came yet.

    The monitor writes it down as labels come (`cloche serve`, `cloche monitor`). Exit status 1 where it is worse than
    when the version was saved.
    """
    here = workplace(store)
    document = _document(here.store, name, range_)
    if as_json:
        print_json({"store": here.store.describe(), **_told(document)})
    else:
        print_store(here.store.describe())
        _print(document)
    return 1 if document.lamps.performance.state == "alarm" else 0


def _document(store: Store, name: str, range_: str) -> ModelDocument:
    check_name(name)
    found = shelf.read(store, name, range_)
    if found is None:
        known = ", ".join(shelf.models(store)) or "none"
        raise NotFoundError(
            f"store {store.describe()}: no monitor has looked at '{name}' yet (cloche serve and cloche monitor do); "
            f"looked at: {known}"
        )
    return found


def _told(document: ModelDocument) -> dict[str, object]:
    return {
        "name": document.model,
        "version": document.live,
        "range": document.range,
        "made": datetime.fromtimestamp(document.made, UTC).isoformat(timespec="seconds"),
        "performance": document.lamps.performance,
        "quality": document.quality,
        "segments": document.segments,
        "calibration": document.calibration,
        "concept": document.concept,
        "parity": document.parity,
    }


def _print(document: ModelDocument) -> None:
    age = max(0, round(time.time() - document.made))
    click.echo(f"{document.model} version {document.live}, last {document.range}, looked at {age} s ago")
    lamp = document.lamps.performance
    click.echo(f"performance: {lamp.state}: {lamp.why}")
    rows = [_metric(one) for one in document.quality]
    if rows:
        print_table(("metric", "live", "95 %", "labelled rows", "estimated", "when saved", ""), rows)
    worse = [one for one in document.segments if one.gap is not None][:_SHOWN]
    if worse:
        click.echo("\nother than the rest")
        print_table(("where", "metric", "value", "95 %", "gap", "rows"), [_segment(one) for one in worse])
    concept = document.concept
    if concept is not None and concept.at is not None:
        at = datetime.fromtimestamp(concept.at, UTC).isoformat(timespec="minutes")
        click.echo(f"\nconcept drift: the loss rose from {concept.before:.3g} to {concept.after:.3g}, seen {at}")
    if document.parity is not None:
        one = document.parity
        click.echo(
            f"\nparity: {one.equal} equal, {one.different} different, {one.impossible} not computed again"
            + (f": {one.why}" if one.why else "")
        )


def _metric(one: QualityMetric) -> tuple[str, ...]:
    state = "" if one.state in ("ok", "unknown") else "worse"
    return (one.name, _number(one.value), _ends(one.low, one.high), str(one.n or ""), _number(one.expected),
            _number(one.baseline), state)  # fmt: skip


def _segment(one: Segment) -> tuple[str, ...]:
    where = f"{one.field}: {one.value}"
    gap = "" if one.gap is None else f"{one.gap:+.3g}"
    return where, one.metric, _number(one.estimate), _ends(one.low, one.high), gap, str(one.n)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4g} … {high:.4g}"
