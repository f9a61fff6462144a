"""Traffic, latency, errors, uptime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.charts.over_time import Chart, drawn
from cloche.dashboard.charts.small import strip
from cloche.dashboard.panels.panel import empty, panel, total, window
from cloche.markup import Html, tag
from cloche.monitoring.documents import ModelDocument, Series

_KIND_COLOURS: Final = {"2xx": "ok", "4xx": "warn", "5xx": "bad"}
_LATENCY_COLOURS: Final = ("l1", "l2", "l3", "l4")


def requests(document: ModelDocument) -> dict[str, float]:
    """How many there were, by class of status."""
    return {one.name: total(one.values) for one in document.traffic}


def errors(traffic: Sequence[Series]) -> list[Series]:
    """The shares of refused (4xx) and failed (5xx) requests of each step."""
    steps = max((len(one.values) for one in traffic), default=0)
    whole = [total(one.values[step] for one in traffic) for step in range(steps)]
    return [
        Series(
            name=name,
            unit="share",
            values=[(one.values[step] or 0.0) / n if n else None for step, n in enumerate(whole)],
        )
        for one in traffic
        for kind, name in (("4xx", "refused (4xx)"), ("5xx", "failed (5xx)"))
        if one.name == kind
    ]


def service(document: ModelDocument) -> Html:
    """Everything that happened between a caller and the model."""
    counted = requests(document)
    n = sum(counted.values())
    if not n:
        nothing = empty(
            "No request in this range. Send one: ",
            tag("code", f"cloche predict {document.model} ROW"),
            ", or choose a longer range above. Answers show here within some 20 seconds.",
        )
        return panel("service", "Service", window(document, 0), nothing, _uptime(document))
    failed = counted.get("5xx", 0.0)
    note = [
        *window(document, n),
        f" · {figures.share(failed / n)} failed, {figures.share(counted.get('4xx', 0) / n)} refused",
    ]
    traffic = Chart.over(
        document,
        title=f"Requests per {figures.span(document.step_s)}",
        series=document.traffic,
        kind="bars",
        unit="requests",
        colours=[_KIND_COLOURS.get(one.name, "s1") for one in document.traffic],
    )
    latency = Chart.over(
        document,
        title="Latency (log axis)",
        series=document.latency,
        unit="ms",
        log=True,
        colours=_LATENCY_COLOURS,
    )
    wrong = Chart.over(
        document,
        title="Share of requests",
        series=errors(document.traffic),
        unit="share",
        colours=("warn", "bad"),
    )
    charts = tag("div", drawn(traffic), drawn(latency), drawn(wrong), _uptime(document), class_="charts")
    return panel("service", "Service", note, charts)


def _uptime(document: ModelDocument) -> Html:
    known = [value for value in document.uptime if value is not None]
    if not known:
        words = "No heartbeats were recorded in this range: nothing can be said of uptime."
        return tag("figure", tag("figcaption", tag("span", "Uptime")), empty(words), class_="chart whole")
    share = sum(known) / len(known)
    below = sum(value < 0.999 for value in known)
    said = f"Ready {figures.share(share)} of the time; {below} of {len(known)} steps below 100 %"
    return tag(
        "figure",
        tag("figcaption", tag("span", "Uptime"), tag("span", said, class_="hint")),
        strip(document.uptime, said),
        class_="chart whole",
    )
