from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import handmade
from cloche.registry import Registry, VersionRecord
from cloche.store import Store


@pytest.fixture
def registry(store_url: str, tmp_path: Path) -> Registry:
    return Registry(Store.open(store_url, tmp_path))


@pytest.fixture
def publish(registry: Registry, tmp_path: Path) -> Callable[..., VersionRecord]:
    """Publish one more version: `publish("penguins", made=contract, number=1, promote=False)`."""
    made_so_far: list[Path] = []

    def publish_one(
        name: str = "penguins", *, made: Any = None, number: int = 1, promote: bool = False, **details: Any
    ) -> VersionRecord:
        made = made or handmade.contract()
        folder = tmp_path / "artifacts" / str(len(made_so_far))
        made_so_far.append(folder)
        details.setdefault("content", f"model {len(made_so_far)}".encode())
        handmade.artifact(folder, name=name, made=made, **details)
        return registry.publish(folder, name=name, contract=made, contract_number=number, by="ada", promote=promote)

    return publish_one
