"""
HTML that is escaped by construction: text becomes markup only through `tag`.

Model names, levels and descriptions come from strangers' tables; no page concatenates them into markup.
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
