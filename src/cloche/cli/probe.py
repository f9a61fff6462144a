"""`cloche probe`: whether a server answers, asked from where its callers are."""

from __future__ import annotations

import signal
import time
from types import FrameType

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.cli.probing import Asked, Probe, Probed, probing


@click.command()
@click.argument("url")
@click.option("--model", "models", multiple=True, metavar="NAME",
              help="A model of the server; repeat [default: the one in URL, else all it names].")  # fmt: skip
@click.option("--predict", is_flag=True, help="Ask for a prediction of the contract's example; it is logged as any.")
@click.option("--key", envvar="CLOCHE_KEY", metavar="KEY", help="API key [env: CLOCHE_KEY].")
@click.option("--every", type=click.FloatRange(min=1.0), default=30.0, show_default=True, metavar="SECONDS",
              help="How often.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True, metavar="SECONDS",
              help="What takes longer counts as no answer.")  # fmt: skip
@click.option("--once", is_flag=True, help="Ask once; exit status 1 where a model does not answer.")
@store_option
@json_option
def probe(
    url: str, models: tuple[str, ...], predict: bool, key: str | None, every: float, timeout: float, once: bool,
    store: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Ask the server at URL whether it answers, and write that into the store for the uptime.

    Without --once until SIGTERM or Ctrl-C: a line where the answer changes, with --json one for every look.
    """
    here = workplace(store)
    found = Probe(here, Asked(url, models, key, predict, timeout))
    if not as_json:
        print_store(here.store.describe())
    if once:
        seen = found.look()
        found.finish()
        _tell(seen, as_json=as_json)
        return 0 if all(one.up for one in seen) else 1
    _until_told(found, every, as_json=as_json)
    return 0


def _until_told(found: Probe, every_s: float, *, as_json: bool) -> None:
    asked: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    before: dict[str, bool] = {}
    for seen in probing(found, every_s, lambda: bool(asked), time.sleep):
        _tell([one for one in seen if as_json or before.get(one.model) is not one.up], as_json=as_json)
        before |= {one.model: one.up for one in seen}
    found.finish()


def _tell(seen: list[Probed], *, as_json: bool) -> None:
    for one in seen:
        if as_json:
            print_json(one)
        else:
            state = "answers" if one.up else f"does not answer: {one.why}"
            click.echo(f"{one.model} {state} ({one.took_ms:.0f} ms)")
