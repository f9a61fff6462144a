"""What a running server follows, what it refuses to follow, and that every other door gives its answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import cloche
from cloche.errors import InvalidInputError
from cloche.registry import Registry
from cloche.store import Store
from servers import serving
from stores import copied

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}


@pytest.fixture(scope="module")
def store(lines_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with lines@1 (live) and lines@2."""
    return copied(lines_store, tmp_path_factory.mktemp("lines") / "store")


def eventually(found: Callable[[], Any], wanted: Any, *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while (last := found()) != wanted:
        assert time.monotonic() < end, f"expected {wanted}, still {last}"
        time.sleep(0.05)


def test_while_the_store_is_away_the_server_answers_and_says_so(store: str, tmp_path: Path) -> None:
    place = tmp_path / "store"
    copied(store, place)
    with serving(["lines"], store=place) as server:

        def degraded() -> Any:
            answer = httpx.get(f"{server.url}/ready")
            assert answer.status_code == 200
            return answer.json().get("degraded")

        place.rename(tmp_path / "away")
        eventually(degraded, ["store"])
        assert httpx.post(f"{server.url}/predict", json=ROW).status_code == 200
        (tmp_path / "away").rename(place)
        eventually(degraded, None)


def test_a_damaged_version_is_refused_here_and_the_old_one_goes_on(store: str, tmp_path: Path) -> None:
    place = tmp_path / "store"
    copied(store, place)
    registry = Registry(Store.open(str(place), tmp_path))
    with serving(["lines"], store=place, env={"CLOCHE_CACHE": str(tmp_path / "cache")}) as server:
        serving_now = httpx.get(f"{server.url}/metadata").json()["serving"]["serving"]["1"]
        other = 3 - serving_now
        damage(registry, place, other)
        registry.promote("lines", other, by="test")

        def refused() -> Any:
            return list(httpx.get(f"{server.url}/metadata").json()["serving"]["refused"])

        eventually(refused, [str(other)])
        found = httpx.get(f"{server.url}/metadata").json()["serving"]
        assert (found["wanted"], found["serving"]) == ({"1": other}, {"1": serving_now})
        assert "sha256" in found["refused"][str(other)]
        assert httpx.get(f"{server.url}/ready").json() == {"status": "ready", "degraded": ["models"]}
        assert httpx.post(f"{server.url}/predict", json=ROW).json()["model_version"] == str(serving_now)


def damage(registry: Registry, place: Path, version: int) -> None:
    """One bit of the version's model file, in the store."""
    manifest = registry.manifest_of(registry.version("lines", version))
    [digest] = [entry.sha256 for name, entry in manifest.files.items() if name.endswith(".skops")]
    [blob] = place.glob(f"blobs/sha256/**/{digest}")
    blob.chmod(0o644)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)


def test_a_pinned_version_does_not_follow_and_all_serves_everything(store: str) -> None:
    with serving(["lines@2"], store=store) as server:
        found = httpx.get(f"{server.url}/metadata").json()
        assert (found["model_version"], found["serving"]["route"]) == ("2", None)
    with serving([], store=store, flags=["--all"]) as server:
        assert [one["name"] for one in httpx.get(f"{server.url}/models").json()["models"]] == ["lines"]


def test_asked_directly_and_mounted_give_the_servers_answers(store: str) -> None:
    loaded = cloche.load("lines", store=store)
    expected = loaded.predict([ROW, {"a": -1.0, "b": 0.5}])
    with cloche.open("lines", store=store) as served:
        assert served.predict([ROW, {"a": -1.0, "b": 0.5}]).probabilities == expected.probabilities
        assert served.predict(ROW).prediction == expected.prediction[0]
        with pytest.raises(InvalidInputError, match="b: "):
            asyncio.run(served.infer({"a": 1.0}))
    app = cloche.asgi("lines", store=store)
    try:
        answer = asyncio.run(_call_mounted(app))
    finally:
        app.close()
    assert answer["prediction"] == expected.prediction[0]


async def _call_mounted(app: Any) -> dict[str, Any]:

    around = Starlette(routes=[Mount("/ml", app=app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(around), base_url="http://elsewhere") as client:
        answer = await client.post("/ml/predict", json=ROW)
        assert (await client.get("/ml/nothing")).status_code == 404
        assert (await client.get("/ml/openapi.json")).json()["servers"] == [{"url": "/ml"}]
        found: dict[str, Any] = answer.json()
        return found
