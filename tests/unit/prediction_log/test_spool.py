"""The folder in which segments wait: numbers, locks, what the dead leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloche.errors import SpoolError
from cloche.prediction_log import layout, segments
from cloche.prediction_log.frames import Header
from cloche.prediction_log.spool import Segment, Spool
from spooled import no_file_beyond, request, sealed

SIZE = 65_536


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path, "file:///a/store")


def header(spool: Spool, number: int) -> bytes:
    return segments.packed(Header(spool.id, number, 1, "0.1.0", "host"))


def opened(spool: Spool) -> Segment:
    """A segment with its header."""
    segment = Segment(spool, spool.next_number(), SIZE)
    segment.append(header(spool, segment.number))
    return segment


def test_a_store_has_one_spool_that_keeps_its_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = {one.id for one in pool.map(lambda _: Spool.open(tmp_path, "s3://one"), range(32))}
    assert len(found) == 1
    assert Spool.open(tmp_path, "s3://two").id not in found
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["spool.json", "spool.json"]


def test_what_is_in_a_spool_is_for_nobody_else(spool: Spool) -> None:
    segment = opened(spool)
    assert spool.folder.stat().st_mode & 0o077 == 0
    assert segment.seal().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("about", [b"", b"[]", b'{"id": 1}'], ids=["empty", "no-object", "wrong-type"])
def test_a_spool_that_cannot_be_read_is_told(tmp_path: Path, spool: Spool, about: bytes) -> None:
    (spool.folder / "spool.json").write_bytes(about)
    with pytest.raises(SpoolError, match=spool.folder.name):
        Spool.open(tmp_path, "file:///a/store")


def test_a_spool_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="file"):
        Spool.open(tmp_path / "file", "s3://one")


def test_a_spool_that_may_not_be_written_is_told(tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: path != spool.folder)  # root may write anywhere
    with pytest.raises(SpoolError, match="may not write"):
        Spool.open(tmp_path, "file:///a/store")


# -- numbers ----------------------------------------------------------------------------------------


def test_no_number_is_given_twice(tmp_path: Path, spool: Spool) -> None:
    others = [Spool.open(tmp_path, "file:///a/store") for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda number: others[number % 4].next_number(), range(200)))
    assert sorted(given) == list(range(1, 201))
    assert spool.next_number() == 201


def test_a_number_whose_segment_is_gone_is_not_given_again(spool: Spool) -> None:
    opened(spool).seal().unlink()
    assert spool.next_number() == 2


def test_without_the_counter_numbers_begin_behind_what_is_there(spool: Spool) -> None:
    opened(spool).seal()
    opened(spool).seal()
    (spool.folder / "number").unlink()
    assert spool.next_number() == 3


def test_a_counter_that_holds_no_number_is_not_guessed(spool: Spool) -> None:
    spool.next_number()
    (spool.folder / "number").write_text("seven")
    with pytest.raises(OSError, match="expected a number"):
        spool.next_number()


# -- a full disk ------------------------------------------------------------------------------------


def test_a_write_that_is_cut_short_leaves_whole_frames(spool: Spool) -> None:
    segment = opened(spool)
    kept = segments.packed(request("kept"))
    segment.append(kept)
    end = segment.written
    with no_file_beyond(end + 10), pytest.raises(OSError, match="only 10 of"):
        segment.append(segments.packed(request("lost")))
    assert segment.written == end
    path = layout.open_segment(spool.folder, segment.number)
    assert path.read_bytes()[: end + 64] == segments.MAGIC + header(spool, segment.number) + kept
    segment.append(segments.packed(request("after")))
    segment.seal()
    [[_, first, second]] = sealed(spool)
    assert (first.request_id, second.request_id) == ("kept", "after")  # type: ignore[union-attr]


def test_a_segment_for_which_there_is_no_room_leaves_nothing(spool: Spool) -> None:
    with no_file_beyond(SIZE - 1), pytest.raises(OSError, match="too large"):
        Segment(spool, spool.next_number(), SIZE)
    assert sorted(path.name for path in spool.folder.iterdir()) == ["number", "spool.json"]


# -- the dead ---------------------------------------------------------------------------------------

WRITER = """
import sys, time
from pathlib import Path
from cloche.prediction_log import segments
from cloche.prediction_log.frames import Header
from cloche.prediction_log.spool import Segment, Spool
from spooled import request
spool = Spool.open(Path(sys.argv[1]), "file:///a/store")
segment = Segment(spool, spool.next_number(), 65536)
for frame in (Header(spool.id, segment.number, 1, "0.1.0", "host"), request("one"), request("two")):
    segment.append(segments.packed(frame))
print("written", flush=True)
time.sleep(60)
"""


def test_what_a_killed_writer_left_is_sealed_when_it_is_dead(tmp_path: Path, spool: Spool) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        spool.seal_abandoned()
        assert sealed(spool) == []  # it lives, and might go on
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    spool.seal_abandoned()
    [[_, *answers]] = sealed(spool)
    assert [one.request_id for one in answers] == ["one", "two"]  # type: ignore[union-attr]
    assert [path.suffix for _, _, path in spool.segments()] == [".seg"]


def leave(spool: Spool, data: bytes, *, number: int = 5) -> Path:
    """An open segment without a writer."""
    path = layout.open_segment(spool.folder, number)
    path.write_bytes(data)
    return path


def test_a_frame_that_was_not_finished_is_cut_off(spool: Spool) -> None:
    whole = segments.MAGIC + header(spool, 5) + segments.packed(request("one"))
    leave(spool, whole + segments.packed(request("two"))[:-3] + bytes(500))
    spool.seal_abandoned()
    assert layout.sealed_segment(spool.folder, 5).read_bytes() == whole


@pytest.mark.parametrize(
    "data",
    [b"", bytes(500), segments.MAGIC, segments.MAGIC + bytes(500)],
    ids=["empty", "zeros", "begun", "begun-and-zeros"],
)
def test_what_holds_no_record_is_taken_away(spool: Spool, data: bytes) -> None:
    leave(spool, data)
    spool.seal_abandoned()
    assert spool.segments() == []


def test_what_is_no_segment_any_more_is_kept_for_a_person(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    damaged = b"\1" + segments.MAGIC[1:] + header(spool, 5)
    leave(spool, damaged)
    spool.seal_abandoned()
    assert (spool.folder / f"{5:012d}.damaged").read_bytes() == damaged
    assert spool.segments() == []
    assert "damaged" in caplog.text


def test_one_that_cannot_be_read_does_not_keep_the_others(spool: Spool) -> None:
    layout.open_segment(spool.folder, 1).mkdir()
    leave(spool, segments.MAGIC + header(spool, 5), number=5)
    with pytest.raises(IsADirectoryError):
        spool.seal_abandoned()
    assert layout.sealed_segment(spool.folder, 5).exists()


def test_what_was_only_begun_is_swept_away_when_nobody_is_at_it(spool: Spool) -> None:
    old, fresh, held = (spool.folder / f".{name}" for name in ("old", "fresh", "held"))
    for path in (old, fresh):
        path.write_bytes(bytes(10))
    segment = opened(spool)
    os.link(layout.open_segment(spool.folder, segment.number), held)  # the same file, and so the same lock
    for path in (old, held):
        os.utime(path, (time.time() - 3600,) * 2)
    spool.seal_abandoned()
    assert (old.exists(), fresh.exists(), held.exists()) == (False, True, True)


def test_the_id_stands_in_the_file_that_names_the_store(spool: Spool) -> None:
    assert json.loads((spool.folder / "spool.json").read_text()) == {"id": spool.id, "store": "file:///a/store"}
