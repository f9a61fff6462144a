"""What a real server writes down of a request, and what it does not: values of refused rows, private fields."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

import cloche
from cloche.errors import InvalidInputError
from cloche.prediction_log.frames import Request, Schema
from cloche.store import Store
from processes import eventually
from servers import serving
from spooled import frames, logging_into, requests, schemas, spool_in
from stores import copied

pytestmark = pytest.mark.e2e
VISIT = {"pages": 12.125, "age": 33.375, "customer": "cust-7731", "shop": "sh-north", "day": "2026-11-24T09:30:00"}
SECRETS = (b"cust-7731", b"33.375")


def packed(value: float) -> bytes:
    """A float as it stands in a frame."""
    return struct.pack(">d", value)


@pytest.fixture
def store(visits_store: str, tmp_path: Path) -> str:
    """A store of the test's own."""
    return copied(visits_store, tmp_path / "store")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A spool of the test's own, for servers and for this program."""
    env = logging_into(tmp_path / "spool")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


def every_byte(*folders: Path) -> bytes:
    """Whatever lies below *folders*, segments unpacked or not: all of it."""
    return b"\n".join(path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())


def logged(store: str, tmp_path: Path) -> dict[str | None, Request]:
    found = requests(frames(Store.open(store, tmp_path), spool_in(tmp_path / "spool")))
    return {one.client_request_id: one for one in found}


def post(url: str, path: str, body: Any, name: str, **headers: str) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "X-Request-ID": name, **headers}
    return httpx.post(f"{url}{path}", content=raw, headers=sent, timeout=30).status_code


#: Every kind of request of the predict routes: path, body, headers → status, error, model, rows.
REQUESTS: dict[str, tuple[str, Any, dict[str, str], int, str | None, str | None, int]] = {
    "one": ("/models/visits/predict", VISIT, {}, 200, None, "visits", 1),
    "many": ("/models/visits/predict", [VISIT] * 3, {}, 200, None, "visits", 3),
    "none": ("/models/visits/predict", [], {}, 200, None, "visits", 0),
    "pinned": ("/models/visits/versions/1/predict", VISIT, {}, 200, None, "visits", 1),
    "invalid": ("/models/visits/predict", VISIT | {"pages": "sent-text"}, {}, 400, "InvalidInput", "visits", 0),
    "unknown-field": ("/models/visits/predict", VISIT | {"sent-text": 1}, {}, 400, "InvalidInput", "visits", 0),
    "no-json": ("/models/visits/predict", b'{"pages": "sent-text', {}, 400, "MalformedBody", "visits", 0),
    "no-model": ("/models/sent-text/predict", VISIT, {}, 404, "NotFound", None, 0),
    "which-model": ("/predict", VISIT, {}, 404, "ModelRequired", None, 0),
    "no-version": ("/models/visits/versions/9/predict", VISIT, {}, 404, "VersionNotServed", None, 0),
    "content-type": ("/models/visits/predict", VISIT, {"Content-Type": "x/sent-text"}, 415, None, None, 0),
    "too-large": ("/models/visits/predict", b" " * 2_000_001, {}, 413, "TooLarge", None, 0),
    "late": ("/models/visits/predict", VISIT, {"X-Request-Timeout-Ms": "sent-text"}, 400, None, None, 0),
}


