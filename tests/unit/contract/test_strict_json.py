"""The parser of the slow pass: what is no JSON text is a MalformedBodyError that says where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.contract.compiled import ValidRows, compile_contract
from cloche.contract.model import Contract, Field
from cloche.contract.strict_json import RepeatedKeys, Unreadable, parse
from cloche.errors import MalformedBodyError, TooLargeError
from strategies import OUTPUT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "the body is empty", id="empty"),
        pytest.param(b" \n", "the body is empty", id="blank"),
        pytest.param(b"\xef\xbb\xbf{}", "byte order mark", id="byte-order-mark"),
        pytest.param("{}".encode("utf-16"), "not UTF-8: byte 0xff at position 0", id="utf-16"),
        pytest.param(b'{"a": "\xe9"}', "not UTF-8: byte 0xe9 at position 7", id="latin-1"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', "not UTF-8", id="surrogate-as-bytes"),
        pytest.param(b'{"a": 1,}', "line 1, column", id="trailing-comma"),
        pytest.param(b'{"a": 1', "line 1, column 8 (character 7)", id="cut-off"),
        pytest.param(b"{'a': 1}", "line 1, column 2", id="single-quotes"),
        pytest.param(b'{"a": 01}', "line 1, column 8", id="leading-zero"),
        pytest.param(b'{"a": "x\ny"}', "line 1, column", id="raw-newline-in-text"),
        pytest.param(b'[\n1,\n"\\x"]', "line 3, column", id="bad-escape-on-line-3"),
        pytest.param(b"{} {}", "extra data at line 1, column 4", id="two-values"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="100000-open-arrays"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "nested too deeply", id="100000-arrays"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="100000-objects"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        parse(body)
    assert message in str(caught.value)


def test_doubtful_things_are_marked_and_kept() -> None:
    parsed = parse(b'{"a": 1, "b": NaN, "a": 1e400, "c": 1e18, "d": 0.1}')
    assert isinstance(parsed.value, RepeatedKeys)
    assert parsed.value.repeated == ("a",)
    assert parsed.not_json == "NaN"
    assert parsed.value == {
        "a": Unreadable("1e400", json=True),
        "b": Unreadable("NaN", json=False),
        "c": 10**18,
        "d": 0.1,
    }
    assert isinstance(parsed.value["c"], int)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    try:
        parse(body)
    except MalformedBodyError as exc:
        str(exc).encode()


CONTRACT = Contract(fields=(Field(name="a", type="number"),), output=OUTPUT, ignored=("junk",))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"5", "expected a JSON object or an array of objects", id="number"),
        pytest.param(b"null", "expected a JSON object or an array of objects", id="null"),
        pytest.param(b'{"rows": {"a": 1}}', "'rows' has to hold an array", id="rows-of-an-object"),
        pytest.param(b'{"rows": [], "rows": []}', "the key 'rows' stands twice", id="rows-twice"),
        pytest.param(b'{"a": 1, "junk": NaN}', "NaN is not JSON", id="NaN-in-an-ignored-column"),
        pytest.param(b'{"a": 1, "junk": [[[-Infinity]]]}', "-Infinity is not JSON", id="infinity-deep-inside"),
        pytest.param(b'{"a": 1, "junk": ' + b"[" * 100_000 + b"}", "nested too deeply", id="deep-ignored-column"),
    ],
)
def test_bodies_of_no_known_layout_are_malformed(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        compile_contract(CONTRACT).decode_json(body)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "rows", "single"),
    [
        pytest.param(b'{"a": 1}', [(1.0,)], True, id="object"),
        pytest.param(b'[{"a": 1}, {"a": 2}]', [(1.0,), (2.0,)], False, id="array"),
        pytest.param(b'{"rows": [{"a": 1}]}', [(1.0,)], False, id="wrapper"),
        pytest.param(b'{"rows": [{"a": 1, "junk": {}}]}', [(1.0,)], False, id="wrapper-read-slowly"),
        pytest.param(b"[]", [], False, id="empty"),
        pytest.param(b'{"a": 1, "junk": {"any": ["thing", 1e999]}}', [(1.0,)], True, id="ignored-column"),
    ],
)
def test_layouts(body: bytes, rows: list[tuple[float, ...]], single: bool) -> None:
    valid = compile_contract(CONTRACT).decode_json(body)
    assert (valid.rows, valid.single, len(valid)) == (rows, single, len(rows))


@pytest.mark.parametrize("body", [b'[{"a": 1}, {"a": 2}, {"a": 3}]', b"[{}, {}, {}]", b'{"rows": [1, 2, 3]}'])
def test_too_many_rows_are_refused_before_any_rule(body: bytes) -> None:
    with pytest.raises(TooLargeError, match="at most 2 a request, got 3"):
        compile_contract(CONTRACT).decode_json(body, max_rows=2)


def test_a_field_called_rows_is_a_field() -> None:
    contract = Contract(fields=(Field(name="rows", type="integer"),), output=OUTPUT)
    assert compile_contract(contract).decode_json(b'{"rows": 3}').single


def test_keys_and_contexts_are_carried_and_not_shown_to_the_model() -> None:
    fields = (Field(name="x", type="number"), Field(name="id", type="string", role="key"))
    valid = compile_contract(Contract(fields=fields, output=OUTPUT)).decode_json(
        b'[{"x": 1, "id": "u1"}, {"x": 2, "id": "u2"}]'
    )
    assert valid.columns() == {"x": [1.0, 2.0]}
    assert valid.columns("key") == {"id": ["u1", "u2"]}
    assert valid.columns("context") == {}


def test_only_a_compiled_contract_makes_valid_rows() -> None:
    with pytest.raises(TypeError, match="CompiledContract"):
        ValidRows(CONTRACT, [], False, [], {}, object())
