"""The dashboard behind the door: who sees which model, who changes a route, what is said when it cannot be done."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import handmade
import made_up
from cloche import audit
from cloche.errors import ArtifactError, StoreUnreachableError
from cloche.ids import RequestIds
from cloche.keys import Key
from cloche.monitoring.shelf import Shelf, models, read
from cloche.registry import Registry, VersionRecord
from cloche.store import Store
from cloche.web.gate import Gate
from cloche.web.management.app import ManagementApp, create
from cloche.web.management.documents import KEPT_S, Documents
from cloche.web.management.sessions import Sessions
from cloche.web.management.status import ServerStatus
from cloche.web.management.steering import Steering
from cloche.web.management.watching import Watching

HOST = {"host": "127.0.0.1:8001"}
BROWSER = HOST | {"origin": "http://127.0.0.1:8001", "content-type": "application/json"}
SCRIPT = HOST | {"content-type": "application/json"}


def key(name: str, *scopes: str, models: tuple[str, ...] = ()) -> Key:
    return Key(id=name.ljust(8, "0"), sha256="", scopes=scopes, models=models, created="2026-01-01T00:00:00Z")


KEYS = {
    "viewer": key("viewer", "view"),
    "manager": key("manager", "manage"),
    "other": key("other", "manage", models=("prices",)),
    "metrics": key("metrics", "metrics"),
}


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


@dataclass
class Port:
    """The management port of a store with penguins@1 (live), penguins@2 and prices@1, without a socket."""

    app: ManagementApp
    registry: Registry
    audited: Path
    cookie: dict[str, str]
    rehearsed: list[int] = field(default_factory=list)

    def ask(self, path: str, headers: dict[str, str], body: dict[str, Any] | bytes | None = None) -> tuple[int, str]:
        sent: list[MutableMapping[str, Any]] = []
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http", "method": "GET" if body is None else "POST", "path": path, "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "client": ("127.0.0.1", 5),
        }  # fmt: skip
        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], sent[1]["body"].decode()

    def live(self) -> int:
        routes = self.registry.routes("penguins")
        assert routes is not None
        return routes.live[1]


def registry_in(folder: Path) -> Registry:
    registry = Registry(Store.open(str(folder / "store"), folder))
    for place, (name, content) in enumerate((("penguins", b"1"), ("penguins", b"2"), ("prices", b"1"))):
        made = handmade.artifact(folder / str(place), name=name, content=content)
        registry.publish(made, name=name, contract=handmade.contract(), contract_number=1, by="ada")
    return registry


@pytest.fixture
def port(tmp_path: Path) -> Port:
    registry = registry_in(tmp_path)
    shelf = Shelf(registry.store)
    for one in (
        made_up.document(), made_up.document(range_="7d"), made_up.document(version=1),
        made_up.number_document(range_="24h"),
    ):  # fmt: skip
        shelf.put(one)
    rehearsed: list[int] = []

    async def rehearse(record: VersionRecord) -> None:
        rehearsed.append(record.version)
        if (registry.store.root or tmp_path).joinpath("broken").exists():
            raise ArtifactError("golden rows differ")

    sessions = Sessions(time.monotonic(), token="t")
    app = create(
        gate=Gate(new_id=RequestIds().new),
        authenticate=KEYS.get,
        sessions=sessions,
        status=lambda: ServerStatus(url="http://127.0.0.1:8000", store="s", started=0.0, ready=True),
        counted=dict,
        host="127.0.0.1",
        port=8001,
        log_request=lambda _record: None,
        watching=Watching(
            Documents(registry.store), Steering(registry, rehearse, audited=str(tmp_path / "audit.jsonl"))
        ),
    )
    found = Port(app, registry, tmp_path / "audit.jsonl", {}, rehearsed)
    found.cookie = {"cookie": f"cloche-8001={sessions.redeem('t', time.monotonic())}"}
    return found


def test_documents_lie_by_range_and_by_version(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    shelf = Shelf(store)
    for version in (None, 1, None):
        shelf.put(made_up.document(version=version, made=float(version or 0)))
    assert models(store) == ["penguins"]
    found = read(store, "penguins", "24h", version=1)
    assert found is not None
    assert found.version == 1
    assert read(store, "penguins", "24h", version=2) is None
    assert len(store.list("monitor/penguins/24h/")) == 2


# -- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        pytest.param("/models/penguins", "viewer", 200, id="view"),
        pytest.param("/models/penguins", "manager", 200, id="manage-may-view"),
        pytest.param("/models/penguins", "other", 403, id="a-key-of-another-model"),
        pytest.param("/models/prices", "other", 200, id="a-key-of-this-model"),
        pytest.param("/models/penguins", "metrics", 403, id="a-key-for-something-else"),
        pytest.param("/models/penguins", None, 401, id="nobody"),
        pytest.param("/models/penguins?range=7d", "viewer", 200, id="range"),
        pytest.param("/models/penguins?range=2d", "viewer", 400, id="no-such-range"),
        pytest.param("/models/penguins?version=1", "viewer", 200, id="version"),
        pytest.param("/models/penguins?version=2", "viewer", 404, id="a-version-that-was-not-asked"),
        pytest.param("/models/penguins?version=-1", "viewer", 400, id="no-version"),
        pytest.param("/models/penguins?version=9999999999999", "viewer", 400, id="far-too-long"),
        pytest.param("/models/nothing", "viewer", 404, id="nothing-measured"),
        pytest.param("/models/..", "viewer", 404, id="no-name"),
        pytest.param("/models/UPPER", "viewer", 404, id="no-name-either"),
        pytest.param("/models/penguins/secret", "viewer", 404, id="no-such-page"),
        pytest.param("/models/penguins/field?name=island", "viewer", 200, id="field"),
        pytest.param("/models/penguins/field?name=%3Cscript%3E", "viewer", 404, id="no-such-field"),
        pytest.param("/models/penguins/field", "viewer", 404, id="no-field"),
        pytest.param("/models/penguins/alert?name=data-drift", "viewer", 200, id="alert"),
        pytest.param("/models/penguins/alert?name=data-drift", "other", 403, id="alert-of-another-model"),
        pytest.param("/models/penguins/alert?name=%3Cscript%3E", "viewer", 404, id="no-such-alert"),
        pytest.param("/models/penguins/document", "viewer", 200, id="document"),
        pytest.param("/models/penguins/routes", "viewer", 200, id="routes"),
        pytest.param("/models/nothing/routes", "viewer", 404, id="routes-of-no-model"),
        pytest.param("/models/penguins/promote", "manager", 405, id="promote-is-no-page"),
    ],
)
def test_reads(port: Port, path: str, who: str | None, status: int) -> None:
    assert port.ask(path, HOST if who is None else HOST | bearer(who))[0] == status


def test_the_overview_shows_what_a_key_may_see(port: Port) -> None:
    _, mine = port.ask("/", HOST | bearer("other"))
    _, all_of_them = port.ask("/", HOST | bearer("viewer"))
    assert 'href="models/prices"' in mine
    assert 'href="models/penguins"' not in mine
    assert 'href="models/penguins"' in all_of_them


def test_only_who_has_signed_in_is_given_scripts_and_buttons(port: Port) -> None:
    _, page = port.ask("/models/penguins", HOST | port.cookie)
    assert '<script src="../static/charts.js" defer>' in page
    assert 'data-change="promote"' in page
    _, page = port.ask("/models/penguins", HOST | bearer("manager"))
    assert "<script" not in page
    assert "data-change" not in page


def test_a_stranger_with_a_browser_is_told_how_to_sign_in(port: Port) -> None:
    status, page = port.ask("/models/penguins", HOST | {"accept": "text/html"})
    assert status == 401
    assert "Sign in" in page
    assert 'href="../static/management.css"' in page


def test_the_document_is_the_monitors(port: Port) -> None:
    _, body = port.ask("/models/penguins/document?range=7d", HOST | bearer("viewer"))
    assert json.loads(body)["range"] == "7d"


def test_the_routes_say_what_a_rollback_would_do(port: Port) -> None:
    _, body = port.ask("/models/penguins/routes", HOST | bearer("viewer"))
    found = json.loads(body)
    assert (found["event"], found["live"], found["rollback"]) == (1, {"1": 1}, None)
    assert "nothing to roll back" in found["why"]
    port.registry.promote("penguins", 2, by="ada")
    _, body = port.ask("/models/penguins/routes", HOST | bearer("viewer"))
    assert json.loads(body) == {"event": 2, "live": {"1": 2}, "rollback": {"version": 1, "from": 2}, "why": None}


# -- changing -------------------------------------------------------------------------------------


def test_promote_and_roll_back_by_a_page_that_is_ours(port: Port) -> None:
    ours = BROWSER | port.cookie
    status, body = port.ask("/models/penguins/promote", ours, {"version": 2, "why": "better", "expect": 1})
    assert (status, port.live(), port.rehearsed) == (200, 2, [2]), body
    told = json.loads(body)
    assert (told["change"], told["event"], told["why"]) == ("promote to version 2 (was 1)", 2, "better")
    assert told["by"].startswith("dashboard on ")
    status, body = port.ask("/models/penguins/rollback", ours, {"expect": 2})
    assert (status, port.live(), port.rehearsed) == (200, 1, [2, 1]), body
    lines = list(audit.entries(port.audited))
    assert [(one["what"], one["verdict"], one["name"]) for one in lines] == [
        ("promote", "done", "penguins"), ("rollback", "done", "penguins")
    ]  # fmt: skip
    assert lines[0]["reason"] == "better"


def test_a_key_is_recorded_by_its_id(port: Port) -> None:
    status, _ = port.ask("/models/penguins/promote", SCRIPT | bearer("manager"), {"version": 2})
    assert status == 200
    assert port.registry.history("penguins")[-1].by == "key manager0"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param(BROWSER, {"version": 2}, 401, id="nobody"),
        pytest.param(SCRIPT | bearer("viewer"), {"version": 2}, 403, id="view-may-not"),
        pytest.param(SCRIPT | bearer("other"), {"version": 2}, 403, id="manage-of-another-model"),
        pytest.param(HOST | bearer("manager"), {"version": 2}, 415, id="no-type"),
        pytest.param(SCRIPT | bearer("manager") | {"origin": "http://evil.example"}, {"version": 2}, 403, id="origin"),
        pytest.param(SCRIPT | bearer("manager"), b"{", 400, id="no-json"),
        pytest.param(SCRIPT | bearer("manager"), b"[]", 400, id="no-object"),
        pytest.param(SCRIPT | bearer("manager"), {}, 400, id="no-version"),
        pytest.param(SCRIPT | bearer("manager"), {"version": "2"}, 400, id="a-text"),
        pytest.param(SCRIPT | bearer("manager"), {"version": 2, "force": True}, 400, id="an-unknown-key"),
        pytest.param(SCRIPT | bearer("manager"), {"version": 2, "why": "x" * 501}, 400, id="why-too-long"),
        pytest.param(SCRIPT | bearer("manager"), b" " * 5_000, 413, id="body-too-long"),
        pytest.param(SCRIPT | bearer("manager"), {"version": 9}, 404, id="no-such-version"),
        pytest.param(SCRIPT | bearer("manager"), {"version": 2, "expect": 7}, 409, id="decided-on-another-state"),
    ],
)
def test_promotes_that_are_refused(port: Port, headers: dict[str, str], body: Any, status: int) -> None:
    assert port.ask("/models/penguins/promote", headers, body)[0] == status
    assert port.live() == 1


@pytest.mark.parametrize("missing", ["origin", "cookie", "content-type"])
def test_a_write_of_a_browser_needs_all_three(port: Port, missing: str) -> None:
    headers = {name: value for name, value in (BROWSER | port.cookie).items() if name != missing}
    assert port.ask("/models/penguins/promote", headers, {"version": 2})[0] in (401, 403, 415)
    assert port.live() == 1


def test_a_version_that_does_not_open_is_not_promoted(port: Port) -> None:
    assert port.registry.store.root is not None
    (port.registry.store.root / "broken").touch()
    status, body = port.ask("/models/penguins/promote", SCRIPT | bearer("manager"), {"version": 2})
    assert (status, json.loads(body)["error"], json.loads(body)["message"]) == (409, "Refused", "golden rows differ")
    assert port.live() == 1
    (line,) = audit.entries(port.audited)
    assert (line["verdict"], line["failed"], line["who"]) == ("refused", "golden rows differ", "key manager0")


def test_nothing_to_roll_back_is_said(port: Port) -> None:
    status, body = port.ask("/models/penguins/rollback", SCRIPT | bearer("manager"), {})
    assert status == 409
    assert "nothing to roll back" in json.loads(body)["message"]


# -- the documents --------------------------------------------------------------------------------


class Counting:
    """A store that counts, and can be away."""

    def __init__(self, store: Store) -> None:
        self.store, self.lists, self.away = store, 0, False

    def folders(self, path: str) -> list[str]:
        return self.store.folders(path)

    gone = False

    def list(self, path: str) -> list[str]:
        self.lists += 1
        if self.away:
            raise StoreUnreachableError("away")
        return self.store.list(path)

    def get(self, path: str) -> bytes:
        return self.store.get(path)


def test_a_folder_that_was_unmounted_is_a_store_that_is_away(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = Store.open(str(root), tmp_path)
    Shelf(store).put(made_up.document())
    now = 0.0

    async def story() -> None:
        nonlocal now
        documents = Documents(store, clock=lambda: now)
        found = await documents.read("penguins", "24h")
        root.rename(tmp_path / "elsewhere")
        now = 10 * KEPT_S
        assert await documents.read("penguins", "24h") == found
        with pytest.raises(StoreUnreachableError):
            await documents.models()

    asyncio.run(story())


def test_what_was_read_is_kept_for_a_while_and_outlives_the_store(tmp_path: Path) -> None:
    store = Counting(Store.open(str(tmp_path), tmp_path))
    Shelf(store.store).put(made_up.document())
    now = 0.0

    async def story() -> None:
        nonlocal now
        documents = Documents(store, clock=lambda: now)  # type: ignore[arg-type]
        found = await asyncio.gather(*(documents.read("penguins", "24h") for _ in range(9)))
        once = store.lists
        assert once <= 2, "those who ask at once share one reading: of the range, and of what is so now"
        assert {one.model for one in found if one} == {"penguins"}
        await documents.read("penguins", "24h")
        assert store.lists == once
        now = KEPT_S
        store.away = True
        assert await documents.read("penguins", "24h") == found[0], "what was known goes on being shown"
        with pytest.raises(StoreUnreachableError):
            await documents.read("penguins", "7d")

    asyncio.run(story())
