"""Single requests: why some were refused, and the last that were answered."""

from __future__ import annotations

from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.charts.small import bar
from cloche.dashboard.panels.panel import cell, empty, panel, table, window
from cloche.markup import Html, tag
from cloche.monitoring.documents import ModelDocument, ProblemRow, RecentRow

_HEAD: Final = ("Request", "When", "Version", "Prediction", "Confidence", "Latency", "Compute it again")


def problems(document: ModelDocument) -> Html:
    """The commonest first."""
    found = document.problems
    n = sum(one.n for one in found)
    if not found:
        nothing = empty("No row was refused in this range.")
        return panel("problems", "Validation problems", window(document, 0, "problems"), nothing)
    rows = (_problem(one, n) for one in found)
    whole = table(("Field", "Problem", "n", "Share"), rows, "Validation problems", numeric=True)
    return panel("problems", "Validation problems", window(document, n, "problems"), whole)


def _problem(one: ProblemRow, n: int) -> Html:
    return tag(
        "tr",
        tag("th", one.field or "(the whole row)", scope="row"),
        cell("Problem", tag("code", one.code), class_="words"),
        cell("n", figures.count(one.n)),
        cell("Share", bar(one.n / n, figures.share(one.n / n))),
    )


def recent(document: ModelDocument) -> Html:
    """The last answers, with the command that computes each again; never a value of an input."""
    found = document.recent
    of = "any version" if document.version is None else f"version {document.version}"
    note = f"Of the last answered rows the n = {len(found)} of {of}; no input is shown here"
    if not found:
        nothing = empty(
            "None" if document.version is None else f"None of the last ones was answered by {of}",
            ". Older ones are in the log: ",
            tag("code", f"cloche log export {document.model} rows.parquet"),
            ".",
        )
        return panel("recent", "Recent predictions", note, nothing)
    return panel("recent", "Recent predictions", note, table(_HEAD, map(_recent, found), "Recent predictions"))


def _recent(one: RecentRow) -> Html:
    command = f"cloche replay {one.request_id}" + (f" --row {one.row}" if one.row else "")
    return tag(
        "tr",
        tag("th", tag("code", one.request_id), tag("small", f"row {one.row}"), scope="row"),
        cell("When", figures.moment(one.at)),
        cell("Version", str(one.version)),
        cell("Prediction", one.prediction, class_="words"),
        cell("Confidence", figures.number(one.confidence)),
        cell("Latency", figures.milliseconds(one.latency_ms)),
        cell(
            "Compute it again",
            tag("code", command),
            tag(
                "button",
                "Copy",
                type="button",
                hidden=True,
                data_copy=command,
                aria_label=f"Copy the command for {one.request_id}",
            ),
            class_="wide",
        ),
    )
