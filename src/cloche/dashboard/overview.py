"""All models at a glance: four lamps each, and the day's traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloche.dashboard import figures
from cloche.dashboard.charts.over_time import newest
from cloche.dashboard.charts.small import sparkline
from cloche.dashboard.panels.alerts import looked_after
from cloche.dashboard.panels.header import short_lamps
from cloche.dashboard.panels.panel import chip, empty, total
from cloche.dashboard.panels.quality import headline
from cloche.dashboard.panels.service import requests
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import ModelDocument

RANGE = "24h"
_BAD = {"alarm": 2, "warn": 1}


def overview(documents: Mapping[str, ModelDocument | None]) -> Html:
    """One card a model, what is wrong first; None stands for a model that nothing was measured of."""
    if not documents:
        nothing = empty("No model in this store yet: ", tag("code", "cloche.save(model, 'NAME', inputs=X)"), ".")
        return tag("section", tag("h2", "Models"), nothing, id="overview")
    ranked = sorted(documents.items(), key=lambda entry: (-_worst(entry[1]), entry[0]))
    cards = (_card(name, found) for name, found in ranked)
    return tag(
        "section",
        tag("h2", "How the models do"),
        tag("p", f"Last {RANGE}; the lamps are of now.", class_="of"),
        tag("ul", *cards, class_="models"),
        id="overview",
    )


def _worst(found: ModelDocument | None) -> int:
    if found is None:
        return -1
    lamps = (found.lamps.service, found.lamps.data, found.lamps.predictions, found.lamps.performance)
    return max(_BAD.get(one.state, 0) for one in lamps)


def _card(name: str, found: ModelDocument | None) -> Html:
    title = tag("h3", tag("a", name, href=f"models/{name}"))
    if found is None:
        return tag("li", title, tag("p", "Nothing measured yet: was it asked, and does a monitor run?"), class_="card")
    counted = requests(found)
    n = sum(counted.values())
    steps = max((len(one.values) for one in found.traffic), default=0)
    traffic = [total(one.values[step] for one in found.traffic) for step in range(steps)]
    firing = sum(one.phase == "firing" for one in found.alerts)
    drifting = sum(one.state == "drift" for one in found.drift)
    facts: Sequence[tuple[str, Child]] = (
        ("live", figures.NONE if found.live is None else f"version {found.live}"),
        ("requests", figures.count(n)),
        ("failed", figures.share(counted.get("5xx", 0.0) / n) if n else figures.NONE),
        ("95 % within", figures.milliseconds(_newest(found))),
        ("drifting", figures.count(drifting)),
        ("quality", headline(found)),
    )
    return tag(
        "li",
        tag("div", title, chip("firing", f"{firing} firing") if firing else None, class_="top"),
        looked_after(found) if firing else None,
        short_lamps(found.lamps),
        sparkline(traffic, f"Requests to {name} in the last {RANGE}: {figures.count(n)}") if n else None,
        tag("dl", *(tag("div", tag("dt", what), tag("dd", value)) for what, value in facts), class_="facts small"),
        tag("p", "As of ", figures.moment(found.decided or found.made), class_="hint"),
        class_="card",
    )


def _newest(found: ModelDocument) -> float | None:
    line = next((one for one in found.latency if one.name == "p95"), None)
    return None if line is None else newest(line)
