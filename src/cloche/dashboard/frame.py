"""The frame around every page: linked to its styles and scripts, or holding them in itself."""

from __future__ import annotations

from typing import Final

from cloche._version import __version__
from cloche.dashboard import assets
from cloche.markup import Child, Html, join, mark, tag

_STYLES: Final = ("management.css", "uplot.css", "dashboard.css")
_SCRIPTS: Final = ("uplot.js", "charts.js")
#: A report is a file that anybody may open anywhere: it must not be able to ask for anything.
_ALONE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def page(title: str, *main: Child, up: str = "", signed_in: bool = False, crumbs: Child = None) -> Html:
    """
    A page of the management port. *up* leads from the page's folder to that of `/`: addresses are relative.

    Only who has signed in is given scripts.
    """
    styles = [tag("link", rel="stylesheet", href=f"{up}static/{name}") for name in _STYLES]
    scripts = [tag("script", src=f"{up}static/{name}", defer=True) for name in _SCRIPTS]
    own = tag("script", type="module", src=f"{up}static/management.js")
    head = [
        tag("link", rel="icon", type="image/svg+xml", href=f"{up}static/mark.svg"),
        *styles,
        *([*scripts, own] if signed_in else []),
    ]
    leave = tag("button", "Sign out", type="button", id="logout", hidden=True) if signed_in else None
    home = tag("a", *_brand("management"), class_="brand", href=up or "./")
    return _document(title, head, [home, crumbs, leave], main, up)


def file(title: str, *main: Child) -> Html:
    """The same as one file that asks for nothing."""
    styles = [tag("style", Html(assets.read(name).decode())) for name in _STYLES]
    scripts = [tag("script", Html(assets.read(name).decode())) for name in _SCRIPTS]
    policy = tag("meta", http_equiv="Content-Security-Policy", content=_ALONE)
    brand = tag("span", *_brand("report"), class_="brand")
    return _document(title, [policy, *styles], [brand], [*main, *scripts], None)


def _brand(what: str) -> tuple[Html, Html, Html]:
    return mark(), tag("span", "cloche"), tag("small", f"{what} · {__version__}")


def _document(title: str, head: Child, bar: Child, main: Child, up: str | None) -> Html:
    meta = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} · cloche"),
    ]
    body = tag(
        "body",
        tag("a", "Skip to content", class_="skip", href="#main"),
        tag("header", tag("div", bar, class_="wrap"), class_="bar"),
        tag("main", main, id="main", class_="wrap", tabindex="-1"),
        data_up=up,
    )
    return join([Html("<!doctype html>\n"), tag("html", tag("head", meta, head), body, lang="en")])
