"""What stands inside a line or a cell: sparklines, strips, bars; and histograms and the calibration diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloche.dashboard import figures
from cloche.markup import Html, tag
from cloche.monitoring.documents import Histogram

_WIDE, _HIGH = 120.0, 28.0


def sparkline(values: Sequence[float | None], label: str, *, threshold: float | None = None) -> Html:
    """A line without axes; *label* says it in words, *threshold* is drawn across."""
    known = [value for value in values if value is not None]
    if not known:
        return tag("span", figures.NONE)
    high = max([*known, threshold or 0.0, 1e-12])
    low = min([*known, 0.0])

    def y(value: float) -> float:
        return round(_HIGH - 2 - (value - low) / (high - low) * (_HIGH - 4), 1)

    wide = _WIDE / max(len(values) - 1, 1)
    points = [f"{place * wide:.1f} {y(value)}" for place, value in enumerate(values) if value is not None]
    parts = [tag("path", d=f"M{' L'.join(points)}{'h0.1' if len(points) == 1 else ''}", class_="line s1")]
    if threshold is not None:
        parts.insert(0, tag("line", x1=0, x2=_WIDE, y1=y(threshold), y2=y(threshold), class_="baseline"))
    return tag(
        "svg", *parts, viewBox=f"0 0 {_WIDE:g} {_HIGH:g}", preserveAspectRatio="none", class_="spark", role="img",
        aria_label=label,
    )  # fmt: skip


def strip(values: Sequence[float | None], label: str) -> Html:
    """One cell a step: ready all the time, some of it, never, not known."""
    wide = 1000.0 / max(len(values), 1)
    cells = [
        tag("rect", x=round(place * wide, 2), y=0, width=round(wide * 0.9, 2), height=30, class_=_uptime(value))
        for place, value in enumerate(values)
    ]
    return tag(
        "svg", *cells, viewBox="0 0 1000 30", preserveAspectRatio="none", class_="strip", role="img", aria_label=label
    )


def _uptime(value: float | None) -> str:
    if value is None:
        return "none"
    return "up" if value >= 0.999 else "part" if value > 0 else "down"


def bar(value: float | None, label: str) -> Html:
    """A share of a whole as a bar, said in words too."""
    if value is None:
        return tag("span", figures.NONE)
    wide = round(100 * min(max(value, 0.0), 1.0), 1)
    drawing = tag(
        "svg", tag("rect", x=0, y=0, width=100, height=8, class_="rest"),
        tag("rect", x=0, y=0, width=wide, height=8, class_="full"),
        viewBox="0 0 100 8", preserveAspectRatio="none", class_="share", aria_hidden="true",
    )  # fmt: skip
    return tag("span", drawing, label, class_="barred")


def tiny(found: Histogram, label: str) -> Html:
    """Both distributions in a cell: the reference as an outline, the window as bars."""
    return _histogram(found, label, 120.0, 28.0, "tiny")


def histogram(found: Histogram, label: str) -> Html:
    """The same, large; every bin is named in the table beside it, and where one points at it."""
    each = 1000.0 / max(len(found.labels), 1)
    cells = (
        tag(
            "rect",
            tag("title", f"{name}: {figures.share(now)} now, {figures.share(before)} in the reference"),
            x=round(place * each, 1),
            y=0,
            width=round(each, 1),
            height=220,
            class_="point",
        )
        for place, (name, before, now) in enumerate(zip(found.labels, found.reference, found.current, strict=True))
    )
    return _histogram(found, label, 1000.0, 220.0, "wide", *cells)


def _histogram(found: Histogram, label: str, wide: float, high: float, size: str, *over: Html) -> Html:
    n = max(len(found.labels), 1)
    top = max([*found.reference, *found.current, 1e-12])
    each = wide / n
    bars, outline = [], []
    for place, (before, now) in enumerate(zip(found.reference, found.current, strict=True)):
        left, right = round((place + 0.1) * each, 1), round((place + 0.9) * each, 1)
        bars.append(f"M{left} {high}V{round(high * (1 - now / top), 1)}H{right}V{high}Z")
        y = round(high * (1 - before / top), 1)
        outline.append(f"M{round(place * each, 1)} {y}H{round((place + 1) * each, 1)}")
    return tag(
        "svg",
        tag("path", d="".join(bars), class_="now"),
        tag("path", d="".join(outline), class_="before"),
        *over,
        viewBox=f"0 0 {wide:g} {high:g}",
        preserveAspectRatio="none",
        class_=f"histogram {size}",
        role="img",
        aria_label=label,
    )


def diagonal(points: Sequence[Mapping[str, float]], x: str, y: str, label: str) -> Html:
    """A reliability diagram: how often it came true against what was promised; on the line both are equal."""
    size = 300.0
    dots = [(round(one[x] * size, 1), round((1 - one[y]) * size, 1)) for one in points]
    parts = [
        tag("line", x1=0, x2=size, y1=size, y2=0, class_="baseline"),
        tag("path", d="M" + " L".join(f"{a} {b}" for a, b in dots), class_="line s1") if dots else None,
        *(tag("circle", cx=a, cy=b, r=5, class_="dot-s1") for a, b in dots),
    ]
    return tag(
        "svg", *parts, viewBox=f"-6 -6 {size + 12:g} {size + 12:g}", class_="square", role="img", aria_label=label
    )
