"""Reading: every value as it was logged, columns that grow, and only what was asked for."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import logged
from cloche.contract.model import Output
from cloche.prediction_log import layout
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Label, LoggedField
from cloche.prediction_log.reading import LogReader, date_of
from cloche.store import Store

UTC = dt.UTC
#: name, type, role, kept, timezone, values as in a frame, values as read
VALUES: list[tuple[str, str, str, str, str | None, list[Any], list[Any]]] = [
    ("flag", "boolean", "input", "value", None, [True, None], [True, None]),
    ("big", "integer", "input", "value", None, [2**62 + 1, -(2**63)], [2**62 + 1, -(2**63)]),
    ("mass", "number", "input", "value", None, [3, float("nan")], [3.0, math.nan]),
    ("tiny", "number", "input", "value", None, [5e-324, None], [5e-324, None]),
    ("name, odd=x", "string", "context", "value", None, ["Ünï,\n\"q\"", ""], ["Ünï,\n\"q\"", ""]),
    ("level", "category", "input", "value", None, ["a", None], ["a", None]),
    ("code", "category", "input", "value", None, [7, 8], [7, 8]),
    ("day", "date", "input", "value", None, ["0001-01-01", "9999-12-31"], [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    ("naive", "datetime", "input", "value", None, ["2026-03-29T02:30:00.000001", None],
     [dt.datetime(2026, 3, 29, 2, 30, 0, 1), None]),
    ("aware", "datetime", "input", "value", "Europe/Berlin", [dt.datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None],
     [dt.datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None]),
    ("vec", "vector", "input", "value", None, [[1, 2.5], [0.0, -1.0]], [[1.0, 2.5], [0.0, -1.0]]),
    ("text", "text", "input", "value", None, ["x" * 1000, "\u2028"], ["x" * 1000, "\u2028"]),
    ("who", "string", "key", "hash", None, ["ab12", None], ["ab12", None]),
    ("age", "number", "input", "bin", None, [3, -1], [3, -1]),
]  # fmt: skip


def store_in(folder: Path) -> Store:
    return Store.open((folder / "store").as_uri(), Path("/"))


def fields() -> tuple[LoggedField, ...]:
    return tuple(
        LoggedField(name, type, role, kept, zone)  # type: ignore[arg-type]
        for name, type, role, kept, zone, _, _ in VALUES
    )


def same(a: Any, b: Any) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "landed"])
def test_every_type_of_value_comes_back(store_url: str, folded: bool) -> None:
    store = Store.open(store_url, Path("/"))
    rows = [[one[5][row] for one in VALUES] for row in (0, 1)]
    logged.land(store, [logged.schema(fields=fields()), logged.request(rows)])
    if folded:
        Folder(store, "me").all()
    found = {row["row"]: row for row in LogReader(store).answers("penguins").to_pylist()}
    prefixes = {"input": "in", "key": "key", "context": "ctx"}
    for name, _, role, kept, _, _, wanted in VALUES:
        column = layout.column(kept if kept in ("hash", "bin") else prefixes[role], name)
        assert all(same(found[row][column], wanted[row]) for row in (0, 1)), (column, found[0][column])


OUTPUTS = [
    pytest.param(
        Output(task="classification", type="string", classes=("a", "b")),
        ["a"],
        [[0.5, 0.5]],
        None,
        "a",
        [0.5, 0.5],
        id="classes",
    ),
    pytest.param(
        Output(task="classification", type="integer", classes=(0, 1)), [1], None, None, 1, None, id="whole-classes"
    ),
    pytest.param(Output(task="regression", type="number"), [2], None, None, 2.0, None, id="regression"),
    pytest.param(Output(task="multilabel", type="string"), [["x", "y"]], None, None, '["x","y"]', None, id="labels"),
    pytest.param(
        Output(task="multioutput_classification", type="string", names=("p", "q")),
        [{"p": "x", "q": "y"}],
        [{"p": [1.0], "q": [0.5, 0.5]}],
        None,
        '{"p":"x","q":"y"}',
        '{"p":[1.0],"q":[0.5,0.5]}',
        id="outputs",
    ),
    pytest.param(Output(task="anomaly", type="string"), ["outlier"], None, [-0.25], "outlier", None, id="anomaly"),
]


@pytest.mark.parametrize(("output", "prediction", "probabilities", "score", "read", "read_probabilities"), OUTPUTS)
def test_every_kind_of_answer_comes_back(tmp_path, output, prediction, probabilities, score, read, read_probabilities):
    store = store_in(tmp_path)
    request = logged.request(prediction=prediction, probabilities=probabilities, score=score)
    logged.land(store, [logged.schema(output=output), request])
    Folder(store, "me").all()
    (row,) = LogReader(store).answers("penguins").to_pylist()
    assert row["prediction"] == read
    assert row.get("probabilities") == read_probabilities
    assert row.get("score") == (score[0] if score else None)


def one_field(name: str, type: str, values: list[Any], number: int, version: int = 1) -> list[Any]:
    schema = logged.schema(fields=(LoggedField(name, type, "input"),), version=version)  # type: ignore[arg-type]
    return [schema, *(logged.request(((value,),), time_us=logged.NOON_US + number) for value in values)]


GROWING = [
    pytest.param(
        [("x", "integer", [1, 2**53 + 1]), ("x", "number", [0.5])],
        {"in_x": [1.0, 2.0**53, 0.5]},
        id="integer-to-number",
    ),
    pytest.param([("x", "category", ["a"]), ("x", "text", ["b"])], {"in_x": ["a", "b"]}, id="category-to-text"),
    pytest.param([("x", "category", [1]), ("x", "string", ["b"])], {"in_x": ["1", "b"]}, id="whole-levels-to-text"),
    pytest.param([("x", "boolean", [True]), ("x", "number", [2.0])], {"in_x": ["true", "2"]}, id="boolean-to-number"),
    pytest.param([("x", "category", [None]), ("x", "category", [3])], {"in_x": [None, 3]}, id="nothing-first"),
    pytest.param(
        [("x", "number", [1.0]), ("y", "number", [2.0])], {"in_x": [1.0, None], "in_y": [None, 2.0]}, id="another-field"
    ),
    pytest.param(
        [("Age", "number", [1.0]), ("age", "number", [2.0])],
        {"in_Age": [1.0, None], "in_age": [None, 2.0]},
        id="names-that-differ-by-case",
    ),
    pytest.param(
        [("x", "integer", [1]), ("x", "integer", ["92233720368547758080"])],
        {"in_x": ["1", '"92233720368547758080"']},
        id="beyond-64-bits",
    ),
]


@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "in-one-fold"])
@pytest.mark.parametrize(("steps", "wanted"), GROWING)
def test_a_contract_that_grows(tmp_path: Path, steps: Any, wanted: dict[str, list[Any]], at_once: bool) -> None:
    store = store_in(tmp_path)
    for number, (name, type, values) in enumerate(steps, 1):
        logged.land(store, one_field(name, type, values, number * 10, number), number=number)
        if not at_once:
            Folder(store, "me").all()
    Folder(store, "me").all()
    rows = LogReader(store).answers("penguins").sort_by([("time", "ascending"), ("request_id", "ascending")])
    for column, values in wanted.items():
        assert sorted(map(str, rows[column].to_pylist())) == sorted(map(str, values))
    assert LogReader(store).answers("penguins", columns=list(wanted)).column_names == list(wanted)


def test_a_window_of_time(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    hours = [logged.NOON + dt.timedelta(hours=number) for number in range(0, 48, 6)]
    requests = [logged.request(time_us=int(one.timestamp() * 1e6)) for one in hours]
    logged.land(store, [logged.schema(), *requests[:4]])
    Folder(store, "me").all()
    logged.land(store, [logged.schema(), *requests[4:]], number=2)
    reader = LogReader(store)
    found = reader.answers("penguins", since=hours[1], until=hours[6], columns=["time"])
    assert sorted(found["time"].to_pylist()) == hours[1:6]
    assert reader.answers("penguins", since=hours[1], landed=False).num_rows == 3


def test_requests_are_found_by_id(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    ours, theirs, other = (
        logged.request(),
        logged.request(client_request_id="01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        logged.request(),
    )
    again = logged.request(client_request_id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    logged.land(store, [logged.schema(), ours, theirs, other])
    Folder(store, "me").all()
    logged.land(store, [logged.schema(), again], number=2)
    ids = [ours.request_id, "01ARZ3NDEKTSV4RRFFQ69G5FAV", theirs.request_id, "nobody"]
    found = LogReader(store).answers("penguins", request_ids=ids, columns=["request_id"])
    wanted = sorted([ours.request_id, theirs.request_id, again.request_id])
    assert sorted(found["request_id"].to_pylist()) == wanted
    assert found.column_names == ["request_id"]


@pytest.mark.parametrize(
    ("identifier", "day"),
    [
        pytest.param(logged.request().request_id, "2026-11-24", id="ours"),
        pytest.param("01ARZ3NDEKTSV4RRFFQ69G5FAV", None, id="a-ulid"),
        pytest.param("order 17", None, id="text"),
    ],
)
def test_the_day_inside_an_id(identifier: str, day: str | None) -> None:
    assert date_of(identifier) == day


def test_a_log_without_rows(tmp_path: Path) -> None:
    reader = LogReader(store_in(tmp_path))
    assert reader.models() == []
    assert reader.contracts("penguins") == []
    assert reader.answers("penguins").num_rows == 0
    assert reader.labels("penguins").column_names[:2] == ["request_id", "received"]
    assert reader.requests().num_rows == 0


def test_failures_and_empty_requests(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    logged.land(store, [logged.schema(), logged.failed(), logged.request((), prediction=[])])
    Folder(store, "me").all()
    refused, empty = sorted(LogReader(store).answers("penguins").to_pylist(), key=lambda row: -row["status"])
    assert (refused["row"], refused["rows"], refused["problems"]) == (None, 1, ["mass:wrong_type", ":missing"])
    assert (empty["row"], empty["rows"], empty["in_mass"]) == (None, 0, None)


def test_labels_come_back_as_they_came(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    event = int(dt.datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1e6)
    given = [Label(1.5, id="x", row=2), Label(None, key={"customer": 7}, event_us=event), Label(["a", "b"], id="y")]
    logged.land(store, [logged.labels(*given)])
    Folder(store, "me").all()
    rows = LogReader(store).labels("penguins").sort_by("label").to_pylist()
    assert [row["label"] for row in rows] == ["1.5", '["a","b"]', "null"]
    assert rows[0]["id"] == "x"
    assert rows[0]["row"] == 2
    assert rows[2]["label_key"] == '{"customer":7}'
    assert rows[2]["event_time"] == dt.datetime(2026, 12, 1, tzinfo=UTC)
    assert pa.types.is_timestamp(LogReader(store).labels("penguins")["received"].type)
