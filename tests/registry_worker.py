"""
What the race and the kill tests run in processes of their own.

    registry_worker.py race STORE FOLDER WHO OPERATIONS SEED
    registry_worker.py publish STORE FOLDER WRITES PROMOTE      exits with 9 instead of the store write after WRITES
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import handmade
from cloche.errors import RefusedError, RouteRaceError
from cloche.registry import Registry
from cloche.store import Store

KILLED = 9


class Mortal(Store):
    """A store whose process dies in place of the write after so many."""

    writes_left = 0

    def _put(self, path: str, data: bytes) -> None:
        if self.writes_left == 0:
            os._exit(KILLED)
        self.writes_left -= 1
        super()._put(path, data)


def race(store: str, folder: str, who: str, operations: str, seed: str) -> None:
    """Publish, promote and roll back at random; prints each change of a route that was made."""
    registry = Registry(Store.open(store, Path.cwd()))
    dice = random.Random(int(seed))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(operations)):
        kind = dice.choice(["publish", "publish and promote", "promote", "promote", "rollback"])
        before = len(mine(registry, who))
        try:
            act(registry, kind, Path(folder) / f"{who}-{number}", who, dice)
        except (RouteRaceError, RefusedError) as exc:
            print(f"refused {kind}: {exc}", flush=True)
            assert len(mine(registry, who)) == before
    print(f"made {len(mine(registry, who))}", flush=True)


def act(registry: Registry, kind: str, folder: Path, who: str, dice: random.Random) -> None:
    if kind.startswith("publish"):
        handmade.artifact(folder, content=f"{folder}".encode())
        registry.publish(
            folder,
            name="penguins",
            contract=handmade.contract(),
            contract_number=1,
            by=who,
            promote=kind.endswith("promote"),
        )
    elif not registry.versions("penguins"):
        return
    elif kind == "promote":
        registry.promote("penguins", dice.choice(registry.versions("penguins")).version, by=who)
    else:
        registry.rollback("penguins", by=who)


def mine(registry: Registry, who: str) -> list[int]:
    if not registry.versions("penguins"):
        return []
    return [event.event for event in registry.history("penguins") if event.by == who]


def publish(store: str, folder: str, writes: str, promote: str) -> None:
    """Publish the artifact in *folder* under a breaking-free wider contract, and die on the way."""
    mortal = Mortal.open(store, Path.cwd())
    assert isinstance(mortal, Mortal)
    mortal.writes_left = int(writes)
    made = handmade.contract("x", "y", y={"required": False, "nullable": True})
    record = Registry(mortal).publish(
        Path(folder), name="penguins", contract=made, contract_number=1, by="mortal", promote=promote == "promote"
    )
    print(f"published {record.version}", flush=True)


if __name__ == "__main__":
    {"race": race, "publish": publish}[sys.argv[1]](*sys.argv[2:])
