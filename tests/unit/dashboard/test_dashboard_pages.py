"""The pages on made-up documents: what they say, that nothing in them is markup of others, what is said of nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

import made_up
from cloche.dashboard import assets
from cloche.dashboard.overview import overview
from cloche.dashboard.pages import alert_page, field_page, model_page, nothing_page, report
from cloche.dashboard.panels.alerts import alerts
from cloche.dashboard.panels.panel import link_to
from cloche.dashboard.panels.quality import quality
from cloche.monitoring.alerts.defaults import DEFAULTS, Default, page_of
from cloche.monitoring.documents import (
    RANGES,
    AlertRow,
    ConceptDrift,
    ModelDocument,
    ParitySample,
    Series,
    VersionRow,
)

DOCUMENTS = {
    "classes": made_up.document(),
    "number": made_up.number_document(),
    "hostile": made_up.hostile_document(),
    "empty": made_up.empty_document(),
}
PANELS = (
    "alerts",
    "service",
    "predictions",
    "drift",
    "quality",
    "segments",
    "calibration",
    "versions",
    "problems",
    "recent",
)


class Page(HTMLParser):
    """What is in a page, and that it is well formed: every element is closed in its place."""

    VOID = frozenset({"br", "input", "link", "meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, name: str) -> list[str | None]:
        return [value for _, found, value in self.attributes if found == name]


def shown(document: ModelDocument) -> str:
    return model_page(document, may_change=True, signed_in=True)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_page_is_well_formed_and_obeys_the_policy(name: str) -> None:
    page = Page(shown(DOCUMENTS[name]))
    assert page.tags.count("script") == 3
    assert not {"style", "img", "iframe", "base", "object"} & set(page.tags)
    assert not any(one == "style" or one.startswith("on") for _, one, _ in page.attributes)
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    assert all(one is not None and not one.startswith("javascript:") for one in page.of("href"))
    assert all(one is not None and one.startswith("../static/") for one in page.of("src"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_panel_is_there_and_says_of_how_many(name: str) -> None:
    page = shown(DOCUMENTS[name])
    for panel in PANELS:
        section = page[page.index(f'<section id="{panel}"') :].split("</section>", 1)[0]
        note = re.search(r'<p class="of">(.*?)</p>', section)
        assert note, panel
        said = "n = " in note[1] or 'class="empty' in section
        assert said, f"{panel}: neither n nor what to do: {note[1]}"


def test_what_others_named_stays_text() -> None:
    for page in (
        shown(DOCUMENTS["hostile"]),
        report(DOCUMENTS["hostile"]),
        field_page(DOCUMENTS["hostile"], made_up.ATTACK, signed_in=True) or "",
        alert_page(DOCUMENTS["hostile"], made_up.ATTACK, signed_in=True) or "",
        overview({made_up.ATTACK: DOCUMENTS["hostile"]}),
        nothing_page(made_up.ATTACK, made_up.ATTACK, 3, signed_in=True),
    ):
        body = page.partition("<body")[2] or page
        assert "<script>document" not in page
        assert "<img" not in body
        assert "&lt;script&gt;document" in body


def test_what_it_says() -> None:
    page = shown(DOCUMENTS["classes"])
    for words in (
        "Ornithology", 'href="mailto:birds@example.org"', "seen in one window: prediction", "Attention",
        "Latency (log axis)", "&lt; 0.1 % failed", "2 of 91 steps below 100 %", "3 of 5 judged fields drift",
        "correlation, limit 0.1", "PSI, limit 0.1", "was 2.1 %", "provisional: labels still arrive", "55.8 %", "-0.11",
        "silenced until", "mail: refused: no route to host", "Promote version 3", "cloche rollback penguins",
        "promote → version 2", "trained on last week", "unknown_level", "Not enough data",
        "cloche replay 06EB6GHQ2Z8M4TJ0V5Y7C1N3P1 --row 1",
        "Requests are counted up to", "0.81", "0.78 … 0.84", "the reference has 120 rows, 200 are needed",
        'Looked after by Ornithology · <a href="mailto:birds@example.org"',
        '<a href="penguins/alert?name=error-rate&amp;range=24h">error-rate</a>',
        '<a href="https://docs.example.org/alerts/drift" rel="noreferrer">what to do</a>',
    ):  # fmt: skip
        assert words in page, words
    assert "Promote version 2" not in page, "it is live"


def test_what_has_drifted_and_matters_stands_first() -> None:
    page = shown(DOCUMENTS["classes"])
    section = page[page.index('<section id="drift"') :].split("</section>", 1)[0]
    rows = re.findall(r'<th scope="row">(?:<a [^>]*>)?([^<]+)', section)
    assert rows == [
        "bill_length_mm", "island", "bill_length_mm × bill_depth_mm", "body_mass_g", "flipper_length_mm", "sampled"
    ]  # fmt: skip


def test_a_reader_who_may_not_change_gets_commands() -> None:
    page = model_page(DOCUMENTS["classes"], may_change=False, signed_in=False)
    assert "<dialog" not in page
    assert "data-change" not in page
    assert "<code>cloche promote penguins 3</code>" in page
    assert "script" not in Page(page).tags


def test_the_pickers_are_links_that_keep_the_other_choice() -> None:
    page = model_page(made_up.document(version=1), may_change=False, signed_in=False)
    assert '<a href="penguins?range=7d&amp;version=1">7d</a>' in page
    assert '<a href="penguins?range=24h&amp;version=1" aria-current="page">24h</a>' in page
    assert '<a href="penguins?range=24h">all</a>' in page
    assert 'href="penguins/field?name=island&amp;range=24h&amp;version=1"' in page


@pytest.mark.parametrize("range_", RANGES)
def test_charts_hold_what_the_script_needs_and_no_more_points_than_are_seen(range_: str) -> None:
    page = Page(shown(made_up.document(range_=range_)))
    charts = [msgspec.json.decode(one or "") for one in page.of("data-chart")]
    assert len(charts) == 6
    for one in charts:
        assert 0 < len(one["x"]) <= 500
        assert all(len(line["values"]) == len(one["x"]) for line in one["series"])
        assert one["scale"][0] < one["scale"][1]
        assert one["from"] <= one["x"][0] < one["x"][-1] <= one["to"]
        assert [mark["text"] for mark in one["marks"]] == ["promote → version 2", "default"]


def test_a_series_of_too_many_values_is_thinned() -> None:
    long = Series(name="2xx", values=[1.0] * 5_000)
    page = Page(shown(made_up.document(traffic=[long])))
    charts = [msgspec.json.decode(one or "") for one in page.of("data-chart")]
    assert max(len(one["x"]) for one in charts) <= 500


def test_a_field_page_and_a_field_that_is_not_there() -> None:
    page = field_page(DOCUMENTS["classes"], "bill_length_mm", signed_in=True)
    assert page is not None
    assert "PSI 0.384 beyond chance" in page
    assert "All 10 bins" in page
    assert 'href="../penguins?range=24h"' in page
    assert field_page(DOCUMENTS["classes"], "other", signed_in=True) is None


def test_the_page_of_a_version_says_of_which_it_speaks() -> None:
    page = shown(made_up.document(version=1))
    assert "are of version 1; lamps and alerts: of the live version, 2." in page
    assert "Last full window of version 1, against its own reference" in page
    assert "n = 410 rows answered by version 1" in page
    assert '<a href="penguins?range=24h&amp;version=2">Version 2</a>' in page
    field = field_page(made_up.document(version=1), "island", signed_in=True) or ""
    assert "category of penguins, version 1" in field
    assert 'href="../penguins?range=24h&amp;version=1"' in field


@pytest.mark.parametrize(
    ("asked", "version", "picks"),
    [
        pytest.param([2], None, ["all"], id="the-live-one-alone"),
        pytest.param([2], 2, ["all", "2"], id="the-live-one-alone-by-its-number"),
        pytest.param([1], None, ["all", "1"], id="not-the-live-one"),
        pytest.param([1, 2], None, ["all", "2", "1"], id="two"),
        pytest.param([2], 1, ["all", "1"], id="one-that-was-asked-before"),
        pytest.param(range(1, 13), 3, ["all", *map(str, range(12, 4, -1)), "3", "3 more"], id="many"),
    ],
)
def test_the_picker_has_the_versions_that_were_asked(asked: list[int], version: int | None, picks: list[str]) -> None:
    rows = [
        VersionRow(version=one, contract=1, created="2025-11-25", requests=one in asked) for one in range(13, 0, -1)
    ]
    page = shown(made_up.document(versions=rows, version=version))
    nav = page.split('aria-label="Version">')[1].split("</nav>")[0]
    assert re.findall(r"<a [^>]*>([^<]*)</a>", nav) == picks


def test_the_page_of_an_alert_says_what_to_do() -> None:
    page = alert_page(made_up.document(version=1), "error-rate", signed_in=True)
    assert page is not None
    assert Page(page).tags.count("ol") == 1
    for words in (
        "Requests fail", "First three checks", "When to roll back", "<code>cloche rollback penguins</code>",
        "Looked after by Ornithology", 'href="https://wiki.example.org/penguins"',
        'href="../penguins?range=24h&amp;version=1"',
    ):  # fmt: skip
        assert words in page, words
    mine = alert_page(DOCUMENTS["classes"], "data-drift", signed_in=True) or ""
    assert 'What to do: <a href="https://docs.example.org/alerts/drift"' in mine
    assert "A rule of your own" in (alert_page(DOCUMENTS["classes"], "quiet", signed_in=True) or "")
    assert alert_page(DOCUMENTS["classes"], "other", signed_in=True) is None


@pytest.mark.parametrize("default", DEFAULTS, ids=lambda one: one.name)
def test_every_default_alert_has_its_page(default: Default) -> None:
    row = AlertRow(rule=default.name, expression="x", phase="firing", page=page_of(default.name))
    page = alert_page(made_up.document(alerts=[row]), default.name, signed_in=True) or ""
    assert default.title in page
    assert page.count("<li>") >= 3
    assert "`" not in page


def test_a_report_is_one_file_that_can_ask_for_nothing() -> None:
    text = report(DOCUMENTS["classes"])
    page = Page(text)
    assert page.of("src") == []
    assert all(one is not None and one.startswith(("#", "mailto:", "http")) for one in page.of("href"))
    assert not any(tag == "link" for tag, _, _ in page.attributes)
    assert "default-src &#x27;none&#x27;" in text
    assert "All 10 bins" in text, "the histograms of fields stand in the report itself"
    assert "First three checks" in text, "and what alerts mean"
    assert len(text) < 400_000


def test_the_overview_shows_the_worst_first() -> None:
    page = overview({"a": None, "b": made_up.empty_document("b"), "c": made_up.document("c")})
    assert re.findall(r'<a href="models/(\w)">', page) == ["c", "b", "a"]
    assert "1 firing" in page
    assert "Nothing measured yet" in page
    assert "cloche.save" in overview({})


def test_what_fires_stands_open_and_what_is_ok_in_one_line() -> None:
    rules = [
        AlertRow(rule="slow", expression="latency_p99 > 250ms", phase="firing", value=612.4, threshold=250.0),
        AlertRow(rule="empty", expression="missing(mass) > 40%", phase="pending", value=0.57, threshold=0.4),
        AlertRow(rule="worse", expression="lamp(performance) == alarm", phase="ok", value=0.0, threshold=2.0),
        AlertRow(rule="drift", expression="drift(any)", phase="ok", value=0.0),
        AlertRow(rule="later", expression="of_a_later_cloche > 3", phase="ok", value=1.5, threshold=3.0),
    ]
    text = str(alerts(msgspec.structs.replace(made_up.document(), alerts=rules), "../"))
    open_, line, folded = text.partition("<summary>3 rules OK</summary>")
    assert line
    for name, shown in (("Value", "612.4 ms"), ("Limit", "250 ms"), ("Value", "57 %"), ("Limit", "40 %")):
        assert f'<td data-title="{name}"><div>{shown}</div></td>' in open_, shown
    for shown in ("ok", "alarm", "no", "1.5"):
        assert f"<div>{shown}</div>" in folded, shown
    calm = str(alerts(msgspec.structs.replace(made_up.document(), alerts=rules[2:]), "../"))
    assert "Nothing fires" in calm


def test_a_silence_is_shown_that_ends_before_the_range_does() -> None:
    found = made_up.document()
    rule = AlertRow(rule="x", expression="drift(any)", phase="ok", silenced_until=found.made + 60)
    later = msgspec.structs.replace(found, range="90d", end=found.made + 40_000, alerts=[rule])
    assert "silenced until" in str(alerts(later, "../"))


@pytest.mark.parametrize(
    ("address", "link"),
    [
        pytest.param("https://wiki.example.org/x", "https://wiki.example.org/x", id="https"),
        pytest.param("birds@example.org", "mailto:birds@example.org", id="mail"),
        pytest.param("javascript:alert(1)", None, id="script"),
        pytest.param("data:text/html,x@y.z", None, id="data"),
        pytest.param("a@b.c?cc=evil@example.org", None, id="more-than-an-address"),
        pytest.param("#birds on chat", None, id="words"),
        pytest.param(None, None, id="none"),
    ],
)
def test_only_addresses_become_links(address: str | None, link: str | None) -> None:
    assert link_to(address) == link


def test_files_that_a_page_may_ask_for() -> None:
    for name in assets.ASSETS:
        text = assets.read(name).decode()
        assert "</script" not in text.lower()
        assert "</style" not in text.lower()
    assert b"MIT License" in assets.read("uplot.LICENSE.txt")
    with pytest.raises(KeyError):
        assets.read("../pages.py")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        pytest.param(
            {"concept": ConceptDrift(version=3, n=900)}, "none seen over 900 labels of version 3", id="no-drift"
        ),
        pytest.param(
            {"concept": ConceptDrift(version=3, n=900, at=made_up.NOW, before=0.06, after=0.21)},
            "mean loss 0.06, then 0.21 over 900 labels of version 3",
            id="concept-drift",
        ),
        pytest.param(
            {"parity": ParitySample(version=3, at=made_up.NOW, equal=49, different=1, request_id="06H", why="<b>row")},
            "49 answers of version 3 the same, 1 different (06H: &lt;b&gt;row)",
            id="parity",
        ),
        pytest.param(
            {"parity": ParitySample(version=3, at=made_up.NOW, impossible=50, why="no scikit-learn here")},
            "50 could not be asked (no scikit-learn here)",
            id="parity-impossible",
        ),
    ],
)
def test_what_is_checked_beside_quality_is_told(facts: dict[str, Any], says: str) -> None:
    assert says in quality(made_up.document(**facts))
