"""The open segment of one process: when it is sealed, what stands in it, what happens when the disk is full."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from cloche.errors import LogUnavailableError
from cloche.prediction_log.frames import Header, Request, Schema
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.version import LoggedVersion
from cloche.prediction_log.writer import SegmentWriter
from spooled import CLIMATE, no_file_beyond, record, request, sealed, version

SIZE = 65_536


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path, "file:///a/store")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def writer_of(spool: Spool, clock: Clock, **more: Any) -> SegmentWriter:
    return SegmentWriter(spool, **({"segment_bytes": SIZE, "segment_age_s": 5.0, "clock": clock} | more))


def schema_of(one: LoggedVersion) -> Any:
    """What `write` is told of the rows of a version."""
    output = CLIMATE.output
    return one, lambda number: Schema(number, one.model, one.version, one.number, one.engine, (), output)


def test_a_segment_begins_with_who_wrote_it(spool: Spool, clock: Clock) -> None:
    writer = writer_of(spool, clock)
    assert spool.segments() == []  # nothing was written yet
    written = [writer.write([record(request("one"))]), writer.write([record(request("two"))])]
    writer.seal()
    writer.seal()
    [[header, one, two]] = sealed(spool)
    assert isinstance(header, Header)
    assert (header.spool, header.number) == (spool.id, 1)
    assert isinstance(one, Request)
    assert isinstance(two, Request)
    assert (one.request_id, two.request_id) == ("one", "two")
    assert min(written) > 0


@pytest.mark.parametrize(
    ("age", "parts"),
    [pytest.param(4.9, 1, id="young"), pytest.param(5.0, 2, id="old-enough")],
)
def test_a_segment_is_sealed_at_its_age_when_the_next_record_comes(
    spool: Spool, clock: Clock, age: float, parts: int
) -> None:
    writer = writer_of(spool, clock)
    writer.write([record(request())])
    clock.now += age
    writer.write([record(request())])
    assert len(spool.segments()) == parts


def test_a_segment_is_sealed_at_its_age_where_nothing_comes(spool: Spool, clock: Clock) -> None:
    writer = writer_of(spool, clock)
    writer.tick()
    writer.write([record(request())])
    writer.tick()
    assert sealed(spool) == []
    clock.now += 5.0
    writer.tick()
    assert len(sealed(spool)) == 1


def test_a_segment_is_sealed_at_its_size_and_none_is_lost(spool: Spool, clock: Clock) -> None:
    writer = writer_of(spool, clock)
    ids = [f"{number:026d}" for number in range(2000)]
    for one in ids:
        writer.write([record(request(one))])
    writer.seal()
    found = sealed(spool)
    assert len(found) > 2
    assert all(path.stat().st_size < SIZE + 200 for _, _, path in spool.segments())
    assert [one.request_id for part in found for one in part if isinstance(one, Request)] == ids
    assert [number for number, _, _ in spool.segments()] == list(range(1, len(found) + 1))


def test_every_segment_says_what_its_rows_hold(spool: Spool, clock: Clock) -> None:
    writer, first, second = writer_of(spool, clock), version(number=1), version(number=2)
    for one in (first, second, first):
        writer.write([record(request(), schema_of(one))])
    writer.seal()
    for one in (second, second):
        writer.write([record(request(), schema_of(one))])
    writer.seal()
    told = [
        [(type(one).__name__, one.id if isinstance(one, Schema) else getattr(one, "schema", None)) for one in part[1:]]
        for part in sealed(spool)
    ]
    assert told == [
        [("Schema", 1), ("Request", 1), ("Schema", 2), ("Request", 2), ("Request", 1)],
        [("Schema", 1), ("Request", 1), ("Request", 1)],
    ]
    versions = [one.version for part in sealed(spool) for one in part if isinstance(one, Schema)]
    assert versions == [1, 2, 2]


def test_a_frame_longer_than_a_segment_is_kept(spool: Spool, clock: Clock) -> None:
    writer = writer_of(spool, clock)
    writer.write([record(request("long", rows=[["x" * (2 * SIZE)]]))])
    writer.write([record(request("short"))])
    writer.seal()
    assert [[one.request_id for one in part if isinstance(one, Request)] for part in sealed(spool)] == [
        ["long"],
        ["short"],
    ]


# -- a full disk ------------------------------------------------------------------------------------


def test_a_full_disk_refuses_keeps_what_was_written_and_recovers(
    spool: Spool, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    writer = writer_of(spool, clock)
    writer.write([record(request("before"))])
    with no_file_beyond(400):
        with pytest.raises(LogUnavailableError):
            writer.write([record(request("cut", rows=[["x" * 1000]]))])
        assert (writer.broken, writer.probe()) == (True, False)
        with pytest.raises(LogUnavailableError):
            writer.write([record(request("at once"))])  # the disk is not asked again
        clock.now += 1.0
        with pytest.raises(LogUnavailableError):
            writer.write([record(request("still"))])
        assert not writer.probe()
    assert not writer.probe()
    clock.now += 1.0
    assert writer.probe()
    writer.write([record(request("after"))])
    writer.seal()
    kept = [[one.request_id for one in part if isinstance(one, Request)] for part in sealed(spool)]
    assert kept == [["before"], ["after"]]
    assert len([line for line in caplog.messages if "cannot be kept" in line]) == 1


def test_a_schema_that_was_cut_short_is_written_again(spool: Spool, clock: Clock) -> None:
    writer, one = writer_of(spool, clock), version()
    writer.write([record(request("before"))])
    with no_file_beyond(200), pytest.raises(LogUnavailableError):
        writer.write([record(request("cut", rows=[[1.0]]), schema_of(one))])
    clock.now += 1.0
    writer.write([record(request("after", rows=[[1.0]]), schema_of(one))])
    writer.seal()
    _, schema, answer = sealed(spool)[-1]
    assert isinstance(schema, Schema)
    assert isinstance(answer, Request)
    assert answer.schema == schema.id


def test_a_segment_that_cannot_be_sealed_is_told_and_taken_by_others(spool: Spool, clock: Clock) -> None:
    writer = writer_of(spool, clock)
    writer.write([record(request("one"))])
    [(number, _, path)] = spool.segments()
    hidden = path.with_name("hidden")
    path.rename(hidden)
    writer.seal()
    assert (writer.unsealed, writer.waiting()) == (1, set())
    hidden.rename(path)
    spool.seal_abandoned()  # its writer holds it no more
    assert [(number, True)] == [(one, done) for one, done, _ in spool.segments()]


def test_what_was_handed_over_waits_until_somebody_takes_it(spool: Spool, clock: Clock) -> None:
    writer = writer_of(spool, clock)
    for _ in range(2):
        writer.write([record(request())])
        writer.seal()
    first, second = (path for _, _, path in spool.segments())
    assert writer.waiting() == {first, second}
    first.unlink()
    assert writer.waiting() == {second}


def test_threads_take_turns(spool: Spool, clock: Clock) -> None:
    writer, one = writer_of(spool, clock), version()

    def write(thread: int) -> None:
        for number in range(100):
            writer.write([record(request(f"{thread}-{number}"), schema_of(one))])
            if number % 30 == 29:
                writer.seal()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.seal()
    found = [one for part in sealed(spool) for one in part if isinstance(one, Request)]
    assert sorted(one.request_id for one in found) == sorted(f"{t}-{n}" for t in range(4) for n in range(100))
    assert {one.schema for one in found} == {1}
