"""Slots: what is counted, what a killed writer leaves, what the next one finds, what does not grow."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.metrics import Family, MetricsSlot, merge, quantile, read_all, read_slot
from cloche.metrics.layout import HEADER
from cloche.metrics.slot import OTHER

FAMILIES = {
    one.name: one
    for one in (
        Family("requests_total", "counter", "h", ("model",)),
        Family("seconds", "histogram", "h", ("model",), (0.1, 1.0)),
        Family("in_flight", "gauge", "h"),
        Family("started", "gauge", "h", combine="max"),
    )
}


def slot(path: Path | None = None, *, size: int = 1 << 16) -> MetricsSlot:
    return MetricsSlot(path, size=size, families=FAMILIES)


def read(data: bytes) -> dict[str, dict[tuple[str, ...], list[float]]]:
    return read_slot(data, families=FAMILIES)  # type: ignore[return-value]


def test_what_is_counted_is_read(tmp_path: Path) -> None:
    writer = slot(tmp_path / "0.bin")
    writer.add("requests_total", ("penguins",))
    writer.add("requests_total", ("penguins",), 2)
    writer.set("in_flight", (), 3)
    for seconds in (0.05, 0.1, 0.5, 7.0):
        writer.observe("seconds", ("penguins",), seconds)
    assert read_all(tmp_path, families=FAMILIES) == {
        "requests_total": {("penguins",): [3.0]},
        "in_flight": {(): [3.0]},
        "seconds": {("penguins",): [2.0, 1.0, 1.0, pytest.approx(7.65)]},
    }


def test_slots_become_one_as_their_families_say(tmp_path: Path) -> None:
    for number, (count, started) in enumerate([(2, 50.0), (5, 40.0)]):
        writer = slot(tmp_path / f"{number}.bin")
        writer.add("requests_total", ("a",), count)
        writer.add("requests_total", (f"only-{number}",))
        writer.set("in_flight", (), count)
        writer.set("started", (), started)
        writer.observe("seconds", ("a",), 0.5)
    (tmp_path / "notes.txt").write_text("not a slot")
    total = read_all(tmp_path, families=FAMILIES)
    assert total["requests_total"] == {("a",): [7.0], ("only-0",): [1.0], ("only-1",): [1.0]}
    assert (total["in_flight"], total["started"]) == ({(): [7.0]}, {(): [50.0]})
    assert total["seconds"] == {("a",): [0.0, 2.0, 0.0, 1.0]}


def test_the_next_worker_goes_on_and_its_gauges_begin_anew(tmp_path: Path) -> None:
    first = slot(tmp_path / "0.bin")
    first.add("requests_total", ("a",), 5)
    first.set("in_flight", (), 4)
    first.close()
    second = slot(tmp_path / "0.bin")
    second.add("requests_total", ("a",))
    assert read_all(tmp_path, families=FAMILIES) == {"requests_total": {("a",): [6.0]}, "in_flight": {(): [0.0]}}


WRITER = """
import sys
from pathlib import Path
from cloche.metrics import MetricsSlot
slot, number = MetricsSlot(Path(sys.argv[1])), 0
while True:
    for model in range(300):
        slot.add("cloche_rows_total", (f"m{model}", "1", "native"))
        number += 1
        print(number, flush=True)
