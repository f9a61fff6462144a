"""What the answers were over time, and whether they are as they were when the version was saved."""

from __future__ import annotations

from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.charts.over_time import Chart, drawn
from cloche.dashboard.panels.drift import answers_of, drift_table
from cloche.dashboard.panels.panel import answered_rows, empty, judged, panel, window
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import FieldDrift, ModelDocument, Series

_QUANTILES: Final = ["p10", "p50", "p90"]
#: Of numbers of a version without a test set no more is known.
_MEAN: Final = ["mean"]


def predictions(document: ModelDocument, up: str | None) -> Html:
    """The shares of the classes, or where the middle of the answers lies."""
    rows = answered_rows(document, document.version)
    if not any(value is not None for one in document.answers for value in one.values):
        nothing = empty("No answers in this range; what the model says shows here once it was asked.")
        return panel("predictions", "Predictions", window(document, rows, "rows"), nothing, *_drift(document, up))
    return panel(
        "predictions", "Predictions", window(document, rows, "rows"), drawn(_chart(document)), *_drift(document, up)
    )


def _chart(document: ModelDocument) -> Chart:
    if [one.name for one in document.answers] == _QUANTILES:
        low, middle, high = document.answers
        ribbon = Series(name="median, and from p10 to p90", values=middle.values, low=low.values, high=high.values)
        return Chart.over(document, title="Predicted number", series=[ribbon], zero=False)
    if [one.name for one in document.answers] == _MEAN:
        return Chart.over(document, title="Mean of the predicted numbers", series=document.answers, zero=False)
    return Chart.over(
        document,
        title="Share of each answer",
        series=document.answers,
        kind="areas",
        unit="share",
        top=1.0,
    )


def _drift(document: ModelDocument, up: str | None) -> list[Child]:
    found = answers_of(document)
    if not found:
        return [
            tag(
                "p",
                "Whether the answers drift is not judged: this version was saved without a test set. Save with ",
                tag("code", "test=(X_test, y_test)"),
                ".",
                class_="hint",
            )
        ]
    return [drift_table(document, found, "Drift of the answers", up), _figures_of(document, found[0])]


def _figures_of(document: ModelDocument, one: FieldDrift) -> Html:
    """Of how many rows the verdicts are, or why there are none."""
    of = f"version {judged(document)}"
    if one.state == "insufficient":
        return tag("p", f"No verdict on the answers of {of}: {one.why}.", class_="hint back")
    counts = f"n = {figures.count(one.n)}; n = {figures.count(one.reference_n)} in its test set"
    return tag("p", f"Verdicts are of the last full window of {of}: {counts}.", class_="hint back")
