"""From a spool to the store: idempotent at every step, and nothing is lost where anything else happens."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from cloche.config import LogConfig
from cloche.errors import StoreUnreachableError
from cloche.prediction_log import landing, layout
from cloche.prediction_log.lander import OwnLog
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.writer import SegmentWriter
from cloche.store import Store
from processes import eventually
from spooled import frames, landed, record, request, requests


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool", "file:///a/store")


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Store:
    """A store that is there: servers have models in it."""
    made = Store.open(store_url, tmp_path)
    made.create("models/climate/versions/000001.json", b"{}")
    return made


def write(spool: Spool, *request_ids: str) -> Path:
    """A sealed segment."""
    writer = SegmentWriter(spool, segment_bytes=65_536, segment_age_s=60)
    for one in request_ids:
        writer.write([record(request(one))])
    writer.seal()
    return spool.segments()[-1][2]


def ids(store: Store) -> list[str]:
    return [one.request_id for one in requests(frames(store))]


def test_sealed_segments_land_as_they_are_and_go(spool: Spool, store: Store) -> None:
    data = {layout.landed(spool.id, number): write(spool, f"r{number}").read_bytes() for number in (1, 2)}
    writer = SegmentWriter(spool, segment_bytes=65_536, segment_age_s=60)
    writer.write([record(request("open"))])
    assert landing.waiting(spool)[0] == 2
    assert landing.land(spool, store) == 2
    assert landed(store) == data
    assert [number for number, _, _ in spool.segments()] == [3]  # it is still being written
    assert landing.waiting(spool) == (0, 0.0)
    assert landing.land(spool, store) == 0


def test_landing_again_does_no_harm(spool: Spool, store: Store) -> None:
    path = write(spool, "one")
    data = path.read_bytes()
    for _ in range(3):  # killed after the object was put, before the file was taken away; or an answer that was lost
        path.write_bytes(data)
        landing.land(spool, store)
    assert not path.exists()
    assert ids(store) == ["one"]


def test_what_a_dead_writer_left_lands(spool: Spool, store: Store) -> None:
    path = write(spool, "one")
    path.rename(path.with_suffix(".open"))
    landing.land(spool, store)
    assert ids(store) == ["one"]


def test_another_segment_under_the_number_loses_neither(
    spool: Spool, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    twin = Spool(shutil.copytree(spool.folder, spool.folder.parent / "twin"), spool.id)
    write(spool, "here")
    write(twin, "there")
    landing.land(spool, store)
    with caplog.at_level(logging.ERROR):
        landing.land(twin, store)
        landing.land(twin, store)
    assert sorted(ids(store)) == ["here", "there"]
    assert "share the id of one spool" in caplog.text
    assert spool.segments() == twin.segments() == []


def test_a_store_that_is_away_takes_nothing(spool: Spool, tmp_path: Path) -> None:
    store = Store.open((tmp_path / "store").as_uri(), tmp_path)
    store.create("models/climate/versions/000001.json", b"{}")
    write(spool, "one")
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(StoreUnreachableError):
        landing.land(spool, store)
    (tmp_path / "store").mkdir()  # a mount point without its file system
    with pytest.raises(StoreUnreachableError, match="is no store any more"):
        landing.land(spool, store)
    assert not list((tmp_path / "store").iterdir())
    (tmp_path / "store").rmdir()
    (tmp_path / "away").rename(tmp_path / "store")
    assert landing.land(spool, store) == 1
    assert ids(store) == ["one"]


def test_one_that_cannot_be_read_does_not_keep_the_others(spool: Spool, store: Store) -> None:
    write(spool, "one")
    write(spool, "two")
    first = spool.segments()[0][2]
    first.unlink()
    first.mkdir()
    with pytest.raises(IsADirectoryError):
        landing.land(spool, store)
    assert ids(store) == ["two"]


def test_how_long_the_oldest_waits(spool: Spool) -> None:
    write(spool, "one")
    os.utime(write(spool, "two"), (time.time() - 100,) * 2)
    number, seconds = landing.waiting(spool)
    assert number == 2
    assert 99 < seconds < 160


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param(f"log/landing/{'0' * 26}/000000000007.seg", ("0" * 26, 7), id="a-segment"),
        pytest.param(f"log/landing/{'0' * 26}/7.seg", None, id="another-number"),
        pytest.param("log/landing/elsewhere/000000000007.seg", None, id="another-spool"),
        pytest.param(f"log/landing/{'0' * 26}/000000000007.seg#12", None, id="staged"),
    ],
)
def test_what_is_a_landed_segment(path: str, found: tuple[str, int] | None) -> None:
    assert layout.landed_in(path) == found


# -- a program without an agent ---------------------------------------------------------------------


def own(tmp_path: Path, store: Store) -> OwnLog:
    return OwnLog(LogConfig(), tmp_path / "spool", store)


def test_a_log_of_its_own_lands_the_rest_when_it_closes(tmp_path: Path, store: Store) -> None:
    log = own(tmp_path, store)
    log.recorder.record_all([(request("one"), None)])
    log.close()
    log.close()
    assert ids(store) == ["one"]


def test_a_log_of_its_own_goes_on_where_the_store_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store.open((tmp_path / "store").as_uri(), tmp_path)  # not there yet: no marker
    spool = Spool.open(tmp_path / "spool", store.url)
    write(spool, "one")
    log = own(tmp_path, store)
    eventually(lambda: "records wait in" in caplog.text, "it says that they wait")
    store.create("models/climate/versions/000001.json", b"{}")
    eventually(lambda: landed(store), "it lands")
    log.close()
    assert ids(store) == ["one"]
    assert caplog.text.count("records wait in") == 1
