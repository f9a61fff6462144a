"""What a label of a model looks like: every shape that is taken, and what is wrong with every other."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import jsonschema_rs
import pytest

from cloche.contract.labels import CompiledLabels, ValidLabel
from cloche.contract.model import Contract, Field, Output
from cloche.errors import InvalidInputError, MalformedBodyError, TooLargeError

SPECIES = Output(task="classification", type="string", classes=("Adelie", "Gentoo"), probabilities=True)
KEYS = (
    Field(name="customer", type="string", role="key", nullable=True, required=False),
    Field(name="day", type="date", role="key", nullable=True, required=False),
)
INPUT = Field(name="mass", type="number")

OUTPUTS = {
    "species": SPECIES,
    "digits": Output(task="classification", type="integer", classes=(0, 1, 2)),
    "flags": Output(task="classification", type="boolean", classes=(False, True)),
    "fractions": Output(task="classification", type="number", classes=(0.5, 1.5)),
    "open": Output(task="classification", type="string"),
    "price": Output(task="regression", type="number"),
    "several": Output(task="multioutput_regression", type="number", names=("height", "width")),
    "two kinds": Output(
        task="multioutput_classification", type="integer", names=("a", "b"), output_classes=((0, 1), (1, 2))
    ),
    "tags": Output(task="multilabel", type="string", classes=("red", "blue")),
    "numbered tags": Output(task="multilabel", type="integer", classes=(0, 1, 2)),
    "anomaly": Output(task="anomaly", type="string", classes=("inlier", "outlier")),
    "clusters": Output(task="clustering", type="integer"),
    "embedding": Output(task="embedding", type="number", length=2),
}


def compiled(output: str = "species", keys: tuple[Field, ...] = KEYS) -> CompiledLabels:
    return CompiledLabels(Contract(fields=(INPUT, *keys), output=OUTPUTS[output]))


def problems(labels: CompiledLabels, body: Any) -> list[tuple[int | None, str | None, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidInputError) as caught:
        labels.decode(raw)
    assert caught.value.total == len(caught.value.problems)
    return [(one.row, one.field, one.code) for one in caught.value.problems]


# -- what a label is --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "sent", "label"),
    [
        pytest.param("species", "Gentoo", "Gentoo", id="class"),
        pytest.param("digits", 2, 2, id="integer-class"),
        pytest.param("digits", 1.0, 1, id="integer-class-as-a-float"),
        pytest.param("flags", True, True, id="boolean-class"),
        pytest.param("fractions", 1.5, 1.5, id="fraction-class"),
        pytest.param("open", "anything", "anything", id="classes-that-are-not-known"),
        pytest.param("price", 12, 12.0, id="number"),
        pytest.param("several", {"width": 2, "height": 1.5}, {"height": 1.5, "width": 2.0}, id="several-numbers"),
        pytest.param("two kinds", {"a": 1, "b": 2}, {"a": 1, "b": 2}, id="several-classes"),
        pytest.param("tags", ["blue"], ["blue"], id="tags"),
        pytest.param("tags", [], [], id="no-tag"),
        pytest.param("numbered tags", [0, 2.0], [0, 2], id="numbered-tags"),
        pytest.param("anomaly", "outlier", "outlier", id="anomaly"),
        pytest.param("clusters", 3, 3, id="cluster"),
        pytest.param("embedding", [0, 1], [0.0, 1.0], id="vector"),
    ],
)
def test_the_truth_has_the_type_of_the_output(output: str, sent: Any, label: Any) -> None:
    [found] = compiled(output).decode(json.dumps({"request_id": "r", "label": sent}).encode())
    assert found == ValidLabel(label, "r", None, None, None)
    assert repr(found.label) == repr(label)  # 1, True and 1.0 are equal


@pytest.mark.parametrize(
    ("output", "sent", "code"),
    [
        pytest.param("species", "Gento", "unknown_level", id="no-class"),
        pytest.param("species", 1, "wrong_type", id="another-type"),
        pytest.param("species", None, "null_not_allowed", id="null"),
        pytest.param("digits", 3, "unknown_level", id="no-integer-class"),
        pytest.param("digits", True, "wrong_type", id="true-is-not-1"),
        pytest.param("digits", 2**70, "not_representable", id="huge-integer"),
        pytest.param("digits", 1.5, "not_an_integer", id="fraction"),
        pytest.param("flags", "true", "wrong_type", id="text-is-no-boolean"),
        pytest.param("fractions", 0.75, "unknown_level", id="no-fraction-class"),
        pytest.param("price", True, "wrong_type", id="true-is-no-number"),
        pytest.param("price", "12", "wrong_type", id="text-is-no-number"),
        pytest.param("price", {"mass": 1}, "wrong_type", id="an-object-where-one-value-is-meant"),
        pytest.param("several", 5, "wrong_type", id="one-value-where-an-object-is-meant"),
        pytest.param("several", {}, "wrong_type", id="an-object-without-a-value"),
        pytest.param("tags", "blue", "wrong_type", id="one-tag-without-a-list"),
        pytest.param("tags", ["green"], "unknown_level", id="no-tag-of-the-model"),
        pytest.param("tags", [["red"]], "unknown_level", id="a-list-in-the-list"),
        pytest.param("numbered tags", [True], "unknown_level", id="true-is-no-tag"),
        pytest.param("anomaly", "normal", "unknown_level", id="no-anomaly"),
        pytest.param("embedding", [1.0], "wrong_length", id="another-length"),
    ],
)
def test_what_is_no_truth_of_the_model(output: str, sent: Any, code: str) -> None:
    assert problems(compiled(output), {"request_id": "r", "label": sent}) == [(None, "label", code)]


@pytest.mark.parametrize(
    ("output", "sent", "found"),
    [
        pytest.param("several", {"height": 1}, ("label.width", "missing_field"), id="one-is-missing"),
        pytest.param("several", {"height": 1, "width": 2, "depth": 3}, ("label.depth", "unknown_field"), id="too-many"),
        pytest.param("several", {"height": 1, "width": None}, ("label.width", "null_not_allowed"), id="null"),
        pytest.param("two kinds", {"a": 1, "b": 0}, ("label.b", "unknown_level"), id="class-of-another-output"),
        pytest.param("two kinds", {"a": True, "b": 1}, ("label.a", "wrong_type"), id="true-is-not-1"),
    ],
)
def test_a_part_of_several_outputs_is_named(output: str, sent: Any, found: tuple[str, str]) -> None:
    assert problems(compiled(output), {"request_id": "r", "label": sent}) == [(None, *found)]


# -- what it names ----------------------------------------------------------------------------------

WHO = {"customer": "ann", "day": "2026-11-24"}


@pytest.mark.parametrize(
    ("sent", "label"),
    [
        pytest.param({"request_id": "r"}, ValidLabel("Gentoo", "r", None, None, None), id="an-answer"),
        pytest.param({"request_id": "r", "row": 3}, ValidLabel("Gentoo", "r", 3, None, None), id="a-row"),
        pytest.param({"request_id": "r", "row": 3.0}, ValidLabel("Gentoo", "r", 3, None, None), id="a-row-as-a-float"),
        pytest.param(
            {"key": WHO},
            ValidLabel("Gentoo", None, None, {"customer": "ann", "day": dt.date(2026, 11, 24)}, None),
            id="a-key",
        ),
        pytest.param(
            {"request_id": "r", "event_time": "2026-11-24T09:30:00+01:00"},
            ValidLabel("Gentoo", "r", None, None, dt.datetime(2026, 11, 24, 8, 30, tzinfo=dt.UTC)),
            id="a-moment",
        ),
    ],
)
def test_a_label_names_an_answer_or_an_entity(sent: dict[str, Any], label: ValidLabel) -> None:
    assert compiled().decode(json.dumps(sent | {"label": "Gentoo"}).encode()) == [label]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        pytest.param({}, (None, "missing_field"), id="nothing"),
        pytest.param({"request_id": "r", "key": WHO}, (None, "missing_field"), id="both"),
        pytest.param({"key": {"customer": "ann"}}, ("key.day", "missing_field"), id="half-a-key"),
        pytest.param({"key": WHO | {"day": "yesterday"}}, ("key.day", "bad_date"), id="a-key-of-another-type"),
        pytest.param({"key": WHO | {"day": None}}, ("key.day", "null_not_allowed"), id="a-key-that-is-missing"),
        pytest.param({"key": WHO | {"shop": 1}}, ("key.shop", "unknown_field"), id="a-key-too-many"),
        pytest.param({"key": "ann"}, ("key", "wrong_type"), id="a-key-that-is-no-object"),
        pytest.param({"request_id": "r", "key": {}}, ("key", "wrong_type"), id="an-empty-key"),
        pytest.param({"request_id": "r", "key": None}, ("key", "wrong_type"), id="a-key-that-is-null"),
        pytest.param({"key": WHO, "key.day": "2026-11-24"}, ("key.day", "unknown_field"), id="a-flat-key-beside-it"),
        pytest.param({"request_id": "r", "label.x": 1}, ("label.x", "unknown_field"), id="a-flat-label"),
        pytest.param({"key": WHO, "row": 1}, ("row", "unknown_field"), id="a-row-of-a-key"),
        pytest.param({"request_id": "r", "row": -1}, ("row", "out_of_range"), id="a-row-below-zero"),
        pytest.param({"request_id": "r", "row": 2**31}, ("row", "out_of_range"), id="a-row-beyond-32-bits"),
        pytest.param({"request_id": "r", "row": True}, ("row", "wrong_type"), id="true-is-no-row"),
        pytest.param({"request_id": "r", "row": "1"}, ("row", "wrong_type"), id="text-is-no-row"),
        pytest.param({"request_id": 7}, ("request_id", "wrong_type"), id="an-id-that-is-no-text"),
        pytest.param({"request_id": "r" * 129}, ("request_id", "too_long"), id="an-id-that-is-too-long"),
        pytest.param(
            {"request_id": "r", "event_time": "2026-11-24T09:30:00"}, ("event_time", "timezone_required"),
            id="a-moment-without-an-offset",
        ),
        pytest.param({"request_id": "r", "weight": 2}, ("weight", "unknown_field"), id="an-unknown-key"),
    ],
)  # fmt: skip
def test_what_names_neither(sent: dict[str, Any], found: tuple[str | None, str]) -> None:
    assert problems(compiled(), sent | {"label": "Gentoo"}) == [(None, *found)]


def test_a_model_without_keys_takes_none() -> None:
    found = problems(compiled(keys=()), {"key": {"customer": "ann"}, "label": "Gentoo"})
    assert found == [(None, "key", "unknown_field")]


# -- bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "body", "field"),
    [
        pytest.param("species", b'{"request_id":"a","label":"Gentoo","label":"Adelie"}', "label", id="label"),
        pytest.param("species", b'{"request_id":"a","request_id":"b","label":"Adelie"}', "request_id", id="id"),
        pytest.param(
            "species", b'{"key":{"customer":"a","customer":"b","day":"2026-11-24"},"label":"Adelie"}', "key.customer",
            id="inside-a-key",
        ),
        pytest.param("several", b'{"request_id":"a","label":{"height":1,"height":2,"width":3}}', "label.height",
                     id="inside-a-label"),
        pytest.param("tags", b'{"request_id":"a","label":["red"],"label":["blue"]}', "label", id="a-list-of-labels"),
    ],
)  # fmt: skip
def test_a_key_that_stands_twice_is_refused(output: str, body: bytes, field: str) -> None:
    assert problems(compiled(output), body) == [(None, field, "duplicate_field")]


def test_two_keys_are_refused() -> None:
    found = problems(
        compiled(),
        b'{"key":{"customer":"a","day":"2026-11-24"},"key":{"customer":"b","day":"2026-11-24"},"label":"Adelie"}',
    )
    assert {code for _, _, code in found} == {"duplicate_field"}


def test_every_problem_of_every_label_is_listed() -> None:
    good = {"request_id": "r", "label": "Gentoo"}
    found = problems(compiled(), [good, {"key": 1, "label": "Gentoo"}, good | {"row": -1, "label": "x"}, 7, {}])
    assert found == [
        (1, "key", "wrong_type"),
        (2, "row", "out_of_range"),
        (2, "label", "unknown_level"),
        (3, None, "not_an_object"),
        (4, "label", "missing_field"),
    ]


def test_of_many_problems_the_first_hundred_are_told() -> None:
    with pytest.raises(InvalidInputError) as caught:
        compiled().decode(json.dumps([{"request_id": "r", "label": "x"}] * 300).encode())
    assert (len(caught.value.problems), caught.value.total) == (100, 300)
    with pytest.raises(InvalidInputError) as caught:
        compiled().decode(json.dumps([{"label": "Gentoo"}] * 300).encode())
    assert (len(caught.value.problems), caught.value.total) == (100, 300)


@pytest.mark.parametrize(
    "body",
    [b"", b"7", b'"label"', b"null", b'{"label": NaN}', b'{"label": "Gentoo"', b"\xff"],
    ids=["empty", "number", "text", "null", "nan", "cut", "no-utf-8"],
)
def test_what_is_no_label_at_all(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        compiled().decode(body)


def test_an_array_has_a_limit_and_may_be_empty() -> None:
    one = {"request_id": "r", "label": "Gentoo"}
    assert len(compiled().decode(json.dumps([one] * 3).encode(), max_rows=3)) == 3
    assert compiled().decode(b"[]") == []
    with pytest.raises(TooLargeError, match="at most 3"):
        compiled().decode(json.dumps([one] * 4).encode(), max_rows=3)


def test_a_private_key_is_not_shown() -> None:
    keys = (Field(name="who", type="integer", role="key", private=True),)
    with pytest.raises(InvalidInputError) as caught:
        compiled(keys=keys).decode(b'{"key": {"who": "secret"}, "label": "Gentoo"}')
    assert "secret" not in "".join(one.text() + repr(one) for one in caught.value.problems)


# -- the schema -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "sent", "fits"),
    [
        pytest.param("species", {"request_id": "r", "label": "Gentoo"}, True, id="an-answer"),
        pytest.param("species", {"key": WHO, "label": "Gentoo"}, True, id="a-key"),
        pytest.param("species", {"key": {"customer": "ann"}, "label": "Gentoo"}, False, id="half-a-key"),
        pytest.param("species", {"label": "Gentoo"}, False, id="nothing"),
        pytest.param("species", {"request_id": "r", "label": "x"}, False, id="no-class"),
        pytest.param("several", {"request_id": "r", "label": {"height": 1, "width": 2}}, True, id="several"),
        pytest.param("several", {"request_id": "r", "label": {"height": 1}}, False, id="one-is-missing"),
        pytest.param("tags", {"request_id": "r", "label": ["red"]}, True, id="tags"),
        pytest.param("tags", {"request_id": "r", "label": ["green"]}, False, id="no-tag"),
        pytest.param("clusters", {"request_id": "r", "label": 3}, True, id="cluster"),
        pytest.param("embedding", {"request_id": "r", "label": [1, 2]}, True, id="vector"),
    ],
)
def test_the_schema_says_the_same(output: str, sent: Any, fits: bool) -> None:
    labels = compiled(output)
    schema = jsonschema_rs.Draft202012Validator(labels.json_schema())
    assert schema.is_valid(sent) is fits
    if fits:
        assert len(labels.validate([sent])) == 1
    else:
        with pytest.raises(InvalidInputError):
            labels.validate([sent])
