"""`cloche monitor`: folds the prediction log where no server does."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Literal

import click

from cloche.api import alerting
from cloche.api import log as api
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.logs import configure
from cloche.prediction_log import homes


@click.command()
@click.option("--once", is_flag=True, help="Fold what has landed, and end.")
@click.option(
    "--log-format", type=click.Choice(("auto", "json", "text")), help="[default: auto: text on a terminal, else JSON]."
)
@click.option("--rules", metavar="FILE", help="Rules of alerts [default: cloche.toml here, if there is one].")
@store_option
@json_option
def monitor(
    once: bool,
    log_format: Literal["auto", "json", "text"] | None,
    rules: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Fold the prediction log into its tables, watch what it counts, and tell who is to be told.

    `cloche serve` does it too, unless --no-monitor. Several may run: one works, the others wait for its lease.
    Ends with 0 on SIGTERM or Ctrl-C.
    """
    here = workplace(store)
    homes.check(*(() if once else ("scipy",)))  # what is missing is said at once
    configure(log_format or here.settings.server.log_format)
    if once:
        done = api.fold(here)
        if as_json:
            print_json({"store": here.store.describe(), "folds": done})
            return
        print_store(here.store.describe())
        rows, segments = sum(one.rows for one in done), sum(one.segments for one in done)
        click.echo(f"folded {rows} rows of {segments} segments")
        return
    print_store(here.store.describe())
    file = alerting.rules_of(here, rules)
    file.read()  # what is wrong is said at once
    asked = _Asked()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    api.monitor(here, asked.stopping, file)


class _Asked:
    """Whether somebody asked us to end."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def stopping(self) -> bool:
        """True from the first signal on."""
        return self._asked