def test_every_request_of_the_predict_routes_is_recorded(
    store: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    with serving(["visits", "bins"], store=store, env=environment) as server:
        for name, (path, body, headers, status, *_) in REQUESTS.items():
            assert post(server.url, path, body, name, **headers) == status, name
        for path in ("/metadata", "/models", "/ready", "/docs", "/elsewhere"):
            httpx.get(f"{server.url}{path}", headers={"X-Request-ID": "not-recorded"})
        httpx.get(f"{server.url}/predict", headers={"X-Request-ID": "wrong-method"})
        said = httpx.get(f"{server.url}/models/visits").json()["log"]
    found = logged(store, tmp_path)
    assert found.keys() == {*REQUESTS, "wrong-method"}
    for name, (_, _, _, status, error, model, rows) in REQUESTS.items():
        one = found[name]
        assert (one.status, one.model, one.n) == (status, model, rows), name
        assert error in (None, one.error), (name, one.error)
        assert (one.rows is None) == (status != 200), name
        assert one.latency_us > 0
    assert (found["wrong-method"].status, found["pinned"].route, found["one"].route) == (405, "pinned", "live")
    assert found["invalid"].problems == [("pages", "wrong_type")]
    assert found["unknown-field"].problems == [(None, "unknown_field")]
    assert b"sent-text" not in every_byte(tmp_path / "spool", tmp_path / "store" / "log")
    assert found["many"].rows is not None
    assert (found["many"].rows[2][0], found["many"].prediction) == (12.125, ["buys"] * 3)
    assert said == "full"


#: By model, how its pages, age (private), customer (private) and shop are kept without a secret for hashes.
KEPT = {
    "visits": ["value", "none", "none", "value"],
    "bins": ["bin", "none", "none", "value"],
    "nothing": ["none", "none", "none", "value"],
}
HASHED = {
    "visits": ["value", "hash", "hash", "value"],
    "bins": ["bin", "hash", "hash", "value"],
    "nothing": ["none", "none", "hash", "value"],
}


@pytest.mark.parametrize("hashes", [False, True], ids=["no-hashes", "hashes"])
def test_what_is_private_reaches_no_disk(store: str, tmp_path: Path, environment: dict[str, str], hashes: bool) -> None:
    if hashes:
        (tmp_path / "secret").write_bytes(b"0123456789abcdef")
        environment["CLOCHE_LOG_HASH_KEY"] = str(tmp_path / "secret")
    wrong = VISIT | {"customer": 7731, "age": "33.375"}
    with serving([*KEPT], store=store, env=environment) as server:
        for number, model in enumerate(KEPT):
            path = f"/models/{model}/predict"
            assert post(server.url, path, VISIT | {"pages": 12.125 + number}, "one") == 200
            assert post(server.url, path, wrong, "wrong") == 400
        spool = every_byte(tmp_path / "spool")
        said = server.said().encode()
    there = [frame for frame in frames(Store.open(store, tmp_path)) if isinstance(frame, Schema)]
    kept = {one.model: {field.name: field.kept for field in one.fields} for one in there}
    names = ("pages", "age", "customer", "shop")
    assert {model: [kept[model][name] for name in names] for model in KEPT} == (HASHED if hashes else KEPT)
    log = every_byte(tmp_path / "store" / "log", tmp_path / "spool") + spool
    for secret in (*SECRETS, packed(33.375)):
        assert secret not in log
        assert secret not in said
    # What is kept is there to be found: the search above would have found the rest.
    assert [packed(12.125 + number) in log for number in range(3)] == [True, False, False]
    assert b"sh-north" in log


@pytest.mark.parametrize("rows", [VISIT, [VISIT, VISIT]], ids=["one", "many"])
def test_a_program_records_what_it_asks(store: str, tmp_path: Path, environment: dict[str, str], rows: Any) -> None:
    with cloche.open("visits", store=store, log=True) as served:
        answer = served.predict(rows)
        with pytest.raises(InvalidInputError):
            served.predict({**VISIT, "pages": None})
    with cloche.open("visits@1", store=store, log=True) as served:
        pinned = served.predict(rows)
    with cloche.open("visits", store=store) as served:
        served.predict(rows)  # not asked to be recorded
    found = requests(frames(Store.open(store, tmp_path), spool_in(tmp_path / "spool")))
    said = [(one.request_id, one.status, one.route, one.n) for one in found if one.status == 200]
    n = len(rows) if isinstance(rows, list) else 1
    assert said == [(answer.request_id, 200, "live", n), (pinned.request_id, 200, "pinned", n)]
    assert [(one.status, one.problems) for one in found if one.status != 200] == [
        (400, [("pages", "null_not_allowed")])
    ]
    assert spool_in(tmp_path / "spool").segments() == []  # landed when it was closed


def test_a_program_that_cannot_open_a_model_leaves_no_thread(store: str, environment: dict[str, str]) -> None:
    with pytest.raises(cloche.errors.NotFoundError):
        cloche.open("nobody", store=store, log=True)
    assert "cloche-log" not in {thread.name for thread in threading.enumerate()}


async def _ask(app: Any, body: bytes, name: str) -> int:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        headers = {"Content-Type": "application/json", "X-Request-ID": name}
        return (await client.post("/predict", content=body, headers=headers)).status_code


def test_a_mounted_application_records_what_it_answers(store: str, tmp_path: Path, environment: dict[str, str]) -> None:
    app = cloche.asgi("visits", store=store, log=True)
    try:
        assert asyncio.run(_ask(app, json.dumps(VISIT).encode(), "good")) == 200
        assert asyncio.run(_ask(app, b"{", "bad")) == 400
        eventually(lambda: len(logged(store, tmp_path)) == 2, "both are recorded")
    finally:
        app.close()
    found = logged(store, tmp_path)
    assert {name: one.status for name, one in found.items()} == {"good": 200, "bad": 400}
    assert len(schemas(frames(Store.open(store, tmp_path)))) >= 1


def test_a_server_without_a_log(store: str, tmp_path: Path, environment: dict[str, str]) -> None:
    environment["CLOCHE_LOG_ENABLED"] = "false"
    with serving(["visits"], store=store, env=environment) as server:
        assert post(server.url, "/predict", VISIT, "one") == 200
        assert post(server.url, "/labels", {"request_id": "one", "label": "buys"}, "label") == 404
        assert httpx.get(f"{server.url}/metadata").json()["log"] == "off"
    assert not (tmp_path / "spool").exists()
    assert not (tmp_path / "store" / "log").exists()
