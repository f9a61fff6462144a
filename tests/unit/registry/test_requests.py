"""How many requests following costs: counted at an S3 server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloche.registry import Registry
from cloche.store import Store
from tiny_s3 import TinyS3, tiny_s3


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyS3]:
    with tiny_s3() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def registry(server: TinyS3, tmp_path: Path) -> Registry:
    return Registry(Store.open("s3://bucket", tmp_path))


def awaited(registry: Registry, number: int) -> object:
    return asyncio.run(registry.anext_event("penguins", number))


@pytest.mark.parametrize("follow", [Registry.next_event, None], ids=["sync", "async"])
@pytest.mark.parametrize("history", [1, 60])
def test_the_next_event_is_one_request_whatever_the_history(
    server: TinyS3, registry: Registry, publish: Callable, history: int, follow: Callable | None
) -> None:
    publish()
    publish()
    for number in range(history - 1):
        registry.promote("penguins", 2 - number % 2, by="ada")
    follower = Registry(Store.open("s3://bucket", Path.cwd()))
    for number, there in ((history - 1, True), (history, False), (history, False)):
        server.requests.clear()
        event = awaited(follower, number) if follow is None else follow(follower, "penguins", number)
        assert (event is not None) is there
        assert server.requests == [("GET", f"models/penguins/routes/{number + 1:06d}.json")]
