"""
HTML that is escaped by construction: text becomes markup only through `tag`.

Model names, levels and descriptions come from strangers' tables; no page concatenates them into markup. It stands for a
template engine everywhere, because the management port works without any extra: see ADR 13.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Markup that is already safe to send."""

    __slots__ = ()


#: What may stand inside an element: a plain `str` is escaped, `None` is nothing.
Child = str | None | Iterable["Child"]


def tag(element: str, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """
    One element; `class_`, `for_` lose their last underscore, `data_name` becomes `data-name`.

    An attribute that is None or False is left out, one that is True stands without a value.
    """
    opened = f"<{element}{''.join(_attribute(*one) for one in attributes.items())}>"
    if element in _VOID:
        return Html(opened)
    return Html(f"{opened}{join(children)}</{element}>")


def join(children: Iterable[Child]) -> Html:
    """Several children, one after the other."""
    return Html("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return str(child)
    if isinstance(child, str):
        return escape(child, quote=False)
    return join(child)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    spelled = name.removesuffix("_").replace("_", "-")
    return f" {spelled}" if value is True else f' {spelled}="{escape(str(value))}"'


def mark() -> Html:
    """The cover of a dish, drawn in the text's colour."""
    lines = [
        tag("path", d="M4 17a8 8 0 0 1 16 0z", fill="currentColor", fill_opacity="0.16"),
        tag("path", d="M4 17a8 8 0 0 1 16 0M2.5 17h19M12 9V7.2"),
        tag("circle", cx=12, cy=5.6, r="1.6"),
        tag("path", d="M5 20h14"),
    ]
    return tag(
        "svg",
        *lines,
        viewBox="0 0 24 24",
        width=26,
        height=26,
        fill="none",
        stroke="currentColor",
        stroke_width="1.6",
        stroke_linecap="round",
        stroke_linejoin="round",
        aria_hidden="true",
    )
