"""How a command speaks: one JSON document with `--json`, short tables without; errors on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, Final, TypeVar

import click
import msgspec

from cloche import errors

#: The home of rich, which takes longer to import than most commands to run.
_TABLES: Final = "cloche.cli.tables"
F = TypeVar("F", bound=Callable[..., Any])


def store_option(command: F) -> F:
    """`--store URL`: another store than `CLOCHE_STORE` or the nearest `.cloche`."""
    return click.option("--store", metavar="URL", help="Store URL or path [default: CLOCHE_STORE, else .cloche].")(
        command
    )


def json_option(command: F) -> F:
    """`--json`: one JSON document on standard output, errors as JSON on standard error."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def json_text(document: Any) -> str:
    """*document* as one indented JSON document; structs and dataclasses included."""
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode()


def print_json(document: Any) -> None:
    """*document* on standard output, as `json_text` writes it."""
    click.echo(json_text(document))


def print_store(where: str) -> None:
    """Name the store on standard error, so that nobody wonders where a model went."""
    click.echo(f"store: {where}", err=True)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table; cells are never read as markup and never cut where output is not a terminal."""
    import_module(_TABLES).print_table(headers, rows)


def print_error(exc: errors.ClocheError, *, as_json: bool) -> None:
    """One error on standard error: `cloche: message`, every problem on a line of its own; or as JSON."""
    name = type(exc).__name__.removesuffix("Error")
    problems = exc.problems if isinstance(exc, errors.InvalidInputError) else ()
    if as_json:
        document: dict[str, Any] = {"error": name, "message": str(exc)}
        if problems:
            document |= {"problems": problems, "problems_total": getattr(exc, "total", len(problems))}
        if isinstance(exc, errors.BreakingContractError):
            document["breaks"] = exc.breaks
        click.echo(msgspec.json.encode(document).decode(), err=True)
        return
    lines = [problem.text() for problem in problems] or [str(exc)]
    for line in lines:
        print(f"cloche: {line}", file=sys.stderr)
