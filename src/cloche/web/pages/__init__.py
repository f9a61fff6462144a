"""
The docs page: what a model takes and answers, a form to try it, the same call in four languages.

Everything comes from this server and nothing is inline, so the page lives under `default-src 'self'`. Its addresses
are relative: it works under a mount and behind a proxy. Where keys are required `docs` sends a shell that asks for
one, and the script fetches `content` with it; the shell tells nothing about any model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from cloche.protocols.served import ServedModel
from cloche.web.pages.changes import changes_content
from cloche.web.pages.content import model_content
from cloche.web.pages.layout import document, key_box

_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_HTML = "text/html; charset=utf-8"
#: The closed list of files under `docs/static/`, and their types.
STATIC = {
    "answer.js": "text/javascript; charset=utf-8",
    "calls.js": "text/javascript; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "form.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer without a web framework: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


def docs(
    served: Sequence[ServedModel], *, chosen: str | None = None, keys_required: bool = False, base_url: str = ""
) -> Page:
    """
    `GET /docs`: the whole page; where keys are required only the shell that asks for one.

    Args:
        served: The models this server answers with; the first of a name is its default.
        chosen: The model to show (`?model=`); by default the first.
        base_url: Where the caller reached us, `http://127.0.0.1:8000`, for the examples.
    """
    if keys_required:
        return _html(document("cloche", key_box(), shell=True))
    shown = choose(served, chosen)
    if shown is None:
        return content(served, chosen=chosen, base_url=base_url)
    return _html(document(shown.name, model_content(shown, served, keys_required=False, base_url=_safe(base_url))))


def content(
    served: Sequence[ServedModel], *, chosen: str | None = None, keys_required: bool = False, base_url: str = ""
) -> Page:
    """`GET /docs/content`: what stands inside the page's `<main>`; the caller has checked the key."""
    shown = choose(served, chosen)
    if shown is None:
        return _html(document("cloche", "No model of that name is served here."), status=404)
    return _html(model_content(shown, served, keys_required=keys_required, base_url=_safe(base_url)))


def changes(served: Sequence[ServedModel], *, chosen: str | None = None) -> Page:
    """`GET /docs/changes`: how the contract of each model changed; the caller has checked the key."""
    first = {one.name: one for one in reversed(served) if chosen in (None, one.name)}
    if not first:
        return _html(document("cloche", "No model of that name is served here.", up="../"), status=404)
    return _html(document("Changes", changes_content(list(reversed(first.values()))), up="../"))


def choose(served: Sequence[ServedModel], chosen: str | None) -> ServedModel | None:
    """The model to show: the first of that name, or simply the first."""
    return next((one for one in served if chosen is None or one.name == chosen), None)


def static(name: str) -> Page | None:
    """`GET /docs/static/{name}`: one of our own files, or None."""
    media_type = STATIC.get(name)
    if media_type is None:
        return None
    return Page(200, {"Content-Type": media_type, "Cache-Control": "no-cache", **_GUARDS}, _read(name))


def _safe(base_url: str) -> str:
    """The address for the examples; a `Host` that would break out of a quoted string is not repeated."""
    return base_url if _PLAIN_URL.fullmatch(base_url) else "http://127.0.0.1:8000"


@cache
def _read(name: str) -> bytes:
    return (resources.files("cloche.web") / "static" / name).read_bytes()


_GUARDS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def _html(text: str, status: int = 200) -> Page:
    headers = {
        "Content-Type": _HTML,
        "Cache-Control": "no-store",
        "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
        **_GUARDS,
    }
    return Page(status, headers, text.encode())
