"""Compaction, retention, purge, and a store that does not grow."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import logged
from cloche.prediction_log import layout, upkeep
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Label
from cloche.prediction_log.reading import LogReader
from cloche.registry import Registry
from cloche.registry.backup import back_up
from cloche.registry.reader import Reader
from cloche.store import Store

TABLE = layout.answers("penguins", 1)
LONG_AGO = 1_600_000_000


def store_in(folder: Path) -> Store:
    return Store.open((folder / "store").as_uri(), Path("/"))


def folded(store: Store, times: int, *, first: int = 1, day: int = 0) -> None:
    for number in range(first, first + times):
        time_us = logged.NOON_US + day * 86_400_000_000 + number
        logged.land(store, [logged.schema(), logged.request(time_us=time_us)], number=number)
        Folder(store, "me").all()


def aged(store: Store) -> None:
    """As if everything had been written long ago."""
    assert store.root is not None
    for path in store.root.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))


def data_files(store: Store) -> list[str]:
    return [path for path in store.list(TABLE) if path.endswith(".parquet") and "_delta_log" not in path]


def commits(store: Store) -> list[str]:
    return [path for path in store.list(TABLE) if path.endswith(".json") and "_delta_log" in path]


def test_small_files_are_merged(store_url: str) -> None:
    store = Store.open(store_url, Path("/"))
    folded(store, 4)
    before = LogReader(store).answers("penguins")["request_id"].to_pylist()
    (done,) = upkeep.compact(store)
    assert (done.path, done.merged) == (TABLE, 4)
    assert sorted(LogReader(store).answers("penguins")["request_id"].to_pylist()) == sorted(before)
    folded(store, 1, first=5)
    assert LogReader(store).answers("penguins").num_rows == 5


def test_what_was_merged_goes_when_it_is_old(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    folded(store, 12)
    upkeep.compact(store)
    assert len(data_files(store)) == 13, "who reads now may need them"
    orphan = store.root / TABLE / "date=2026-11-24" / "part-of-a-killed-writer.parquet"  # type: ignore[operator]
    orphan.write_bytes(b"x")
    aged(store)
    upkeep.compact(store)
    assert not orphan.exists()
    assert LogReader(store).answers("penguins").num_rows == 12
    aged(store)
    upkeep.compact(store)
    assert len(commits(store)) < 5, "what is before a checkpoint goes"
    assert LogReader(store).answers("penguins").num_rows == 12


def test_a_store_at_rest_is_not_written_to(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    folded(store, 3)
    seen: upkeep.Seen = {}
    for _ in range(5):
        upkeep.compact(store, seen=seen)
    before = store.list(layout.LOG)
    assert upkeep.compact(store, seen=seen) == []
    assert store.list(layout.LOG) == before


def test_retention_takes_whole_days(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    folded(store, 2)
    folded(store, 2, first=3, day=2)
    now = logged.NOON + dt.timedelta(days=32)
    assert upkeep.retain(store, 31, now) == 2
    assert LogReader(store).answers("penguins").num_rows == 2
    assert upkeep.retain(store, 31, now) == 0
    folded(store, 1, first=5)
    assert LogReader(store).answers("penguins").num_rows == 3, "folds go on"


def test_purge_is_exact(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    times = [logged.NOON + dt.timedelta(hours=hours) for hours in (-30, -1, 0, 1)]
    requests = [logged.request(time_us=int(one.timestamp() * 1e6)) for one in times]
    label = logged.labels(Label("Adelie", id="x"), time_us=int(times[0].timestamp() * 1e6))
    logged.land(store, [logged.schema(), *requests, label])
    Folder(store, "me").all()
    assert upkeep.purge(store, "penguins", times[2]) == 3
    reader = LogReader(store)
    assert sorted(reader.answers("penguins")["time"].to_pylist()) == times[2:]
    assert reader.labels("penguins").num_rows == 0
    assert upkeep.purge(store, "penguins", times[2]) == 0


def test_gc_verify_and_backup_leave_the_log_alone(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    folded(store, 2)
    logged.land(store, [logged.schema(), logged.request()], number=3)
    registry = Registry(store)
    before = store.list(layout.LOG)
    registry.collect(by="me", grace=dt.timedelta(0))
    assert registry.verify().findings == ()
    assert registry.models() == []
    target = Store.open((tmp_path / "backup").as_uri(), Path("/"))
    back_up(Reader(store), target, by="me", at="2026-11-24")
    assert target.list(layout.LOG) == []
    assert store.list(layout.LOG) == before
    assert LogReader(store).answers("penguins").num_rows == 3
