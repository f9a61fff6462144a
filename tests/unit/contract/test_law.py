"""The law of the two passes: what the fast one accepts, the slow one accepts with the same values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloche.contract.compiled import CompiledContract, ValidRows, compile_contract, example_row
from cloche.contract.model import Contract, Field
from cloche.errors import InvalidInputError, MalformedBodyError
from strategies import OUTPUT, contracts, json_bodies, wire_rows

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def outcome(decode: Any, body: bytes) -> tuple[Any, ...]:
    """What became of a body, as a value that compares (`-0.0` is not `0.0`, `True` is not `1`)."""
    try:
        valid: ValidRows = decode(body)
    except MalformedBodyError as exc:
        return "malformed", str(exc)
    except InvalidInputError as exc:
        return "invalid", exc.problems, exc.total
    return "accepted", repr(valid.rows), valid.single, valid.warnings


@QUICK
@given(st.data(), contracts(), st.booleans())
def test_the_fast_pass_never_disagrees_with_the_slow_one(data: st.DataObject, contract: Contract, strict: bool) -> None:
    compiled = compile_contract(contract, strict=strict)
    body = data.draw(json_bodies(contract))
    assert outcome(compiled.decode_json, body) == outcome(compiled._decode_slowly, body)


@QUICK
@given(st.data(), contracts())
def test_every_row_drawn_from_the_contract_is_accepted(data: st.DataObject, contract: Contract) -> None:
    rows = data.draw(st.lists(wire_rows(contract), max_size=3))
    valid = compile_contract(contract).decode_json(json.dumps(rows).encode())
    assert len(valid) == len(rows)
    assert not valid.single


@QUICK
@given(st.data(), contracts())
def test_usual_rows_are_accepted_in_strict_mode_without_warnings(data: st.DataObject, contract: Contract) -> None:
    row = data.draw(wire_rows(contract, usual=True))
    if all(one.timezone is None for one in contract.fields):
        assert compile_contract(contract, strict=True).decode_json(json.dumps(row).encode()).warnings == []


@QUICK
@given(contracts())
def test_the_example_row_is_valid_in_strict_mode(contract: Contract) -> None:
    compiled = compile_contract(contract, strict=True)
    body = json.dumps(example_row(contract)).encode()
    assert compiled.decode_json(body).warnings == []
    assert example_row(contract) == example_row(contract)


@QUICK
@given(contracts(), st.binary(max_size=40))
@example(Contract(fields=(), output=OUTPUT), b"\xff")
def test_any_bytes_are_answered_or_refused(contract: Contract, body: bytes) -> None:
    assert outcome(compile_contract(contract).decode_json, body)[0] in ("malformed", "invalid", "accepted")


@QUICK
@given(st.text(alphabet='{}[]":,0123456789.eE+-truefalsnNIy\\ud8ab \n', max_size=60))
def test_any_json_like_text_is_answered_or_refused(text: str) -> None:
    contract = Contract(fields=(Field(name="a", type="number"),), output=OUTPUT, ignored=("b",))
    compiled = compile_contract(contract)
    for body in (text.encode(), b'{"a": ' + text.encode() + b"}", b'{"a": 1, "b": ' + text.encode() + b"}"):
        assert outcome(compiled.decode_json, body) == outcome(compiled._decode_slowly, body)


FIELDS = (Field(name="a", type="number", nullable=True), Field(name="s", type="string", nullable=True, required=False))
PLAIN = compile_contract(Contract(fields=FIELDS, output=OUTPUT, ignored=("junk",)))


@pytest.mark.parametrize(
    ("body", "fast"),
    [
        pytest.param(b'{"a": 1, "s": "x"}', True, id="plain"),
        pytest.param(b'{"a": null, "s": null}', True, id="nulls-have-no-quotes"),
        pytest.param(b'{"a": 1}', True, id="absent-optional"),
        pytest.param(b'{"a": 1, "junk": "text"}', True, id="ignored-text"),
        pytest.param(b'{"a": 1, "junk": 3}', True, id="ignored-number"),
        pytest.param(b'{"rows": [{"a": 1}]}', True, id="wrapper"),
        pytest.param(b' \n[{"a": 1}, {"a": 2, "s": ""}] ', True, id="array-in-space"),
        pytest.param(rb'{"a": 1, "s": "\u0022"}', True, id="a-quote-that-is-no-quote-on-the-wire"),
        pytest.param(rb'{"\u0061": 1}', True, id="escaped-key"),
        pytest.param(rb'{"a": 1, "s": "\""}', False, id="an-escaped-quote-is-left-to-the-slow-pass"),
        pytest.param(b'{"a": 1, "junk": {"x": 1}}', False, id="ignored-object-is-left-to-the-slow-pass"),
    ],
)
def test_who_reads_an_accepted_body(body: bytes, fast: bool) -> None:
    assert PLAIN._fast is not None
    assert (PLAIN._fast.decode(body) is not None) is fast
    assert outcome(PLAIN.decode_json, body)[0] == "accepted"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a": 1, "a": 2}', id="twice"),
        pytest.param(b'{"a": 1, "s": null, "s": "x"}', id="null-then-text"),
        pytest.param(b'{"a": 1, "s": "x", "s": null}', id="text-then-null"),
        pytest.param(b'{"a": 1, "junk": "x", "junk": 1}', id="ignored"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', id="one-of-them-escaped"),
    ],
)
def test_a_repeated_key_is_always_seen(body: bytes) -> None:
    assert codes(PLAIN, body) == ["duplicate_field"]


def codes(compiled: CompiledContract, body: bytes) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        compiled.decode_json(body)
    return [problem.code for problem in caught.value.problems]
