"""Drift: how important a field is beside how far it has moved, and both distributions of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.charts.small import bar, histogram, sparkline, tiny
from cloche.dashboard.panels.panel import address, cell, chip, empty, judged, panel, table
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import FieldDrift, Histogram, ModelDocument

_ANSWERS: Final = ("prediction", "confidence")
_ORDER: Final = {"drift": 0, "small": 1, "ok": 2, "insufficient": 3}
_HEAD: Final = (
    "Field", "State", "Importance", "Effect", "Trend", "Reference and now", "p", "Missing", "Outside", "Unseen", "n",
)  # fmt: skip


def answers_of(document: ModelDocument) -> list[FieldDrift]:
    """The verdicts on what the model answered."""
    return [one for one in document.drift if one.type != "pair" and one.name in _ANSWERS]


def inputs_of(document: ModelDocument) -> list[FieldDrift]:
    """The verdicts on what it was asked: what has drifted first, and of that the most important."""
    found = [one for one in document.drift if one.type == "pair" or one.name not in _ANSWERS]
    return sorted(found, key=lambda one: (_ORDER[one.state], -(one.importance or 0.0), -(one.effect or 0.0), one.name))


def drift(document: ModelDocument, up: str | None) -> Html:
    """The table, and what it is of."""
    found = inputs_of(document)
    of = judged(document)
    if not found:
        missing = "no version is live" if of is None else f"the artifact of version {of} holds no reference"
        nothing = empty(f"Nothing to compare with: {missing}. Save with the training table (inputs=X).")
        return panel("drift", "Data drift", "Inputs against the reference of the version", nothing)
    certain = [one for one in found if one.state != "insufficient"]
    n = max((one.n for one in found), default=0)
    reference = max((one.reference_n for one in found), default=0)
    many = sum(one.state == "drift" for one in found)
    note = (
        f"Last full window of version {of}, against its own reference: n = {figures.count(n)}; "
        f"reference n = {figures.count(reference)} · {many} of {len(certain)} judged fields drift"
    )
    waiting = None if certain else empty(f"Not enough data yet: {found[0].why or 'no window is full'}.")
    return panel("drift", "Data drift", note, waiting, drift_table(document, found, "Drift of the inputs", up))


def drift_table(document: ModelDocument, found: Sequence[FieldDrift], caption: str, up: str | None) -> Html:
    """One row a field; without *up* (in a report) the histograms follow beneath the table."""
    most = max((one.importance or 0.0 for one in found), default=0.0) or 1.0
    whole = table(_HEAD, (_row(document, one, most, up) for one in found), caption, numeric=True)
    if up is not None:
        return whole
    details = (
        tag("details", tag("summary", one.name, " ", chip(one.state)), field_detail(one), class_="card field")
        for one in found
    )
    return tag("div", whole, *details)


def _row(document: ModelDocument, one: FieldDrift, most: float, up: str | None) -> Html:
    shown: Child = one.name
    if up is not None and one.type != "pair":
        shown = tag("a", one.name, href=address(document, "/field", name=one.name))
    return tag(
        "tr",
        tag("th", shown, tag("small", one.type), scope="row"),
        cell("State", chip(one.state), _state(one), class_="words"),
        cell(
            "Importance",
            figures.NONE if one.importance is None else bar(one.importance / most, figures.number(one.importance)),
        ),
        cell("Effect", _effect(one)),
        cell("Trend", sparkline(one.trend, _trend(one), threshold=one.threshold)),
        cell("Reference and now", _tiny(one)),
        cell("p", figures.probability(one.p)),
        cell("Missing", _beside(one.missing, one.missing_reference)),
        cell("Outside", figures.share(one.outside)),
        cell("Unseen", figures.share(one.unseen)),
        cell("n", figures.count(one.n)),
    )


def _state(one: FieldDrift) -> Html | None:
    """Since when it is so; or what is missing for a verdict."""
    if one.state == "insufficient":
        return tag("small", one.why) if one.why else None
    return tag("small", "since ", figures.moment(one.since)) if one.since else None


def _effect(one: FieldDrift) -> list[Child]:
    if one.effect is None:
        return [figures.NONE]
    area = one.measures.get("classifier_auc")
    return [
        figures.number(max(one.effect, 0.0) if one.measure == "psi" else one.effect),
        tag("small", f"{_named(one)}, limit {figures.number(one.threshold)}"),
        tag("small", f"AUC {figures.number(area)}") if area is not None else None,
    ]


def _beside(now: float | None, before: float | None) -> list[Child]:
    return [figures.share(now), tag("small", f"was {figures.share(before)}") if before is not None else None]


def _named(one: FieldDrift) -> str:
    return _MEASURES.get(one.measure, one.measure)


def _trend(one: FieldDrift) -> str:
    last = figures.number(one.effect)
    return f"{_named(one)} in the last {len(one.trend)} windows; now {last}, limit {figures.number(one.threshold)}"


def _tiny(one: FieldDrift) -> Child:
    if one.histogram is None:
        return figures.NONE
    return tiny(one.histogram, f"{one.name}: now as bars, the reference as an outline")


#: Types whose values are moments.
_DAYS: Final = ("date", "datetime")

# -- one field ----------------------------------------------------------------------------------

_MEASURES: Final = {
    "psi": "PSI",
    "classifier": "PSI by classifier",
    "classifier_auc": "Domain classifier, AUC",
    "classifier_p": "Domain classifier, p",
    "jensen_shannon": "Jensen–Shannon distance",
    "total_variation": "Total variation",
    "chi_square_p": "Chi-square, p",
    "kolmogorov_smirnov": "Kolmogorov–Smirnov distance",
    "kolmogorov_smirnov_p": "Kolmogorov–Smirnov, p",
    "wasserstein": "Wasserstein distance",
    "mean": "Mean now",
    "mean_reference": "Mean in the reference",
    "variance": "Variance now",
    "variance_reference": "Variance in the reference",
}


def field_detail(one: FieldDrift) -> Html:
    """Everything that is known of a field."""
    facts: list[tuple[str, Child]] = [
        ("State", chip(one.state)),
        ("n now", figures.count(one.n)),
        ("n in the reference", figures.count(one.reference_n)),
        ("Missing", f"{figures.share(one.missing)} (was {figures.share(one.missing_reference)})"),
        ("Outside the reference", figures.share(one.outside)),
        ("Unseen levels", figures.share(one.unseen)),
        ("Importance", figures.number(one.importance)),
    ]
    measured = [
        (_MEASURES.get(name, name), _measured(one, name, value))
        for name, value in one.measures.items()
        if one.type not in _DAYS or not name.startswith("variance")
    ]
    return tag(
        "div",
        tag("p", one.why, class_="lead") if one.why else None,
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
        _distributions(one),
        *_effects(one),
        tag("h3", "Other measures of the last window"),
        tag("p", "For the reader: no verdict follows from these but the classifier's.", class_="of"),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in measured), class_="facts")
        if measured
        else empty(f"None: {one.why}." if one.why else "None yet: no window is full."),
    )


def _effects(one: FieldDrift) -> list[Html]:
    if not one.trend:
        return []
    return [
        tag("h3", "Effect over the last windows"),
        tag("p", _trend(one), class_="of"),
        tag("div", sparkline(one.trend, _trend(one), threshold=one.threshold), class_="trend"),
    ]


def _measured(one: FieldDrift, name: str, value: float | None) -> Child:
    """Moments are counted in seconds."""
    if one.type in _DAYS and name.startswith("mean"):
        return figures.moment(value)
    if one.type in _DAYS and name == "wasserstein" and value is not None:
        return figures.span(value)
    return figures.number(value)


def _distributions(one: FieldDrift) -> Html:
    found = one.histogram
    if found is None:
        return empty("No distribution yet: no window is full, or the reference holds none of this field.")
    rows = (
        tag(
            "tr",
            tag("th", label, scope="row"),
            cell("Reference", figures.share(before)),
            cell("Now", figures.share(now)),
        )
        for label, before, now in zip(found.labels, found.reference, found.current, strict=True)
    )
    said = f"Distribution of {one.name}: now as bars, the reference as an outline"
    legend = tag(
        "ul",
        tag("li", tag("i", class_="swatch now", aria_hidden="true"), f"now, n = {figures.count(one.n)}"),
        tag(
            "li",
            tag("i", class_="swatch before", aria_hidden="true"),
            f"reference, n = {figures.count(one.reference_n)}",
        ),
        class_="legend",
    )
    shares = table(("Bin or level", "Reference", "Now"), rows, said, numeric=True)
    return tag(
        "div",
        tag(
            "figure",
            tag("figcaption", tag("span", "Distribution"), legend),
            histogram(found, said),
            _ends(one),
            class_="chart",
        ),
        _apart(found),
        tag("details", tag("summary", f"All {len(found.labels)} bins"), shares, class_="numbers"),
    )


def _apart(found: Histogram) -> Html | None:
    """The bin that differs most, in words: a drawing has no room for the names of all."""
    gaps = [abs(now - before) for before, now in zip(found.reference, found.current, strict=True)]
    if not gaps or max(gaps) == 0:
        return None
    place = gaps.index(max(gaps))
    words = f": {figures.share(found.current[place])} now, {figures.share(found.reference[place])} in the reference."
    return tag("p", "Furthest apart: ", tag("strong", found.labels[place]), words, class_="hint")


def _ends(one: FieldDrift) -> Html:
    labels = one.histogram.labels if one.histogram is not None else []
    places = range(len(labels)) if len(labels) <= 6 else (0, len(labels) // 2, len(labels) - 1)
    return tag("div", *(tag("span", labels[place]) for place in places), class_="x", aria_hidden="true")
