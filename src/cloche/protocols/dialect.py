"""What a dialect is: another server's way to ask and answer, spoken beside our own behind the same gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from cloche.protocols.dialects import DIALECTS
from cloche.protocols.form import Form

#: The body of an answer that is no success: status, our name of the error, message, request id, problems.
ErrorBody = Callable[[int, str, str, str, Sequence[Any]], bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    One dialect: the forms that its bodies come in (the first is what is meant where nobody says), how it words errors.

    An answer is in the form of its body, whatever `Accept` says; the paths stand in `web/routes.py`.
    """

    name: str
    forms: tuple[Form, ...]
    error: ErrorBody


@cache
def get_dialect(name: str) -> Dialect:
    """The dialect of that name in `DIALECTS`."""
    module, _, attribute = DIALECTS[name].partition(":")
    found: Dialect = getattr(import_module(module), attribute)
    return found
