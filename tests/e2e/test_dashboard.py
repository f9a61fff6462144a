"""The dashboard in a real browser on a real server: read, checked by axe-core, and used to promote and roll back."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import made_up
from cloche.dashboard.pages import report
from cloche.monitoring.shelf import Shelf
from cloche.registry import Registry
from cloche.store import Store
from conftest import needs
from servers import Server, cloche, cloche_here, serving
from stores import copied

pytestmark = [pytest.mark.e2e, pytest.mark.chromium, pytest.mark.timeout(180)]

QUIET = ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run")  # fmt: skip
AXE = Path(__file__).parent.parent / "vendored" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = {
    "overview": "/",
    "classes": "/models/penguins",
    "classes-of-one-version": "/models/penguins?range=7d&version=1",
    "number": "/models/prices?range=7d",
    "empty": "/models/new?range=1h",
    "nothing": "/models/nothing",
    "hostile": "/models/hostile",
    "field": "/models/penguins/field?name=bill_length_mm",
    "alert": "/models/penguins/alert?name=error-rate",
}
LOOKS = [
    pytest.param(1280, "light", id="desktop-light"),
    pytest.param(360, "dark", id="phone-dark"),
]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    needs(importlib.util.find_spec("playwright"), "needs playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()


class Managed:
    """A server, its management port, and the cookie of a browser that has signed in there."""

    def __init__(self, server: Server, store: Path, browser: Any) -> None:
        self.server = server
        self.registry = Registry(Store.open(str(store), store.parent))
        login = wait_for(lambda: re.search(r"manage +(\S+)", server.said()))[1]
        self.base = login.partition("/login")[0]
        context = browser.new_context()
        page = context.new_page()
        page.goto(login)
        assert page.url == f"{self.base}/"
        self.state = context.storage_state()
        context.close()


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def managed(_penguins_2: str, tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Managed]:
    store = tmp_path_factory.mktemp("dashboard") / "store"
    copied(_penguins_2, store)
    shelf = Shelf(Store.open(str(store), store.parent))
    for one in (
        made_up.document(live=1), made_up.document(range_="7d", version=1), made_up.number_document(range_="24h"),
        made_up.number_document(), made_up.empty_document(), made_up.empty_document(range_="24h"),
        made_up.hostile_document(),
    ):  # fmt: skip
        shelf.put(one)
    with serving(["penguins"], store=store, flags=["--management-port", "0"]) as server:
        yield Managed(server, store, browser)


class Seen:
    """A page, every address it asked for and everything it complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@contextmanager
