"""Whole pages: one model, one of its fields or alerts, and what stands there where nothing was measured yet."""

from __future__ import annotations

from cloche.dashboard.frame import file, page
from cloche.dashboard.panels.alerts import alert_detail, alerts
from cloche.dashboard.panels.drift import drift, field_detail
from cloche.dashboard.panels.header import header
from cloche.dashboard.panels.panel import address, empty, judged
from cloche.dashboard.panels.predictions import predictions
from cloche.dashboard.panels.quality import calibration, quality, segments
from cloche.dashboard.panels.records import problems, recent
from cloche.dashboard.panels.service import service
from cloche.dashboard.panels.versions import dialog, versions
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import ModelDocument


def model_page(document: ModelDocument, *, may_change: bool, signed_in: bool) -> Html:
    """`/models/NAME`: everything about one model. *may_change*: the reader may promote and roll back."""
    return page(
        document.model,
        header(document, picks=True),
        *_panels(document, "../", may_change),
        dialog() if may_change else None,
        up="../",
        signed_in=signed_in,
        crumbs=_crumbs("../", document.model),
    )


def report(document: ModelDocument, *more: Child) -> Html:
    """The same as one file that asks nobody for anything."""
    return file(
        f"{document.model}, {document.range}", header(document, picks=False), *more, *_panels(document, None, False)
    )


def field_page(document: ModelDocument, name: str, *, signed_in: bool) -> Html | None:
    """`/models/NAME/field?name=…`; None where nothing is known of such a field."""
    found = next((one for one in document.drift if one.name == name), None)
    if found is None:
        return None
    lead = f"{found.type} of {document.model}" + (f", version {of}" if (of := judged(document)) is not None else "")
    beneath = tag("section", tag("h2", "Now against the reference"), field_detail(found), class_="panel")
    return _beneath(document, name, lead, beneath, signed_in=signed_in)


def alert_page(document: ModelDocument, name: str, *, signed_in: bool) -> Html | None:
    """`/models/NAME/alert?name=…`; None where there is no such rule."""
    found = next((one for one in document.alerts if one.rule == name), None)
    if found is None:
        return None
    beneath = tag("section", tag("h2", "How it stands"), alert_detail(document, found), class_="panel")
    return _beneath(document, name, f"alert of {document.model}", beneath, signed_in=signed_in)


def _beneath(document: ModelDocument, name: str, lead: str, content: Html, *, signed_in: bool) -> Html:
    """A page beneath that of the model."""
    back = f"../{address(document)}"
    return page(
        f"{name} · {document.model}",
        tag("section", tag("h1", name), tag("p", lead, class_="lead"), class_="hero"),
        content,
        up="../../",
        signed_in=signed_in,
        crumbs=_crumbs("../../", document.model, back),
    )


def nothing_page(model: str, range_: str, version: int | None, *, signed_in: bool) -> Html:
    """A model that nothing was measured of, or not in this way."""
    of = "" if version is None else f", version {version}"
    steps = (
        ["Is a monitor running? ", tag("code", "cloche serve"), " starts one unless --no-monitor."],
        ["None there? Run one: ", tag("code", "cloche monitor")],
        ["Is the extra installed? ", tag("code", "pip install 'cloche[monitor]'")],
        ["Was it asked? The first documents come within some 20 seconds of the first requests."],
    )
    what = [
        tag("p", f"The monitor has published nothing of {model}{of} for the range {range_} yet."),
        tag("ul", *(tag("li", *one) for one in steps), class_="todo"),
    ]
    others = tag("p", tag("a", "All versions, last 24 h", href=f"{model}?range=24h"))
    return page(
        model,
        tag("section", tag("h1", model), empty(*what), others, class_="hero"),
        up="../",
        signed_in=signed_in,
        crumbs=_crumbs("../", model),
    )


def _panels(document: ModelDocument, up: str | None, may_change: bool) -> list[Html]:
    return [
        alerts(document, up),
        service(document),
        predictions(document, up),
        drift(document, up),
        quality(document),
        tag("div", segments(document), calibration(document), class_="pair"),
        versions(document, up, may_change=may_change),
        problems(document),
        recent(document),
    ]


def _crumbs(up: str, model: str, back: str | None = None) -> Html:
    last: Child = tag("a", model, href=back) if back is not None else tag("span", model, aria_current="page")
    return tag("nav", tag("a", "All models", href=up), last, class_="crumbs", aria_label="Where you are")
