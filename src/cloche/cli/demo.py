"""`cloche demo`: the whole story on real data, in one command."""

from __future__ import annotations

import click

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
def demo(once: bool, port: int, store: str | None) -> int:
    """Tell the whole story with a model of the Palmer penguins.

    Fit, save, serve, call, be refused, retrain, promote, roll back: each by the real parts.
    """
    return tell(once=once, port=port, store=store)
