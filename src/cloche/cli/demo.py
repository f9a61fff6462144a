"""`cloche demo`: the whole story on real data, in one command."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import TextIO

import click

from cloche.cli.output import json_option
from cloche.demo.story import tell


@click.command()
@click.option(
    "--once", is_flag=True, envvar="ONCE", help="End by itself instead of serving until Ctrl-C [env: ONCE=1]."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; a free one where it is taken."
)
@click.option(
    "--store", metavar="URL", envvar="CLOCHE_STORE", help="Keep the models there [default: a temporary folder]."
)
@json_option
def demo(once: bool, port: int, store: str | None, as_json: bool) -> int:
    """Tell the whole story with a model of the Palmer penguins.

    Fit, save, serve, call, be refused, retrain, promote, roll back; then the world shifts: an alert, labels, the
    dashboard, a rollback. Each by the real parts. With --json the story goes to standard error, and the addresses in
    the end are one document on standard output.
    """
    if not as_json:
        return tell(once=once, port=port, store=store)
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        return tell(once=once, port=port, store=store, tell_urls=lambda urls: _print(urls, out))


def _print(urls: dict[str, str], out: TextIO) -> None:
    print(json.dumps(urls, indent=2), file=out, flush=True)
