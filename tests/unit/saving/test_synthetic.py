"""Golden rows: every level, null and bound occurs, nothing real does, and they are the same each time."""

from __future__ import annotations

import pytest

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.saving import synthetic

FIELDS = {
    "number": Field(name="number", type="number", nullable=True, minimum=-5, training_range=(0.125, 9.75)),
    "integer": Field(name="integer", type="integer", training_range=(1, 7)),
    "boolean": Field(name="boolean", type="boolean"),
    "category": Field(name="category", type="category", levels=("a", "b", "c"), nullable=True),
    "coded": Field(name="coded", type="category", levels=(1, 2)),
    "string": Field(name="string", type="string", max_length=4),
    "text": Field(name="text", type="text"),
    "date": Field(name="date", type="date", training_range=("2024-01-01", "2024-03-01")),
    "naive": Field(name="naive", type="datetime", training_range=("2024-01-01T00:00:00", "2024-03-01T00:00:00")),
    "aware": Field(name="aware", type="datetime", timezone="Europe/Berlin"),
    "vector": Field(name="vector", type="vector", length=3),
    "key": Field(name="key", type="string", role="key"),
}


def contract(*fields):
    return Contract(fields=fields, output=Output(task="regression", type="number"))


@pytest.mark.parametrize("field", [pytest.param(field, id=name) for name, field in FIELDS.items()])
def test_the_contract_takes_every_row_drawn_from_it(field):
    rows = synthetic.draw(contract(field), {}, "seed")
    valid = compile_contract(contract(field)).validate(rows, single=False)
    assert synthetic.MIN_ROWS <= len(valid) <= synthetic.MAX_ROWS


def test_specials_occur():
    rows = synthetic.draw(contract(*FIELDS.values()), {"number": {"bins": {"edges": [0.5, 2.5]}}}, "seed")
    assert {row["category"] for row in rows} == {"a", "b", "c", None}
    assert {-5, 0.125, 9.75, 0.5, 2.5, None} <= {row["number"] for row in rows}
    assert {1, 7} <= {row["integer"] for row in rows}
    assert {row["boolean"] for row in rows} == {True, False}
    assert {"2024-01-01", "2024-03-01"} <= {row["date"] for row in rows}


def test_the_same_rows_for_the_same_data():
    one = synthetic.draw(contract(*FIELDS.values()), {}, "data")
    assert one == synthetic.draw(contract(*FIELDS.values()), {}, "data")
    assert one != synthetic.draw(contract(*FIELDS.values()), {}, "other data")


def test_at_most_200_rows_whatever_the_levels():
    field = Field(name="city", type="category", levels=tuple(f"c{number}" for number in range(5_000)))
    assert len(synthetic.draw(contract(field), {}, "seed")) == 200


def test_type_limits_are_not_drawn():
    field = Field(name="x", type="number", minimum=-3.4e38, maximum=3.4e38, training_range=(0, 1))
    assert all(abs(row["x"]) <= 1 for row in synthetic.draw(contract(field), {}, "seed"))
