"""Rows back from the log are what the model was shown and what it answered."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.prediction_log import layout
from cloche.prediction_log.privacy import Redaction
from cloche.prediction_log.reading import LogReader
from cloche.prediction_log.rows import column_of, inputs_of, not_kept, outputs_of
from cloche.records import Outputs
from cloche.store import Store
from logged import land, request, schema

NUMBER = Output(task="regression", type="number")
FIELDS = (
    Field(name="n", type="number", nullable=True),
    Field(name="i", type="integer", nullable=True),
    Field(name="b", type="boolean", nullable=True),
    Field(name="s", type="string", nullable=True),
    Field(name="t", type="text", nullable=True),
    Field(name="c", type="category", levels=("x", "y"), nullable=True),
    Field(name="k", type="category", levels=(1, 2), nullable=True),
    Field(name="d", type="date", nullable=True),
    Field(name="m", type="datetime", nullable=True),
    Field(name="z", type="datetime", timezone="Europe/Paris", nullable=True),
    Field(name="v", type="vector", nullable=True),
    Field(name="odd, name=1", type="number", nullable=True),
    Field(name="ctx", type="string", role="context", required=False, nullable=True),
)
ROWS = [
    {
        "n": 0.1, "i": 2**53 + 1, "b": True, "s": "a", "t": "é\n", "c": "x", "k": 2, "d": "2026-01-02",
        "m": "2026-01-02T03:04:05.678901", "z": "2026-07-02T03:04:05Z", "v": [1.0, 2.5], "odd, name=1": 1e-300,
        "ctx": "blue",
    },
    {"n": -1e308, "i": -5, "b": False, "s": "", "t": "", "c": "y", "k": 1, "d": "1066-10-14",
     "m": "1066-10-14T00:00:00",
     "z": "2026-01-02T03:04:05+05:00", "v": [], "odd, name=1": 0.0},
    dict.fromkeys(("n", "i", "b", "s", "t", "c", "k", "d", "m", "z", "v", "odd, name=1")),
]  # fmt: skip


def logged(tmp_path, contract, rows, outputs):
    valid = compile_contract(contract).validate(rows, single=False)
    redaction = Redaction(contract, reference=None, hash_key=None)
    store = Store.open(str(tmp_path), tmp_path)
    frame = request(
        redaction.rows(valid.rows), prediction=outputs.prediction, probabilities=outputs.probabilities,
        score=outputs.score,
    )  # fmt: skip
    land(store, [schema(fields=redaction.fields, output=contract.output), frame])
    return valid, LogReader(store).answers("penguins", contract=1)


@pytest.mark.parametrize("rows", [pytest.param(ROWS, id="all"), pytest.param(ROWS[2:], id="all-missing")])
def test_the_inputs_are_those_that_the_model_was_shown(tmp_path, rows):
    contract = Contract(fields=FIELDS, output=NUMBER)
    valid, table = logged(tmp_path, contract, rows, Outputs([1.0] * len(rows)))
    again = inputs_of(table, contract)
    shown = valid.columns()
    assert again == shown
    for name, values in shown.items():
        assert [type(one) for one in again[name]] == [type(one) for one in values], name
    if rows is ROWS:
        assert again["z"][0] == dt.datetime(2026, 7, 2, 5, 4, 5, tzinfo=ZoneInfo("Europe/Paris"))
        assert again["z"][0].tzinfo == shown["z"][0].tzinfo


@pytest.mark.parametrize(
    ("output", "outputs"),
    [
        pytest.param(NUMBER, Outputs([0.1, float("nan")]), id="numbers"),
        pytest.param(
            Output(task="classification", type="boolean", classes=(False, True), probabilities=True),
            Outputs([True, False], [[0.1, 0.9], [0.75, 0.25]]),
            id="probabilities",
        ),
        pytest.param(Output(task="classification", type="integer", classes=(1, 2)), Outputs([1, 2]), id="no-chances"),
        pytest.param(Output(task="multilabel", type="string", classes=("a", "b")), Outputs([["a"], []]), id="lists"),
        pytest.param(
            Output(
                task="multioutput_classification", type="string", names=("x",), output_classes=(("a", "b"),),
                probabilities=True,
            ),
            Outputs([{"x": "a"}, {"x": "b"}], [{"x": [1.0, 0.0]}, {"x": [0.0, 1.0]}]),
            id="several-outputs",
        ),
        pytest.param(Output(task="anomaly", type="string"), Outputs(["inlier"] * 2, None, [0.5, -0.5]), id="scores"),
        pytest.param(Output(task="embedding", type="number", length=1), Outputs([[1.0], [3.0]]), id="vectors"),
    ],
)  # fmt: skip
def test_the_answers_are_those_that_were_given(tmp_path, output, outputs):
    contract = Contract(fields=(Field(name="x", type="number"),), output=output)
    _, table = logged(tmp_path, contract, [{"x": 1.0}, {"x": 2.0}], outputs)
    found = outputs_of(table, output)
    assert repr(found) == repr(outputs)


@pytest.mark.parametrize(
    ("contract", "why"),
    [
        pytest.param(Contract(fields=FIELDS, output=NUMBER), None, id="kept"),
        pytest.param(Contract(fields=FIELDS, output=NUMBER, log_inputs="none"), "no inputs", id="none"),
        pytest.param(Contract(fields=FIELDS, output=NUMBER, log_inputs="summary"), "bins", id="summary"),
        pytest.param(
            Contract(fields=(Field(name="age", type="number", private=True),), output=NUMBER), "age", id="private"
        ),
        pytest.param(
            Contract(
                fields=(FIELDS[0], Field(name="who", type="string", role="key", private=True)), output=NUMBER
            ),
            None,
            id="a-private-key-is-no-input",
        ),
    ],
)  # fmt: skip
def test_why_inputs_cannot_be_given_back(contract, why):
    found = not_kept(contract)
    assert (found is None) if why is None else why in found


def test_the_column_of_a_field(tmp_path):
    _, table = logged(tmp_path, Contract(fields=FIELDS, output=NUMBER), ROWS, Outputs([1.0] * 3))
    assert column_of(table, "ctx") == "ctx_ctx"
    assert column_of(table, "odd, name=1") == layout.column("in", "odd, name=1")
    assert column_of(table, "nothing") is None
