"""`cloche doctor`: is everything here as it should be?"""

from __future__ import annotations

import click

from cloche.api.doctor import examine
from cloche.cli.output import json_option, print_json, store_option


@click.command()
@click.option("--deep", is_flag=True, help="Open what routes point at, golden rows and all.")
@store_option
@json_option
def doctor(deep: bool, store: str | None, as_json: bool) -> int:
    """Check settings, disk, store, clock, and whether every version would open here.

    Opens no model without --deep. Exit status 1 when there is a problem; a warning is none.
    """
    checks = list(examine(store, deep=deep))
    if as_json:
        print_json({"checks": checks})
    else:
        for check in checks:
            click.echo(f"{check.state:<8} {check.name}: {check.what}")
            if check.advice is not None:
                click.echo(f"{'':<8} -> {check.advice}")
    return 1 if any(check.state == "problem" for check in checks) else 0
