"""The docs page in a real browser against a real server: nobody else is asked, a click predicts, nothing sticks out."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import cloche as library
import warm
from conftest import needs
from servers import Server, cloche, serving

pytestmark = [pytest.mark.e2e, pytest.mark.chromium, pytest.mark.timeout(180)]

QUIET = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
ATTACK = "<script>document.title='owned'</script>"
WIDTHS = [pytest.param(360, id="360"), pytest.param(1280, id="1280")]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    needs(importlib.util.find_spec("playwright"), "needs playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()


class Watched:
    """A page, every address it asked for and everything it complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))


@contextmanager
def visit(browser: Any, url: str, *, width: int = 1280, javascript: bool = True) -> Iterator[Watched]:
    """A fresh browser context on *url*; afterwards nothing has left its origin."""
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=javascript)
    watched = Watched(context.new_page())
    try:
        watched.page.goto(url)
        yield watched
        origin = url.split("/docs")[0]
        assert [one for one in watched.requests if not one.startswith((origin + "/", "blob:" + origin))] == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def server(penguins_store: str) -> Iterator[Server]:
    with serving(["penguins"], store=penguins_store) as running:
        yield running


def predict(page: Any, state: str) -> None:
    page.click("#try-form button[type=submit]")
    page.wait_for_selector(f"#panel[data-state={state}]")


def field(page: Any, name: str) -> Any:
    return page.locator(f".field[data-name='{name}']")


# -- using it -------------------------------------------------------------------------------------


def test_a_click_predicts_and_no_request_leaves_the_origin(browser, server):
    with visit(browser, f"{server.url}/docs") as seen:
        predict(seen.page, "ok")
        answer = json.loads(seen.page.text_content("#raw"))
        assert seen.page.inner_text(".prediction") == answer["prediction"]
        assert answer["prediction"] in ("Adelie", "Chinstrap", "Gentoo")
        assert seen.page.locator(".bars li").count() == 3
        assert seen.page.locator(".confidence").is_visible()
        assert f"{server.url}/predict" in seen.requests
        assert seen.complaints == []


def test_a_wrong_value_shows_the_servers_message_at_its_field(browser, server):
    with visit(browser, f"{server.url}/docs") as seen:
        control = field(seen.page, "bill_length_mm").locator(".value")
        control.fill("long")
        predict(seen.page, "bad")
        problem = json.loads(seen.page.text_content("#raw"))["problems"][0]
        note = field(seen.page, "bill_length_mm").locator(".problem")
        assert problem["field"] == "bill_length_mm"
        assert note.inner_text() == problem["message"]
        assert control.get_attribute("aria-invalid") == "true"
        assert control.evaluate("node => node === document.activeElement")
        assert field(seen.page, "body_mass_g").locator(".problem").is_hidden()
        control.fill("44.5")
        predict(seen.page, "ok")
        assert note.is_hidden()


def test_a_value_outside_the_training_range_is_answered_with_a_warning_at_its_field(browser, server):
    with visit(browser, f"{server.url}/docs") as seen:
        field(seen.page, "body_mass_g").locator(".value").fill("9000")
        predict(seen.page, "ok")
        warning = json.loads(seen.page.text_content("#raw"))["warnings"][0]
        assert field(seen.page, "body_mass_g").locator(".problem.warning").inner_text() == warning["message"]


