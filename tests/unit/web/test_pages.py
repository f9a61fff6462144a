"""The docs page as a document: what it says, what it escapes, what it must not hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from tests.unit.web.hand_made import hostile, penguins

from cloche.markup import tag
from cloche.web import pages
from cloche.web.pages.calls import LITERALS

KNOWN_ELEMENTS = frozenset(
    "a aside b body button circle code datalist dd details div dl dt fieldset footer form h1 h2 h3 head header html i "
    "input label legend li link main meta nav noscript option p path pre rect script section select small span summary "
    "svg table tbody td textarea th thead time title tr ul".split()
)


class Reader(HTMLParser):
    """The elements and attributes that a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, attribute: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.elements if attribute in attrs]


def read(page: pages.Page) -> Reader:
    return Reader(page.body.decode())


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(pages.docs([penguins()], base_url="http://127.0.0.1:8000"), id="pleasant"),
        pytest.param(pages.docs([hostile()], base_url="http://127.0.0.1:8000"), id="hostile"),
        pytest.param(pages.docs([penguins()], keys_required=True), id="shell"),
        pytest.param(pages.docs([]), id="no-model"),
    ],
)
def test_nothing_is_inline_and_nothing_leads_elsewhere(page):
    seen = read(page)
    assert {name for name, _ in seen.elements} <= KNOWN_ELEMENTS
    for name, attributes in seen.elements:
        assert not [one for one in attributes if one.startswith("on") or one == "style"]
        assert name != "script" or attributes["src"].startswith("docs/static/")
        for key in ("href", "src", "action"):
            assert re.match(r"(#|docs|openapi\.json)", attributes.get(key) or "#")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_hostile_texts_are_shown_as_text():
    page = pages.docs([hostile()], base_url="http://127.0.0.1:8000")
    seen = read(page)
    assert [attrs.get("src") for name, attrs in seen.elements if name == "script"] == ["docs/static/docs.js"]
    assert not [name for name, _ in seen.elements if name == "img"]
    assert seen.text.count("<script>alert('x')</script>") >= 5


@pytest.mark.parametrize("hidden", ["hush-one", "hush-two", "12345.5", "67890.5", "98765.5"])
def test_nothing_of_a_private_field_is_shown(hidden):
    assert hidden not in pages.docs([hostile()]).body.decode()


def test_a_hostile_host_header_does_not_reach_the_examples():
    page = pages.docs([penguins()], base_url="http://x'; rm -rf ~ #")
    assert "rm -rf" not in page.body.decode()
    assert "http://127.0.0.1:8000/predict" in page.body.decode()


def test_without_javascript_everything_is_there_to_read():
    seen = read(pages.docs([penguins()], base_url="http://127.0.0.1:8000"))
    for words in ("bill_length_mm", "mm", "Biscoe", "32.1 … 59.6", "others are refused", "Adelie", "0.985", "Contract"):
        assert words in seen.text
    for words in (
        "curl -sS 'http://127.0.0.1:8000/predict'",
        "cloche.Client(",
        "urllib.request",
        "await fetch(",
        "req_perform",
    ):
        assert words in seen.text


def test_metrics_of_single_classes_are_one_table():
    body = pages.docs([penguins()]).body.decode()
    assert body.count('class="card tile"') == 2
    assert "recall[" not in body
    assert "0.9 … 0.99, 40 rows" in body


def test_where_keys_are_required_the_page_tells_nothing_before_it_has_one():
    shell = pages.docs([penguins()], keys_required=True).body.decode()
    for secret in ("penguins", "bill_length_mm", "Adelie", "island"):
        assert secret not in shell
    assert 'id="key-form"' in shell
    content = pages.content([penguins()], keys_required=True, base_url="http://127.0.0.1:8000").body.decode()
    assert "bill_length_mm" in content
    assert "Bearer $CLOCHE_KEY" in content
    assert "<html" not in content


def test_every_control_has_a_label_and_every_reference_a_target():
    seen = read(pages.docs([hostile(), penguins(default=False)]))
    ids = [attrs["id"] for attrs in seen.having("id")]
    assert len(ids) == len(set(ids))
    labelled = {attrs["for"] for attrs in seen.having("for")}
    for name, attrs in seen.elements:
        if name in ("input", "select", "textarea"):
            assert attrs.get("id") in labelled or attrs.get("aria-label")
        for target in (attrs.get("aria-describedby") or "").split():
            assert target in ids


@pytest.mark.parametrize(
    ("name", "type_", "element"),
    [
        pytest.param("bill_length_mm", "number", "input", id="number"),
        pytest.param("island", "category", "select", id="levels"),
        pytest.param("sex", "category", "input", id="soft-levels-with-suggestions"),
        pytest.param("tagged", "boolean", "select", id="boolean"),
        pytest.param("observed", "date", "input", id="date"),
    ],
)
def test_a_control_for_every_type(name, type_, element):
    seen = read(pages.docs([penguins()]))
    place = next(i for i, (_, attrs) in enumerate(seen.elements) if attrs.get("data-name") == name)
    assert seen.elements[place][1]["data-type"] == type_
    control = next(one for one in seen.elements[place:] if one[1].get("class") == "value")
    assert control[0] == element


@pytest.mark.parametrize(
    ("chosen", "status", "title"),
    [
        pytest.param(None, 200, "penguins", id="the-first"),
        pytest.param("others", 200, "others", id="by-name"),
        pytest.param("nobody", 404, "cloche", id="not-served"),
    ],
)
def test_the_picker_chooses_among_several(chosen, status, title):
    page = pages.docs([penguins(default=False), penguins(name="others", default=False)], chosen=chosen)
    assert page.status == status
    assert f"<title>{title} · API</title>" in page.body.decode()
    if status == 200:
        assert 'id="picker"' in page.body.decode()
        assert f'data-predict="models/{title}/predict"' in page.body.decode()


def test_static_files_are_a_closed_list():
    for name, media_type in pages.STATIC.items():
        answer = pages.static(name)
        assert answer is not None
        assert answer.headers["Content-Type"] == media_type
        assert b"://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")
    assert pages.static("../__init__.py") is None
    assert pages.static("docs.html") is None


@pytest.mark.parametrize(
    ("language", "literal"),
    [
        pytest.param("curl", '{\n  "a\'\\\'\'b": null,\n  "n": 44,\n  "t": true\n}', id="curl"),
        pytest.param("javascript", '{\n  "a\'b": null,\n  "n": 44,\n  "t": true\n}', id="javascript"),
        pytest.param("python", '{\n  "a\'b": None,\n  "n": 44,\n  "t": True\n}', id="python"),
        pytest.param("r", "list(\n  `a'b` = NA,\n  `n` = 44,\n  `t` = TRUE\n)", id="r"),
    ],
)
def test_literals(language, literal):
    assert LITERALS[language]({"a'b": None, "n": 44.0, "t": True}) == literal


def test_a_python_literal_is_read_back():
    row = {'quote"': "it's \\ ünï\n", "none": None, "yes": True, "list": [1.5, 2.0]}
    assert eval(LITERALS["python"](row)) == row


def test_markup_escapes_what_is_not_markup():
    made = tag("p", "<b>", tag("b", "&"), ["<i>", None], title='"<', hidden=False, data_x=True, for_="y")
    assert made == '<p title="&quot;&lt;" data-x for="y">&lt;b&gt;<b>&amp;</b>&lt;i&gt;</p>'
