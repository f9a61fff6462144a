"""The first page: server-rendered, escaped by construction, complete without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cloche.dashboard.figures import span
from cloche.dashboard.frame import page
from cloche.dashboard.overview import overview
from cloche.dashboard.panels.panel import empty
from cloche.markup import Child, Html, tag
from cloche.metrics import Samples
from cloche.monitoring.documents import ModelDocument
from cloche.web.management.status import ModelStatus, ServerStatus, requests

_NONE = "–"


def status_page(
    status: ServerStatus,
    samples: Samples,
    now: float,
    documents: Mapping[str, ModelDocument | None] | None = None,
    *,
    trouble: str | None = None,
    signed_in: bool = True,
) -> Html:
    """`GET /`: how the models do by what the monitor saw (*documents*), then what this server does."""
    made = datetime.fromtimestamp(now, UTC)
    return page(
        _verdict(status)[1],
        _head(status, made),
        overview(documents) if documents is not None else None,
        tag("section", empty(f"What the monitor saw cannot be read now: {trouble}")) if trouble else None,
        _figures(status, samples),
        _models(status.models, samples),
        _workers(status),
        _links(status),
        signed_in=signed_in,
    )


def sign_in_page(message: str, *, up: str = "") -> Html:
    """What a browser without a session sees."""
    how = "Open the address that the server printed when it started. It works once, for ten minutes."
    script = "curl -H 'Authorization: Bearer KEY' …/status"
    return page(
        "Sign in",
        tag(
            "section",
            tag("h1", "Sign in"),
            tag("p", message, class_="lead"),
            tag("p", how),
            tag("p", "A script sends a key with the scope view, metrics or manage:"),
            tag("pre", tag("code", script)),
            class_="card narrow",
        ),
        up=up,
    )


def _verdict(status: ServerStatus) -> tuple[str, str]:
    """The state in one word for the eye, and in a few for the reader."""
    wanting = [model.name for model in status.models if model.refused or dict(model.wanted) != dict(model.serving)]
    if not status.ready:
        return "bad", "Not ready"
    if status.degraded or wanting:
        return "warn", "Serving, degraded"
    return "ok", "Serving"


def _head(status: ServerStatus, made: datetime) -> Html:
    kind, words = _verdict(status)
    age = made.timestamp() - status.started
    facts = [("answers at", status.url), ("store", status.store), ("up for", span(age))]
    if status.degraded:
        facts.append(("not working", ", ".join(status.degraded)))
    return tag(
        "section",
        tag("h1", tag("span", class_=f"dot {kind}", aria_hidden="true"), words),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
        tag("p", f"As of {made:%H:%M:%S} UTC. ", tag("a", "Read again", href="./"), class_="hint"),
        class_="hero",
    )


def _figures(status: ServerStatus, samples: Samples) -> Html:
    found = requests(samples)
    seconds = found["seconds"]
    in_flight = sum(numbers[0] for numbers in samples.get("cloche_in_flight", {}).values())
    tiles = [
        ("Predict requests", f"{found['answered']:,}", f"{found['rows']:,} rows"),
        ("Refused", f"{found['4xx']:,}", "4xx: the caller's to mend"),
        ("Failed", f"{found['5xx']:,}", "5xx: ours to mend"),
        ("In flight", f"{in_flight:.0f}", f"{sum(one.alive for one in status.workers)} workers"),
        ("Half within", _seconds(seconds["p50"]), f"95 % {_seconds(seconds['p95'])}, 99 % {_seconds(seconds['p99'])}"),
    ]
    cards = (
        tag("div", tag("h3", name), tag("p", figure, class_="figure"), tag("p", note, class_="hint"), class_="card")
        for name, figure, note in tiles
    )
    return tag("section", tag("h2", "Since the start"), tag("div", *cards, class_="tiles"))


def _models(models: Sequence[ModelStatus], samples: Samples) -> Html:
    if not models:
        return tag("section", tag("h2", "Versions held here"), tag("p", "None yet.", class_="card"))
    head = ("Model", "Contract", "Wanted", "Serving", "Warm", "Requests", "Failed", "95 % within")
    rows = [row for model in models for row in _model_rows(model, requests(samples, model.name))]
    return tag("section", tag("h2", "Versions held here"), _table(head, rows))


def _model_rows(model: ModelStatus, found: Mapping[str, Any]) -> Iterable[Html]:
    """One row a contract, then one for each version that is refused here, with the reason."""
    warm = ", ".join(map(str, sorted(model.warm))) or _NONE
    for place, number in enumerate(sorted(set(model.wanted) | set(model.serving)) or [None]):
        wanted, serving = model.wanted.get(number or 0), model.serving.get(number or 0)
        lagging = wanted is not None and wanted != serving
        counted = (f"{found['answered']:,}", f"{found['5xx']:,}", _seconds(found["seconds"]["p95"]))
        cells: list[Child] = [
            tag("th", model.name, scope="row") if not place else tag("th", "", scope="row"),
            _cell("Contract", number),
            _cell("Wanted", wanted),
            tag("td", str(serving or _NONE), class_="warn" if lagging else None, data_title="Serving"),
            _cell("Warm", warm if not place else _NONE),
        ]
        titles = ("Requests", "Failed", "95 % within")
        cells += [_cell(title, text if not place else _NONE) for title, text in zip(titles, counted, strict=True)]
        yield tag("tr", *cells)
    for version, why in sorted(model.refused.items()):
        said = tag("td", tag("strong", f"Version {version} is not served here: "), why, colspan=8, class_="why")
        yield tag("tr", said)


def _workers(status: ServerStatus) -> Html:
    rows = []
    for one in status.workers:
        age = _NONE if one.heartbeat_age_s is None else f"{one.heartbeat_age_s:.1f} s ago"
        state = tag("td", "answers" if one.alive else "gone", class_=None if one.alive else "warn", data_title="State")
        name = tag("th", f"Worker {one.slot}", scope="row")
        rows.append(tag("tr", name, _cell("Process", one.pid), state, _cell("Heartbeat", age)))
    return tag("section", tag("h2", "Workers"), _table(("Worker", "Process", "State", "Heartbeat"), rows))


def _links(status: ServerStatus) -> Html:
    links = [
        ("Docs page", f"{status.url}/docs"),
        ("OpenAPI", f"{status.url}/openapi.json"),
        ("This page as JSON", "status"),
        ("Metrics for Prometheus", "metrics"),
    ]
    items = (tag("li", tag("a", name, href=_link(address))) for name, address in links)
    return tag("section", tag("h2", "Elsewhere"), tag("ul", *items, class_="card links"))


def _link(address: str) -> str:
    """An address of ours; never a scheme that a browser would run."""
    return address if address.startswith(("http://", "https://")) or ":" not in address else "#"


def _table(head: Sequence[str], rows: Iterable[Html]) -> Html:
    titles = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in head)))
    return tag("div", tag("table", titles, tag("tbody", *rows)), class_="card flush")


def _cell(title: str, value: object) -> Html:
    return tag("td", _NONE if value is None else str(value), data_title=title)


def _seconds(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
