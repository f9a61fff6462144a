"""Folding: every row once, whatever is killed, lands again, or is damaged."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import logged
from cloche.errors import MissingExtraError, ObjectExistsError
from cloche.prediction_log import fold_lists, homes, layout, segments
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Label
from cloche.prediction_log.reading import LogReader
from cloche.store import Store

TESTS = Path(__file__).parents[2]
#: A folder that ends at the step it is given, at its so-manieth time.
CHILD = """
import os, sys
from pathlib import Path
from cloche.prediction_log.folding import Folder
from cloche.store import Store
url, step, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = []
def reached(name):
    if name.startswith(step):
        seen.append(name)
        if len(seen) == count:
            os._exit(9)
print("ready", flush=True)
Folder(Store.open(url, Path("/")), "child", reached=reached).all()
"""


def store_at(url: str) -> Store:
    return Store.open(url, Path("/"))


def landed_many(store: Store, spools: int = 2, each: int = 3) -> Counter[tuple[str, int | None]]:
    """Segments of two models, labels and failures; what the log has to hold in the end."""
    expected: Counter[tuple[str, int | None]] = Counter()
    for spool in range(1, spools + 1):
        for number in range(1, each + 1):
            one, many = logged.request(), logged.request(((1.0, "Dream", "a"), (2.0, None, "b"), (3.0, "Biscoe", "c")))
            other = logged.request(schema=2)
            refused = logged.failed()
            expected.update([(one.request_id, 0), (other.request_id, 0), (refused.request_id, None)])
            expected.update((many.request_id, row) for row in range(3))
            frames = [
                logged.schema(),
                logged.schema("other", id=2),
                one,
                many,
                other,
                refused,
                logged.failed(404, schema=None),
                logged.labels(Label("Adelie", id=one.request_id)),
            ]
            logged.land(store, frames, number=number, of=logged.spool(spool))
    return expected


def held(store: Store, *, landed: bool = True) -> Counter[tuple[str, int | None]]:
    reader = LogReader(store)
    found: Counter[tuple[str, int | None]] = Counter()
    for model in reader.models():
        rows = reader.answers(model, columns=["request_id", "row"], landed=landed)
        found.update(zip(rows["request_id"].to_pylist(), rows["row"].to_pylist(), strict=True))
    return found


def run_child(url: str, step: str = "nothing", count: int = 1) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, step, str(count)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_a_fold_brings_everything_into_tables(store_url: str) -> None:
    store = store_at(store_url)
    expected = landed_many(store)
    assert held(store) == expected
    (done,) = Folder(store, "me").all()
    assert (done.number, done.segments, done.damaged) == (1, 6, 0)
    assert held(store, landed=False) == expected
    reader = LogReader(store)
    assert reader.labels("penguins").num_rows == 6
    assert reader.requests()["status"].to_pylist() == [404] * 6
    assert store.list(layout.LANDING) == []
    assert Folder(store, "me").all() == []
    assert fold_lists.numbers(store) == [1], "a store at rest is not written to"


KILLS = [
    ("listed", 1),
    ("created", 1),
    ("created", 3),
    ("committed", 1),
    ("committed", 2),
    ("committed", 4),
    ("folded", 1),
    ("deleted", 1),
    ("deleted", 5),
]


@pytest.mark.parametrize(("step", "count"), KILLS, ids=[f"{step}-{count}" for step, count in KILLS])
def test_what_a_killed_folder_began_is_finished(tmp_path: Path, step: str, count: int) -> None:
    store = store_at((tmp_path / "store").as_uri())
    expected = landed_many(store)
    child = run_child(store.url, step, count)
    assert child.wait(60) == 9
    assert held(store) == expected, "a reader sees each row once in between"
    (done,) = Folder(store, "next").all()
    assert done.number == 1
    assert held(store, landed=False) == expected
    assert LogReader(store).labels("penguins").num_rows == 6
    assert store.list(layout.LANDING) == []


@pytest.mark.parametrize("step", ["set aside", "deleted"])
def test_a_killed_folder_leaves_a_damaged_segment_to_the_next(tmp_path: Path, step: str) -> None:
    store = store_at((tmp_path / "store").as_uri())
    good, lost = logged.request(), logged.request()
    data = logged.segment([logged.schema(), good, lost])[:-5]
    store.create(layout.landed(logged.spool(), 1), data)
    assert run_child(store.url, step).wait(60) == 9
    Folder(store, "next").all()
    assert held(store, landed=False) == Counter({(good.request_id, 0): 1})
    assert store.get(layout.damaged(logged.spool(), 1)) == data
    assert store.list(layout.LANDING) == []


def test_a_folder_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    expected = landed_many(store, spools=3, each=4)
    for pause in (0.0, 0.05, 0.1, 0.15, 0.2):
        child = run_child(store.url)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pause)  # the moment is the case
        child.send_signal(signal.SIGKILL)
        child.wait(60)
        assert held(store) == expected
    Folder(store, "next").all()
    assert held(store, landed=False) == expected


def test_several_folders_at_once(store_url: str) -> None:
    store = store_at(store_url)
    expected = landed_many(store, spools=2, each=4)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: Folder(store_at(store_url), f"folder {n}", max_bytes=4_000).all(), range(3)))
    Folder(store, "last").all()
    assert held(store, landed=False) == expected
    assert store.list(layout.LANDING) == []


def test_a_segment_that_lands_again_is_dropped(store_url: str) -> None:
    store = store_at(store_url)
    request = logged.request()
    frames = [logged.schema(), request]
    data = logged.land(store, frames)
    with pytest.raises(ObjectExistsError):
        store.create(layout.landed(logged.spool(), 1), data)
    Folder(store, "me").all()
    store.create(layout.landed(logged.spool(), 1), data)  # its host did not hear that it was taken
    assert held(store) == Counter({(request.request_id, 0): 1})
    Folder(store, "me").all()
    logged.land(store, [logged.schema(), logged.request()], number=2)
    Folder(store, "me").all()
    store.create(layout.landed(logged.spool(), 1), data)
    assert held(store)[request.request_id, 0] == 1
    assert Folder(store, "me").all() == []
    assert store.list(layout.LANDING) == []
    assert held(store, landed=False)[request.request_id, 0] == 1


def test_folds_are_bounded_and_take_every_spool(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    expected = landed_many(store, spools=2, each=4)
    done = Folder(store, "me", max_bytes=3_000).all()
    assert len(done) > 2
    assert {one.spool for one in fold_lists.read(store, 1).segments} == {logged.spool(1), logged.spool(2)}
    assert held(store, landed=False) == expected


DAMAGE = [
    pytest.param(lambda data: data[:-7], 2, id="cut-short"),
    pytest.param(lambda data: data + b"\0" * 40, 3, id="zeros-behind"),
    pytest.param(lambda data: data[:-20] + b"\xff" + data[-19:], 2, id="flipped"),
    pytest.param(lambda data: b"garbage", 0, id="no-segment"),
    pytest.param(lambda data: b"", 0, id="empty"),
]


@pytest.mark.parametrize(("spoil", "whole"), DAMAGE)
def test_a_damaged_segment_is_set_aside_after_its_whole_frames(tmp_path, spoil, whole, caplog) -> None:
    store = store_at((tmp_path / "store").as_uri())
    requests = [logged.request() for _ in range(3)]
    data = spoil(logged.segment([logged.schema(), *requests]))
    store.create(layout.landed(logged.spool(), 1), data)
    good = logged.request()
    logged.land(store, [logged.schema(), good], number=2)
    expected = Counter((one.request_id, 0) for one in [*requests[:whole], good])
    assert held(store) == expected
    (done,) = Folder(store, "me").all()
    assert (done.segments, done.damaged) == (2, 1)
    assert held(store, landed=False) == expected
    assert store.get(layout.damaged(logged.spool(), 1)) == data
    assert store.list(layout.LANDING) == []
    assert "damaged" in caplog.text
    assert fold_lists.read(store, 1).damaged_so_far == 1


def test_a_frame_of_a_later_release_does_not_hide_the_others(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    first, second = logged.request(), logged.request()
    payload = b"\x92\xcc\xc8\xa3new"
    later = struct.pack("<II", len(payload), zlib.crc32(payload)) + payload
    data = logged.segment([logged.schema(), first]) + later + segments.packed(second)
    store.create(layout.landed(logged.spool(), 1), data)
    Folder(store, "me").all()
    assert held(store) == Counter({(first.request_id, 0): 1, (second.request_id, 0): 1})
    assert store.exists(layout.damaged(logged.spool(), 1))


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(lambda: [logged.schema(), logged.request(((1.0, "Dream"),))], id="a-value-short"),
        pytest.param(lambda: [logged.request()], id="no-schema"),
        pytest.param(lambda: [logged.schema("../../etc")], id="path-as-model"),
        pytest.param(lambda: [logged.schema(), logged.request(prediction=["a", "b"])], id="more-predictions-than-rows"),
    ],
)
def test_frames_that_make_no_rows_are_damage(tmp_path: Path, frames) -> None:
    store = store_at((tmp_path / "store").as_uri())
    good = logged.request()
    logged.land(store, [*frames(), logged.schema(id=9), logged.request(schema=9, request_id=good.request_id)])
    (done,) = Folder(store, "me").all()
    assert done.damaged == 1
    assert held(store) == Counter({(good.request_id, 0): 1})


def test_old_fold_lists_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_lists, "KEPT", 3)
    store = store_at((tmp_path / "store").as_uri())
    for number in range(1, 21):
        logged.land(store, [logged.schema(), logged.request()], number=number)
        Folder(store, "me").step()
    assert fold_lists.numbers(store) == [18, 19, 20]
    assert fold_lists.read(store, 20).folded == {logged.spool(): ((1, 20),)}


@pytest.mark.parametrize(
    ("known", "new", "joined"),
    [
        pytest.param((), [3], ((3, 3),), id="first"),
        pytest.param(((1, 3),), [4], ((1, 4),), id="next"),
        pytest.param(((1, 3),), [5], ((1, 3), (5, 5)), id="gap"),
        pytest.param(((1, 3), (5, 5)), [4], ((1, 5),), id="gap-closed"),
        pytest.param(((1, 9),), [4], ((1, 9),), id="again"),
    ],
)
def test_intervals(known, new, joined) -> None:
    assert fold_lists.extended({"s": known}, [("s", number) for number in new]) == {"s": joined}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    monkeypatch.delitem(sys.modules, homes.HOMES["delta"], raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'cloche\[monitor\]'"):
        homes.home("delta")
