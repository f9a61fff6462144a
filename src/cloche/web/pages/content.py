"""What the page says of one model, from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

from cloche.contract.model import Output
from cloche.markup import Child, Html, join, tag
from cloche.protocols.served import ServedModel
from cloche.web.pages import calls, facts
from cloche.web.pages.changes import changes_section
from cloche.web.pages.form import try_form
from cloche.web.pages.quality import quality_section

_TASKS = {
    "classification": "Classification",
    "regression": "Regression",
    "multilabel": "Several labels at once",
    "multioutput_classification": "Several classifications at once",
    "multioutput_regression": "Several numbers at once",
    "anomaly": "Anomaly detection",
    "clustering": "Clustering",
    "embedding": "Embedding",
}
_SECTIONS = {
    "try": "Try it",
    "call": "Call it",
    "fields": "Fields",
    "answer": "Answer",
    "quality": "Quality",
    "changes": "Changes",
}


def model_content(shown: ServedModel, served: Sequence[ServedModel], *, keys_required: bool, base_url: str) -> Html:
    """Everything inside `<main>` for *shown*, with a picker where several models are served."""
    row = shown.example()
    path = "predict" if shown.default else f"models/{shown.name}/predict"
    model = None if shown.default else shown.name
    sections = [
        _hero(shown, served),
        _contents(shown),
        try_form(shown.contract, row),
        calls.section(base_url, path, model, row, keys_required=keys_required),
        facts.fields_section(shown.contract, strict=shown.strict),
        facts.answer_section(shown.contract.output),
        quality_section(shown.metrics),
        changes_section(shown),
    ]
    return tag(
        "div", *sections, id="model", data_model=shown.name, data_predict=path, data_task=shown.contract.output.task
    )


def task_in_words(output: Output) -> str:
    """`Classification · 3 classes`"""
    words = _TASKS[output.task]
    if output.classes is not None:
        words += f" · {len(output.classes)} {'labels' if output.task == 'multilabel' else 'classes'}"
    if output.names is not None:
        words += f" · {len(output.names)} outputs"
    return words


def _hero(shown: ServedModel, served: Sequence[ServedModel]) -> Html:
    details: list[tuple[str, Child]] = [
        ("Version", join([str(shown.version), tag("span", shown.route, class_="badge") if shown.route else None])),
        ("Contract", str(shown.number)),
        ("Made with", shown.framework),
        ("Saved", _day(shown.created)),
    ]
    items = [tag("div", tag("dt", name), tag("dd", value)) for name, value in details if value]
    return tag(
        "header",
        tag(
            "div",
            tag("p", task_in_words(shown.contract.output), class_="eyebrow"),
            tag("h1", shown.name),
            tag("p", shown.description, class_="lede") if shown.description else None,
        ),
        _picker(shown, served),
        tag("dl", *items, class_="facts"),
        class_="hero",
    )


def _picker(shown: ServedModel, served: Sequence[ServedModel]) -> Html | None:
    names = list(dict.fromkeys(one.name for one in served))
    if len(names) < 2:
        return None
    options = [tag("option", name, value=name, selected=name == shown.name) for name in names]
    return tag(
        "form",
        tag("label", "Model", for_="picker"),
        tag("select", *options, id="picker", name="model"),
        tag("noscript", tag("button", "Show", type="submit")),
        id="picker-form",
        class_="picker",
        action="docs",
        method="get",
    )


def _contents(shown: ServedModel) -> Html:
    absent = {"quality": not shown.metrics, "changes": len(shown.promises.revisions) < 2}
    shows = {key: title for key, title in _SECTIONS.items() if not absent.get(key)}
    links = [tag("a", title, href=f"#{key}") for key, title in shows.items()]
    return tag("nav", *links, class_="contents", aria_label="On this page")


def _day(created: str | None) -> Html | None:
    return tag("time", created[:10], datetime=created, title=created) if created else None