def visit(browser: Any, managed: Managed, path: str, *, width: int = 1280, **more: Any) -> Iterator[Seen]:
    """A signed-in browser on *path*; afterwards nothing has left the origin."""
    more = {"viewport": {"width": width, "height": 900}, "storage_state": managed.state} | more
    context = browser.new_context(**more)
    seen = Seen(context.new_page())
    try:
        seen.page.goto(managed.base + path)
        yield seen
        assert [one for one in seen.requests if not one.startswith(managed.base + "/")] == []
    finally:
        context.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds: contrast, names, roles, what the keyboard cannot reach."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        "rules => axe.run({runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
    )
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


# -- every page -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_every_page(browser, managed, name, width, scheme):
    with visit(browser, managed, PAGES[name], width=width, color_scheme=scheme) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        assert seen.page.title() != "owned"
        assert violations(seen.page) == []
        # A document that is not there is said with its status, which Chromium puts on the console.
        complaints = [one for one in seen.complaints if name != "nothing" or "404" not in one]
        assert complaints == []


@pytest.mark.parametrize("name", ["overview", "classes", "field"])
def test_a_page_without_javascript(browser, managed, name):
    with visit(browser, managed, PAGES[name], width=360, java_script_enabled=False) as seen:
        page = seen.page
        assert page.locator("h1").is_visible()
        assert not page.locator("#main button:visible").count()
        for drawing in page.locator(".canvas svg").all()[:2]:
            box = drawing.bounding_box()
            assert box["width"] > 150
            assert box["x"] + box["width"] <= 360
        if name == "classes":
            assert page.locator("code", has_text="cloche promote penguins 3").is_visible()


def test_charts_answer_the_pointer_and_follow_the_readers_colours(browser, managed):
    with visit(browser, managed, PAGES["classes"]) as seen:
        page = seen.page
        assert page.locator("figure[data-chart] canvas").count() == 6
        assert not page.locator(".plot").first.is_visible()
        over = page.locator("figure[data-chart] .u-over").first
        over.hover()
        readout = page.locator(".readout").first
        assert re.match(r"\d\d-\d\d \d\d:\d\d UTC \(.+ here\) · 2xx \d+ · 4xx \d+ · 5xx \d+", readout.inner_text())
        page.emulate_media(color_scheme="dark")
        wait_for(lambda: page.locator("figure[data-chart] canvas").count() == 6)
        page.set_viewport_size({"width": 360, "height": 900})
        wait_for(lambda: page.evaluate("document.documentElement.scrollWidth") == 360)
        assert seen.complaints == []


def test_times_are_utc_and_by_the_readers_clock(browser, managed):
    with visit(browser, managed, PAGES["classes"], timezone_id="Asia/Tokyo", locale="en-GB") as seen:
        assert "Times are UTC" in seen.page.inner_text("#as-of")
        assert "20:59 (Asia/Tokyo)" in seen.page.inner_text("#as-of")
        assert "20:59 (Asia/Tokyo)" in seen.page.get_attribute("#as-of time", "title")


def test_the_pages_lead_to_each_other(browser, managed):
    with visit(browser, managed, "/") as seen:
        page = seen.page
        page.click("#overview a:text('penguins')")
        page.click("nav[aria-label=Version] a:text('1')")
        assert page.url.endswith("/models/penguins?range=24h&version=1")
        page.go_back()
        page.click("#drift a:text('bill_length_mm')")
        assert page.inner_text("h1") == "bill_length_mm"
        page.click(".crumbs a:text('penguins')")
        assert page.url.endswith("/models/penguins?range=24h")
        page.click("#alerts a:text('data-drift')")
        assert page.url.endswith("/models/penguins/alert?name=data-drift&range=24h")
        assert page.locator("ol li").count() == 3
        page.click(".crumbs a:text('penguins')")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


# -- changing routes ------------------------------------------------------------------------------


def live(managed: Managed) -> int:
    routes = managed.registry.routes("penguins")
    assert routes is not None
    found: int = routes.live[1]
    return found


def test_promote_and_roll_back_through_the_page(browser, managed):
    with visit(browser, managed, PAGES["classes"]) as seen:
        page = seen.page
        page.click("button:text('Promote version 3')")
        page.wait_for_selector("#change-do:enabled")
        page.click("#change-do")
        page.wait_for_selector("#change-said:has-text('NotFound')")
        page.click("#change-cancel")
        assert live(managed) == 1
        seen.complaints.clear()

        page.evaluate("document.querySelector('[data-change=promote]').dataset.version = '2'")
        page.focus("[data-change=promote]")
        page.keyboard.press("Enter")  # the keyboard is enough
        page.wait_for_selector("#change-do:enabled")
        assert violations(page) == []
        assert page.inner_text("#change-title") == "Promote version 2 of penguins?"
        page.focus("#change-why")
        page.keyboard.type("by keyboard")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("#change-said:has-text('Done: promote to version 2')")
        assert live(managed) == 2
        event = managed.registry.head("penguins")
        assert (event.why, event.by.startswith("dashboard on ")) == ("by keyboard", True)
        page.click("#change-cancel")
        wait_for(lambda: serving_version(managed.server) == 2)

        page.wait_for_load_state()
        page.click("button:text('Roll back the last promote')")
        page.wait_for_selector("#change-do:enabled")
        assert "Version 1 will answer again in place of version 2" in page.inner_text("#change-what")
        page.click("#change-do")
        page.wait_for_selector("#change-said:has-text('Done: rollback to version 1')")
        assert live(managed) == 1
        wait_for(lambda: serving_version(managed.server) == 1)
        assert seen.complaints == []


def serving_version(server: Server) -> int:
    """What a caller is answered by."""
    return int(httpx.get(f"{server.url}/metadata", timeout=20).json()["model_version"])


# -- what a real monitor saw ----------------------------------------------------------------------


def test_from_requests_to_the_page_and_the_report(lines_store_2, tmp_path):
    key = cloche("keys", "create", "--scope", "manage", store=lines_store_2).stdout.strip()
    with serving(
        ["lines"], store=lines_store_2, flags=["--management-port", "0"], env=surroundings(tmp_path)
    ) as server:
        base = wait_for(lambda: re.search(r"manage +(\S+)/login", server.said()))[1]
        with httpx.Client(base_url=base, headers={"authorization": f"Bearer {key}"}, timeout=30) as management:
            wait_for(lambda: management.get("/models/lines/routes").status_code == 200)
            asked(server, 3)
            changed = management.post("/models/lines/promote", json={"version": 2, "why": "a test"})
            assert changed.status_code == 200, changed.text
            wait_for(lambda: serving_version(server) == 2)
            asked(server, 4)

            def documents():
                both = [management.get(f"/models/lines/document?range=1h&version={one}") for one in (1, 2)]
                return all(one.status_code == 200 and one.json()["live"] == 2 for one in both)

            wait_for(documents)
            page = management.get("/models/lines?range=1h")
            assert "promote → version 2" in page.text
            assert "a test" in page.text
            assert re.search(r"n = \d+ requests", page.text)
            old = management.get("/models/lines/document?range=1h&version=1").json()
            assert (old["live"], old["version"]) == (2, 1)
            assert {one["name"] for one in old["drift"]} == {"a", "b"}
            assert sum(one for one in old["traffic"][0]["values"]) == 3
            page = management.get("/models/lines?range=1h&version=1")
            assert "Requests, answers, drift and quality are of version 1" in page.text
            assert re.search(r"rows in the first window|the reference has \d+ rows, 200 are needed", page.text)
            assert "First three checks" in management.get("/models/lines/alert?range=1h&name=error-rate").text
            assert 'href="models/lines"' in management.get("/").text
    path = tmp_path / "lines.html"
    done = cloche_here("report", "lines", "--range", "1h", "--exact", "-o", str(path), store=lines_store_2)
    assert done.returncode == 0, done.stderr
    text = path.read_text("utf-8")
    assert "Exact, on raw rows" in text
    assert "Raw rows of version 2, last 1h: n = 4" in text
    assert "the reference of the artifact" in text
    done = cloche_here("report", "nothing", store=lines_store_2)
    assert (done.returncode, "lines" in done.stderr) == (3, True)


def surroundings(tmp_path: Path) -> dict[str, str]:
    return {
        "CLOCHE_SERVER_MONITOR": "true", "CLOCHE_LOG_SEGMENT_AGE_S": "0.2", "CLOCHE_SPOOL": str(tmp_path / "spool")
    }  # fmt: skip


def asked(server: Server, times: int) -> None:
    for _ in range(times):
        httpx.post(f"{server.url}/predict", json={"a": 1.0, "b": 2.0}, timeout=30).raise_for_status()


# -- the report -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_report_is_one_file_that_asks_nobody(browser, tmp_path, width, scheme):
    path = tmp_path / "report.html"
    path.write_text(report(made_up.document()), "utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    seen = Seen(context.new_page())
    try:
        seen.page.goto(path.as_uri())
        assert seen.requests == [path.as_uri()]
        assert seen.page.locator("figure[data-chart] canvas").count() == 6
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        assert violations(seen.page) == []
        assert seen.complaints == []
    finally:
        context.close()
