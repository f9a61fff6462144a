"""The same rows as JSON, columns, NDJSON and CSV: the same values; what is wrong is named with row and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.contract.test_law import outcome

from cloche.contract.compiled import PLAIN_DEPTH, CompiledContract, compile_contract
from cloche.contract.model import Contract, Field
from cloche.contract.rules import takes_wrapper
from cloche.errors import InvalidInputError, MalformedBodyError, TooLargeError
from strategies import OUTPUT, contracts, wire_rows, wrong_values

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def as_csv(rows: list[dict[str, Any]], names: list[str], contract: Contract) -> bytes:
    """The rows by the rules of the wire, every text in quotes."""
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    head = ",".join(_quoted(name) for name in names)
    return "\r\n".join([head, *(",".join(line) for line in lines[1:])]).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _quoted(value)
    return _quoted(json.dumps(value)) if isinstance(value, list) else json.dumps(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def tables(contract: Contract, rows: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows that all hold the same keys."""

    def alike(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = set.intersection(*(set(row) for row in drawn)) if drawn else set()
        return [{name: value for name, value in row.items() if name in names} for row in drawn]

    return st.lists(rows, min_size=1, max_size=4).map(alike)


def plain_ignored(row: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """Ignored columns hold anything; as CSV only text and numbers."""
    return {name: str(value) if name in contract.ignored else value for name, value in row.items()}


@QUICK
@given(st.data(), contracts(), st.booleans())
def test_every_form_gives_the_same_rows(data: st.DataObject, contract: Contract, strict: bool) -> None:
    compiled = compile_contract(contract, strict=strict)
    rows = [plain_ignored(row, contract) for row in data.draw(tables(contract, wire_rows(contract)))]
    names = sorted(rows[0])
    expected = outcome(compiled.decode_json, json.dumps(rows).encode())
    ndjson = "\n".join(json.dumps(row) for row in rows).encode()
    assert outcome(compiled.decode_ndjson, ndjson) == expected
    if not names:
        return
    if takes_wrapper(contract, "columns"):
        columns = {"columns": {name: [row[name] for row in rows] for name in names}}
        assert outcome(compiled.decode_json, json.dumps(columns).encode()) == expected
    found = outcome(compiled.decode_csv, as_csv(rows, names, contract))
    if len(names) > 1 and expected[0] == "accepted":  # in a single column an empty cell is a blank line
        assert found == expected


@QUICK
@given(st.data(), contracts(), st.booleans())
def test_fast_and_slow_agree_in_every_form(data: st.DataObject, contract: Contract, strict: bool) -> None:
    compiled = compile_contract(contract, strict=strict)
    slow = compile_contract(contract, strict=strict)
    slow._fast = None
    rows = data.draw(tables(contract, wire_rows(contract)))
    if rows[0] and data.draw(st.booleans()):
        rows[-1] = rows[-1] | {data.draw(st.sampled_from(sorted(rows[0]))): data.draw(wrong_values())}
    ndjson = "\n".join(json.dumps(row) for row in rows).encode()
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    text = as_csv(rows, sorted(rows[0]), contract)
    wrapped = json.dumps({"columns": columns}).encode()
    assert outcome(compiled.decode_ndjson, ndjson) == outcome(slow.decode_ndjson, ndjson)
    assert outcome(compiled.decode_json, wrapped) == outcome(slow.decode_json, wrapped)
    assert outcome(compiled.decode_csv, text) == outcome(slow.decode_csv, text)


@QUICK
@given(st.binary(max_size=60) | st.text(alphabet='x,s"\r\n1.e-+ ;', max_size=60).map(str.encode))
def test_any_bytes_are_answered_or_refused(body: bytes) -> None:
    for decode in (MIXED.decode_csv, MIXED.decode_ndjson):
        assert outcome(decode, body)[0] in ("malformed", "invalid", "accepted")
        assert outcome(decode, b"x,s\n" + body)[0] in ("malformed", "invalid", "accepted")


FIELDS = (
    Field(name="x", type="number", nullable=True),
    Field(name="s", type="string"),
    Field(name="t", type="string", nullable=True, required=False),
    Field(name="n", type="integer", required=False),
    Field(name="b", type="boolean", required=False),
    Field(name="d", type="date", required=False),
    Field(name="v", type="vector", length=2, required=False),
)
MIXED = compile_contract(Contract(fields=FIELDS, output=OUTPUT, ignored=("junk",)))


def row_of(body: str) -> dict[str, Any]:
    valid = MIXED.decode_csv(body.encode())
    assert not valid.single
    return dict(zip([one.name for one in FIELDS], valid.rows[0], strict=True))


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        pytest.param("x,s\n1.5,a\n", "x", 1.5, id="a-number"),
        pytest.param("x,s\r\n+1.5,a\r\n", "x", 1.5, id="a-plus-sign"),
        pytest.param("x,s\n.5,a", "x", 0.5, id="no-zero-before-the-point"),
        pytest.param("x,s\n 2. ,a", "x", 2.0, id="nothing-after-the-point-and-spaces"),
        pytest.param("x,s\n-1E-3,a", "x", -0.001, id="an-exponent"),
        pytest.param('x,s\n"7",a', "x", 7.0, id="a-number-in-quotes"),
        pytest.param("x,s\n,a", "x", None, id="an-empty-cell-is-missing"),
        pytest.param("x,s\n1,", "s", "", id="an-empty-cell-is-text-where-null-is-not-taken"),
        pytest.param("x,s\n1,007", "s", "007", id="text-is-kept"),
        pytest.param("x,s\n1, a ", "s", " a ", id="spaces-of-text-are-kept"),
        pytest.param('x,s\n1,"a ""b"", c\nd"', "s", 'a "b", c\nd', id="quotes-commas-and-lines-in-quotes"),
        pytest.param("x,s,t\n1,a,", "t", None, id="nothing-at-all-is-missing"),
        pytest.param('x,s,t\n1,a,""', "t", "", id="two-quotes-are-empty-text"),
        pytest.param("\ufeffx,s\n1,a", "x", 1.0, id="a-byte-order-mark"),
        pytest.param("\r\nx,s\n\n1,a\n\n", "x", 1.0, id="blank-lines"),
        pytest.param("x,s,n\n1,a,9007199254740993", "n", 9007199254740993, id="a-big-integer"),
        pytest.param("x,s,b\n1,a,TRUE", "b", True, id="true-as-R-writes-it"),
        pytest.param("x,s,b\n1,a,False", "b", False, id="false-as-Python-writes-it"),
        pytest.param('x,s,v\n1,a,"[1, 2.5]"', "v", [1.0, 2.5], id="a-vector"),
        pytest.param("x,s,junk\n1,a,whatever", "s", "a", id="an-ignored-column"),
    ],
)
def test_what_a_cell_means(body: str, field: str, value: Any) -> None:
    assert row_of(body)[field] == value


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        pytest.param("x,s\n1,a\nold,b", (1, "x", "wrong_type"), "expected a number, got the text 'old'", id="text"),
        pytest.param(
            "x,s\nNA,a", (0, "x", "wrong_type"), "expected a number, got the text 'NA'", id="other-words-for-missing"
        ),
        pytest.param(
            "x,s\nNaN,a",
            (0, "x", "wrong_type"),
            "expected a number, got the text 'NaN'; leave the cell empty where the value is missing",
            id="nan",
        ),
        pytest.param("x,s\n007,a", (0, "x", "wrong_type"), "expected a number, got the text '007'", id="leading-zeros"),
        pytest.param("x,s\n1_000,a", (0, "x", "wrong_type"), "expected a number, got the text '1_000'", id="groups"),
        pytest.param("x,s\n1e400,a", (0, "x", "not_representable"), "1e400 is beyond float64", id="beyond-float64"),
        pytest.param("x,s,n\n1,a,1.5", (0, "n", "not_an_integer"), "1.5 is not a whole number", id="a-fraction"),
        pytest.param(
            "x,s,n\n1,a,",
            (0, "n", "null_not_allowed"),
            "null is not allowed: the model cannot take a missing value",
            id="missing-where-it-must-not",
        ),
        pytest.param(
            "x,s\n1,a\n1,b,c\n", (1, None, "ragged"), "3 cells, and the header names 2 columns", id="too-many-cells"
        ),
        pytest.param("x,s\n1\n", (0, None, "ragged"), "1 cells, and the header names 2 columns", id="too-few-cells"),
        pytest.param("x,s,d\n1,a,17.5.2024", (0, "d", "bad_date"), None, id="a-date"),
        pytest.param("x,S\n1,a", (0, "S", "unknown_field"), None, id="an-unknown-column"),
    ],
)
def test_what_a_problem_of_csv_names(body: str, where: tuple[int, str, str], message: str | None) -> None:
    problems = problems_of(MIXED.decode_csv, body.encode())
    found = {(one.row, one.field, one.code): one.message for one in problems}
    assert where in found
    assert message is None or found[where] == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "the body is empty; expected a CSV header", id="empty"),
        pytest.param(b"x,s,x\n", "the column 'x' stands twice", id="a-name-twice"),
        pytest.param(b"x,,s\n1,2,3\n", "column 2 has no name", id="no-name"),
        pytest.param(b'x,s\n1,"abc\n', "a quoted cell that does not end on line 2", id="an-open-quote"),
        pytest.param(b'x,s\n1,"a"b\n', "text after the closing quote of a cell on line 2", id="after-a-quote"),
        pytest.param(b'x,s\n1,a"b\n', "inside a cell without quotes on line 2", id="a-bare-quote"),
        pytest.param(
            b"x,s" + b"\n" * 1_000 + b'1,a"b\n', "inside a cell without quotes on line 1001", id="blank-lines"
        ),
        pytest.param(b"x,s\n1,\xff\n", "the body is not UTF-8: byte 0xff at position 6", id="latin-1"),
    ],
)
def test_what_is_no_csv(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBodyError, match=message):
        MIXED.decode_csv(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"x":1,"s":"a"}\n{"x":}\n', r"row 1 \(line 2\) is not JSON: .* at character 5", id="no-json"),
        pytest.param(b'{"x":1,"s":"a"}\n\n{"x":1,"s":', r"row 1 \(line 3\)", id="cut-off"),
        pytest.param(b'{"x":1,"s":"a"} {"x":1,"s":"a"}', r"row 0 \(line 1\) is not JSON: extra data", id="two-a-line"),
        pytest.param(b'{"x":1,\n"s":"a"}', r"row 0 \(line 1\)", id="one-over-two-lines"),
        pytest.param(b'{"x":NaN,"s":"a"}\n{"x":1,"s":3}', None, id="nan"),
        pytest.param(b'{"x":1,"s":"\xff"}', r"row 0 \(line 1\) is not UTF-8", id="latin-1"),
    ],
)
def test_what_is_no_ndjson(body: bytes, message: str | None) -> None:
    with pytest.raises(MalformedBodyError if message else InvalidInputError, match=message):
        MIXED.decode_ndjson(body)


