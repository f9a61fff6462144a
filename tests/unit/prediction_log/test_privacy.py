"""What of a row is written down: by role, privacy, the model's setting and the host's secret."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.contract.model import Contract, Field, LogInputs, Output, Role
from cloche.errors import UsageError
from cloche.prediction_log.hash_key import read_hash_key
from cloche.prediction_log.privacy import ABOVE, BELOW, MISSING, UNKNOWN, Redaction, hashed, text_of
from cloche.profile import profile
from cloche.records import Column, Kind, Table

OUTPUT = Output(task="regression", type="number")
SECRET = b"0123456789abcdef"

#: role, private, log_inputs, whether the host has a secret → how the values are kept.
TABLE: dict[tuple[Role, bool, LogInputs, bool], str] = {
    ("input", False, "keep", False): "value",
    ("input", False, "keep", True): "value",
    ("input", False, "summary", False): "bin",
    ("input", False, "summary", True): "bin",
    ("input", False, "none", False): "none",
    ("input", False, "none", True): "none",
    ("input", True, "keep", False): "none",
    ("input", True, "keep", True): "hash",
    ("input", True, "summary", False): "none",
    ("input", True, "summary", True): "hash",
    ("input", True, "none", False): "none",
    ("input", True, "none", True): "none",
    **{
        (role, private, inputs, secret): ("hash" if secret else "none") if private else "value"
        for role, private, inputs, secret in product(
            ("key", "context"), (False, True), ("keep", "summary", "none"), (False, True)
        )
    },  # type: ignore[dict-item]
}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: "-".join(map(str, case)))
def test_how_a_value_is_kept(case: tuple[Role, bool, LogInputs, bool]) -> None:
    role, private, inputs, secret = case
    fields = (
        Field(name="one", type="number", role=role, private=private),
        Field(name="other", type="number", role="context"),
    )
    contract = Contract(fields=fields, output=OUTPUT, log_inputs=inputs)
    redaction = Redaction(contract, reference=None, hash_key=SECRET if secret else None)
    kept = redaction.fields[0].kept
    assert kept == TABLE[case]
    value: dict[str, list[Any]] = {
        "value": [4.25], "hash": [hashed(4.25, SECRET)], "bin": [UNKNOWN], "none": [],
    }  # fmt: skip
    assert [list(row) for row in redaction.rows([(4.25, 1.0)])] == [[*value[kept], 1.0]]
    assert redaction.replayable == (role != "input" or kept == "value")


def test_rows_that_are_kept_whole_are_not_touched() -> None:
    contract = Contract(fields=(Field(name="a", type="number"), Field(name="b", type="text")), output=OUTPUT)
    row = (1.0, "text")
    assert Redaction(contract, reference=None, hash_key=SECRET).rows([row])[0] is row


# -- hashes -----------------------------------------------------------------------------------------

PARIS = ZoneInfo("Europe/Paris")
NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(True, "true", id="true"),
        pytest.param(1, "1", id="integer"),
        pytest.param(1.0, "1", id="whole-float"),
        pytest.param(-0.0, "0", id="negative-zero"),
        pytest.param(0.1, "0.1", id="fraction"),
        pytest.param(2**70, str(2**70), id="big"),
        pytest.param("ann", "ann", id="text"),
        pytest.param(dt.date(2026, 11, 24), "2026-11-24", id="date"),
        pytest.param(dt.datetime(2026, 11, 24, 12), "2026-11-24T12:00:00", id="moment-without-a-zone"),
        pytest.param(NOON.astimezone(PARIS), "2026-11-24T12:00:00+00:00", id="moment"),
        pytest.param(
            dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), "0001-01-01T00:00:00+14:00",
            id="before-the-year-1-in-utc",
        ),
    ],
)  # fmt: skip
def test_one_value_has_one_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_a_hash_depends_on_the_secret_and_shows_nothing() -> None:
    one, other = hashed("ann", SECRET), hashed("ann", SECRET[::-1])
    assert one is not None
    assert (len(one), one == other, "ann" in one, hashed(None, SECRET)) == (32, False, False, None)
    assert hashed("half \ud800", SECRET) is not None


def test_the_secret_of_hashes(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    assert read_hash_key(None) is None
    with pytest.raises(UsageError, match="No such file"):
        read_hash_key(str(file))
    file.write_bytes(b"short\n")
    with pytest.raises(UsageError, match="at least 16 bytes, got 5"):
        read_hash_key(str(file))
    file.write_bytes(SECRET + b"\n")
    assert read_hash_key(str(file)) == SECRET


# -- bins -------------------------------------------------------------------------------------------


def column(kind: Kind, values: list[Any]) -> Column:
    missing = np.array([value is None for value in values])
    filled = [next(one for one in values if one is not None) if value is None else value for value in values]
    if kind in ("number", "integer", "boolean"):
        array = np.array(filled, dtype={"number": float, "integer": np.int64, "boolean": bool}[kind])
    else:
        array = np.empty(len(values), dtype=object)
        array[:] = [np.array(one) if kind == "vector" else one for one in filled]
    return Column("x", kind, array, missing, "dtype")


def binned(field: Field, kind: Kind, values: list[Any]) -> tuple[dict[str, Any], Counter[int]]:
    """What the profile says of a column, and how often each bin is told for its values."""
    contract = Contract(fields=(field,), output=OUTPUT, log_inputs="summary")
    told = profile(Table({"x": column(kind, values)}, len(values), "list"), contract)
    redaction = Redaction(contract, reference=told, hash_key=None)
    return told["x"], Counter(row[0] for row in redaction.rows([(value,) for value in values]))


def check(told: dict[str, Any], found: Counter[int]) -> None:
    counted = next((told[name] for name in ("norm", "characters") if name in told), told)
    counts = list(told["levels"].values()) if "levels" in told else counted["bins"]["counts"]
    expected = {place: count for place, count in enumerate(counts) if count}
    expected |= {code: count for code, count in ((MISSING, told["missing"]), (UNKNOWN, told.get("other", 0))) if count}
    assert dict(found) == expected


numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-3, 3).map(float)


@given(st.lists(st.none() | numbers, min_size=1, max_size=120).filter(any))
def test_bins_of_numbers_are_those_of_the_profile(values: list[Any]) -> None:
    check(*binned(Field(name="x", type="number", nullable=True), "number", values))


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=1, max_size=60))
def test_bins_of_vectors_are_those_of_the_profile(values: list[Any]) -> None:
    check(*binned(Field(name="x", type="vector", length=3), "vector", values))


@given(st.lists(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), min_size=1, max_size=60))
def test_bins_of_moments_are_those_of_the_profile(values: list[Any]) -> None:
    check(*binned(Field(name="x", type="datetime"), "datetime", values))


@pytest.mark.parametrize(
    ("field", "kind", "values"),
    [
        pytest.param(Field(name="x", type="boolean"), "boolean", [True, False, True, None], id="boolean"),
        pytest.param(Field(name="x", type="integer"), "integer", [1, 2, 2, 9, 2**53 + 1], id="integer"),
        pytest.param(
            Field(name="x", type="category", levels=("a", "b"), nullable=True), "string", ["a", "b", "a", "z", None],
            id="levels",
        ),
        pytest.param(Field(name="x", type="category", levels=(1, 2)), "integer", [1, 2, 2, 7], id="integer-levels"),
        pytest.param(Field(name="x", type="string"), "string", ["", "abc", "é", "\u0301e"], id="text-by-length"),
        pytest.param(
            Field(name="x", type="date"), "date", [dt.date(2026, 1, day) for day in range(1, 29)], id="date"
        ),
        pytest.param(
            Field(name="x", type="datetime", timezone="Europe/Paris"), "datetime",
            [dt.datetime(2026, 10, 25, hour, tzinfo=PARIS) for hour in range(8)], id="moment-with-a-zone",
        ),
        pytest.param(Field(name="x", type="number"), "number", [5.0, 5.0], id="one-edge"),
    ],
)  # fmt: skip
def test_bins_are_those_of_the_profile(field: Field, kind: Kind, values: list[Any]) -> None:
    check(*binned(field, kind, values))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        pytest.param(0.9, BELOW, id="below"),
        pytest.param(1.0, 0, id="the-first-edge"),
        pytest.param(2.0, 1, id="an-edge-begins-its-bin"),
        pytest.param(3.0, 1, id="the-last-edge-ends-the-last"),
        pytest.param(3.1, ABOVE, id="above"),
        pytest.param(None, MISSING, id="missing"),
    ],
)
def test_values_beyond_the_reference_have_bins_of_their_own(value: Any, place: int) -> None:
    contract = Contract(fields=(Field(name="x", type="number"),), output=OUTPUT, log_inputs="summary")
    reference = {"x": {"type": "number", "bins": {"edges": [1.0, 2.0, 3.0], "counts": [1, 2]}}}
    assert Redaction(contract, reference=reference, hash_key=None).rows([(value,)]) == [[place]]
