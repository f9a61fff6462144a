"""Scales, numbers and drawings."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from cloche.dashboard import figures
from cloche.dashboard.charts.over_time import Chart, drawn
from cloche.dashboard.charts.scales import HEIGHT, Scale, linear, logarithmic, thinned
from cloche.dashboard.charts.small import sparkline, strip
from cloche.dashboard.panels.drift import field_detail
from cloche.monitoring.documents import Mark, Series

VALUES = st.lists(st.floats(-1e12, 1e12), max_size=20)


@given(VALUES, st.booleans())
def test_everything_fits_on_its_scale(values: list[float], zero: bool) -> None:
    scale = linear(values, zero=zero)
    assert scale.low < scale.high
    slack = (scale.high - scale.low) * 1e-9
    assert all(scale.low - slack <= value <= scale.high + slack for value in values)
    assert all(0 <= scale.place(value) <= HEIGHT for value in values)


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_everything_fits_on_its_decades(values: list[float]) -> None:
    scale = logarithmic(values)
    assert all(scale.low * (1 - 1e-9) <= value <= scale.high * (1 + 1e-9) for value in values)
    places = [scale.place(value) for value in sorted(values)]
    assert places == sorted(places, reverse=True)


@pytest.mark.parametrize("values", [[], [math.nan], [0.0], [5.0, 5.0]])
def test_scales_of_next_to_nothing(values: list[float]) -> None:
    assert linear(values).low < linear(values).high
    assert logarithmic(values).low < logarithmic(values).high


def test_a_decade_is_as_high_as_any_other() -> None:
    scale = Scale(0.1, 100.0, log=True)
    assert scale.ticks() == pytest.approx([100, 10, 1, 0.1])
    assert [scale.place(tick) for tick in scale.ticks()] == [0.0, 80.0, 160.0, 240.0]


def test_the_last_point_outlives_thinning() -> None:
    found = thinned([float(place) for place in range(1_201)])
    assert len(found) <= 500
    assert found[-1] == 1_200.0


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (figures.share(0.0004), "< 0.1 %"),
        (figures.share(0.0), "0 %"),
        (figures.share(0.99996), "> 99.9 %"),
        (figures.share(1.0), "100 %"),
        (figures.share(None), "–"),
        (figures.number(1_234_567.0), "1,234,567"),
        (figures.number(0.123456), "0.123"),
        (figures.number(math.nan), "–"),
        (figures.milliseconds(0.6212), "0.621 ms"),
        (figures.milliseconds(2_345.0), "2.35 s"),
        (figures.probability(1e-9), "< 0.0001"),
        (figures.span(93_784), "1 d 2 h"),
        (figures.clock(1_764_072_000.0, 3_600), "12:00"),
        (figures.clock(1_764_072_000.0, 604_800), "25 Nov"),
    ],
)
def test_figures(shown: str, said: str) -> None:
    assert shown == said


def test_a_line_breaks_where_nothing_is_known_and_a_lonely_value_is_a_dot() -> None:
    line = Series(name="a", values=[0.0, 1.0, None, 1.0])
    page = drawn(
        Chart(title="t", start=0.0, step_s=60, series=[line], marks=[Mark(at=120.0, what="promote", version=2)])
    )
    assert '<path d="M125.0 240.0 L375.0 0.0M875.0 0.0h0.1" class="line s1">' in page
    assert '<line x1="500.0" x2="500.0" y1="0" y2="240.0" class="mark">' in page


def test_bars_stand_on_each_other() -> None:
    lines = [Series(name="2xx", values=[3.0]), Series(name="5xx", values=[1.0])]
    page = drawn(Chart(title="t", start=0.0, step_s=60, series=lines, kind="bars", colours=("ok", "bad")))
    assert '<path d="M60.0 240.0V60.0H940.0V240.0Z" class="area ok">' in page
    assert '<path d="M60.0 60.0V0.0H940.0V60.0Z" class="area bad">' in page


def test_an_interval_is_a_band() -> None:
    line = Series(name="a", values=[0.5, 0.5], low=[0.25, 0.0], high=[0.75, 1.0])
    page = drawn(Chart(title="t", start=0.0, step_s=60, series=[line], top=1.0, shaded=[False, True], baseline=0.5))
    assert '<polygon points="250.0,60.0 750.0,0.0 750.0,240.0 250.0,180.0" class="band s1">' in page
    assert '<rect x="500.0" y="0" width="500.0" height="240.0" class="provisional">' in page
    assert '<line x1="0" x2="1000.0" y1="120.0" y2="120.0" class="baseline">' in page


def test_small_drawings_say_what_they_show() -> None:
    assert 'role="img" aria-label="up and down"' in sparkline([0.0, 1.0, None, 0.5], "up and down", threshold=0.7)
    assert sparkline([None], "nothing") == "<span>–</span>"
    kinds = strip([1.0, 0.5, 0.0, None], "uptime")
    assert [kind in kinds for kind in ('class="up"', 'class="part"', 'class="down"', 'class="none"')] == [True] * 4


def test_a_histogram_names_every_bin_and_the_one_that_differs_most() -> None:
    found = made_up.document().drift[0]
    assert found.histogram is not None
    text = str(field_detail(found))
    assert text.count("<title>") == len(found.histogram.labels)
    assert "Furthest apart: <strong>" in text


def test_moments_are_told_as_moments() -> None:
    found = msgspec.structs.replace(
        made_up.document().drift[0], type="date",
        measures={"mean": 1_764_072_000.0, "wasserstein": 172_800.0, "variance": 9e9},
    )  # fmt: skip
    text = str(field_detail(found))
    assert "25 Nov 12:00 UTC" in text
    assert "2 d" in text
    assert "Variance" not in text
