"""How good the model is: a tile for each metric of the whole, a table for those of single classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cloche.manifest import Metric
from cloche.markup import Child, Html, tag

_OF_CLASS = re.compile(r"(?P<metric>[^\[]+)\[(?P<label>.*)\]", re.DOTALL)


def quality_section(metrics: Sequence[Metric]) -> Html | None:
    """Every metric with its 95 % interval and the number of rows it was measured on; None where none is known."""
    if not metrics:
        return None
    note = "Measured on rows the model was not fitted on, with the two-sided 95 % interval."
    whole = [_tile(one) for one in metrics if not _OF_CLASS.fullmatch(one.name)]
    return tag(
        "section",
        tag("h2", "Quality"),
        tag("p", note, class_="note"),
        tag("div", whole, class_="tiles"),
        _class_table(metrics),
        id="quality",
    )


def _class_table(metrics: Sequence[Metric]) -> Html | None:
    """`precision[Adelie]` and the like as one row a class, one column a metric."""
    table: dict[str, dict[str, Metric]] = {}
    for metric in metrics:
        found = _OF_CLASS.fullmatch(metric.name)
        if found is not None:
            table.setdefault(found["label"], {})[found["metric"]] = metric
    if not table:
        return None
    titles = list(dict.fromkeys(name for row in table.values() for name in row))
    head = tag("tr", tag("th", "Class", scope="col"), [tag("th", _words(title), scope="col") for title in titles])
    body = [
        tag(
            "tr",
            tag("th", tag("span", label, class_="name"), scope="row"),
            [tag("td", tag("div", _cell(row.get(title))), data_title=_words(title)) for title in titles],
        )
        for label, row in table.items()
    ]
    return tag("div", tag("table", tag("thead", head), tag("tbody", body), class_="fields"), class_="card flush")


def _cell(metric: Metric | None) -> Child:
    if metric is None:
        return tag("span", "—", class_="faint")
    interval = metric.interval
    spread = "" if interval is None else f"{interval[0]:.3g} … {interval[1]:.3g}, "
    return [f"{metric.value:.4g}", tag("span", f"{spread}{metric.n:,} rows", class_="unit")]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _tile(metric: Metric) -> Html:
    interval = metric.interval
    return tag(
        "div",
        tag("h3", _words(metric.name)),
        tag("p", f"{metric.value:.4g}", class_="figure"),
        _whisker(metric.value, interval) if interval is not None else None,
        tag("p", f"{interval[0]:.4g} … {interval[1]:.4g}", class_="hint") if interval is not None else None,
        tag("p", f"{metric.n:,} {metric.split} rows", class_="hint"),
        class_="card tile",
    )


def _whisker(value: float, interval: tuple[float, float]) -> Html | None:
    """The interval drawn on 0 … 1, where the metric lives there."""
    low, high = interval
    if not 0.0 <= low <= value <= high <= 1.0:
        return None
    return tag(
        "svg",
        tag("rect", x=0, y=5, width=100, height=2, rx=1, class_="axis"),
        tag(
            "rect",
            x=round(low * 100, 2),
            y=4,
            width=max(round((high - low) * 100, 2), 1),
            height=4,
            rx=2,
            class_="span",
        ),
        tag("circle", cx=round(value * 100, 2), cy=6, r=3, class_="dot"),
        viewBox="-4 0 108 12",
        preserveAspectRatio="xMinYMid",
        class_="whisker",
        aria_hidden="true",
    )
