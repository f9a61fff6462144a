"""What a model may be called, and how a version of it is referred to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cloche.errors import UsageError

ROUTES = ("live", "canary", "shadow")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: They would be read as something else in a URL: /models/versions/…, /models/v2/predict.
_TAKEN = frozenset({"versions", "models"})


@dataclass(frozen=True, slots=True)
class Reference:
    """`NAME`, `NAME@3` or `NAME@ROUTE`, taken apart."""

    name: str
    version: int | None = None
    route: str | None = None


def check_name(name: str) -> str:
    """
    *name*, if a model may be called that.

    Raises:
        UsageError: the rule, and a name that would do.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"model name: expected 1 to 64 of a-z 0-9 . _ - with a letter or digit first, got {name!r}{_instead(name)}"
        )
    if name in _TAKEN or re.fullmatch(r"v\d+", name):
        raise UsageError(f"model name: '{name}' is taken by the URLs of the server; try '{name}-model'")
    return name


def parse_reference(text: str) -> Reference:
    """
    Take `NAME`, `NAME@VERSION` or `NAME@ROUTE` apart; `NAME` means the route `live`.

    Raises:
        UsageError: it is none of them.
    """
    name, separator, target = text.partition("@")
    check_name(name)
    if not separator or target in ROUTES:
        return Reference(name, route=target or "live")
    if re.fullmatch(r"[1-9]\d{0,8}", target):
        return Reference(name, version=int(target))
    hint = near(target, ROUTES) or (f"; did you mean '{name}@{target[1:]}'?" if re.fullmatch(r"v\d+", target) else "")
    raise UsageError(f"'{text}': expected NAME, NAME@VERSION (a number) or NAME@ROUTE ({', '.join(ROUTES)}){hint}")


def near(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'penguins'?`, or nothing."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _instead(name: object) -> str:
    tried = re.sub(r"[^a-z0-9._-]+", "-", str(name).strip().lower()).strip("-._")[:64]
    return f"; try '{tried}'" if _NAME.fullmatch(tried) else ""