def test_a_wrong_line_names_its_row() -> None:
    body = b'{"x":1,"s":"a"}\r\n\r\n{"x":"old","s":"b"}\r\n[1]\n'
    problems = problems_of(MIXED.decode_ndjson, body)
    assert [(one.row, one.field, one.code) for one in problems] == [(1, "x", "wrong_type"), (2, None, "not_an_object")]


@pytest.mark.parametrize(
    ("columns", "field", "code"),
    [
        pytest.param('{"x": [1, 2], "s": ["a"]}', "s", "ragged", id="ragged"),
        pytest.param('{"x": [1], "s": ["a"], "x": [2]}', "x", "duplicate_field", id="twice"),
        pytest.param('{"x": ["old"], "s": ["a"]}', "x", "wrong_type", id="a-wrong-value"),
        pytest.param('{"x": [1], "s": ["a"], "y": [1]}', "y", "unknown_field", id="unknown"),
        pytest.param('{"x": [], "s": [], "y": []}', "y", "unknown_field", id="unknown-without-a-row"),
        pytest.param('{"x": []}', "s", "missing_field", id="absent-without-a-row"),
    ],
)
def test_what_a_problem_of_columns_names(columns: str, field: str, code: str) -> None:
    problems = problems_of(MIXED.decode_json, f'{{"columns": {columns}}}'.encode())
    assert (field, code) in [(one.field, one.code) for one in problems]


