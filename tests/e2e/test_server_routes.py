"""Every route over a real socket, with a fake engine: statuses, bodies, headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cloche.config import ServerConfig
from cloche.errors import EngineError
from cloche.records import Columns, Outputs
from cloche.serving.engine_process import RowsRefused
from local_server import LocalServer, local_server
from simulators import FakeEngine, deployment, deployments

pytestmark = pytest.mark.e2e
ROW = {"x": 1.0, "colour": "red"}


@pytest.fixture(scope="module")
def one() -> Iterator[LocalServer]:
    with local_server(lambda: deployments(deployment(version=3))) as server:
        yield server


@pytest.fixture(scope="module")
def two() -> Iterator[LocalServer]:
    """`colours` under contracts 1 and 2, and `shapes`."""

    def make() -> Any:
        return deployments(deployment(version=3), deployment(version=5, number=2), deployment(name="shapes", version=1))

    with local_server(make) as server:
        yield server


def post(server: LocalServer, path: str, content: Any = ROW, **options: Any) -> httpx.Response:
    return httpx.post(server.url + path, json=content, **options)


def test_one_row_gives_scalars(one: LocalServer) -> None:
    answer = post(one, "/predict")
    assert answer.status_code == 200
    found = answer.json()
    assert found.pop("request_id") == answer.headers["x-request-id"]
    assert found == {
        "prediction": "yes",
        "confidence": 0.75,
        "probabilities": {"no": 0.25, "yes": 0.75},
        "model": "colours",
        "model_version": "3",
    }


@pytest.mark.parametrize(
    ("body", "prediction"),
    [
        pytest.param([ROW, {"x": -1, "colour": "blue"}], ["yes", "no"], id="array"),
        pytest.param({"rows": [ROW]}, ["yes"], id="wrapped"),
        pytest.param([], [], id="empty"),
    ],
)
def test_many_rows_give_lists(one: LocalServer, body: Any, prediction: list[str]) -> None:
    assert post(one, "/predict", body).json()["prediction"] == prediction


@pytest.mark.parametrize(
    ("path", "headers", "version"),
    [
        pytest.param("/models/colours/predict", {}, "3", id="named"),
        pytest.param("/models/colours/v2/predict", {}, "5", id="named-contract"),
        pytest.param("/models/colours/predict", {"X-API-Version": "2"}, "5", id="contract-by-header"),
        pytest.param("/models/colours/predict", {"X-API-Version": "v1"}, "3", id="contract-by-header-with-v"),
        pytest.param("/models/colours/versions/5/predict", {}, "5", id="exact-version"),
        pytest.param("/models/shapes/v1/predict", {}, "1", id="other-model"),
    ],
)
def test_which_version_answers(two: LocalServer, path: str, headers: dict[str, str], version: str) -> None:
    assert post(two, path, headers=headers).json()["model_version"] == version


@pytest.mark.parametrize(
    ("path", "headers", "status", "error"),
    [
        pytest.param("/predict", {}, 404, "ModelRequired", id="no-model-named"),
        pytest.param("/models/circles/predict", {}, 404, "NotFound", id="unknown-model"),
        pytest.param("/models/colours/v9/predict", {}, 404, "VersionNotServed", id="unknown-contract"),
        pytest.param("/models/colours/versions/9/predict", {}, 404, "VersionNotServed", id="unknown-version"),
        pytest.param("/models/colours/predict", {"X-API-Version": "two"}, 400, "BadRequest", id="contract-no-number"),
        pytest.param("/models/colours/v1/predict", {"X-API-Version": "2"}, 400, "BadRequest", id="contracts-differ"),
        pytest.param("/v1/models/colours/predict", {}, 404, "NotFound", id="reserved-dialect"),
        pytest.param("/nothing", {}, 404, "NotFound", id="no-such-path"),
        pytest.param("/predict/", {}, 404, "NotFound", id="slash-at-the-end"),
        pytest.param("//predict", {}, 404, "NotFound", id="two-slashes"),
        pytest.param("/models/a%2fb/predict", {}, 404, "NotFound", id="encoded-slash"),
        pytest.param("/models/%ff%fe/predict", {}, 404, "NotFound", id="name-not-utf8"),
        pytest.param("/models/%00/predict", {}, 404, "NotFound", id="name-nul"),
        pytest.param("/models/%0d%0aX-Evil:1/predict", {}, 404, "NotFound", id="name-with-a-line-end"),
        pytest.param(f"/models/{'a' * 3000}/predict", {}, 404, "NotFound", id="long-name"),
        pytest.param("/models/colours/versions/-1/predict", {}, 404, "NotFound", id="negative-version"),
        pytest.param("/v999999999999/predict", {}, 404, "NotFound", id="contract-of-many-digits"),
        pytest.param("/models/colours/predict", {"Origin": "http://[::1"}, 403, "Forbidden", id="origin-no-url"),
        pytest.param("/docs/static/%2e%2e%2fapp.py", {}, 404, "NotFound", id="out-of-the-static-files"),
        pytest.param("/health", {}, 405, "MethodNotAllowed", id="wrong-method"),
    ],
)
def test_paths_that_lead_nowhere(two: LocalServer, path: str, headers: dict[str, str], status: int, error: str) -> None:
    answer = post(two, path, headers=headers)
    assert answer.status_code == status
    assert len(assert_error(answer, error)["message"]) < 400
    assert post(two, "/models/colours/predict").status_code == 200


def assert_error(answer: httpx.Response, error: str) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    assert found["error"] == error
    assert found["message"]
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize(
    ("content", "headers", "status", "error"),
    [
        pytest.param(b"{", {}, 400, "MalformedBody", id="no-json"),
        pytest.param(b"", {}, 400, "MalformedBody", id="empty"),
        pytest.param(b"3", {}, 400, "MalformedBody", id="no-rows"),
        pytest.param(b'{"x": 1}', {}, 400, "InvalidInput", id="missing-field"),
        pytest.param(b'{"x": "a", "colour": "red"}', {}, 400, "InvalidInput", id="wrong-type"),
        pytest.param(b"{}", {"content-type": "text/xml"}, 415, "UnsupportedMediaType", id="content-type"),
        pytest.param(
            b"{}", {"content-type": "application/json; charset=latin-1"}, 415, "UnsupportedMediaType", id="charset"
        ),
        pytest.param(b"{}", {"content-encoding": "gzip"}, 415, "UnsupportedMediaType", id="compressed"),
        pytest.param(b" " * 2_000_001, {}, 413, "TooLarge", id="too-long"),
    ],
)
def test_bodies_that_are_refused(
    one: LocalServer, content: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    answer = httpx.post(one.url + "/predict", content=content, headers=headers)
    assert answer.status_code == status
    assert_error(answer, error)


def test_every_problem_is_listed(one: LocalServer) -> None:
    found = assert_error(post(one, "/predict", [{"x": 1, "colour": "rde"}, {"colour": "red"}]), "InvalidInput")
    assert found["problems_total"] == 2
    assert [(p["row"], p["field"], p["code"]) for p in found["problems"]] == [
        (0, "colour", "unknown_level"),
        (1, "x", "missing_field"),
    ]


def test_json_without_a_content_type_is_json(one: LocalServer) -> None:
    answer = httpx.post(one.url + "/predict", content=json.dumps(ROW).encode())
    assert answer.status_code == 200


def test_chunked_bodies_are_taken_and_measured(one: LocalServer) -> None:
    def pieces(n: int) -> Iterator[bytes]:
        yield b"[" + b",".join([json.dumps(ROW).encode()] * 2)
        yield b" " * n
        yield b"]"

    assert httpx.post(one.url + "/predict", content=pieces(10)).json()["prediction"] == ["yes", "yes"]
    assert_error(httpx.post(one.url + "/predict", content=pieces(2_000_000)), "TooLarge")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("probabilities=false", 200, id="without-probabilities"),
        pytest.param("top=1", 200, id="top"),
        pytest.param("top=0", 400, id="top-zero"),
        pytest.param("top=two", 400, id="top-no-number"),
        pytest.param("probabilities=no", 400, id="no-boolean"),
        pytest.param("top=1&top=2", 400, id="twice"),
        pytest.param("probabilites=false", 400, id="misspelt"),
    ],
)
def test_options(one: LocalServer, query: str, status: int) -> None:
    answer = post(one, f"/predict?{query}")
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json().get("probabilities", {})) < 2
    else:
        assert_error(answer, "BadRequest")


@pytest.mark.parametrize("path", ["/live", "/health", "/ready", "/metadata", "/info", "/models", "/models/colours"])
def test_what_the_server_tells_of_itself(one: LocalServer, path: str) -> None:
    answer = httpx.get(one.url + path)
    assert answer.status_code == 200
    head = httpx.head(one.url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert abs(int(head.headers["content-length"]) - len(answer.content)) <= 1


def test_metadata(one: LocalServer) -> None:
    found = httpx.get(one.url + "/metadata").json()
    assert (found["model_name"], found["model_version"], found["framework"]) == ("colours", "3", "scikit-learn 1.9.1")
    assert [field["name"] for field in found["contract"]["fields"]] == ["x", "colour"]
    assert found["classes"] == ["no", "yes"]
    assert found["serving"] == {
        "route": "live",
        "wanted": {"1": 3},
        "serving": {"1": 3},
        "warm": [],
        "refused": {},
    }


def test_the_callers_request_id_is_echoed_if_it_is_plain(one: LocalServer) -> None:
    assert post(one, "/predict", headers={"X-Request-ID": "abc-1"}).headers["x-client-request-id"] == "abc-1"
    assert "x-client-request-id" not in post(one, "/predict", headers={"X-Request-ID": "a b"}).headers


def test_one_log_record_a_request(one: LocalServer) -> None:
    answer = post(one, "/predict", [ROW, ROW], headers={"X-Request-ID": "mine"})
    [record] = [r for r in one.records if r["request_id"] == answer.headers["x-request-id"]]
    assert record.pop("ms") >= 0
    assert record.pop("bytes_in") > 10
    assert record == {
        "request_id": answer.headers["x-request-id"],
        "client_request_id": "mine",
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "model": "colours",
        "version": 3,
        "contract": 1,
        "engine": "native",
        "rows": 2,
        "bytes_out": len(answer.content),
    }


# -- an engine that fails -------------------------------------------------------------------------


def broken(columns: Columns, n: int) -> Outputs:
    if columns["x"][0] == 1:
        raise EngineError("secret")
    if columns["x"][0] == 2:
        raise ValueError("secret")
    raise RowsRefused([n - 1])


@pytest.mark.parametrize(
    ("row", "status", "error"),
    [
        pytest.param({"x": 1, "colour": "red"}, 500, "InternalError", id="engine-died"),
        pytest.param({"x": 2, "colour": "red"}, 500, "InternalError", id="bug-of-ours"),
        pytest.param({"x": 3, "colour": "red"}, 400, "InvalidInput", id="model-refused-the-row"),
    ],
)
def test_what_the_model_raises_never_leaves(row: dict[str, Any], status: int, error: str) -> None:
    with local_server(lambda: deployments(deployment(FakeEngine(broken)))) as server:
        answer = post(server, "/predict", row)
    assert answer.status_code == status
    assert "secret" not in answer.text
    found = assert_error(answer, error)
    if status == 400:
        assert [(p["row"], p["code"]) for p in found["problems"]] == [(None, "model_refused")]


def test_overloaded_and_too_slow() -> None:
    engine = FakeEngine()
    config = ServerConfig(port=0, request_timeout_s=0.3)

    def make() -> Any:
        engine.block = asyncio.Event()
        return deployments(deployment(engine, queue_rows=1))

    with local_server(make, config) as server, httpx.Client() as client, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: client.post(server.url + "/predict", json=ROW), range(2)))
    assert sorted(answer.status_code for answer in answers) == [503, 504]
    late = next(answer for answer in answers if answer.status_code == 503)
    assert_error(late, "Overloaded")
    assert late.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("content", "content_type", "accept", "expected"),
    [
        pytest.param(
            b"x,colour\r\n1,red\r\n-1,blue\r\n",
            "text/csv",
            "text/csv",
            b"prediction,confidence,probabilities.no,probabilities.yes\r\nyes,0.75,0.25,0.75\r\nno,0.75,0.75,0.25\r\n",
            id="csv",
        ),
        pytest.param(
            b'{"x": 1, "colour": "red"}\n',
            "application/x-ndjson",
            "application/x-ndjson",
            b'{"prediction":"yes","confidence":0.75,"probabilities":{"no":0.25,"yes":0.75}}\n',
            id="ndjson",
        ),
        pytest.param(
            b'{"columns": {"x": [1], "colour": ["red"]}}',
            "application/json",
            "text/csv, */*;q=0.1",
            b"prediction,confidence,probabilities.no,probabilities.yes\r\nyes,0.75,0.25,0.75\r\n",
            id="columns",
        ),
    ],
)
def test_forms(one: LocalServer, content: bytes, content_type: str, accept: str, expected: bytes) -> None:
    headers = {"content-type": content_type, "accept": accept}
    answer = httpx.post(one.url + "/predict", content=content, headers=headers)
    assert (answer.status_code, answer.content) == (200, expected)
    assert answer.headers["content-type"].partition(";")[0] == accept.partition(",")[0]
    assert (answer.headers["x-model-name"], answer.headers["x-model-version"]) == ("colours", "3")


def test_a_form_that_nobody_speaks_is_406(one: LocalServer) -> None:
    answer = httpx.post(one.url + "/predict", json={"x": 1, "colour": "red"}, headers={"accept": "text/html"})
    assert answer.status_code == 406
    assert_error(answer, "NotAcceptable")
    assert answer.headers["content-type"] == "application/json"