"""


def test_a_killed_worker_takes_no_counts_along(tmp_path: Path) -> None:
    """SIGKILL while it counts, three times over: what it told before it died is in the sum, and nothing else."""
    told = 0
    for kept in (1, 57, 350):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "0.bin")], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(kept)]
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().splitlines(keepends=True)
        told += len([line for line in [*lines, *rest] if line.endswith(b"\n")])
        counted = sum(numbers[0] for numbers in read_all(tmp_path)["cloche_rows_total"].values())
        assert told <= counted <= told + 1
        told = int(counted)


NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "observe", "set"]), NAMES), max_size=12)


def apply(writer: MetricsSlot, step: tuple[str, str]) -> None:
    kind, model = step
    if kind == "add":
        writer.add("requests_total", (model,))
    elif kind == "observe":
        writer.observe("seconds", (model,), 0.5)
    else:
        writer.set("in_flight", (), 1.0)


@given(steps=STEPS, cut=st.integers(0, 2000))
def test_a_file_cut_anywhere_reads_as_far_as_it_is_whole(steps: list[tuple[str, str]], cut: int) -> None:
    writer = slot(size=1 << 15)
    for step in steps:
        apply(writer, step)
    whole, part = read(writer.snapshot()), read(writer.snapshot()[:cut])
    for name, series in part.items():
        for labels, numbers in series.items():
            assert whole[name][labels] == numbers
    if cut >= len(writer.snapshot()):
        assert part == whole


@given(steps=STEPS, last=NAMES, kind=st.sampled_from(["add", "observe"]), data=st.data())
def test_a_writer_killed_between_any_two_stores_leaves_what_was_there(
    steps: list[tuple[str, str]], last: str, kind: str, data: st.DataObject
) -> None:
    """Whichever of the bytes of a new entry reached the memory: without the new end it does not exist."""
    writer = slot(size=1 << 15)
    for step in steps:
        apply(writer, step)
    before = bytes(writer._view)
    expected = read(before)
    apply(writer, (kind, last))
    after = bytes(writer._view)
    if before[8:HEADER] == after[8:HEADER]:
        return  # no new entry: one number was replaced by one aligned store
    changed = [place for place in range(HEADER, len(before)) if before[place] != after[place]]
    torn = bytearray(before)
    for place in data.draw(st.sets(st.sampled_from(changed))):
        torn[place] = after[place]
    assert read(bytes(torn)) == expected


@given(junk=st.binary(max_size=300), steps=STEPS)
def test_a_worker_goes_on_over_whatever_the_dead_one_left(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, steps: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "left.bin"
    writer = slot(size=1 << 15)
    for step in steps:
        apply(writer, step)
    path.write_bytes(writer.snapshot() + junk)
    again = slot(path, size=1 << 15)
    again.add("requests_total", ("new one",))
    again.add("requests_total", ("another",))
    expected = merge(
        [read(writer.snapshot()), {"requests_total": {("new one",): [1.0], ("another",): [1.0]}}], FAMILIES
    )
    expected = {**expected, **({"in_flight": {(): [0.0]}} if "in_flight" in expected else {})}
    assert read(again.snapshot()) == expected
    again.close()


@given(content=st.binary(max_size=400))
def test_any_bytes_at_all_can_be_read_and_taken_over(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(b"cloche\x00\x01" + content)
    before = read(path.read_bytes())
    again = slot(path, size=1 << 15)
    again.add("requests_total", ("a",), 2.0)
    after = read(again.snapshot())
    assert after["requests_total"][("a",)][0] >= 2.0 or before
    again.close()


def test_series_beyond_the_cap_count_together() -> None:
    writer = MetricsSlot(size=1 << 20, families=FAMILIES)
    for number in range(5_000):
        writer.add("requests_total", (f"model-{number}",))
        writer.add("requests_total", (f"model-{number}",))
    series = read(writer.snapshot())["requests_total"]
    assert len(series) == 1_001
    assert series[(OTHER,)] == [8_000.0]
    assert sum(numbers[0] for numbers in series.values()) == 10_000


def test_a_full_slot_counts_on() -> None:
    writer = slot(size=20_000)
    for number in range(500):
        writer.add("requests_total", (f"model-{number}" * 5,))
        writer.observe("seconds", (f"model-{number}",), 0.5)
    found = read(writer.snapshot())
    assert sum(numbers[0] for numbers in found["requests_total"].values()) == 500
    assert sum(numbers[1] for numbers in found["seconds"].values()) == 500


def test_labels_are_counted() -> None:
    with pytest.raises(ValueError, match="expected the labels model, got"):
        slot().add("requests_total", ("a", "b"))


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        pytest.param([0, 0, 0], 0.5, None, id="nothing-observed"),
        pytest.param([10, 0, 0], 0.5, 0.05, id="half-of-the-first-bucket"),
        pytest.param([1, 1, 0], 1.0, 1.0, id="the-greatest"),
        pytest.param([5, 10, 5], 0.5, 0.55, id="in-the-middle"),
        pytest.param([0, 0, 4], 0.5, 1.0, id="above-all-bounds"),
    ],
)
def test_quantile(counts: list[float], share: float, expected: float | None) -> None:
    found = quantile(counts, (0.1, 1.0), share)
    assert found == (None if expected is None else pytest.approx(expected))