@pytest.mark.parametrize(
    "columns", [pytest.param("[]", id="an-array"), pytest.param('{"x": 1, "s": ["a"]}', id="a-number")]
)
def test_columns_have_to_be_arrays(columns: str) -> None:
    with pytest.raises(MalformedBodyError, match="'columns'"):
        MIXED.decode_json(f'{{"columns": {columns}}}'.encode())


def test_a_field_called_columns_is_a_field() -> None:
    contract = Contract(fields=(Field(name="columns", type="vector"),), output=OUTPUT)
    valid = compile_contract(contract).decode_json(b'{"columns": [1, 2]}')
    assert (valid.single, valid.rows) == (True, [([1.0, 2.0],)])
    assert compile_contract(contract).decode_csv(b'columns\n"[1,2]"').rows == [([1.0, 2.0],)]


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        pytest.param(CompiledContract.decode_csv, b"x,s\n1,a\n2,b\n3,c", id="csv"),
        pytest.param(CompiledContract.decode_ndjson, b'{"x":1,"s":"a"}\n' * 3, id="ndjson"),
        pytest.param(CompiledContract.decode_json, b'{"columns":{"x":[1,2,3],"s":["a","b","c"]}}', id="columns"),
        pytest.param(CompiledContract.decode_json, b'{"columns":{"x":[1,2,"3"],"s":["a","b"]}}', id="wrong-columns"),
    ],
)
def test_too_many_rows(decode: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(TooLargeError, match="at most 2 a request"):
        decode(MIXED, body, max_rows=2)


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        pytest.param(CompiledContract.decode_csv, b"x,s\r\n", id="csv"),
        pytest.param(CompiledContract.decode_ndjson, b"", id="ndjson"),
        pytest.param(CompiledContract.decode_json, b'{"columns":{"x":[],"s":[]}}', id="columns"),
    ],
)
def test_no_rows(decode: Callable[..., Any], body: bytes) -> None:
    assert len(decode(MIXED, body)) == 0


def problems_of(decode: Callable[[bytes], Any], body: bytes) -> list[Any]:
    with pytest.raises(InvalidInputError) as caught:
        decode(body)
    return list(caught.value.problems)


def test_the_fast_pass_takes_nothing_that_is_nested_deeper_than_it_says() -> None:
    """A body that it takes is not looked at for its depth."""
    vector = Field(name="v", type="vector", length=1)
    compiled = compile_contract(Contract(fields=(vector,), output=OUTPUT))
    deepest = b'{"rows": [{"v": [1.5]}]}'
    assert compiled.decode_plain_json(deepest) is not None
    assert (
        max(accumulate({b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(bytes([one]), 0) for one in deepest)) == PLAIN_DEPTH
    )
    for deeper in (b'{"rows": [{"v": [[1.5]]}]}', b'{"columns": {"v": [[[1.5]]]}}', b"[" * 99 + b"]" * 99):
        assert compiled.decode_plain_json(deeper) is None
