"""The bytes of a segment: what was written is read again, and damage ends it exactly where it is."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.contract.model import Output
from cloche.errors import DamagedSegmentError
from cloche.prediction_log import segments
from cloche.prediction_log.frames import Frame, Header, Label, Labels, LoggedField, Request, Schema

HEADER = Header("0" * 26, 7, 1_700_000_000_000_000, "0.1.0", "host")
SPECIES = Output(task="classification", type="string", classes=("a", "b"), probabilities=True)
SCHEMA = Schema(1, "penguins", 3, 1, "native", (LoggedField("mass", "number", "input"),), SPECIES)


def request(row: Any = (3750.0, "Dream"), **more: Any) -> Request:
    given_: dict[str, Any] = {
        "request_id": "r" * 26, "client_request_id": None, "time_us": 1, "latency_us": 2, "status": 200, "error": None,
        "key": None, "route": "live", "schema": 1, "model": "penguins", "n": 1, "rows": [row], "prediction": ["a"],
    }  # fmt: skip
    return Request(**(given_ | more))


def segment(*frames: Frame) -> bytes:
    return segments.MAGIC + b"".join(map(segments.packed, (HEADER, *frames)))


texts = st.text(st.characters(codec="utf-8"), max_size=12)
optional_texts = st.none() | texts
counts = st.integers(0, 2**63 - 1)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
values = scalars | st.lists(st.floats(allow_nan=False), max_size=4) | st.dictionaries(texts, scalars, max_size=3)
requests = st.builds(
    Request, texts, optional_texts, counts, counts, st.integers(100, 599), optional_texts, optional_texts,
    optional_texts, st.none() | st.integers(1, 9), optional_texts, counts,
    rows=st.none() | st.lists(st.lists(values, max_size=4), max_size=3),
    prediction=st.none() | st.lists(values, max_size=3),
    probabilities=st.none() | st.lists(st.lists(st.floats(0, 1), max_size=3), max_size=3),
    score=st.none() | st.lists(st.floats(allow_nan=False), max_size=3),
    problems=st.none() | st.lists(st.tuples(optional_texts, texts), max_size=3),
)  # fmt: skip
labels = st.builds(
    Labels, texts, counts, optional_texts, texts,
    st.lists(
        st.builds(
            Label, values, optional_texts, st.none() | counts, st.none() | st.dictionaries(texts, scalars, max_size=3),
            st.none() | st.integers(-(2**62), 2**62),
        ),
        max_size=3,
    ).map(tuple),
)  # fmt: skip
fields = st.builds(
    LoggedField, texts, st.sampled_from(("number", "category", "datetime")), st.sampled_from(("input", "key")),
    st.sampled_from(("value", "hash", "bin", "none")), optional_texts,
)  # fmt: skip
schemas = st.builds(
    Schema, st.integers(1, 9), texts, counts, counts, texts, st.lists(fields, max_size=3).map(tuple), st.just(SPECIES)
)
frames = st.lists(requests | labels | schemas, max_size=5)


@given(frames)
def test_what_is_written_is_read_again(given_: list[Frame]) -> None:
    assert list(segments.read(segment(*given_), "a segment")) == [HEADER, *given_]


@given(frames, st.integers(0, 400))
def test_zeros_behind_the_last_frame_are_not_part_of_it(given_: list[Frame], zeros: int) -> None:
    whole = segment(*given_)
    assert segments.whole_bytes(whole + bytes(zeros)) == len(whole)


WHOLE = segment(SCHEMA, request(), request(), Labels("l", 1, None, "penguins", (Label("a", "r" * 26),)))
ENDS = [len(segments.MAGIC), *(end for _, end in segments.payloads(WHOLE))]


def whole_before(position: int) -> int:
    """The end of the last frame that does not hold that byte."""
    return max((end for end in ENDS if end <= position), default=0)


def test_a_segment_that_is_cut_anywhere_ends_with_its_last_whole_frame() -> None:
    assert len(ENDS) == 6
    for length in range(len(WHOLE) + 1):
        assert segments.whole_bytes(WHOLE[:length]) == whole_before(length), length
        assert segments.whole_bytes(WHOLE[:length] + bytes(64)) == whole_before(length), length


def test_a_bit_that_flipped_ends_it_before_its_frame() -> None:
    for position in range(len(WHOLE)):
        for bit in range(8):
            damaged = bytearray(WHOLE)
            damaged[position] ^= 1 << bit
            assert segments.whole_bytes(bytes(damaged)) == whole_before(position), (position, bit)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "got other bytes", id="nothing"),
        pytest.param(b"PAR1" * 10, "got other bytes", id="something-else"),
        pytest.param(WHOLE[:-1], f"damaged at byte {ENDS[-2]} of", id="cut"),
        pytest.param(WHOLE + b"\0", f"damaged at byte {len(WHOLE)} of", id="not-truncated"),
        pytest.param(segments.MAGIC + segments.packed(request()), "expected the header first", id="no-header"),
        pytest.param(
            segments.MAGIC + b"\x01\x00\x00\x00" + b"\x8d\xef\x02\xd2" + b"\x00", "a frame that ends at byte 17",
            id="no-frame-of-ours",
        ),
    ],
)  # fmt: skip
def test_a_sealed_segment_that_is_damaged_is_told(data: bytes, said: str) -> None:
    with pytest.raises(DamagedSegmentError, match=said):
        list(segments.read(data, "a segment"))


EAST = dt.timezone(dt.timedelta(hours=14))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(2**63, 2**63, id="unsigned-64-bits"),
        pytest.param(2**64, str(2**64), id="beyond-64-bits"),
        pytest.param(-(2**63) - 1, str(-(2**63) - 1), id="below-64-bits"),
        pytest.param(dt.date(2026, 11, 24), "2026-11-24", id="date"),
        pytest.param(dt.datetime(2026, 11, 24, 9), "2026-11-24T09:00:00", id="moment-without-a-zone"),
        pytest.param(
            dt.datetime(2026, 11, 24, 9, tzinfo=EAST), dt.datetime(2026, 11, 23, 19, tzinfo=dt.UTC), id="moment"
        ),
        pytest.param(dt.datetime(1, 1, 1, tzinfo=EAST), "0001-01-01T00:00:00+14:00", id="before-the-year-1-in-utc"),
        pytest.param(np.float64(1.5), 1.5, id="numpy-scalar"),
        pytest.param(np.array([1, 2]), [1, 2], id="numpy-array"),
        pytest.param("half \ud800 pair", "half \\ud800 pair", id="no-unicode"),
        pytest.param({"deep": [2**70]}, {"deep": [str(2**70)]}, id="inside"),
        pytest.param(1 + 2j, "(1+2j)", id="a-type-of-its-own"),
    ],
)
def test_what_msgpack_has_no_form_for_stands_as_text(value: Any, kept: Any) -> None:
    frame = request((value, True), prediction=[value])
    label = Labels("l", 1, None, "penguins", (Label(value, key={"k": value}),))
    _, read, read_label = segments.read(segment(frame, label), "a segment")
    assert isinstance(read, Request)
    assert isinstance(read_label, Labels)
    assert (read.rows, read.prediction) == ([[kept, True]], [kept])
    assert (read_label.labels[0].label, read_label.labels[0].key) == (kept, {"k": kept})
