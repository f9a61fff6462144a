"""The frame around every page: head, bar, foot, and the box that asks for a key."""

from __future__ import annotations

from cloche.markup import Child, Html, join, mark, tag


def document(title: str, *main: Child, shell: bool = False, up: str = "") -> Html:
    """
    A whole HTML document around *main*; a *shell* has its content fetched once a key is known.

    *up* leads from the page's folder to that of `docs`: addresses are relative.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} · API" if title != "cloche" else "cloche · API"),
        tag("link", rel="icon", type="image/svg+xml", href=f"{up}docs/static/mark.svg"),
        tag("link", rel="stylesheet", href=f"{up}docs/static/docs.css"),
        tag("script", type="module", src="docs/static/docs.js") if not up else None,
    )
    body = tag(
        "body",
        tag("a", "Skip to content", class_="skip", href="#main"),
        _bar(up),
        tag("main", *main, id="main", class_="wrap", tabindex="-1", data_shell=shell),
        _foot(),
    )
    return join([Html("<!doctype html>\n"), tag("html", head, body, lang="en")])


def _bar(up: str) -> Html:
    links = tag("nav", tag("a", "openapi.json", href=f"{up}openapi.json", id="openapi"), aria_label="Machine-readable")
    brand = tag("span", mark(), tag("span", "cloche"), class_="brand")
    return tag("header", tag("div", brand, links, class_="wrap"), class_="bar")


def _foot() -> Html:
    words = "Served by cloche. This page loads nothing from anywhere else and keeps nothing."
    return tag("footer", tag("p", words, class_="wrap"))


def key_box() -> Html:
    """The form that asks for a key; without JavaScript it says how to read the contract instead."""
    field = [
        tag("label", "API key", for_="key"),
        tag(
            "input",
            id="key",
            type="password",
            autocomplete="off",
            autocapitalize="off",
            spellcheck="false",
            required=True,
            aria_describedby="key-note key-problem",
        ),
        tag("p", "", id="key-problem", class_="problem", role="alert", hidden=True),
        tag("button", "Open", type="submit", class_="primary"),
    ]
    note = "The key stays in this page's memory: it is gone when you reload or close it."
    without = tag(
        "noscript",
        tag("p", "Without JavaScript, read the same as a document:"),
        tag("pre", tag("code", 'curl -H "Authorization: Bearer $CLOCHE_KEY" …/openapi.json')),
    )
    return tag(
        "section",
        tag("h1", "This server asks for a key"),
        tag("p", "With it you see the models it opens, what they take and answer, and a form to try them."),
        tag("form", *field, id="key-form", method="post", novalidate=True),
        tag("p", note, id="key-note", class_="hint"),
        without,
        class_="card gate",
    )
