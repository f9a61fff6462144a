"""Which form a body has and an answer gets, by `Content-Type` and `Accept`."""

from __future__ import annotations

import pytest

from cloche.contract.model import Output
from cloche.errors import NotAcceptableError, UnsupportedMediaTypeError
from cloche.protocols import csv_table, native, ndjson
from cloche.protocols.forms import FORMS, form_of_answer, form_of_body
from cloche.serving.answers import Prediction

CLASSES = Output(task="classification", type="string", classes=("a", "b"), probabilities=True)


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        pytest.param(None, "JSON", id="none"),
        pytest.param("application/json", "JSON", id="json"),
        pytest.param("Application/JSON; charset=UTF-8", "JSON", id="any-case-with-charset"),
        pytest.param('application/json; charset="utf-8"', "JSON", id="quoted-charset"),
        pytest.param("application/problem+json", "JSON", id="a-json-dialect"),
        pytest.param("application/x-www-form-urlencoded", "JSON", id="what-curl-d-says"),
        pytest.param("text/csv", "CSV", id="csv"),
        pytest.param("text/csv; header=present; charset=utf-8", "CSV", id="csv-with-header"),
        pytest.param("application/x-ndjson", "NDJSON", id="ndjson"),
        pytest.param("application/jsonl", "NDJSON", id="another-name-of-ndjson"),
    ],
)
def test_the_form_of_a_body(content_type: str | None, name: str) -> None:
    assert form_of_body(content_type).name == name


@pytest.mark.parametrize(
    ("content_type", "says"),
    [
        pytest.param("text/plain", "got 'text/plain'", id="text"),
        pytest.param("application/json; charset=latin-1", "JSON is UTF-8 here, got charset 'latin-1'", id="charset"),
        pytest.param("text/csv; charset=windows-1252", "CSV is UTF-8 here", id="charset-of-csv"),
        pytest.param("text/csv; header=absent", "CSV needs a header row", id="no-header"),
        pytest.param("", "got ''", id="empty"),
        pytest.param("text/json", "got 'text/json'", id="another-tree"),
    ],
)
def test_refused_bodies(content_type: str, says: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match=says):
        form_of_body(content_type)


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        pytest.param(None, "JSON", id="none"),
        pytest.param("", "JSON", id="empty"),
        pytest.param("*/*", "JSON", id="anything"),
        pytest.param("application/json", "JSON", id="json"),
        pytest.param("application/json, text/plain, */*", "JSON", id="axios"),
        pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "JSON", id="a-browser"),
        pytest.param("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "JSON", id="java"),
        pytest.param("text/csv", "CSV", id="csv"),
        pytest.param("TEXT/CSV; header=present", "CSV", id="parameters-and-case"),
        pytest.param("text/*", "CSV", id="any-text"),
        pytest.param("application/*", "JSON", id="any-application"),
        pytest.param("text/csv, */*", "CSV", id="the-precise-one-first"),
        pytest.param("text/csv, */*;q=0.1", "CSV", id="anything-as-a-last-resort"),
        pytest.param("application/json;q=0.5, application/x-ndjson", "NDJSON", id="quality"),
        pytest.param("application/json;q=0, */*", "CSV", id="all-but-json"),
        pytest.param("text/csv;q=abc, application/json;q=0.1", "JSON", id="a-broken-quality-is-passed-over"),
        pytest.param("application/json;q=0.5, text/csv;q=0.5", "JSON", id="a-tie-goes-to-our-order"),
    ],
)
def test_the_form_of_an_answer(accept: str | None, name: str) -> None:
    assert form_of_answer(accept).name == name


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("text/html", id="html"),
        pytest.param("application/vnd.apache.arrow.file", id="arrow-file"),
        pytest.param("application/json;q=0", id="excluded"),
        pytest.param("text/csv;q=0, text/*;q=0", id="all-excluded"),
    ],
)
def test_refused_answers(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match="expected one of 'application/json', 'text/csv'"):
        form_of_answer(accept)


def test_a_form_stands_under_its_own_media_type() -> None:
    for form in FORMS:
        assert form.takes(form.media_type)
        assert form_of_body(form.media_type) is form
        assert form_of_answer(form.media_type) is form


ONE = Prediction("ä", 1.0, {"ä": 1.0}, model="m", model_version="3", request_id="r")
MANY = Prediction(["a", 'b,"'], [0.75, None], {"a": [0.75, None]}, model="m", model_version="3", request_id="r")


def test_json() -> None:
    assert native.encode(ONE, CLASSES, True).decode() == (
        '{"prediction":"ä","confidence":1.0,"probabilities":{"ä":1.0},"model":"m","model_version":"3","request_id":"r"}'
    )


def test_csv() -> None:
    assert csv_table.encode(ONE, CLASSES, True).decode() == "prediction,confidence,probabilities.ä\r\nä,1.0,1.0\r\n"
    assert csv_table.encode(MANY, CLASSES, False).decode() == (
        'prediction,confidence,probabilities.a\r\na,0.75,0.75\r\n"b,""",,\r\n'
    )


def test_ndjson() -> None:
    assert ndjson.encode(MANY, CLASSES, False).decode() == (
        '{"prediction":"a","confidence":0.75,"probabilities":{"a":0.75}}\n'
        '{"prediction":"b,\\"","confidence":null,"probabilities":{"a":null}}\n'
    )


def test_no_line_of_csv_is_blank() -> None:
    found = csv_table.encode(Prediction(["", None]), Output(task="classification", type="string"), False)
    assert found == b'prediction\r\n""\r\n""\r\n'
