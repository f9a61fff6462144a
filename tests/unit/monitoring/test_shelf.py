"""Documents in the store: the newest counts, and what is so now is the same in every range."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import made_up
from cloche.monitoring import shelf
from cloche.monitoring.documents import AlertRow, Lamp, Lamps, Mark, VersionRow
from cloche.monitoring.shelf import Shelf
from cloche.store import Store

DAY = made_up.document(range_="24h")
LATER = DAY.made + 90
PROMOTED = Mark(at=DAY.made + 60, what="promote", version=4, by="ada")
NOW = msgspec.structs.replace(
    made_up.document(range_="1h"),
    made=LATER,
    live=4,
    lamps=Lamps(service=Lamp(state="alarm", since=LATER, why="7 of 70 requests failed")),
    alerts=[AlertRow(rule="error-rate", expression="error_rate > 1%", phase="firing")],
    drift=[],
    versions=[VersionRow(version=4, contract=1, created="2026-11-25T03:00:00Z", routes=["live"], requests=9, rows=9),
              *(msgspec.structs.replace(one, routes=[]) for one in DAY.versions)],
    marks=[PROMOTED],
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(str(tmp_path), tmp_path)
    Shelf(store).put(DAY)
    return store


def test_a_long_range_tells_of_now_what_the_shortest_tells(store: Store) -> None:
    Shelf(store).put(NOW)
    found = shelf.read(store, "penguins", "24h")
    assert found is not None
    assert (found.range, found.made, found.decided, found.live) == ("24h", DAY.made, LATER, 4)
    assert found.lamps == NOW.lamps
    assert found.alerts == NOW.alerts
    assert found.drift == []
    assert found.traffic == DAY.traffic
    assert [(one.version, one.routes, one.requests) for one in found.versions] == [
        (4, ["live"], 0),
        *((one.version, [], one.requests) for one in DAY.versions),
    ]
    assert found.marks == [*DAY.marks, PROMOTED]


def test_an_older_one_changes_nothing(store: Store) -> None:
    Shelf(store).put(msgspec.structs.replace(NOW, made=DAY.made - 1))
    assert shelf.read(store, "penguins", "24h") == DAY


def test_what_is_told_of_another_version_stays(store: Store) -> None:
    old = msgspec.structs.replace(DAY, version=1)
    Shelf(store).put(old)
    Shelf(store).put(NOW)
    found = shelf.read(store, "penguins", "24h", version=1)
    assert found is not None
    assert (found.version, found.drift, found.lamps) == (1, old.drift, NOW.lamps)
    assert {one.version for one in found.recent} <= {1}
