"""Segments that are made and sealed in a thread: nothing is lost or written twice, and nothing is left lying about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloche.prediction_log.frames import Request
from cloche.prediction_log.spool import Segment, Spool
from cloche.prediction_log.writer import SegmentWriter
from processes import eventually
from spooled import record, request, sealed

SIZE = 65_536


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path, "file:///a/store")


def ids_of(spool: Spool) -> list[str]:
    return [one.request_id for part in sealed(spool) for one in part if isinstance(one, Request)]


def test_every_record_is_there_once_in_order_over_many_segments(spool: Spool) -> None:
    writer = SegmentWriter(spool, segment_bytes=SIZE, segment_age_s=60.0, ahead=True)
    ids = [f"{number:026d}" for number in range(3000)]
    for one in ids:
        writer.write([record(request(one))])
    writer.close()
    assert sorted(ids_of(spool)) == ids
    assert len(sealed(spool)) > 3
    assert writer.unsealed == 0


def test_the_next_segment_is_there_before_it_is_needed_and_goes_unused(spool: Spool) -> None:
    writer = SegmentWriter(spool, segment_bytes=SIZE, segment_age_s=60.0, ahead=True)
    eventually(lambda: [number for number, _, _ in spool.segments()] == [1], "the first is made")
    writer.write([record(request("one"))])
    eventually(lambda: [number for number, _, _ in spool.segments()] == [1, 2], "and the next one")
    writer.close()
    assert [(number, done) for number, done, _ in spool.segments()] == [(1, True)]
    assert ids_of(spool) == ["one"]


def test_one_that_was_only_prepared_is_taken_away_where_its_writer_died(spool: Spool) -> None:
    dead = Segment(spool, spool.next_number(), SIZE)
    os.close(dead.duplicate())
    os.close(dead._descriptor)  # as the end of its process does
    spool.seal_abandoned()
    assert spool.segments() == []


def test_where_the_disk_takes_no_segment_ahead_it_is_asked_again_when_one_is_needed(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = iter([True])

    def next_number(self: Spool, own: object = Spool.next_number) -> int:
        if next(refused, False):
            raise OSError("no room")
        return own(self)  # type: ignore[operator, no-any-return]

    monkeypatch.setattr(Spool, "next_number", next_number)
    writer = SegmentWriter(spool, segment_bytes=SIZE, segment_age_s=60.0, ahead=True)
    for number in range(3):
        writer.write([record(request(f"{number}"))])
    writer.close()
    assert ids_of(spool) == ["0", "1", "2"]
