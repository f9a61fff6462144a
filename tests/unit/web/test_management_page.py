"""The status page and document: what they say, and that nothing in a name becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from cloche.metrics import MetricsSlot, read_slot
from cloche.web.management.page import sign_in_page, status_page
from cloche.web.management.status import ModelStatus, ServerStatus, WorkerStatus, document, requests, samples_of
from cloche.web.measured import RequestMetrics

EVIL = "<script>alert(1)</script>\"'&"


def status(**facts: object) -> ServerStatus:
    return ServerStatus(**{
        "url": "http://127.0.0.1:8000", "store": "/srv/store", "started": 1_000_000.0, "ready": True,
        "models": (ModelStatus(name="penguins", default_number=1, wanted={1: 4}, serving={1: 3}, warm={2: 1},
                               refused={4: "golden rows differ"}),),
        "workers": (WorkerStatus(slot=0, pid=7, heartbeat_age_s=0.2), WorkerStatus(slot=1, pid=8, alive=False)),
        "degraded": ("store",),
    } | facts)  # type: ignore[arg-type]  # fmt: skip


def counted(*statuses: int, model: str = "penguins") -> dict:  # type: ignore[type-arg]
    slot = MetricsSlot()
    metrics = RequestMetrics(slot)
    for code in statuses:
        metrics.record({
            "path": "/predict", "status": code, "ms": 4.0, "bytes_out": 1, "rows": 2, "model": model, "version": 3,
        })  # fmt: skip
    metrics.record({"path": "/ready", "status": 503, "ms": 4.0, "bytes_out": 1})
    return read_slot(slot.snapshot())  # type: ignore[return-value]


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.hrefs: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.hrefs += [value for name, value in attrs if name == "href"]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)


@pytest.mark.parametrize("field", ["name", "route", "refused", "store", "url", "degraded"])
def test_what_others_named_stays_text(field: str) -> None:
    model = ModelStatus(name="m", wanted={1: 1}, serving={1: 1})
    if field in ("name", "route"):
        shown = status(models=(ModelStatus(**{"name": "m", "serving": {1: 1}} | {field: EVIL}),))
    elif field == "refused":
        shown = status(models=(ModelStatus(name="m", refused={1: EVIL}),))
    else:
        shown = status(models=(model,), **{field: (EVIL,) if field == "degraded" else EVIL})
    page = status_page(shown, counted(200, model=EVIL), 1_000_100.0)
    plain = status_page(status(models=(model,)), {}, 1_000_100.0)
    assert "<script>" not in page
    assert Tags(page).found.count("script") == Tags(plain).found.count("script") == 3


def test_no_link_runs_a_script() -> None:
    page = status_page(status(url="javascript:alert(1)//"), {}, 1_000_100.0)
    assert not any(href and href.startswith("javascript:") for href in Tags(page).hrefs)


def test_the_page_says_what_is_wanted_what_is_served_and_why_not() -> None:
    page = status_page(status(), counted(200, 200, 400, 500), 1_000_000.0 + 93_784)
    for words in (
        "Serving, degraded",
        "Version 4 is not served here",
        "golden rows differ",
        "1 d 2 h",
        "Worker 1",
        "gone",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        pytest.param({"ready": False}, "Not ready", id="not-ready"),
        pytest.param({"degraded": ()}, "Serving, degraded", id="a-version-refused"),
        pytest.param(
            {"degraded": (), "models": (ModelStatus(name="m", wanted={1: 1}, serving={1: 1}),)}, "Serving", id="well"
        ),
        pytest.param({"models": ()}, "Serving, degraded", id="no-model-and-no-store"),
    ],
)
def test_the_title_is_the_verdict(facts: dict[str, object], title: str) -> None:
    assert f"<title>{title} · cloche</title>" in status_page(status(**facts), {}, 1_000_100.0)


def test_the_document() -> None:
    found = document(status(), counted(200, 200, 400, 503), 1_000_060.0)
    assert found["at"] == "1970-01-12T13:47:40Z"
    (model,) = found["models"]
    assert (model["wanted"], model["serving"], model["warm"]) == ({"1": 4}, {"1": 3}, [2])
    assert model["refused"] == {"4": "golden rows differ"}
    assert {key: found["requests"][key] for key in ("answered", "2xx", "4xx", "5xx", "rows")} == {
        "answered": 4, "2xx": 2, "4xx": 1, "5xx": 1, "rows": 4,
    }  # fmt: skip
    assert 0.0025 < found["requests"]["seconds"]["p50"] <= 0.005


def test_other_models_and_other_routes_are_not_counted_in() -> None:
    assert requests(counted(200), "other")["answered"] == 0
    assert requests({})["seconds"] == {"p50": None, "p95": None, "p99": None}


def test_the_status_as_samples() -> None:
    found = samples_of(status())
    assert found["cloche_model_info"] == {
        ("penguins", "2", "1", "warm"): [1.0],
        ("penguins", "3", "1", "serving"): [1.0],
    }
    assert (found["cloche_workers"], found["cloche_ready"]) == ({(): [1.0]}, {(): [1.0]})
    assert found["cloche_degraded"] == {("store",): [1.0]}


def test_the_sign_in_page_offers_no_script_and_no_form() -> None:
    assert not {"script", "form", "input"} & set(Tags(sign_in_page("Hello")).found)
