"""What crosses a pipe comes back as it was, and a pipe that breaks says so."""

from __future__ import annotations

import asyncio
import io
import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche import pipes
from cloche.records import Outputs
from cloche.trust import TrustPolicy

BERLIN = ZoneInfo("Europe/Berlin")


def across(message: dict[str, Any]) -> dict[str, Any]:
    pipe = io.BytesIO()
    pipes.write(pipe, message)
    pipe.seek(0)
    return pipes.read(pipe)


async def across_async(sent: bytes) -> dict[str, Any]:
    stream = asyncio.StreamReader()
    stream.feed_data(sent)
    stream.feed_eof()
    return await pipes.aread(stream)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="missing"),
        pytest.param(True, id="boolean"),
        pytest.param(1.5, id="number"),
        pytest.param(-0.0, id="minus-zero"),
        pytest.param(5e-324, id="smallest-number"),
        pytest.param(math.inf, id="infinity"),
        pytest.param(2**63 - 1, id="int64"),
        pytest.param(-(2**63), id="lowest-int64"),
        pytest.param(2**63, id="beyond-int64"),
        pytest.param(-(2**70), id="far-below-int64"),
        pytest.param(10**5000, id="more-digits-than-int-parses"),
        pytest.param("ä\u0000\U0001f34f", id="text"),
        pytest.param("", id="empty-text"),
        pytest.param(b"\x00\xff", id="bytes"),
        pytest.param(date(2024, 2, 29), id="date"),
        pytest.param(date(1, 1, 1), id="first-date"),
        pytest.param(datetime(2024, 2, 29, 12, 30, 1, 5), id="naive-datetime"),
        pytest.param(datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN), id="zoned-datetime"),
        pytest.param(datetime(2024, 10, 27, 2, 30, 0, 123456, fold=1, tzinfo=BERLIN), id="the-hour-twice"),
        pytest.param(datetime(1, 1, 1, tzinfo=BERLIN), id="first-moment-east-of-utc"),
        pytest.param(datetime(9999, 12, 31, 23, 59, tzinfo=ZoneInfo("America/Lima")), id="last-moment-west-of-utc"),
        pytest.param(datetime(2024, 10, 27, tzinfo=UTC), id="utc"),
        pytest.param(datetime(2024, 10, 27, tzinfo=timezone(timedelta(hours=-3))), id="fixed-offset"),
        pytest.param([1.0, 2.0], id="vector"),
        pytest.param([[1.0], None, [date(2024, 1, 1)]], id="nested"),
        pytest.param({"a": [0.5, 0.5]}, id="several-outputs"),
    ],
)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    back = across({"columns": {"x": [None, value]}})["columns"]["x"][1]
    assert back == value
    assert type(back) is type(value)
    assert getattr(back, "tzinfo", None) == getattr(value, "tzinfo", None)
    assert getattr(back, "fold", 0) == getattr(value, "fold", 0)


def test_nan_comes_back() -> None:
    assert math.isnan(across({"x": [math.nan]})["x"][0])


@given(st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=True))
def test_every_moment_comes_back(moment: datetime) -> None:
    back = across({"x": [moment]})["x"][0]
    assert (back.replace(tzinfo=None), back.fold) == (moment.replace(tzinfo=None), moment.fold)
    assert back.tzinfo is moment.tzinfo or back.utcoffset() == moment.utcoffset()


def test_numpy_values_become_plain() -> None:
    given = {"x": [np.int64(3), np.float64(0.5), np.array([1, 2])]}
    assert across(given) == {"x": [3, 0.5, [1, 2]]}


def test_answers_come_back() -> None:
    outputs = Outputs([{"a": 1, "b": "x"}], [{"a": [0.5, math.inf], "b": [1.0]}], [0.25])
    assert Outputs.from_dict(across(outputs.to_dict())) == outputs


def test_trust_comes_back() -> None:
    trust = TrustPolicy(require_signature=True, signing_keys=(b"\x00k",), allowed_types=frozenset({"a.B", "c.D"}))
    assert TrustPolicy.from_dict(across({"trust": trust.to_dict()})["trust"]) == trust


def test_a_message_is_read_on_an_event_loop() -> None:
    assert asyncio.run(across_async(pipes.message_bytes({"a": [1]}))) == {"a": [1]}


@pytest.mark.parametrize(
    "kept", [pytest.param(0, id="nothing"), pytest.param(3, id="half-a-head"), pytest.param(9, id="half-a-body")]
)
def test_a_pipe_that_ends_is_an_eof(kept: int) -> None:
    sent = pipes.message_bytes({"a": 1})[:kept]
    with pytest.raises(EOFError):
        pipes.read(io.BytesIO(sent))
    with pytest.raises(EOFError):
        asyncio.run(across_async(sent))


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(b"Warning: this is text\n", id="text"),
        pytest.param((3).to_bytes(8, "big") + b"\xc1\xc1\xc1", id="no-msgpack"),
    ],
)
def test_garbage_on_the_pipe_is_an_error(written: bytes) -> None:
    with pytest.raises(ValueError, match=r"something else wrote to the pipe|MessagePack"):
        pipes.read(io.BytesIO(written))
    with pytest.raises(ValueError, match=r"something else wrote to the pipe|MessagePack"):
        asyncio.run(across_async(written))


def test_what_a_child_prints_does_not_reach_the_pipe() -> None:
    script = (
        "import os, sys; from cloche import pipes; source, sink = pipes.take_stdio(); message = pipes.read(source); "
        "print('printed'); os.write(1, b'written'); message['stdin'] = sys.stdin.read(); pipes.write(sink, message)"
    )
    asked = pipes.message_bytes({"a": 1})
    done = subprocess.run([sys.executable, "-c", script], input=asked, capture_output=True, check=True)
    assert pipes.read(io.BytesIO(done.stdout)) == {"a": 1, "stdin": ""}
    assert b"printed" in done.stderr
    assert b"written" in done.stderr
