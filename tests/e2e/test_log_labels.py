"""Labels at the door of a real server: who may send them, what is taken, and what stands in the log then."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import cloche
from cloche import errors
from cloche.prediction_log import layout
from cloche.prediction_log.frames import Label, Labels
from cloche.prediction_log.privacy import hashed
from cloche.store import Store
from processes import eventually
from servers import Server, serving
from servers import cloche as command
from spooled import frames, logging_into, spool_in
from stores import copied

pytestmark = pytest.mark.e2e
SECRET = b"0123456789abcdef"
WHO = {"customer": "ann", "shop": "north"}
PLACE = "/models/visits/labels"


@dataclass
class Place:
    """A server of two models that asks for keys, and the keys by what they are for."""

    server: Server
    store: str
    spool: Path
    keys: dict[str, str]

    def post(self, path: str, body: Any, key: str = "all", **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "X-API-Key": self.keys[key], **headers}
        return httpx.post(f"{self.server.url}{path}", content=raw, headers=sent, timeout=30)

    def logged(self, request_id: str) -> Labels | None:
        """The frame of one request, as soon as it is on the disk."""
        found = frames(Store.open(self.store, self.spool), spool_in(self.spool))
        return next((one for one in found if isinstance(one, Labels) and one.request_id == request_id), None)


@pytest.fixture(scope="module")
def place(visits_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("labels")
    store = copied(visits_store, folder / "store")
    (folder / "secret").write_bytes(SECRET)
    scopes = {
        "all": ["--scope", "predict", "--scope", "label"],
        "predict": ["--scope", "predict"],
        "bins": ["--scope", "label", "--model", "bins"],
    }
    made = {
        name: json.loads(command("keys", "create", "--json", *given, store=store).stdout)["key"]
        for name, given in scopes.items()
    }
    env = logging_into(folder / "spool", CLOCHE_LOG_HASH_KEY=str(folder / "secret"))
    with serving(["visits", "bins"], store=store, flags=["--auth", "keys"], env=env) as server:
        yield Place(server, store, folder / "spool", made | {"wrong": "clk_nonsense"})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param({"request_id": "r", "label": "buys"}, [Label("buys", "r")], id="an-answer"),
        pytest.param({"request_id": "r", "row": 2, "label": "buys"}, [Label("buys", "r", 2)], id="a-row"),
        pytest.param(
            [{"request_id": "r", "label": "buys"}, {"request_id": "s", "label": "leaves"}],
            [Label("buys", "r"), Label("leaves", "s")],
            id="several",
        ),
        pytest.param(
            {"key": WHO, "label": "leaves", "event_time": "1970-01-01T01:00:00.000001+01:00"},
            [Label("leaves", key={"customer": hashed("ann", SECRET), "shop": "north"}, event_us=1)],
            id="a-key-and-a-moment",
        ),
    ],
)
def test_labels_are_kept_as_they_came(place: Place, sent: Any, kept: list[Label]) -> None:
    answer = place.post(PLACE, sent)
    assert (answer.status_code, answer.json()["accepted"]) == (202, len(kept))
    frame = place.logged(answer.json()["request_id"])
    assert frame is not None
    assert (frame.model, list(frame.labels)) == ("visits", kept)
    assert frame.key is not None
    assert place.keys["all"].startswith(f"clk_{frame.key}_")


def test_no_labels_are_taken_too(place: Place) -> None:
    answer = place.post(PLACE, [])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
    assert place.logged(answer.json()["request_id"]) is None


@pytest.mark.parametrize(
    ("path", "body", "key", "headers", "status", "error"),
    [
        pytest.param(PLACE, {"request_id": "r", "label": "x"}, "all", {}, 400, "InvalidInput", id="no-class"),
        pytest.param(PLACE, {"label": "buys"}, "all", {}, 400, "InvalidInput", id="names-nothing"),
        pytest.param(PLACE, b"{", "all", {}, 400, "MalformedBody", id="no-json"),
        pytest.param(PLACE, b"", "all", {}, 400, "MalformedBody", id="no-body"),
        pytest.param(PLACE, b"[" * 100, "all", {}, 400, "MalformedBody", id="nested"),
        pytest.param(PLACE, [{}] * 10_001, "all", {}, 413, "TooLarge", id="too-many"),
        pytest.param(PLACE, b" " * 2_000_001, "all", {}, 413, "TooLarge", id="too-large"),
        pytest.param(PLACE, {}, "all", {"Content-Type": "text/csv"}, 415, "UnsupportedMediaType", id="csv"),
        pytest.param(PLACE, {}, "all", {"Content-Type": ""}, 415, "UnsupportedMediaType", id="no-content-type"),
        pytest.param(PLACE, {}, "wrong", {}, 401, "Unauthorized", id="no-valid-key"),
        pytest.param(PLACE, {}, "predict", {}, 403, "Forbidden", id="another-scope"),
        pytest.param(PLACE, {}, "bins", {}, 403, "Forbidden", id="another-model"),
        pytest.param("/models/nobody/labels", {}, "all", {}, 404, "NotFound", id="no-model"),
        pytest.param("/labels", {}, "all", {}, 404, "ModelRequired", id="which-model"),
    ],
)
def test_what_is_refused(
    place: Place, path: str, body: Any, key: str, headers: dict[str, str], status: int, error: str
) -> None:
    answer = place.post(path, body, key, **headers)
    said = answer.json()
    assert (answer.status_code, said["error"]) == (status, error)
    assert bool(said.get("problems")) == (error == "InvalidInput")
    assert place.logged(said["request_id"]) is None


def test_labels_are_posted(place: Place) -> None:
    answer = httpx.get(f"{place.server.url}{PLACE}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_large_body_keeps_nobody_waiting(place: Place) -> None:
    answer = place.post(PLACE, [{"request_id": f"r{number}", "label": "buys"} for number in range(10_000)])
    assert answer.json()["accepted"] == 10_000
    frame = place.logged(answer.json()["request_id"])
    assert frame is not None
    assert len(frame.labels) == 10_000


def test_labels_land_as_answers_do(place: Place) -> None:
    request_id = place.post(PLACE, {"request_id": "landed", "label": "buys"}).json()["request_id"]
    store = Store.open(place.store, place.spool)
    eventually(
        lambda: any(request_id.encode() in store.get(path) for path in store.list(layout.LANDING)), "the label lands"
    )


# -- the clients ------------------------------------------------------------------------------------


def sent_by(place: Place, kind: str, labels: Any, *, key: str = "all", model: str | None = "visits") -> int:
    """How many labels a client says were taken."""
    if kind == "blocking":
        with cloche.Client(place.server.url, key=place.keys[key], model=model) as client:
            return client.label(labels)

    async def send() -> int:
        async with cloche.AsyncClient(place.server.url, key=place.keys[key], model=model) as client:
            return await client.label(labels)

    return asyncio.run(send())


kinds = pytest.mark.parametrize("kind", ["blocking", "async"])


@kinds
@pytest.mark.parametrize(
    ("labels", "count"),
    [
        pytest.param({"request_id": "r", "label": "buys"}, 1, id="one"),
        pytest.param([{"request_id": "r", "row": np.int64(1), "label": np.str_("buys")}], 1, id="numpy"),
        pytest.param(tuple({"request_id": one, "label": "buys"} for one in "abc"), 3, id="a-tuple"),
        pytest.param(
            {"key": {"customer": "ann", "shop": "north"}, "label": "buys", "event_time": dt.datetime.now(dt.UTC)}, 1,
            id="datetime",
        ),
        pytest.param(
            {"key": pd.Series(WHO).to_dict(), "label": "buys", "event_time": pd.Timestamp("2026-11-24", tz="UTC")}, 1,
            id="pandas",
        ),
        pytest.param([], 0, id="none"),
    ],
)  # fmt: skip
def test_a_client_sends_labels(place: Place, kind: str, labels: Any, count: int) -> None:
    assert sent_by(place, kind, labels) == count


@kinds
@pytest.mark.parametrize(
    ("labels", "options", "error"),
    [
        pytest.param({"request_id": "r", "label": "x"}, {}, errors.InvalidInputError, id="no-class"),
        pytest.param({"request_id": "r", "label": float("inf")}, {}, errors.InvalidInputError, id="infinity"),
        pytest.param({"key": {"customer": b"x"}, "label": "buys"}, {}, errors.InvalidInputError, id="bytes"),
        pytest.param(["label"], {}, errors.UsageError, id="no-mapping"),
        pytest.param([], {"key": "predict"}, errors.ForbiddenError, id="another-scope"),
        pytest.param([], {"model": None}, errors.NotFoundError, id="which-model"),
    ],
)
def test_a_client_says_what_is_wrong(
    place: Place, kind: str, labels: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        sent_by(place, kind, labels, **options)
