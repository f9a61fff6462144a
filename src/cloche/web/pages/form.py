"""
The try-it form: one control a field, by its type, prefilled with the synthetic example.

The browser checks nothing itself: what is typed goes to the server, whose message then stands at the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloche.contract.model import Contract, Field
from cloche.markup import Html, join, tag
from cloche.web.pages.words import limits, number_text, seen

_MAX_OPTIONS = 200
_NUMERIC = frozenset({"integer", "number"})


def try_form(contract: Contract, row: Mapping[str, Any]) -> Html:
    """The section with the form and the place for its answer."""
    numbered = list(enumerate(contract.fields))
    inputs = [_field(i, one, row) for i, one in numbered if one.role == "input"]
    others = [_field(i, one, row) for i, one in numbered if one.role != "input"]
    aside = tag("legend", "Key and context", tag("small", "logged with the answer, never shown to the model"))
    form = tag(
        "form",
        tag("p", id="form-problem", class_="problem", role="alert", hidden=True),
        tag("div", *inputs, class_="grid"),
        tag("fieldset", aside, tag("div", *others, class_="grid")) if others else None,
        _actions(),
        id="try-form",
        class_="card",
        novalidate=True,
        autocomplete="off",
    )
    return tag(
        "section",
        tag("h2", "Try it"),
        tag("p", "The values are a made-up example, not a row of the training data.", class_="note"),
        tag("div", form, _answer_panel(), class_="split"),
        id="try",
    )


def _actions() -> Html:
    return tag(
        "div",
        tag("button", "Predict", type="submit", class_="primary", disabled=True),
        tag("button", "Reset to the example", type="reset", class_="quiet", disabled=True),
        tag("noscript", "Predicting from this page needs JavaScript; the calls below work anywhere."),
        class_="actions",
    )


def _answer_panel() -> Html:
    empty = tag("p", "Press ", tag("b", "Predict"), " and the model's answer appears here.", class_="empty")
    raw = tag(
        "details",
        tag("summary", "The answer as JSON"),
        tag("pre", tag("code", id="raw"), tabindex="0", aria_label="The answer as JSON"),
        id="raw-box",
        hidden=True,
    )
    live = tag("div", empty, id="outcome", aria_live="polite", aria_atomic="true")
    return tag("aside", tag("h3", "Answer"), live, raw, class_="card panel", id="panel", aria_label="Answer")


def _field(index: int, field: Field, row: Mapping[str, Any]) -> Html:
    value = row.get(field.name)
    absent = value is None
    head = tag(
        "div",
        tag("label", field.name, tag("span", field.units, class_="unit") if field.units else None, for_=f"f{index}"),
        _missing(index, field, absent),
        class_="field-head",
    )
    data = _data(field)
    return tag(
        "div",
        head,
        _control(index, field, value),
        tag("div", tag("i"), class_="track", aria_hidden="true") if "data_low" in data else None,
        tag("p", hint(field), id=f"h{index}", class_="hint"),
        tag("p", id=f"p{index}", class_="problem", hidden=True),
        class_="field wide" if field.type in ("text", "vector") else "field",
        **data,
    )


def hint(field: Field) -> str:
    """What stands below a control: the type where it is not obvious, bounds, what training has seen."""
    spread = seen(field) and f"seen {seen(field)}"
    return " · ".join(part for part in (_kind(field), limits(field), spread) if part)


def _kind(field: Field) -> str:
    zone = f" with offset, zone {field.timezone}" if field.timezone else ""
    length = f" of {field.length}" if field.length else ""
    if field.type == "category":
        return f"{len(field.levels)} levels" if field.levels and not field.private else "category"
    return f"{field.type}{zone}{length}"


def _data(field: Field) -> dict[str, str | bool | None]:
    data: dict[str, str | bool | None] = {
        "data_name": field.name,
        "data_type": field.type,
        "data_optional": not field.required,
        "data_nullable": field.nullable,
    }
    spread = field.training_range
    if field.type in _NUMERIC and spread is not None and not field.private and spread[0] < spread[1]:
        data |= {"data_low": number_text(spread[0]), "data_high": number_text(spread[1])}
    return data


def _missing(index: int, field: Field, absent: bool) -> Html | None:
    if not field.nullable and field.required:
        return None
    words = "missing" if field.nullable else "leave out"
    box = tag("input", type="checkbox", checked=absent, class_="gone", aria_label=f"{field.name}: {words}")
    return tag("label", box, words, class_="missing", for_=None)


def _control(index: int, field: Field, value: Any) -> Html:
    common: dict[str, str | bool | None] = {
        "id": f"f{index}",
        "class_": "value",
        "aria_describedby": f"h{index} p{index}",
        "disabled": value is None and (field.nullable or not field.required),
    }
    levels = None if field.private else field.levels
    if field.type == "boolean":
        return _select((False, True), value, common)
    if levels and len(levels) <= _MAX_OPTIONS and field.policy.unknown_level == "reject":
        return _select(levels, value, common)
    if levels:
        return _suggesting(index, levels, value, common)
    if field.type in ("text", "vector"):
        return tag("textarea", _plain(value), rows=3, spellcheck="false", **common)
    return tag("input", value=_plain(value), spellcheck="false", **_input_type(field), **common)


def _select(levels: tuple[Any, ...], value: Any, common: dict[str, str | bool | None]) -> Html:
    options = [
        tag("option", _plain(level), value=msgspec.json.encode(level).decode(), selected=level == value)
        for level in levels
    ]
    return tag("select", *options, data_json=True, **common)


def _suggesting(index: int, levels: tuple[Any, ...], value: Any, common: dict[str, str | bool | None]) -> Html:
    options = [tag("option", value=_plain(level)) for level in levels[:_MAX_OPTIONS]]
    integers = all(isinstance(level, int) for level in levels)
    box = tag("input", value=_plain(value), list=f"l{index}", type="text", data_integers=integers, **common)
    return join([box, tag("datalist", *options, id=f"l{index}")])


def _input_type(field: Field) -> dict[str, str]:
    if field.type == "date":
        return {"type": "date"}
    if field.type == "datetime" and field.timezone is None:
        return {"type": "datetime-local", "step": "1"}
    return {"type": "text", "inputmode": "decimal"} if field.type in _NUMERIC else {"type": "text"}


def _plain(value: Any) -> str:
    """A wire value as it stands in a text box."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return number_text(value) if isinstance(value, float) else msgspec.json.encode(value).decode()
