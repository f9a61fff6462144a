"""The JSON Schema of a row: valid by it means accepted, and what it refuses is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloche.contract.compiled import compile_contract, json_schema_body
from cloche.contract.integer_text import integers_between
from cloche.contract.model import Contract, Field, Policy
from cloche.errors import InvalidInputError
from strategies import OUTPUT, contracts, wire_rows, wrong_values

jsonschema_rs = pytest.importorskip("jsonschema_rs")
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def is_valid(schema: dict[str, Any], row: Any) -> bool:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return bool(validator.is_valid(row))


def is_accepted(contract: Contract, row: Any, *, strict: bool = False) -> bool:
    try:
        compile_contract(contract, strict=strict).decode_json(json.dumps(row).encode())
    except InvalidInputError:
        return False
    return True


@QUICK
@given(contracts())
def test_it_is_a_schema(contract: Contract) -> None:
    jsonschema_rs.meta.validate(compile_contract(contract).json_schema_row())
    jsonschema_rs.meta.validate(json_schema_body(contract))


@QUICK
@given(st.data(), contracts())
def test_rows_of_the_contract_are_valid(data: st.DataObject, contract: Contract) -> None:
    row = data.draw(wire_rows(contract))
    schema = compile_contract(contract).json_schema_row()
    assert is_valid(schema, row)
    body = json_schema_body(contract)
    assert is_valid(body, row)
    assert is_valid(body, [row, row])
    assert is_valid(body, {"rows": [row]}) or contract.field("rows") or "rows" in contract.ignored


@QUICK
@given(st.data(), contracts(), st.booleans())
def test_valid_means_accepted(data: st.DataObject, contract: Contract, strict: bool) -> None:
    row = data.draw(wire_rows(contract))
    if row:
        row = {**row, data.draw(st.sampled_from(sorted(row))): data.draw(wrong_values())}
    schema = compile_contract(contract, strict=strict).json_schema_row()
    if is_valid(schema, row):
        dates = any(one.type in ("date", "datetime") for one in contract.fields)
        assert is_accepted(contract, row, strict=strict) or dates, schema
    else:
        assert not is_accepted(contract, row, strict=strict), schema


LEVELS = Field(name="f", type="category", levels=("a", "b"))


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        pytest.param(LEVELS, {"type": "string", "enum": ["a", "b"]}, id="levels"),
        pytest.param(
            Field(name="f", type="category", levels=("a",), nullable=True),
            {"type": ["string", "null"], "enum": ["a", None]},
            id="nullable-levels",
        ),
        pytest.param(
            Field(name="f", type="category", levels=("a",), policy=Policy(unknown_level="warn")),
            {"type": "string", "x-known-levels": ["a"]},
            id="soft-levels",
        ),
        pytest.param(
            Field(name="f", type="number", minimum=0, maximum=9, training_range=(1, 2), units="mm", description="d"),
            {
                "type": "number",
                "minimum": 0,
                "maximum": 9,
                "x-training-range": [1, 2],
                "x-units": "mm",
                "description": "d",
            },
            id="number-and-its-notes",
        ),
        pytest.param(
            Field(name="f", type="integer", minimum=0, maximum=1, accepts_boolean=True, role="key"),
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1}, {"type": "boolean"}], "x-role": "key"},
            id="integer-that-takes-booleans",
        ),
        pytest.param(
            Field(name="f", type="vector", length=2, minimum=0, maximum=1),
            {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "minItems": 2, "maxItems": 2},
            id="vector",
        ),
        pytest.param(
            Field(name="f", type="string", pattern="a+", max_length=5, private=True),
            {"type": "string", "maxLength": 5, "pattern": "^(?:a+)$", "x-private": True},
            id="pattern",
        ),
    ],
)
def test_a_field(field: Field, schema: dict[str, Any]) -> None:
    row = compile_contract(Contract(fields=(field,), output=OUTPUT, ignored=("id",))).json_schema_row()
    assert row == {
        "type": "object",
        "properties": {"f": schema, "id": {}},
        "additionalProperties": False,
        "required": ["f"],
    }


@pytest.mark.parametrize(
    ("zone", "value", "valid"),
    [
        pytest.param(None, "2024-02-29T09:30:00", True, id="naive-leap-day"),
        pytest.param(None, "1900-02-29T09:30:00", False, id="naive-no-leap-day"),
        pytest.param(None, "2024-04-31T09:30:00", False, id="naive-31st-of-april"),
        pytest.param(None, "0000-01-01T00:00:00", False, id="naive-year-0"),
        pytest.param(None, "2024-05-17T09:30:00Z", False, id="naive-with-a-zone"),
        pytest.param("UTC", "2024-05-17T09:30:00Z", True, id="aware"),
        pytest.param("UTC", "2024-05-17T09:30:00", False, id="aware-without-a-zone"),
    ],
)
def test_datetimes(zone: str | None, value: str, valid: bool) -> None:
    contract = Contract(fields=(Field(name="f", type="datetime", timezone=zone),), output=OUTPUT)
    assert is_valid(compile_contract(contract).json_schema_row(), {"f": value}) is valid
    assert is_accepted(contract, {"f": value}) is valid


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 2000), st.integers(-3000, 3000))
@example(5, 25, 9, 10)
def test_the_text_of_an_interval(low: int, high: int, beyond: int, value: int) -> None:
    pattern = integers_between(-low, high, beyond=beyond)
    matches = pattern is not None and re.fullmatch(f"(?:{pattern})", str(value)) is not None
    assert matches is (-low <= value <= high and abs(value) > beyond)
