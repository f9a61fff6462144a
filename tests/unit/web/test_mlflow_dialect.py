"""MLflow's paths on the data port: the bodies that its server takes, its words for errors, and our gate before both."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from cloche.config import ServerConfig
from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.errors import UsageError
from cloche.protocols import mlflow
from cloche.serving.answers import Prediction
from cloche.web import routes
from cloche.web.checking import checked
from local_server import LocalServer, local_server
from simulators import COLOURS, InlineEngine, deployment, deployments

_RED, _BLUE = {"x": 1.5, "colour": "red"}, {"x": -2, "colour": "blue"}
_JSON = "application/json"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    config = ServerConfig(port=0, dialect=("mlflow",), max_rows=3)
    with local_server(lambda: deployments(deployment(InlineEngine())), config) as running:
        yield running


def _ask(
    server: LocalServer, path: str, body: bytes | None = None, content_type: str | None = _JSON
) -> tuple[int, bytes, Any]:
    request = urllib.request.Request(server.url + path, data=body)
    if content_type is not None and body is not None:
        request.add_header("Content-Type", content_type)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read(), exc.headers


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        pytest.param(
            {"dataframe_split": {"columns": ["x", "colour"], "data": [[1.5, "red"], [-2, "blue"]]}},
            ["yes", "no"],
            id="dataframe-split",
        ),
        pytest.param(
            {"dataframe_split": {"index": [7], "columns": ["colour", "x"], "data": [["red", 1]]}},
            ["yes"],
            id="dataframe-split-in-another-order-with-an-index",
        ),
        pytest.param({"dataframe_split": {"data": [[1.5, "red"]]}}, ["yes"], id="dataframe-split-without-names"),
        pytest.param({"dataframe_records": [_RED, _BLUE]}, ["yes", "no"], id="dataframe-records"),
        pytest.param({"instances": [_RED]}, ["yes"], id="instances-of-objects"),
        pytest.param({"instances": [[1.5, "red"], [-2, "blue"]]}, ["yes", "no"], id="instances-of-arrays"),
        pytest.param({"inputs": {"x": [1.5, -2], "colour": ["red", "blue"]}}, ["yes", "no"], id="inputs-of-columns"),
        pytest.param({"inputs": _RED}, ["yes"], id="inputs-of-one-row"),
        pytest.param({"inputs": [_BLUE]}, ["no"], id="inputs-of-objects"),
        pytest.param({"inputs": [[-1, "red"]]}, ["no"], id="inputs-of-arrays"),
        pytest.param({"dataframe_records": [_RED], "params": {"threshold": 0.4}}, ["yes"], id="params"),
        pytest.param({"dataframe_records": []}, [], id="no-rows"),
    ],
)
def test_bodies(server: LocalServer, body: Any, answers: list[str]) -> None:
    status, raw, headers = _ask(server, "/invocations", json.dumps(body).encode())
    assert (status, json.loads(raw)) == (200, {"predictions": answers})
    assert headers["Content-Type"] == _JSON


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("text/csv", b"x,colour\n1.5,red\n-2,blue\n", id="csv"),
        pytest.param("text/csv; charset=utf-8", b"x,colour\r\n1.5,red\r\n-2,blue\r\n", id="csv-with-charset"),
        pytest.param(_JSON + "; charset=utf-8", json.dumps({"instances": [_RED, _BLUE]}).encode(), id="json-charset"),
    ],
)
def test_content_types(server: LocalServer, content_type: str, body: bytes) -> None:
    assert _ask(server, "/invocations", body, content_type)[:2] == (200, b'{"predictions":["yes","no"]}')


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        pytest.param(b"{bad", 400, "BAD_REQUEST", "is not JSON", id="no-json"),
        pytest.param(b"[1]", 400, "BAD_REQUEST", "exactly one of", id="a-list"),
        pytest.param(b"{}", 400, "BAD_REQUEST", "got none of them", id="no-layout"),
        pytest.param(b'{"instances":[],"inputs":[]}', 400, "BAD_REQUEST", "got 'instances', 'in", id="two-layouts"),
        pytest.param(b'{"instances":[],"input":[]}', 400, "BAD_REQUEST", "'input'", id="what-mlflow-reads-as-a-prompt"),
        pytest.param(
            b'{"instances":[{"x":1,"colour":"red"}],"instances":[{"x":-1,"colour":"red"}]}',
            400, "BAD_REQUEST", "'instances' stands twice", id="a-layout-twice",
        ),
        pytest.param(
            b'{"inst\\u0061nces":[{"x":1,"colour":"red"}],"instances":[{"x":-1,"colour":"red"}]}',
            400, "BAD_REQUEST", "'instances' stands twice", id="a-layout-twice-one-escaped",
        ),
        pytest.param(
            b'{"instances":[{"x":1,"x":2,"colour":"red"}]}', 400, "INVALID_PARAMETER_VALUE", "stands twice",
            id="a-field-twice",
        ),
        pytest.param(
            b'{"instances":[{"x":"1","colour":"red"}]}', 400, "INVALID_PARAMETER_VALUE", "row 0: x: expected a number",
            id="a-wrong-type",
        ),
        pytest.param(
            b'{"instances":[{"x":1,"colour":"rde"}]}', 400, "INVALID_PARAMETER_VALUE", "did you mean 'red'?",
            id="an-unknown-level",
        ),
        pytest.param(
            b'{"instances":[{"x":1,"colour":"red","more":2}]}', 400, "INVALID_PARAMETER_VALUE", "unknown field",
            id="an-unknown-field",
        ),
        pytest.param(b'{"instances":[{"x":NaN,"colour":"red"}]}', 400, "INVALID_PARAMETER_VALUE", "NaN", id="nan"),
        pytest.param(b'{"instances":[[1]]}', 400, "BAD_REQUEST", "expected rows of 2 values, got 1", id="a-short-row"),
        pytest.param(b'{"instances":7}', 400, "BAD_REQUEST", "has to hold an array of rows", id="no-rows"),
        pytest.param(b'{"instances":{"rows":[]}}', 400, "BAD_REQUEST", "has to hold an array", id="our-own-wrapper"),
        pytest.param(b'{"dataframe_split":[]}', 400, "BAD_REQUEST", "'columns' and 'data'", id="split-no-object"),
        pytest.param(
            b'{"dataframe_split":{"columns":["x","x"],"data":[[1,2]]}}', 400, "BAD_REQUEST", "a column stands twice",
            id="split-a-column-twice",
        ),
        pytest.param(
            b'{"dataframe_split":{"columns":[1,2],"data":[[1,2]]}}', 400, "BAD_REQUEST", "array of names",
            id="split-names-are-numbers",
        ),
        pytest.param(
            b'{"inputs":{"x":[1],"colour":["red","blue"]}}', 400, "BAD_REQUEST", "all of one length", id="ragged",
        ),
        pytest.param(
            json.dumps({"instances": [_RED] * 4}).encode(), 413, "BAD_REQUEST", "at most 3 a request", id="many-rows",
        ),
        pytest.param(
            json.dumps({"instances": [[1, "red"]] * 4}).encode(), 413, "BAD_REQUEST", "at most 3", id="many-arrays",
        ),
        pytest.param(b'{"instances":' + b"[" * 100, 400, "BAD_REQUEST", "deep", id="nested"),
    ],
)  # fmt: skip
def test_refused_bodies(server: LocalServer, body: bytes, status: int, code: str, says: str) -> None:
    came, raw, headers = _ask(server, "/invocations", body)
    answer = json.loads(raw)
    assert (came, answer["error_code"]) == (status, code)
    assert says in answer["message"]
    assert answer["request_id"] == headers["X-Request-ID"]
    assert "stack_trace" not in answer


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status", "code"),
    [
        pytest.param("/invocations", b"x", "text/plain", 415, "BAD_REQUEST", id="another-content-type"),
        pytest.param("/invocations", b"x", "text/csv; charset=latin-1", 415, "BAD_REQUEST", id="another-charset"),
        pytest.param("/invocations", None, None, 405, "ENDPOINT_NOT_FOUND", id="get"),
        pytest.param("/ping", b"{}", _JSON, 405, "ENDPOINT_NOT_FOUND", id="post-to-ping"),
    ],
)
def test_refused_heads(
    server: LocalServer, path: str, body: bytes | None, content_type: str | None, status: int, code: str
) -> None:
    came, raw, _ = _ask(server, path, body, content_type)
    assert (came, json.loads(raw)["error_code"]) == (status, code)


def test_ping_and_version(server: LocalServer) -> None:
    assert _ask(server, "/ping")[:2] == (200, b"\n")
    status, raw, _ = _ask(server, "/version")
    assert (status, raw.strip().count(b".")) == (200, 2)


def test_it_takes_the_express_lane_and_is_logged_as_any_other(server: LocalServer) -> None:
    before = len(server.express)
    _ask(server, "/invocations", json.dumps({"instances": [_RED, _BLUE]}).encode())
    assert server.express[before:] == ["/invocations"]
    record = server.records[-1]
    assert (record["path"], record["model"], record["rows"], record["status"]) == ("/invocations", "colours", 2, 200)


def test_the_own_dialect_is_spoken_beside_it(server: LocalServer) -> None:
    status, raw, _ = _ask(server, "/predict", json.dumps(_RED).encode())
    assert (status, json.loads(raw)["prediction"]) == (200, "yes")
    assert "error" in json.loads(_ask(server, "/predict", b"{bad")[1])


@pytest.mark.parametrize("path", ["/invocations", "/ping", "/version"])
def test_a_server_that_was_not_told_to_does_not_speak_it(path: str) -> None:
    with local_server(lambda: deployments(deployment(InlineEngine()))) as running:
        status, raw, _ = _ask(running, path, b"{}" if path == "/invocations" else None)
        assert (status, json.loads(raw)["error"]) == (404, "NotFound")


def test_a_key_is_asked_for(server: LocalServer) -> None:
    config = ServerConfig(port=0, dialect=("mlflow",))
    with local_server(lambda: deployments(deployment(InlineEngine())), config, lambda _token: None) as running:
        status, raw, _ = _ask(running, "/invocations", json.dumps({"instances": [_RED]}).encode())
        assert (status, json.loads(raw)["error_code"]) == (401, "UNAUTHENTICATED")
        assert _ask(running, "/ping")[0] == 200


def test_the_fast_way_and_the_close_look_agree() -> None:
    compiled = compile_contract(COLOURS)
    usual = json.dumps({"instances": [_RED, _BLUE]}).encode()
    odd = json.dumps({"params": None, "instances": [_RED, _BLUE]}).encode()
    assert mlflow._records(usual) is not None
    assert mlflow._records(odd) is None
    assert mlflow.decode(compiled, usual, None).rows == mlflow.decode(compiled, odd, None).rows


def test_several_outputs_are_an_object_a_row() -> None:
    output = Output(task="multioutput_regression", type="number", names=("a", "b"))
    raw = mlflow.encode(Prediction(prediction=[{"a": 1.5, "b": None}]), output, False)
    assert raw == b'{"predictions":[{"a":1.5,"b":null}]}'


def test_an_unknown_dialect_is_refused_at_start() -> None:
    with pytest.raises(UsageError, match="'dialect': expected one of mlflow, got 'mlfow'"):
        checked(ServerConfig(dialect=("mlfow",)))


def test_a_column_called_as_a_wrapper_is_a_column() -> None:
    """`{"rows": …}` inside a row is no wrapper of ours."""
    contract = Contract(fields=(Field(name="rows", type="number"),), output=COLOURS.output)
    valid = mlflow.decode(compile_contract(contract), b'{"instances":[{"rows":1}]}', None)
    assert valid.rows == [(1.0,)]


def test_traces_name_the_path() -> None:
    target = routes.of("/invocations", None, {"mlflow"})
    assert routes.template(target) == "/invocations"