def test_the_examples_follow_the_form(browser, server):
    with visit(browser, f"{server.url}/docs") as seen:
        texts = seen.page.locator("#call code[data-template]").all_text_contents()
        field(seen.page, "bill_length_mm").locator(".value").fill("41.25")
        field(seen.page, "sex").locator(".gone").check()
        changed = seen.page.locator("#call code[data-template]").all_text_contents()
        assert len(changed) == 5
        assert all("41.25" in text and "41.25" not in before for text, before in zip(changed, texts, strict=True))
        curl, python, plain, javascript, r = changed
        assert '"sex": null' in curl
        assert '"sex": null' in javascript
        assert '"sex": None' in python
        assert "`sex` = NA" in r
        sent = subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True, timeout=60, check=True)
        assert "prediction" in sent.stdout
        sent = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, timeout=60, check=True)
        assert sent.stdout.strip() in ("Adelie", "Chinstrap", "Gentoo")
        sent = subprocess.run(["/bin/sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True)
        assert "prediction" in json.loads(sent.stdout)


def test_the_browser_writes_the_examples_as_the_server_does(browser, server):
    with visit(browser, f"{server.url}/docs", javascript=False) as plain:
        written_by_server = plain.page.locator("#call code[data-template]").all_text_contents()
    with visit(browser, f"{server.url}/docs") as scripted:
        assert scripted.page.locator("#call code[data-template]").all_text_contents() == written_by_server


def test_tabs_choose_the_language_also_by_keyboard(browser, server):
    with visit(browser, f"{server.url}/docs") as seen:
        assert [call.is_visible() for call in seen.page.locator(".call").all()] == [True, False, False, False, False]
        seen.page.click("role=tab[name='R']")
        assert seen.page.locator(".call").nth(4).is_visible()
        seen.page.keyboard.press("ArrowRight")
        assert seen.page.locator(".call").nth(0).is_visible()


def test_reset_returns_to_the_example(browser, server):
    with visit(browser, f"{server.url}/docs") as seen:
        control = field(seen.page, "bill_length_mm").locator(".value")
        before = control.input_value()
        control.fill("long")
        predict(seen.page, "bad")
        seen.page.click("button[type=reset]")
        assert control.input_value() == before
        seen.page.wait_for_selector(".field .problem", state="hidden")


def test_without_javascript_everything_can_be_read(browser, server):
    with visit(browser, f"{server.url}/docs", javascript=False) as seen:
        assert all(call.is_visible() for call in seen.page.locator(".call").all())
        assert "bill_length_mm" in seen.page.inner_text("table.fields")
        assert seen.complaints == []


# -- layout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_nothing_overlaps(browser, server, width):
    with visit(browser, f"{server.url}/docs", width=width) as seen:
        predict(seen.page, "ok")
        page = seen.page
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for selector in ("h1", "#try-form", "#panel", "#call", "table.fields", "#answer", "#quality", "footer"):
            box = page.locator(selector).first.bounding_box()
            assert box is not None, selector
            assert box["width"] > 60
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width + 0.5, selector
        assert page.evaluate(OVERLAPS) == []
        form, panel = (page.locator(one).bounding_box() for one in ("#try-form", "#panel"))
        beside = panel["x"] >= form["x"] + form["width"]
        assert beside is (width == 1280)


OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll(
    "h1, h2, .field, .value, .missing, .hint, #try-form .actions button, #panel, .tabs, .call, .tile, .fields th code"
  )].filter((node) => node.offsetParent !== null && !node.closest("[hidden]"));
  const found = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    if (a.contains(b) || b.contains(a)) return;
    const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (wide > 1 && high > 1) found.push([a.outerHTML.slice(0, 80), b.outerHTML.slice(0, 80)]);
  }));
  return found;
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_touch_targets_are_large_enough_and_controls_are_named(browser, server, width):
    with visit(browser, f"{server.url}/docs", width=width) as seen:
        for control in seen.page.locator(".value, #try-form .actions button").all():
            assert control.bounding_box()["height"] >= 40
            name = control.evaluate("node => node.labels?.length ? node.labels[0].textContent : node.textContent")
            assert name.strip()


# -- keys, several models, hostile texts ----------------------------------------------------------


def test_with_keys_the_page_asks_for_one_and_keeps_it_in_memory(browser, penguins_store_2):
    key = cloche("keys", "create", "--scope", "predict", store=penguins_store_2).stdout.strip()
    with (
        serving(["penguins"], store=penguins_store_2, flags=["--auth", "keys"]) as running,
        visit(browser, f"{running.url}/docs") as seen,
    ):
        page = seen.page
        assert "penguins" not in page.content()
        page.fill("#key", "not-a-key")
        page.click("#key-form button")
        page.wait_for_selector("#key-problem:not([hidden])")
        page.fill("#key", key)
        page.click("#key-form button")
        page.wait_for_selector("#try-form")
        predict(page, "ok")
        assert key not in page.content()
        assert "$CLOCHE_KEY" in page.text_content("#call")
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert not [one for one in seen.requests if key in one]
        page.reload()
        assert page.locator("#key-form").is_visible()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose models have an attack in every text."""
    store = tmp_path_factory.mktemp("hostile") / "store"
    random = np.random.default_rng(0)
    inputs = pd.DataFrame(
        {
            "plain": random.normal(size=200),
            f"name {ATTACK}": random.choice([ATTACK, '"><img src=x onerror=alert(1)>'], size=200),
        }
    )
    targets = np.where(inputs["plain"] > 0, ATTACK, "harmless")
    columns = make_column_transformer(("passthrough", ["plain"]), (OneHotEncoder(), [f"name {ATTACK}"]))
    model = make_pipeline(columns, LogisticRegression()).fit(inputs, targets)
    with warm.saves():
        for name in ("first", "second"):
            library.save(model, name, inputs=inputs, targets=targets, store=str(store), quiet=True)
    with serving(["first", "second"], store=store) as running:
        yield running


@pytest.mark.parametrize("width", WIDTHS)
def test_several_models_and_hostile_texts(browser, hostile, width):
    running = hostile
    with visit(browser, f"{running.url}/docs", width=width) as seen:
        page = seen.page
        page.select_option("#picker", "second")
        page.wait_for_url("**/docs?model=second")
        page.wait_for_selector("h1:text('second')")
        predict(page, "ok")
        assert f"{running.url}/models/second/predict" in seen.requests
        assert page.title() == "second · API"
        assert page.locator("img").count() == 0
        assert ATTACK in page.inner_text("#outcome")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert seen.complaints == []


def test_the_page_holds_no_training_row(browser, server):
    rows = pd.read_csv(Path(library.__file__).parent / "demo" / "penguins.csv")
    with visit(browser, f"{server.url}/docs") as seen:
        predict(seen.page, "ok")
        example = json.loads(
            seen.page.text_content("#call code[data-language=javascript]").split("= ", 1)[1].split(";\n")[0]
        )
        same = pd.Series(True, index=rows.index)
        for name, value in example.items():
            same &= rows[name] == value
        assert not same.any()
