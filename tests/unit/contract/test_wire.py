"""Test table 1, the wire: a JSON value in a field of a type is this model value, or that problem."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Policy
from cloche.contract.problems import Problem
from cloche.errors import InvalidInputError
from strategies import OUTPUT

PARIS = ZoneInfo("Europe/Paris")
F = {
    "boolean": Field(name="f", type="boolean"),
    "integer": Field(name="f", type="integer"),
    "small": Field(name="f", type="integer", minimum=0, maximum=10),
    "flag": Field(name="f", type="integer", minimum=0, maximum=1, accepts_boolean=True),
    "number": Field(name="f", type="number"),
    "bounded": Field(name="f", type="number", minimum=-1.5, maximum=1.5),
    "number flag": Field(name="f", type="number", accepts_boolean=True),
    "nullable": Field(name="f", type="number", nullable=True),
    "string": Field(name="f", type="string"),
    "short": Field(name="f", type="string", max_length=3),
    "code": Field(name="f", type="string", pattern=r"[A-Z]{2}-\d+"),
    "text": Field(name="f", type="text"),
    "category": Field(name="f", type="category", levels=("Biscoe", "Dream")),
    "ordinal": Field(name="f", type="category", levels=(1, 2, 3)),
    "binary": Field(name="f", type="category", levels=(0, 1), accepts_boolean=True),
    "date": Field(name="f", type="date"),
    "naive": Field(name="f", type="datetime"),
    "aware": Field(name="f", type="datetime", timezone="Europe/Paris"),
    "vector": Field(name="f", type="vector", length=2),
}


def read(field: Field, wire: str) -> Any:
    """The model value of *wire* in *field*, or the codes of the problems."""
    compiled = compile_contract(Contract(fields=(field,), output=OUTPUT))
    try:
        valid = compiled.decode_json(b'{"f": ' + wire.encode() + b"}")
    except InvalidInputError as exc:
        return [problem.code for problem in exc.problems]
    return valid.rows[0][0]


ACCEPTED = [
    # missing
    ("nullable", "null", None, "missing-is-null"),
    # boolean
    ("boolean", "true", True, "boolean-true"),
    ("boolean", "false", False, "boolean-false"),
    ("boolean", "1", True, "boolean-one"),
    ("boolean", "0", False, "boolean-zero"),
    ("boolean", "1.0", True, "boolean-one-with-a-point"),
    # integer
    ("integer", "7", 7, "integer"),
    ("integer", "-0", 0, "integer-minus-zero"),
    ("integer", "1.0", 1, "integer-with-a-point"),
    ("integer", "1e2", 100, "integer-with-an-exponent"),
    ("integer", "9223372036854775807", 2**63 - 1, "integer-int64-max"),
    ("integer", "-9223372036854775808", -(2**63), "integer-int64-min"),
    ("integer", "9007199254740993", 2**53 + 1, "integer-beyond-2-53"),
    ("integer", '"9007199254740993"', 2**53 + 1, "integer-beyond-2-53-as-text"),
    ("integer", '"-9223372036854775808"', -(2**63), "integer-int64-min-as-text"),
    ("integer", "9007199254740993.0", 2**53 + 1, "integer-beyond-2-53-with-a-point-keeps-its-last-digit"),
    ("integer", "1e18", 10**18, "integer-r-writes-1e18"),
    ("flag", "true", 1, "integer-that-takes-booleans"),
    ("small", "10", 10, "integer-at-its-maximum"),
    # number
    ("number", "3", 3.0, "number-without-a-point"),
    ("number", "0.1", 0.1, "number"),
    ("number", "5e-324", 5e-324, "number-smallest"),
    ("number", "1.7976931348623157e308", 1.7976931348623157e308, "number-largest"),
    ("number", "1e-400", 0.0, "number-below-the-smallest"),
    ("number", "123456789012345678901234567890", 1.2345678901234568e29, "number-long-integer"),
    ("number", "9007199254740993.0", 9007199254740992.0, "number-rounds-to-float64"),
    ("number flag", "true", 1.0, "number-that-takes-booleans"),
    ("bounded", "-1.5", -1.5, "number-at-its-minimum"),
    # text
    ("string", '""', "", "string-empty"),
    ("string", r'"\u00e9\ud83d\ude00\u0000"', "é😀\0", "string-escapes"),
    ("short", '"😀😀😀"', "😀😀😀", "string-length-in-code-points"),
    ("code", '"AB-12"', "AB-12", "string-of-the-pattern"),
    ("text", r'"a \"quoted\" line\n"', 'a "quoted" line\n', "text-with-quotes"),
    # category
    ("category", '"Dream"', "Dream", "category"),
    ("ordinal", "2", 2, "category-of-integers"),
    ("ordinal", "2.0", 2, "category-of-integers-with-a-point"),
    ("binary", "true", 1, "category-of-0-and-1-takes-booleans"),
    # time
    ("date", '"2024-02-29"', dt.date(2024, 2, 29), "date-leap-day"),
    ("naive", '"2024-05-17T09:30:00"', dt.datetime(2024, 5, 17, 9, 30), "datetime-naive"),
    ("naive", '"2024-05-17 09:30:00.5"', dt.datetime(2024, 5, 17, 9, 30, 0, 500000), "datetime-space-and-fraction"),
    ("aware", '"2024-05-17T07:30:00Z"', dt.datetime(2024, 5, 17, 9, 30, tzinfo=PARIS), "datetime-utc-to-the-zone"),
    ("aware", '"2024-05-17T03:30:00-04:00"', dt.datetime(2024, 5, 17, 9, 30, tzinfo=PARIS), "datetime-offset-to-zone"),
    # vector
    ("vector", "[1, 2.5]", [1.0, 2.5], "vector"),
]

REFUSED = [
    # missing
    ("number", "null", "null_not_allowed", "null-where-not-nullable"),
    ("nullable", "NaN", "wrong_type", "NaN-is-not-JSON"),
    ("number", "-Infinity", "wrong_type", "infinity-is-not-JSON"),
    ("category", "null", "null_not_allowed", "null-in-a-category"),
    # boolean
    ("boolean", "2", "wrong_type", "boolean-two"),
    ("boolean", '"true"', "wrong_type", "boolean-as-text"),
    ("boolean", "[true]", "wrong_type", "boolean-boxed"),
    # integer
    ("integer", "1.5", "not_an_integer", "integer-with-a-fraction"),
    ("integer", '"1"', "wrong_type", "integer-as-text"),
    ("integer", '"9007199254740992"', "wrong_type", "integer-as-text-up-to-2-53"),
    ("integer", '"09007199254740993"', "wrong_type", "integer-as-text-with-a-leading-zero"),
    ("integer", '"9223372036854775808"', "not_representable", "integer-as-text-beyond-int64"),
    ("integer", "true", "wrong_type", "integer-true"),
    ("integer", "9223372036854775808", "not_representable", "integer-beyond-int64"),
    ("integer", "18446744073709551616", "not_representable", "integer-beyond-uint64"),
    ("integer", "9" * 5000, "not_representable", "integer-of-5000-digits"),
    ("integer", "1e400", "not_representable", "integer-1e400"),
    ("small", "11", "out_of_range", "integer-above-its-maximum"),
    ("small", "-1.0", "out_of_range", "integer-below-its-minimum-with-a-point"),
    ("flag", "2", "out_of_range", "integer-flag-two"),
    # number
    ("number", "1e400", "not_representable", "number-1e400"),
    ("number", "-1e400", "not_representable", "number-minus-1e400"),
    ("number", "9" * 309, "not_representable", "number-309-digits"),
    ("number", "9" * 100_000, "not_representable", "number-100000-digits"),
    ("number", '"3.5"', "wrong_type", "number-as-text"),
    ("number", "true", "wrong_type", "number-true"),
    ("number", "[3.5]", "wrong_type", "number-boxed"),
    ("number", "{}", "wrong_type", "number-object"),
    ("bounded", "1.6", "out_of_range", "number-above-its-maximum"),
    # text
    ("string", "1", "wrong_type", "string-number"),
    ("string", r'"\ud800"', "bad_text", "string-lone-surrogate"),
    ("category", r'"\ud800"', "bad_text", "category-lone-surrogate"),
    ("short", '"four"', "too_long", "string-too-long"),
    ("code", '"AB-12\\n"', "pattern_mismatch", "string-pattern-is-a-full-match"),
    ("code", '"xAB-12"', "pattern_mismatch", "string-pattern-from-the-start"),
    # category
    ("category", '"dream"', "unknown_level", "category-case-matters"),
    ("category", "1", "wrong_type", "category-number-for-text"),
    ("ordinal", "4", "unknown_level", "category-of-integers-unknown"),
    ("ordinal", '"1"', "wrong_type", "category-of-integers-as-text"),
    ("ordinal", "1.5", "not_an_integer", "category-of-integers-with-a-fraction"),
    ("ordinal", "true", "wrong_type", "category-of-integers-true"),
    # time
    ("date", '"2024-02-30"', "bad_date", "date-that-never-was"),
    ("date", '"17.05.2024"', "bad_date", "date-of-another-country"),
    ("date", '"2024-05-17T00:00:00"', "bad_date", "date-with-a-time"),
    ("date", "20240517", "wrong_type", "date-as-a-number"),
    ("naive", '"2024-05-17T09:30:00Z"', "timezone_not_allowed", "datetime-zone-on-a-naive-field"),
    ("naive", '"2024-05-17"', "bad_datetime", "datetime-without-a-time"),
    ("naive", '"2024-05-17T24:00:00"', "bad_datetime", "datetime-hour-24"),
    ("naive", "1715938200", "wrong_type", "datetime-epoch"),
    ("naive", r'"\ud800"', "bad_datetime", "datetime-lone-surrogate"),
    ("aware", '"2024-05-17T09:30:00"', "timezone_required", "datetime-no-zone-on-an-aware-field"),
    ("aware", '"9999-12-31T23:59:59-12:00"', "bad_datetime", "datetime-leaves-the-calendar"),
    # vector
    ("vector", "[1]", "wrong_length", "vector-short"),
    ("vector", "[1, 2, 3]", "wrong_length", "vector-long"),
    ("vector", "[1, null]", "wrong_type", "vector-with-null"),
    ("vector", "[1, true]", "wrong_type", "vector-with-true"),
    ("vector", "[1, 1e999]", "not_representable", "vector-with-1e999"),
    ("vector", '"1,2"', "wrong_type", "vector-as-text"),
]


@pytest.mark.parametrize(("field", "wire", "value"), [pytest.param(*row[:3], id=row[3]) for row in ACCEPTED])
def test_accepted(field: str, wire: str, value: Any) -> None:
    got = read(F[field], wire)
    assert repr(got) == repr(value)


@pytest.mark.parametrize(("field", "wire", "code"), [pytest.param(*row[:3], id=row[3]) for row in REFUSED])
def test_refused(field: str, wire: str, code: str) -> None:
    assert read(F[field], wire) == [code]


TWO = Contract(
    fields=(
        Field(name="island", type="category", levels=("Biscoe", "Dream", "Torgersen")),
        Field(name="mass", type="number", nullable=True, minimum=0, training_range=(2700, 6300)),
        Field(name="sex", type="category", levels=("female", "male"), required=False, nullable=True),
    ),
    output=OUTPUT,
    ignored=("id",),
)


def problems(body: str, contract: Contract = TWO, *, strict: bool = False) -> tuple[Problem, ...]:
    with pytest.raises(InvalidInputError) as caught:
        compile_contract(contract, strict=strict).decode_json(body.encode())
    return caught.value.problems


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(
            '[{"island": "Dream", "mass": 1}, {"island": "Dreem", "mass": 1}]',
            "row 1: island: unknown level 'Dreem'; did you mean 'Dream'?",
            id="unknown-level",
        ),
        pytest.param(
            '{"island": "DREAM", "mass": 1}', "island: unknown level 'DREAM'; did you mean 'Dream'?", id="case"
        ),
        pytest.param(
            '{"island": "Dream", "mass": 1, "sxe": "male"}',
            "sxe: unknown field; did you mean 'sex'?",
            id="unknown-field",
        ),
        pytest.param(
            '{"island": "Dream"}',
            "mass: required and absent; send null for a missing value (JavaScript drops keys that are undefined; "
            'R\'s jsonlite needs na = "null", auto_unbox = TRUE)',
            id="absent",
        ),
        pytest.param(
            '{"island": "Dream", "mass": "3.5"}',
            "mass: expected a number, got the text '3.5'; send it without quotes",
            id="number-in-quotes",
        ),
        pytest.param(
            '{"island": "Dream", "mass": [3.5]}',
            "mass: expected a number, got an array of 1; send the value itself, not in an array "
            "(R's jsonlite needs auto_unbox = TRUE)",
            id="boxed-scalar",
        ),
        pytest.param(
            '{"island": "Dream", "mass": NaN}',
            "mass: expected a number, got NaN, which is not JSON; send null for a missing value",
            id="NaN",
        ),
        pytest.param('{"island": "Dream", "mass": -1}', "mass: -1 is below the minimum 0", id="below-the-minimum"),
        pytest.param('{"island": "Dream", "mass": 1, "mass": 2}', "mass: the same key stands twice", id="twice"),
        pytest.param("[1]", "row 0: expected an object of named fields, got a number", id="row-is-a-number"),
        pytest.param(
            '[[1, "Dream"]]', "row 0: expected an object of named fields, got an array of 2", id="row-is-a-list"
        ),
    ],
)
def test_a_message_says_where_what_was_expected_and_what_came(body: str, text: str) -> None:
    assert [problem.text() for problem in problems(body)] == [text]


def test_every_problem_of_every_row_is_listed_in_order() -> None:
    body = '[{"island": "x", "mass": "y"}, {"island": "Dream", "mass": 1}, {"mass": null, "unknown": 1}]'
    found = [(problem.row, problem.field, problem.code) for problem in problems(body)]
    assert found == [
        (0, "island", "unknown_level"),
        (0, "mass", "wrong_type"),
        (2, "island", "missing_field"),
        (2, "unknown", "unknown_field"),
    ]


def test_at_most_100_problems_and_10_suggestions_are_listed() -> None:
    rows = [{"island": "Dreem", "mass": -1}] * 80
    with pytest.raises(InvalidInputError) as caught:
        compile_contract(TWO).validate(rows, single=False)
    assert caught.value.total == 160
    assert len(caught.value.problems) == 100
    assert sum("did you mean" in problem.message for problem in caught.value.problems) == 5  # the first ten problems


def test_a_private_value_is_never_shown() -> None:
    private = Field(name="f", type="number", private=True, minimum=0, training_range=(0, 5))
    level = Field(name="g", type="category", levels=("secret-a",), private=True)
    contract = Contract(fields=(private, level), output=OUTPUT)
    for wire in ('"47.11"', "-47.11", "47.11e999", "[47.11]"):
        for problem in problems(f'{{"f": {wire}, "g": "secret-47.11"}}', contract):
            assert "47.11" not in repr(problem)
    (warning,) = compile_contract(contract).decode_json(b'{"f": 47.11, "g": "secret-a"}').warnings
    assert "47.11" not in repr(warning)


def test_a_shown_value_has_at_most_64_characters_and_is_valid_unicode() -> None:
    for wire in ('"' + "x" * 10_000 + '"', r'"\ud800"', "9" * 300, r'"' + r"\u0007" * 60 + '"', '"\x7f"'):
        (problem,) = problems(f'{{"island": {wire}, "mass": 1}}')
        assert len(str(problem.value)) <= 64
        problem.message.encode()
        assert problem.message.isprintable()
    (problem,) = problems('{"island": "Dream", "mass": 1, "' + "y" * 10_000 + '": 1}')
    assert len(problem.field or "") <= 64


@pytest.mark.parametrize(
    ("policy", "strict", "came"),
    [
        pytest.param("warn", False, "warned", id="warn"),
        pytest.param("warn", True, "refused", id="warn-in-strict-mode"),
        pytest.param("reject", False, "refused", id="reject"),
        pytest.param("ignore", False, "silent", id="ignore"),
        pytest.param("ignore", True, "silent", id="ignore-in-strict-mode"),
    ],
)
@pytest.mark.parametrize(
    ("field", "wire", "code"),
    [
        pytest.param({"type": "number", "training_range": (0, 5)}, "9", "outside_training_range", id="number"),
        pytest.param({"type": "integer", "training_range": (0, 5)}, "9", "outside_training_range", id="integer"),
        pytest.param(
            {"type": "integer", "training_range": (0, 0), "accepts_boolean": True},
            "true",
            "outside_training_range",
            id="true",
        ),
        pytest.param(
            {"type": "date", "training_range": ("2020-01-01", "2020-12-31")},
            '"2021-01-01"',
            "outside_training_range",
            id="date",
        ),
        pytest.param({"type": "category", "levels": ("a",)}, '"b"', "unknown_level", id="level"),
        pytest.param({"type": "category", "levels": (1,)}, "2", "unknown_level", id="integer-level"),
    ],
)
def test_soft_rules(field: dict[str, Any], wire: str, code: str, policy: Any, strict: bool, came: str) -> None:
    soft = Field(name="f", policy=Policy(unknown_level=policy, out_of_range=policy), **field)
    contract = Contract(fields=(soft,), output=OUTPUT)
    body = f'{{"f": {wire}}}'
    if came == "refused":
        assert [problem.code for problem in problems(body, contract, strict=strict)] == [code]
        return
    warnings = compile_contract(contract, strict=strict).decode_json(body.encode()).warnings
    assert [warning.code for warning in warnings] == ([code] if came == "warned" else [])


@pytest.mark.parametrize(("value", "strict", "codes"), [
    pytest.param("3.0", False, [], id="whole"),
    pytest.param("3.5", False, ["fraction"], id="a-fraction-is-a-warning"),
    pytest.param("10.5", False, ["outside_training_range"], id="outside-comes-first"),
    pytest.param("3.5", True, ["fraction"], id="strict-refuses-it"),
])  # fmt: skip
def test_a_fraction_where_training_saw_whole_numbers(value: str, strict: bool, codes: list[str]) -> None:
    field = Field(name="f", type="number", training_range=(1, 10))
    compiled = compile_contract(Contract(fields=(field,), output=OUTPUT), strict=strict)
    try:
        found = compiled.decode_json(b'{"f": ' + value.encode() + b"}").warnings
    except InvalidInputError as exc:
        assert strict
        found = list(exc.problems)
    assert [problem.code for problem in found] == codes
