"""Arrow IPC streams: the same rows as in every other form, and nothing of a hostile one gets further than a 400."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.contract.compiled import CompiledContract, compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.errors import (
    InvalidInputError,
    MalformedBodyError,
    NotAcceptableError,
    RequestError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from cloche.protocols import arrow, csv_table, forms

COMPILED = compile_contract(
    Contract(
        fields=(
            Field(name="x", type="number", nullable=True),
            Field(name="n", type="integer"),
            Field(name="b", type="boolean"),
            Field(name="c", type="category", levels=("red", "blue")),
            Field(name="s", type="string", nullable=True),
            Field(name="day", type="date"),
            Field(name="at", type="datetime", timezone="UTC"),
        ),
        output=Output(task="regression", type="number"),
    )
)
TYPES = {
    "x": pa.float64(), "n": pa.int64(), "b": pa.bool_(), "c": pa.string(), "s": pa.large_string(),
    "day": pa.date32(), "at": pa.timestamp("ns", "Europe/Berlin"),
}  # fmt: skip
MOMENTS = st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))
ROWS = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "n": st.integers(-(2**53), 2**53),
        "b": st.booleans(),
        "c": st.sampled_from(["red", "blue", 'gr"een']),
        "s": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=5),
        "day": st.dates(dt.date(1, 1, 1)),
        "at": MOMENTS,
    }
)


def stream(columns: dict[str, Any], types: dict[str, pa.DataType] | None = None, **options: Any) -> bytes:
    table = pa.table({name: pa.array(values, (types or {}).get(name)) for name, values in columns.items()})
    return written([table], **options)


def written(tables: list[Any], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, tables[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for table in tables:
            writer.write(table)
    return bytes(sink.getvalue())


def decoded(body: bytes, compiled: CompiledContract = COMPILED, max_rows: int | None = 100) -> Any:
    return arrow.decode(compiled, body, max_rows)


def told(decode: Callable[[], Any]) -> Any:
    """Rows and warnings, or the problems."""
    try:
        rows = decode()
    except InvalidInputError as exc:
        return exc.problems
    return rows.rows, rows.single, rows.warnings


@given(rows=st.lists(ROWS, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_all_forms_mean_the_same_rows(rows: list[dict[str, Any]]) -> None:
    wire = [row | {"day": row["day"].isoformat(), "at": row["at"].isoformat()} for row in rows]
    columns = {name: [row[name] for row in rows] for name in TYPES}
    encoder = msgspec.json.Encoder()
    found = told(lambda: decoded(stream(columns, TYPES)))
    assert found == told(lambda: COMPILED.decode_json(encoder.encode(wire)))
    assert found == told(lambda: COMPILED.decode_ndjson(encoder.encode_lines(wire)))
    table = csv_table.table(list(TYPES), [[row[name] for name in TYPES] for row in wire])
    assert found == told(lambda: COMPILED.decode_csv(table.encode()))
    halves = [pa.table({name: pa.array(values[part], TYPES[name]) for name, values in columns.items()})
              for part in (slice(0, 1), slice(1, None))]  # fmt: skip
    assert found == told(lambda: decoded(written(halves)))


GOOD: dict[str, Any] = {
    "x": [1.0, None], "n": [1, 2], "b": [True, False], "c": ["red", "blue"], "s": [None, "t"],
    "day": [dt.date(2026, 1, 1)] * 2, "at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        pytest.param({"n": [1.5, 2.0]}, "not_an_integer", "n", id="a-fraction"),
        pytest.param({"x": [float("nan"), 1.0]}, "wrong_type", "x", id="nan-is-no-missing-value"),
        pytest.param({"x": [1.0, float("inf")]}, "wrong_type", "x", id="infinity"),
        pytest.param({"n": [None, 2]}, "null_not_allowed", "n", id="null"),
        pytest.param({"y": [1, 2]}, "unknown_field", "y", id="unknown"),
        pytest.param({"at": [dt.datetime(2026, 1, 1)] * 2}, "timezone_required", "at", id="no-zone"),
        pytest.param({"s": [1, 2]}, "wrong_type", "s", id="numbers-for-text"),
    ],
)
def test_problems_are_those_of_json(change: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as found:
        decoded(stream(GOOD | change))
    assert {(one.code, one.field) for one in found.value.problems} == {(code, field)}


def test_integers_count_where_they_are_whole_numbers() -> None:
    types = {"n": pa.float32(), "x": pa.float16()}
    assert decoded(stream(GOOD | {"x": [0.5, None]}, types)).rows[0][:2] == (0.5, 1)


def test_a_table_without_rows() -> None:
    assert len(decoded(stream({name: [] for name in TYPES}, TYPES))) == 0
    with pytest.raises(InvalidInputError):
        decoded(stream({"x": []}, TYPES))


VECTOR = compile_contract(
    Contract(fields=(Field(name="v", type="vector", length=2),), output=Output(task="regression", type="number"))
)


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.large_list(pa.int8()), pa.list_(pa.float32(), 2)])
def test_vectors(kind: pa.DataType) -> None:
    rows = decoded(stream({"v": [[1, 2], [3, 4]]}, {"v": kind}), VECTOR)
    assert rows.rows == [([1.0, 2.0],), ([3.0, 4.0],)]


def lying(rows: int) -> bytes:
    """A batch that claims so many rows over buffers of two."""
    return stream({"n": [7, 8]}).replace((2).to_bytes(8, "little"), rows.to_bytes(8, "little"))


def nothing_at_all(columns: int, rows: int) -> bytes:
    return written([pa.table({f"c{n}": pa.nulls(rows) for n in range(columns)})])


HOSTILE = {
    "empty": b"",
    "json": b'{"x": 1}',
    "a-marker": b"\xff\xff\xff\xff",
    "a-length-beyond-the-end": b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 64,
    "a-negative-length": b"\xff\xff\xff\xff\xff\xff\xff\xff" + b"\0" * 64,
    "zeros-as-metadata": b"\xff\xff\xff\xff\x40\0\0\0" + b"\0" * 64,
    "ones-as-metadata": b"\xff\xff\xff\xff\x40\0\0\0" + b"\xff" * 64,
    "the-old-framing": stream(GOOD, use_legacy_format=True),
    "a-file": b"ARROW1\0\0" + stream(GOOD),
    "bytes-after-the-end": stream(GOOD) + b"more",
    "lz4": stream(GOOD, compression="lz4"),
    "zstd-bomb": stream({"s": ["a" * 1_000_000]}, compression="zstd"),
    "dictionary": written([pa.table({"s": pa.array(["a", "a"]).dictionary_encode()})]),
    "a-struct": stream({"s": [{"a": 1}]}),
    "a-list-of-lists": stream({"s": [[[1.0]]]}),
    "a-list-of-text": stream({"s": [["a"]]}),
    "a-map": stream({"s": [[("a", 1)]]}, {"s": pa.map_(pa.string(), pa.int64())}),
    "views": stream({"s": ["a" * 20] * 3}, {"s": pa.string_view()}),
    "runs": written([pa.table({"s": pa.RunEndEncodedArray.from_arrays([9], ["a"])})]),
    "decimals": stream({"s": [1]}, {"s": pa.decimal128(5)}),
    "bytes": stream({"s": [b"a"]}),
    "times": stream({"s": [dt.time(1)]}),
    "nanoseconds": stream({"at": [1]}, {"at": pa.timestamp("ns", "UTC")}),
    "beyond-year-9999": stream({"at": [2**60]}, {"at": pa.timestamp("us")}),
    "a-column-twice": written([pa.Table.from_arrays([pa.array([1])] * 2, names=["n", "n"])]),
    "no-columns": written([pa.table({})]),
    "too-many-columns": nothing_at_all(2_000, 100),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_stream_is_a_bad_request(name: str) -> None:
    with pytest.raises(MalformedBodyError) as found:
        decoded(HOSTILE[name])
    assert len(str(found.value)) < 300


@pytest.mark.parametrize("body", [nothing_at_all(1, 101), lying(2**40), lying(101)], ids=["nulls", "2^40", "101"])
def test_more_rows_than_are_taken_are_not_looked_at(body: bytes) -> None:
    with pytest.raises(TooLargeError, match="at most 100"):
        decoded(body)


def test_a_length_that_lies_is_found_out() -> None:
    with pytest.raises(MalformedBodyError):
        decoded(lying(1000), max_rows=10_000)


def test_whatever_is_cut_or_changed_is_told_as_a_request_error() -> None:
    """Cut anywhere, and with any bytes changed: rows, or an error of the caller's."""
    whole, chance = stream(GOOD, TYPES), random.Random(5)
    bodies = [whole[:n] for n in range(0, len(whole), 7)]
    for _ in range(1500):
        changed = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4))):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        bodies.append(bytes(changed))
    refused = 0
    for body in bodies:
        try:
            decoded(body)
        except RequestError:
            refused += 1
    assert refused > len(bodies) / 4


def test_what_to_install_is_told_where_pyarrow_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    arrow.missing.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    try:
        with pytest.raises(UnsupportedMediaTypeError, match=r"pip install 'cloche\[score\]'"):
            forms.form_of_body(arrow.MEDIA_TYPE)
        with pytest.raises(NotAcceptableError, match=r"pip install 'cloche\[score\]'"):
            forms.form_of_answer(arrow.MEDIA_TYPE)
        assert forms.form_of_answer(f"{arrow.MEDIA_TYPE}, application/json;q=0.1").name == "JSON"
    finally:
        arrow.missing.cache_clear()
