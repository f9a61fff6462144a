"""Series over a range of time, with what happened to the routes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from cloche.dashboard import figures
from cloche.dashboard.charts.scales import HEIGHT, WIDTH, Scale, across, linear, logarithmic, thinned
from cloche.markup import Html, tag
from cloche.monitoring.documents import Mark, ModelDocument, Series

Kind = Literal["lines", "bars", "areas"]
#: The classes of the style sheet that colour lines, by their place.
COLOURS: Final = tuple(f"s{place}" for place in range(1, 13))
_TABLE_STEPS: Final = 24


@dataclass(frozen=True, kw_only=True)
class Chart:
    """
    What is drawn: *series* of one value a step from *start*, as lines, or one on top of the other as bars, or as areas
    (bars without gaps, so that a step which stands alone is seen).

    *zero* is whether the axis begins at zero, *shaded* which steps are provisional, *colours* the class of each
    series, *dashed* the names of those that are estimates.
    """

    title: str
    start: float
    step_s: int
    series: Sequence[Series]
    kind: Kind = "lines"
    unit: str = ""
    log: bool = False
    zero: bool = True
    top: float | None = None
    marks: Sequence[Mark] = ()
    shaded: Sequence[bool] = ()
    baseline: float | None = None
    colours: Sequence[str] = COLOURS
    dashed: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def over(cls, document: ModelDocument, *, title: str, series: Sequence[Series], **more: Any) -> Chart:
        """A chart of *series* of *document*, with its marks; *more* are other fields."""
        given: dict[str, Any] = {"start": document.start, "step_s": document.step_s, "marks": document.marks}
        return cls(title=title, series=series, **given, **more)

    @property
    def steps(self) -> int:
        """How many steps the longest series has."""
        return max((len(one.values) for one in self.series), default=0)

    @property
    def end(self) -> float:
        """When the last step ends."""
        return self.start + self.steps * self.step_s

    def colour(self, place: int) -> str:
        """The class of the series at *place*."""
        return self.colours[place % len(self.colours)]


def drawn(chart: Chart) -> Html:
    """
    The chart with its legend, and its newest numbers as a table.

    What the script needs to draw it again stands in `data-chart`, which is text like any other.
    """
    scale = _scale(chart)
    plot = tag(
        "div",
        tag("div", *(tag("span", figures.in_unit(one, chart.unit)) for one in scale.ticks()), class_="y"),
        tag("div", _svg(chart, scale), class_="canvas"),
        class_="plot",
        aria_hidden="true",
    )
    return tag(
        "figure",
        tag("figcaption", tag("span", chart.title), _legend(chart)),
        tag("div", plot, _hours(chart), class_="drawing"),
        _marks_told(chart),
        _numbers(chart),
        class_="chart",
        data_chart=msgspec.json.encode(_data(chart, scale)).decode(),
    )


# -- the drawing --------------------------------------------------------------------------------


def _scale(chart: Chart) -> Scale:
    if chart.kind != "lines":
        totals = [sum(one.values[step] or 0.0 for one in chart.series) for step in range(chart.steps)]
        return linear(totals, top=chart.top)
    known = [value for one in chart.series for line in _bounds(one) for value in line if value is not None]
    known += [chart.baseline] if chart.baseline is not None else []
    return logarithmic(known) if chart.log else linear(known, zero=chart.zero, top=chart.top)


def _bounds(one: Series) -> Iterator[Sequence[float | None]]:
    yield from (line for line in (one.values, one.low, one.high) if line is not None)


def _svg(chart: Chart, scale: Scale) -> Html:
    parts = [*_grid(scale), *_shades(chart)]
    if chart.kind != "lines":
        parts += _bars(chart, scale, 0.06 if chart.kind == "bars" else 0.0)
    else:
        parts += [part for place, one in enumerate(chart.series) for part in _line(chart, scale, one, place)]
    if chart.baseline is not None:
        y = scale.place(chart.baseline)
        parts.append(tag("line", x1=0, x2=WIDTH, y1=y, y2=y, class_="baseline"))
    for one in chart.marks:
        x = across(one.at - chart.start, chart.steps * chart.step_s)
        if 0 <= x <= WIDTH:
            parts.append(tag("line", x1=x, x2=x, y1=0, y2=HEIGHT, class_="mark"))
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", preserveAspectRatio="none", focusable="false")


def _grid(scale: Scale) -> Iterator[Html]:
    for tick in scale.ticks():
        y = scale.place(tick)
        yield tag("line", x1=0, x2=WIDTH, y1=y, y2=y, class_="grid")


def _shades(chart: Chart) -> Iterator[Html]:
    wide = across(1, chart.steps)
    for step, is_one in enumerate(chart.shaded):
        if is_one:
            yield tag("rect", x=across(step, chart.steps), y=0, width=wide, height=HEIGHT, class_="provisional")


def _line(chart: Chart, scale: Scale, one: Series, place: int) -> Iterator[Html]:
    colour = chart.colour(place)
    if one.low is not None and one.high is not None:
        for run in _runs([None if None in pair else pair for pair in zip(one.low, one.high, strict=True)]):
            upper = [f"{across(step + 0.5, chart.steps)},{scale.place(pair[1])}" for step, pair in run]
            lower = [f"{across(step + 0.5, chart.steps)},{scale.place(pair[0])}" for step, pair in reversed(run)]
            yield tag("polygon", points=" ".join([*upper, *lower]), class_=f"band {colour}")
    path = []
    for run in _runs(list(one.values)):
        points = [f"{across(step + 0.5, chart.steps)} {scale.place(value)}" for step, value in run]
        path.append(f"M{' L'.join(points)}{'h0.1' if len(points) == 1 else ''}")
    if path:
        dash = " dashed" if one.name in chart.dashed else ""
        yield tag("path", d="".join(path), class_=f"line {colour}{dash}")


def _runs(values: Sequence[Any]) -> Iterator[list[tuple[int, Any]]]:
    """What is known without a gap, with its steps."""
    run: list[tuple[int, Any]] = []
    for step, value in enumerate(values):
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append((step, value))
    if run:
        yield run


def _bars(chart: Chart, scale: Scale, gap: float) -> Iterator[Html]:
    below = [0.0] * chart.steps
    for place, one in enumerate(chart.series):
        path = []
        for step, value in enumerate(one.values):
            if value:
                left, right = across(step + gap, chart.steps), across(step + 1 - gap, chart.steps)
                bottom, top = scale.place(below[step]), scale.place(below[step] + value)
                below[step] += value
                path.append(f"M{left} {bottom}V{top}H{right}V{bottom}Z")
        if path:
            yield tag("path", d="".join(path), class_=f"area {chart.colour(place)}")


# -- around it ----------------------------------------------------------------------------------


def _hours(chart: Chart) -> Html:
    wide = chart.end - chart.start
    labels = [figures.clock(chart.start + wide * place / 4, wide) for place in range(5)]
    return tag("div", *(tag("span", label) for label in labels), class_="x", aria_hidden="true")


def _legend(chart: Chart) -> Html:
    items = []
    for place, one in enumerate(chart.series):
        told = sum(value or 0.0 for value in one.values) if chart.kind == "bars" else newest(one)
        dash = " dashed" if one.name in chart.dashed else ""
        swatch = tag("i", class_=f"swatch {chart.colour(place)}{dash}", aria_hidden="true")
        items.append(tag("li", swatch, one.name, " ", tag("b", figures.in_unit(told, chart.unit))))
    if chart.baseline is not None:
        text = figures.in_unit(chart.baseline, chart.unit)
        items.append(tag("li", tag("i", class_="swatch base", aria_hidden="true"), "when saved ", tag("b", text)))
    if any(chart.shaded):
        items.append(tag("li", tag("i", class_="swatch wait", aria_hidden="true"), "provisional: labels still arrive"))
    return tag("ul", *items, class_="legend")


def newest(one: Series) -> float | None:
    """The last value that is known."""
    return next((value for value in reversed(one.values) if value is not None), None)


def _marks_told(chart: Chart) -> Html | None:
    if not chart.marks:
        return None
    items = (tag("li", figures.moment(one.at), " ", told(one)) for one in chart.marks[-4:])
    return tag("ul", *items, class_="marks", aria_label="Changes of routes in this range")


def told(one: Mark) -> str:
    """`promote → version 3`"""
    return one.what if one.version is None else f"{one.what} → version {one.version}"


def _numbers(chart: Chart) -> Html:
    head = tag("tr", tag("th", "From (UTC)", scope="col"), *(tag("th", one.name, scope="col") for one in chart.series))
    known = [step for step in range(chart.steps) if any(_at(one, step) is not None for one in chart.series)]
    rows = []
    for step in reversed(known[-_TABLE_STEPS:]):
        when = figures.moment(chart.start + step * chart.step_s)
        cells = (tag("td", figures.in_unit(_at(one, step), chart.unit)) for one in chart.series)
        rows.append(tag("tr", tag("th", when, scope="row"), *cells))
    table = tag("table", tag("caption", chart.title), tag("thead", head), tag("tbody", *rows), class_="plain")
    box = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"{chart.title}: numbers")
    return tag("details", tag("summary", "Numbers"), box, class_="numbers")


def _at(one: Series, step: int) -> float | None:
    return one.values[step] if step < len(one.values) else None


def _data(chart: Chart, scale: Scale) -> dict[str, Any]:
    """For the script: the points of lines are the middle of their steps, bars begin with theirs."""
    steps = thinned([float(step) for step in range(chart.steps)])
    middle = 0.5 if chart.kind == "lines" else 0.0
    return {
        "kind": chart.kind,
        "unit": chart.unit,
        "log": chart.log,
        "from": chart.start,
        "to": chart.end,
        "step": chart.step_s,
        "scale": [scale.low, scale.high],
        "ticks": scale.ticks(),
        "x": [chart.start + ((step or 0.0) + middle) * chart.step_s for step in steps],
        "series": [
            {
                "name": one.name,
                "colour": chart.colour(place),
                "dashed": one.name in chart.dashed,
                "values": [_at(one, int(step or 0)) for step in steps],
                "low": None if one.low is None else list(thinned(one.low)),
                "high": None if one.high is None else list(thinned(one.high)),
            }
            for place, one in enumerate(chart.series)
        ],
        "marks": [{"at": one.at, "text": told(one)} for one in chart.marks],
        "shaded": [step for step, is_one in enumerate(chart.shaded) if is_one],
        "baseline": chart.baseline,
    }
