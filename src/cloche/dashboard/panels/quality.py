"""How good the answers are: by labels, estimated without them, by segment, and whether confidence is honest."""

from __future__ import annotations

from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.charts.over_time import Chart, drawn
from cloche.dashboard.charts.small import bar, diagonal
from cloche.dashboard.panels.panel import answered_rows, cell, empty, judged, panel, table, window
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import ModelDocument, QualityMetric, Segment, Series

_ESTIMATED: Final = "estimated"


def quality(document: ModelDocument) -> Html:
    """Every metric, realised beside estimated."""
    labelled = _labelled(document)
    note = [
        *window(document, answered_rows(document, judged(document)), f"rows answered by version {judged(document)}"),
        "" if labelled is None else f" · {figures.share(labelled)} of them labelled",
    ]
    if not document.quality:
        how = empty(
            "No quality yet. Send the truth as it becomes known: ",
            tag("code", f"cloche label {document.model} labels.csv"),
            " or ",
            tag("code", "POST /labels"),
            " with the request_id of the answer.",
        )
        return panel("quality", "Quality", note, how, _checks(document))
    drawn_ones = [(one, lines) for one in document.quality if (lines := _lines(one))]
    charts = tag("div", *(_metric(document, one, lines) for one, lines in drawn_ones), class_="charts")
    return panel("quality", "Quality", note, charts if drawn_ones else None, _unmeasured(document), _checks(document))


def _checks(document: ModelDocument) -> Html | None:
    """Whether the loss has risen, and whether the model's own library still gives the logged answers."""
    found = [*_concept(document), *_parity(document)]
    return tag("ul", *(tag("li", one) for one in found), class_="hint back") if found else None


def _concept(document: ModelDocument) -> list[Child]:
    seen = document.concept
    if seen is None:
        return []
    over = f" over {figures.count(seen.n)} labels of version {seen.version}"
    if seen.at is None:
        return [f"Concept drift: none seen{over}."]
    change = f": mean loss {figures.number(seen.before)}, then {figures.number(seen.after)}{over}."
    return [["Concept drift: seen ", figures.moment(seen.at), change]]


def _parity(document: ModelDocument) -> list[Child]:
    asked = document.parity
    if asked is None:
        return []
    told = f": {asked.equal} answers of version {asked.version} the same, {asked.different} different"
    if asked.impossible:
        told += f", {asked.impossible} could not be asked"
    first = f" ({asked.request_id}: {asked.why})" if asked.request_id else f" ({asked.why})" if asked.why else ""
    return [["Asked again of the model's own library ", figures.moment(asked.at), f"{told}{first}."]]


def _labelled(document: ModelDocument) -> float | None:
    """Of all answered rows of the range the share that has a label."""
    return next((one.covered for one in document.quality if one.covered is not None), None)


def _lines(one: QualityMetric) -> list[Series]:
    """What is known of it."""
    return [
        Series(name=name, values=line.values, low=line.low, high=line.high, unit=line.unit)
        for name, line in (("from labels", one.realised), (_ESTIMATED, one.estimated))
        if line is not None and any(value is not None for value in line.values)
    ]


def _unmeasured(document: ModelDocument) -> Html | None:
    """The metrics of which nothing is known in this range, in a line."""
    names = [
        one.name.replace("_", " ") + ("" if one.baseline is None else f" ({figures.number(one.baseline)} when saved)")
        for one in document.quality
        if not _lines(one)
    ]
    if not names:
        return None
    words = "No label has come in this range, and there is nothing to estimate from, for: "
    return tag("p", words, ", ".join(names), ".", class_="hint back")


def _metric(document: ModelDocument, one: QualityMetric, lines: list[Series]) -> Html:
    title = f"{one.name.replace('_', ' ')} ({one.better} is better)"
    chart = Chart.over(
        document,
        title=title,
        series=lines,
        zero=False,
        shaded=one.provisional,
        baseline=one.baseline,
        dashed=frozenset({_ESTIMATED}),
        colours=["s1" if line.name != _ESTIMATED else "s2" for line in lines],
    )
    return tag("div", drawn(chart), _coverage(one))


def _coverage(one: QualityMetric) -> Html | None:
    if one.covered is None:
        return None
    return tag("p", "Labelled: ", bar(one.covered, figures.share(one.covered)), class_="hint coverage")


# -- segments -----------------------------------------------------------------------------------


def segments(document: ModelDocument) -> Html:
    """Where it is better or worse than on the whole."""
    title, found = "Segments", document.segments
    if not found:
        how = empty(
            "None yet: they need labels, and a class or a context field (",
            tag("code", 'role = "context"'),
            " in the contract) to divide the rows by.",
        )
        return panel("segments", title, window(document), how, wide=False)
    rows = sum(one.n for one in found if one.field == found[0].field and one.metric == found[0].metric)
    head = ("Segment", "Metric", "n", "Value", "95 % interval", "Gap to the whole")
    note = [*window(document, rows, "labelled rows"), " · a gap is shown only where chance does not explain it"]
    return panel(
        "segments", title, note, table(head, map(_segment, found), "Quality by segment", numeric=True), wide=False
    )


def _segment(one: Segment) -> Html:
    interval = (
        figures.NONE
        if one.low is None or one.high is None
        else f"{figures.number(one.low)} … {figures.number(one.high)}"
    )
    gap = figures.NONE if one.gap is None else f"{one.gap:+.3g}"
    return tag(
        "tr",
        tag("th", one.value, tag("small", one.field), scope="row"),
        cell("Metric", one.metric.replace("_", " "), class_="words"),
        cell("n", figures.count(one.n)),
        cell("Value", figures.number(one.estimate)),
        cell("95 % interval", interval),
        cell("Gap to the whole", tag("strong", gap) if one.gap is not None else gap),
    )


# -- calibration --------------------------------------------------------------------------------


def calibration(document: ModelDocument) -> Html:
    """How often an answer is right that says it is so sure."""
    points = [one for one in document.calibration if "confidence" in one and "accuracy" in one]
    if not points:
        how = empty("None yet: it needs labels, and a model that says how sure it is.")
        return panel("calibration", "Calibration", window(document), how, wide=False)
    n = sum(one.get("n", 0.0) for one in points)
    said = "Share of right answers against stated confidence; on the dashed line both are equal"
    rows = (
        tag(
            "tr",
            tag("th", figures.number(one["confidence"]), scope="row"),
            cell("Right", figures.number(one["accuracy"])),
            cell("n", figures.count(one.get("n"))),
        )
        for one in points
    )
    drawing = tag(
        "figure",
        diagonal(points, "confidence", "accuracy", said),
        tag("figcaption", said, class_="hint"),
        class_="chart reliability",
    )
    shares = table(("Confidence", "Right", "n"), rows, said, numeric=True)
    return panel(
        "calibration",
        "Calibration",
        window(document, n, "labelled rows"),
        tag("div", drawing, shares, class_="beside"),
        wide=False,
    )


def headline(document: ModelDocument) -> Child:
    """The newest value of the first metric, for the overview."""
    for one in document.quality:
        for name, line in (("", one.realised), ("about ", one.estimated)):
            known = [value for value in line.values if value is not None] if line is not None else []
            if known:
                return f"{one.name.replace('_', ' ')} {name}{figures.number(known[-1])}"
    return figures.NONE
