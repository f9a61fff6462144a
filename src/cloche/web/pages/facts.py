"""The tables of the page: the fields a row has, what an answer holds."""

from __future__ import annotations

from collections.abc import Iterable

from cloche.contract.model import Contract, Field, Output
from cloche.markup import Child, Html, join, tag
from cloche.web.pages.words import limits, number_text, seen

_MAX_LEVELS = 40
_UNKNOWN = {"reject": "others are refused", "warn": "others are answered with a warning", "ignore": "others are taken"}
_OUTSIDE = {"reject": "refused outside", "warn": "warned outside", "ignore": ""}


def fields_section(contract: Contract, *, strict: bool = False) -> Html:
    """The table of fields; on a narrow screen every row becomes a card."""
    titles = ("Field", "Type", "Rule", "Missing", "Seen in training")
    head = tag("thead", tag("tr", [tag("th", title, scope="col") for title in titles]))
    body = tag("tbody", [_row(one, titles, strict) for one in contract.fields])
    ignored = [
        "Accepted and ignored, as no step of the model reads them: ",
        _separated(tag("code", name) for name in contract.ignored),
        ".",
    ]
    return tag(
        "section",
        tag("h2", "Fields"),
        tag("p", "One row is an object of these fields; several rows are an array of such objects.", class_="note"),
        tag("div", tag("table", head, body, class_="fields"), class_="card flush"),
        tag("p", ignored, class_="note") if contract.ignored else None,
        id="fields",
    )


def _row(field: Field, titles: tuple[str, ...], strict: bool) -> Html:
    name: list[Child] = [tag("code", field.name, class_="name")]
    if field.role != "input":
        name.append(tag("span", field.role, class_="badge"))
    if field.private:
        name.append(tag("span", "private", class_="badge"))
    if field.description:
        name.append(tag("p", field.description))
    cells = [_type(field), _rule(field, strict), _missing(field), _seen(field, strict)]
    return tag(
        "tr",
        tag("th", name, scope="row"),
        [tag("td", tag("div", cell), data_title=title) for cell, title in zip(cells, titles[1:], strict=True)],
    )


def _type(field: Field) -> list[Child]:
    shown: list[Child] = [field.type if field.length is None else f"{field.type} of {field.length}"]
    if field.units:
        shown.append(tag("span", field.units, class_="unit"))
    if field.timezone:
        shown.append(tag("span", field.timezone, class_="unit"))
    return shown


def _rule(field: Field, strict: bool) -> Child:
    if field.levels is None:
        bounds = limits(field)
        if field.accepts_boolean:
            bounds = f"{bounds}; true and false are 1 and 0" if bounds else "true and false are 1 and 0"
        return bounds or tag("span", "any", class_="faint")
    others = tag("span", _UNKNOWN[_verdict(field.policy.unknown_level, strict)], class_="faint")
    if field.private:
        return join([f"{len(field.levels)} levels, not shown; ", others])
    chips = [tag("span", str(level), class_="chip") for level in field.levels[:_MAX_LEVELS]]
    more = len(field.levels) - _MAX_LEVELS
    return tag(
        "div", chips, tag("span", f"and {more} more", class_="faint") if more > 0 else None, others, class_="chips"
    )


def _verdict(policy: str, strict: bool) -> str:
    return "reject" if strict and policy == "warn" else policy


def _missing(field: Field) -> Child:
    if field.nullable:
        return join([tag("code", "null"), "" if field.required else " or left out"])
    return tag("span", "not allowed", class_="faint") if field.required else "may be left out"


def _seen(field: Field, strict: bool) -> Child:
    spread = seen(field)
    if not spread:
        return tag("span", "—", class_="faint")
    outside = _OUTSIDE[_verdict(field.policy.out_of_range, strict)]
    return join([tag("span", spread, class_="nowrap"), tag("span", outside, class_="unit") if outside else None])


# -- the answer -----------------------------------------------------------------------------------


def answer_section(output: Output) -> Html:
    """What the keys of an answer mean, for this model."""
    rows = [tag("div", tag("dt", tag("code", key)), tag("dd", meaning)) for key, meaning in _keys(output)]
    many = "Several rows give the same keys holding lists, one item a row."
    return tag(
        "section", tag("h2", "Answer"), tag("p", many, class_="note"), tag("dl", rows, class_="card keys"), id="answer"
    )


def _keys(output: Output) -> Iterable[tuple[str, Child]]:
    yield "prediction", _prediction(output)
    if output.probabilities:
        if output.task == "classification":
            yield "confidence", "The probability of the predicted class."
        yield (
            "probabilities",
            "A probability for every class, by its name; ?top=3 keeps the largest, ?probabilities=false none.",
        )
    if output.task == "anomaly":
        yield "score", "How unusual the row is, on the model's own scale."
    yield "model, model_version", "Who answered."
    yield "request_id", "Names this answer in the log."
    yield "warnings", "Only where a value was unusual: row, field, code, message."


def _prediction(output: Output) -> Child:
    if output.classes is not None:
        words = "Those that apply of " if output.task == "multilabel" else "One of "
        chips = [tag("span", str(one), class_="chip") for one in output.classes[:_MAX_LEVELS]]
        more = len(output.classes) - _MAX_LEVELS
        return tag("div", words, chips, f"and {more} more" if more > 0 else None, _threshold(output), class_="chips")
    if output.names is not None:
        return tag("div", "An object of ", [tag("span", one, class_="chip") for one in output.names], class_="chips")
    if output.task == "embedding":
        return f"A list of {output.length} numbers." if output.length else "A list of numbers."
    return {"anomaly": "“inlier” or “outlier”.", "clustering": "The number of the cluster."}.get(
        output.task, "A number."
    )


def _threshold(output: Output) -> Child:
    if output.threshold is None:
        return None
    return tag("span", f"the second from a probability of {number_text(output.threshold)} on", class_="faint")


def _separated(children: Iterable[Html]) -> Html:
    return Html(", ".join(children))
