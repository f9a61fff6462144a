"""
`python -m cloche.testing.flavor acme:GamFlavor`: the contract suite for a flavor of your own.

The class has a static method `example()` that gives a `cloche.testing.Example`, or `--example module:function` names
one. Both have to be importable in a fresh process: installed, not lying in the working directory.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cloche.errors import UsageError
from cloche.flavors import Flavor
from cloche.testing.checks import run
from cloche.testing.example import Example
from cloche.testing.subject import Subject


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a check; 0 where nothing is missing, 1 where something is, 2 where the flavor cannot be imported."""
    parser = argparse.ArgumentParser(
        prog="python -m cloche.testing.flavor", description="The contract suite of flavors."
    )
    parser.add_argument("flavor", metavar="MODULE:CLASS", help="a subclass of cloche.flavors.Flavor")
    parser.add_argument("--example", metavar="MODULE:FUNCTION", help="what gives the Example [default: CLASS.example]")
    given = parser.parse_args(arguments)
    try:
        kind = _found(given.flavor)
        if not (isinstance(kind, type) and issubclass(kind, Flavor)):
            raise UsageError(f"{given.flavor}: expected a subclass of cloche.flavors.Flavor")
        example = getattr(kind, "example", None) if given.example is None else _found(given.example)
        if not callable(example):
            raise UsageError(f"{given.flavor}: expected a static method example() that gives a cloche.testing.Example")
    except UsageError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return _report(kind.name, example, given.flavor)


def _found(target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise UsageError(f"{target}: {exc}") from exc


def _report(name: str, example: Callable[[], Example], target: str) -> int:
    missing = 0
    with Subject(name, example, [(name, target)]) as subject:
        for check, verdict, why in run(subject):
            _say(f"{verdict or '-':<8}{check}{f': {why}' if why else ''}")
            missing += verdict == "missing"
    _say(f"{name}: {'nothing is missing' if not missing else f'{missing} checks do not hold'}")
    return 1 if missing else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
