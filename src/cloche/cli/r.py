"""`cloche r`: the functions for R, as one file to source."""

from __future__ import annotations

import click

from cloche.flavors.r.source import client_source


@click.command()
def r() -> None:
    """Print cloche.R: cloche_save() and cloche_predict() for R.

    cloche r > cloche.R, then in R: source("cloche.R"). Needs base R, and curl to predict.
    """
    click.echo(client_source(), nl=False)
