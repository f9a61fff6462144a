"""
The bytes of an answer, by task: one, many and no rows, as JSON, CSV and NDJSON, through the whole application.

`--update-golden` writes the files again; the diff is what a caller would notice.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest

from cloche.config import ServerConfig
from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output, Task
from cloche.protocols import arrow
from cloche.protocols.answer_table import ANSWERS, RESERVED
from cloche.protocols.form import flat_columns
from cloche.protocols.forms import FORMS
from cloche.records import Columns, Outputs
from cloche.serving.answers import shape
from cloche.web.app import create_app
from cloche.web.gate import Gate
from simulators import FakeEngine, deployment, deployments, ids

GOLDEN = Path(__file__).parents[2] / "golden" / "answers"
FIELDS = (
    Field(name="x", type="number", nullable=True),
    Field(name="place", type="string", nullable=True),
)
ROWS = [{"x": 1.5, "place": "Dream"}, {"x": -2.0, "place": 'a "b", c'}, {"x": None, "place": None}]
BODIES: dict[str, dict[str, bytes]] = {
    "one": {
        "application/json": json.dumps(ROWS[0]).encode(),
        "text/csv": b"x,place\r\n1.5,Dream\r\n",
        "application/x-ndjson": json.dumps(ROWS[0]).encode() + b"\n",
    },
    "many": {
        "application/json": json.dumps(ROWS).encode(),
        "text/csv": b'x,place\r\n1.5,Dream\r\n-2.0,"a ""b"", c"\r\n,\r\n',
        "application/x-ndjson": b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
    },
    "empty": {"application/json": b"[]", "text/csv": b"x,place\r\n", "application/x-ndjson": b""},
}

Predict = Callable[[int], Outputs]
_SHARES = [[0.75, 0.25], [0.125, 0.875], [0.5, 0.5]]
CASES: dict[str, tuple[Output, Predict]] = {
    "classification": (
        Output(task="classification", type="string", classes=("no, never", "yes"), probabilities=True),
        lambda n: Outputs(["no, never", "yes", "no, never"][:n], _SHARES[:n]),
    ),
    "classification-plain": (
        Output(task="classification", type="boolean", classes=(False, True)),
        lambda n: Outputs([True, False, True][:n]),
    ),
    "regression": (
        Output(task="regression", type="number"),
        lambda n: Outputs([0.1, 12345678.9, math.nan][:n]),
    ),
    "multioutput-classification": (
        Output(
            task="multioutput_classification",
            type="string",
            names=("size", "kind"),
            output_classes=(("S", "L"), ("a", "b")),
            probabilities=True,
        ),
        lambda n: Outputs(
            [{"size": "S", "kind": "a"}, {"size": "L", "kind": "b"}, {"size": "S", "kind": "a"}][:n],
            [{"size": one, "kind": one} for one in _SHARES[:n]],
        ),
    ),
    "multioutput-regression": (
        Output(task="multioutput_regression", type="number", names=("low", "high")),
        lambda n: Outputs(
            [{"low": 1.0, "high": 2.5}, {"low": -1e-9, "high": 1e21}, {"low": 0.0, "high": math.inf}][:n]
        ),
    ),
    "multilabel": (
        Output(task="multilabel", type="string", classes=("red", "blue"), probabilities=True),
        lambda n: Outputs([["red"], ["red", "blue"], []][:n], [[0.75, 0.25], [0.875, 0.625], [0.25, 0.125]][:n]),
    ),
    "anomaly": (
        Output(task="anomaly", type="string", classes=("inlier", "outlier")),
        lambda n: Outputs(["inlier", "outlier", "inlier"][:n], score=[0.25, -0.5, 0.125][:n]),
    ),
    "clustering": (Output(task="clustering", type="integer"), lambda n: Outputs([0, 2, -1][:n])),
    "embedding": (
        Output(task="embedding", type="number", length=2),
        lambda n: Outputs([[0.5, -1.0], [0.25, 2.0], [0.0, 1e-7]][:n]),
    ),
}


def answered(case: str) -> dict[str, Any]:
    """By number of rows and form: what is sent, and what comes back."""
    output, predict = CASES[case]
    contract = Contract(fields=FIELDS, output=output)

    def infer(_: Columns, n: int) -> Outputs:
        return predict(n)

    async def ask() -> dict[str, Any]:
        held = deployments(deployment(FakeEngine(infer), name="golden", contract=contract))
        app = create_app(held, Gate(new_id=ids()), ServerConfig())
        found = {
            rows: {kind: await exchange(app, kind, body) for kind, body in bodies.items()}
            for rows, bodies in BODIES.items()
        }
        for one in held:
            for each in one:
                await each.close()
        return found

    return asyncio.run(ask())


async def exchange(app: Any, media_type: str, body: bytes) -> dict[str, Any]:
    sent: list[Any] = []
    headers = [(b"host", b"localhost"), (b"content-type", media_type.encode()), (b"accept", media_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    kept = {name: value for name, value in told.items() if name in ("content-type", "x-warnings")}
    answer = sent[1]["body"].decode().replace(told["x-request-id"], "01JD0000000000000000000000")
    return {"request": body.decode(), "status": sent[0]["status"], "headers": kept, "answer": answer}


@pytest.mark.parametrize("case", sorted(CASES))
def test_answers_are_what_they_were(case: str, request: pytest.FixtureRequest) -> None:
    found = answered(case)
    path = GOLDEN / f"{case}.json"
    if request.config.getoption("--update-golden"):
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    expected = json.loads(path.read_text("utf-8"))
    assert found == expected, "a caller would notice; if that is meant: pytest --update-golden, and read the diff"


def test_every_task_of_the_table_has_a_golden_file() -> None:
    assert {one.case for one in ANSWERS} == set(CASES) == {path.stem for path in GOLDEN.glob("*.json")}
    assert {one.task for one in ANSWERS} == set(get_args(Task))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: one.case)
def test_the_table_names_the_keys_that_are_answered(answer: Any) -> None:
    golden = json.loads((GOLDEN / f"{answer.case}.json").read_text("utf-8"))
    given = set(json.loads(golden["one"]["application/json"]["answer"]))
    assert given == {"prediction", *answer.others, "model", "model_version", "request_id"}
    assert not given & set(RESERVED)
    assert CASES[answer.case][0].task == answer.task


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_line_of_ndjson_is_the_answer_to_its_row_alone(case: str) -> None:
    golden = json.loads((GOLDEN / f"{case}.json").read_text("utf-8"))
    line = json.loads(golden["many"]["application/x-ndjson"]["answer"].splitlines()[0])
    alone = json.loads(golden["one"]["application/json"]["answer"])
    assert line == {key: alone[key] for key in line}


def test_every_form_is_golden() -> None:
    """The bytes of Arrow are its library's: what they hold is compared below."""
    assert all(set(bodies) == {form.media_type for form in FORMS if form.text} for bodies in BODIES.values())


@pytest.mark.parametrize("case", sorted(CASES))
def test_arrow_holds_what_csv_holds(case: str) -> None:
    output, predict = CASES[case]
    compiled = compile_contract(Contract(fields=FIELDS, output=output))
    schemas = set()
    for n, single in ((1, True), (3, False), (1, False), (0, False)):
        rows = compiled.validate(ROWS[:n], single=single)
        shaped = shape(predict(n), rows, model="m", version=1, request_id="r")
        table = pa.ipc.open_stream(arrow.encode(shaped, output, single)).read_all()
        columns = dict(flat_columns(shaped, output, single))
        assert table.to_pydict() == columns
        schemas.add(table.schema.to_string())
    assert len(schemas) == 1, "the types are those of the contract, whatever the values"
