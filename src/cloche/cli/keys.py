"""`cloche keys create | list | revoke`: who may call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path

import click

from cloche.api.workplace import workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.errors import UsageError
from cloche.keys import SCOPES, KeyRing

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What it may do; repeat for several.",
)
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Only these models; repeat for several [default: all]."
)
@click.option("--name", "label", metavar="TEXT", help="Whose key it is.")
@click.option("--expires", metavar="AGE", help="After how long it ends: 12h, 30d, 52w [default: never].")
@click.option("--rate", metavar="RATE", help="At most so often: 100/s, 1000/m, 10/h, 5/d; a host [default: no limit].")
@store_option
@json_option
def create(
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    label: str | None,
    expires: str | None,
    rate: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Create a key. The key alone is printed on standard output, once: only its hash is stored."""
    ring, where = _ring(store)
    _warn_of_unknown(models, store)
    until = None if expires is None else datetime.now(UTC) + _age(expires)
    key, token = ring.create(scopes=scopes, models=models, name=label, expires=until, rate=rate)
    if as_json:
        print_json(
            {
                "store": where,
                "id": key.id,
                "key": token,
                "scopes": scopes,
                "models": models,
                "expires": key.expires,
                "rate": key.rate,
            }
        )
        return
    print_store(where)
    click.echo(f"id: {key.id} (cloche keys revoke {key.id})", err=True)
    click.echo(token)


@keys.command("list")
@store_option
@json_option
def list_keys(store: str | None, as_json: bool) -> None:
    """List the keys; their secrets are not known here."""
    ring, where = _ring(store)
    found = ring.list()
    if as_json:
        print_json({"store": where, "keys": [key.public() for key in found]})
        return
    print_store(where)
    headers = ("id", "name", "scopes", "models", "created", "expires", "rate", "state")
    rows = (
        (
            k.id,
            k.name,
            " ".join(k.scopes),
            " ".join(k.models) or "all",
            k.created,
            k.expires or "never",
            k.rate or "any",
            k.state(),
        )
        for k in found
    )
    print_table(headers, rows)


@keys.command()
@click.argument("key_id", metavar="ID")
@store_option
@json_option
def revoke(key_id: str, store: str | None, as_json: bool) -> None:
    """End a key; running servers refuse it within five seconds."""
    ring, where = _ring(store)
    ring.revoke(key_id)
    if as_json:
        print_json({"store": where, "revoked": key_id})
        return
    print_store(where)
    click.echo(f"revoked {key_id}")


def _warn_of_unknown(models: tuple[str, ...], store: str | None) -> None:
    """A key may be made before its model is; a misspelt name would be noticed only by who is refused."""
    known = workplace(store).registry.models() if models else []
    for name in models:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            click.echo(f"note: the store holds no model '{name}' yet{hint}", err=True)


def _ring(store: str | None) -> tuple[KeyRing, str]:
    here = workplace(store)
    ring = KeyRing.open(here.settings.keys, here.store, Path.cwd())
    return ring, ring.describe()


def _age(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _UNITS:
        raise UsageError(f"--expires: expected a number and one of m, h, d, w (30d), got '{text}'")
    return timedelta(**{_UNITS[unit]: int(number)})
