"""Both clients against a real server: rows, tables, typed errors, and when they try again."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

import cloche
from cloche import errors
from servers import Server, serving

GOOD = {
    "island": "Dream",
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181,
    "body_mass_g": 3750,
    "sex": None,
}


ClientOf = Callable[..., Any]


class Blocking:
    """`AsyncClient` on a loop of its own, with the words of `Client`."""

    def __init__(self, url: str, **options: Any) -> None:
        self._client = cloche.AsyncClient(url, **options)
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self._loop.run_until_complete(method(*args, **options))


@pytest.fixture(params=[pytest.param(cloche.Client, id="blocking"), pytest.param(Blocking, id="async")])
def client_of(request: pytest.FixtureRequest) -> ClientOf:
    """Each test runs with both clients: they differ in nothing but their I/O."""
    made: ClientOf = request.param
    return made


@pytest.fixture(scope="module")
def server(penguins_store: str) -> Iterator[Server]:
    with serving(["penguins"], store=penguins_store) as running:
        yield running


def test_one_row_is_answered_with_scalars(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url) as client:
        answer = client.predict(GOOD)
    assert answer.prediction == "Adelie"
    assert answer.probabilities is not None
    assert answer.probabilities["Adelie"] == answer.confidence
    assert (answer.model, answer.model_version) == ("penguins", "1")
    assert len(answer.request_id or "") == 26


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([GOOD, GOOD], id="list-of-dicts"),
        pytest.param(pd.DataFrame([GOOD, GOOD]), id="pandas"),
    ],
)
def test_many_rows_are_answered_with_lists(server: Server, rows: object, client_of: ClientOf) -> None:
    with client_of(server.url, model="penguins", contract=1) as client:
        answer = client.predict(rows, top=1)
    assert answer.prediction == ["Adelie", "Adelie"]


def test_no_rows_no_answers(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url) as client:
        assert client.predict([]).prediction == []


def test_a_refusal_lists_every_problem(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url) as client, pytest.raises(errors.InvalidInputError) as caught:
        client.predict([GOOD, GOOD | {"island": "Dreem", "body_mass_g": "heavy"}])
    assert {(p.row, p.field, p.code) for p in caught.value.problems} == {
        (1, "island", "unknown_level"),
        (1, "body_mass_g", "wrong_type"),
    }
    assert caught.value.total == 2
    assert caught.value.request_id is not None
    assert "did you mean 'Dream'?" in str(caught.value)


def test_an_unknown_model_is_not_found(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url, model="walrus") as client, pytest.raises(errors.NotFoundError):
        client.predict(GOOD)


def test_metadata_and_readiness(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url) as client:
        assert client.ready()
        assert client.metadata()["model_name"] == "penguins"


@pytest.mark.parametrize(
    "path", ["", "/", "/predict", "/models/penguins", "/models/penguins/", "/models/pengu%69ns/predict"]
)
def test_a_url_names_the_server_or_one_model_of_it(server: Server, path: str, client_of: ClientOf) -> None:
    with client_of(server.url + path) as client:
        assert client.predict(GOOD).model == "penguins"
        assert client.metadata()["model_name"] == "penguins"
        assert client.models()["default"] == "penguins"
        assert client.ready()


def test_metadata_of_an_unknown_model_is_not_found(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url, model="walrus") as client, pytest.raises(errors.NotFoundError, match="walrus"):
        client.metadata()


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://host:99999", "http://[::1"])
def test_a_url_that_is_none(url: str, client_of: ClientOf) -> None:
    with pytest.raises(errors.UsageError, match="url: expected"):
        client_of(url)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "\u20ac"], ids=["line-end", "not-ascii"])
def test_what_no_header_can_hold(server: Server, text: str, client_of: ClientOf) -> None:
    with pytest.raises(errors.UsageError, match="key: expected printable ASCII"):
        client_of(server.url, key=text)
    with client_of(server.url) as client:
        with pytest.raises(errors.UsageError, match="request_id: expected printable ASCII"):
            client.predict(GOOD, request_id=text)
        assert client.predict(GOOD).prediction


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("inf"), id="infinity-is-not-null"),
        pytest.param(b"x", id="bytes-are-not-base64"),
        pytest.param(object(), id="no-value-of-json"),
    ],
)
def test_what_json_cannot_hold_is_refused_before_it_is_sent(server: Server, value: object, client_of: ClientOf) -> None:
    with client_of(server.url) as client:
        with pytest.raises(errors.InvalidInputError) as caught:
            client.predict([GOOD, GOOD | {"body_mass_g": value}])
        assert [(p.row, p.field, p.code) for p in caught.value.problems] == [(1, "body_mass_g", "wrong_type")]


def test_too_many_rows_are_a_typed_error_and_the_next_call_is_answered(server: Server, client_of: ClientOf) -> None:
    with client_of(server.url) as client:
        with pytest.raises(errors.TooLargeError):
            client.predict([GOOD] * 30_000)
        assert client.predict(GOOD).prediction


def test_nobody_there_is_one_clear_error(client_of: ClientOf) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with client_of(f"http://127.0.0.1:{port}", retries=1) as client:
        assert not client.ready()
        with pytest.raises(errors.ServerUnreachableError, match=str(port)):
            client.predict(GOOD)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        pytest.param([b"503", b"200"], "answered", id="a-503-is-tried-again"),
        pytest.param([b"429", b"200"], "answered", id="a-429-is-tried-again"),
        pytest.param([b"500", b"200"], errors.EngineError, id="a-500-is-not"),
        pytest.param([b"hang", b"200"], errors.DeadlineExceededError, id="a-time-out-is-not"),
        pytest.param([b"203"], errors.ServingError, id="no-answer-of-cloche"),
        pytest.param([b"206"], errors.ServingError, id="an-answer-without-a-prediction"),
        pytest.param([b"409"], errors.RequestError, id="an-error-that-no-server-sends"),
        pytest.param([b"cut", b"200"], errors.ServerUnreachableError, id="a-connection-cut-mid-way-is-not"),
    ],
)
def test_what_is_tried_again(answers: list[bytes], outcome: object, client_of: ClientOf) -> None:
    with scripted_server(answers) as url, client_of(url, timeout_s=0.5) as client:
        if outcome == "answered":
            assert client.predict(GOOD).prediction == "ok"
        else:
            with pytest.raises(outcome):  # type: ignore[call-overload]
                client.predict(GOOD)


class scripted_server:
    """Answers each request with the next status of a script; `hang` never answers, `cut` closes without a word."""

    BODIES = {
        b"200": b'{"prediction":"ok","model":"m","model_version":"1","request_id":"r"}',
        b"203": b"[]",
        b"206": b"{}",
        b"409": b'{"error":"BreakingContract","message":"not from here"}',
        b"429": b'{"error":"RateLimited","message":"slow down"}',
        b"500": b'{"error":"InternalError","message":"opaque"}',
        b"503": b'{"error":"Overloaded","message":"busy"}',
    }

    def __init__(self, script: list[bytes]) -> None:
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    def __enter__(self) -> str:
        threading.Thread(target=self._run, daemon=True).start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for one in self._open:
            one.close()

    def _run(self) -> None:
        for status in self._script:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            connection.recv(65536)
            if status == b"cut":
                connection.close()
            elif status != b"hang":
                body = self.BODIES[status]
                connection.sendall(
                    b"HTTP/1.1 %s X\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                    % (status, len(body), body)
                )
                connection.close()
