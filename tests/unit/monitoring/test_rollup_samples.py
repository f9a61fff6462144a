"""Folds keep samples of texts and vectors: each row once, some of many, for some days, and of nobody who is erased."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import logged
from cloche.contract.model import Contract, Field, Output
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import RollUp, history, rolled_up
from cloche.monitoring.rollups.sampling import Pace
from cloche.monitoring.rollups.table import SAMPLES_FOR_DAYS, age
from cloche.monitoring.samples import CAPACITY, EVERY
from cloche.prediction_log import erasing, layout
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import LoggedField
from cloche.profile import profile
from cloche.records import Column, Table
from cloche.store import Store

MINUTE_US = 60_000_000
FIELDS = (
    LoggedField("text", "text", "input"),
    LoggedField("vector", "vector", "input"),
    LoggedField("customer", "string", "key"),
)
NUMBER = Output(task="regression", type="number")
CONTRACT = Contract(
    fields=(Field(name="text", type="text"), Field(name="vector", type="vector", length=3)), output=NUMBER
)
USUAL, OTHER = "the parcel came late and open".split(), "my card was charged twice today".split()
RNG = np.random.default_rng(5)


def complaint(words: Sequence[str] = USUAL) -> str:
    return " ".join(RNG.choice(words, 8))


def vector() -> list[float]:
    return RNG.normal(size=3).tolist()


def column(name: str, kind: Any, values: Sequence[Any]) -> Column:
    held = np.empty(len(values), dtype=object)
    held[:] = values
    return Column(name, kind, held, np.zeros(len(values), dtype=np.bool_), "object")


TRAINED = {
    "text": column("text", "string", [complaint() for _ in range(400)]),
    "vector": column("vector", "vector", [np.array(vector()) for _ in range(400)]),
}
INPUTS = profile(Table(TRAINED, 400, "pandas"), CONTRACT)
RAW = json.dumps({"inputs": INPUTS}).encode()
REFERENCE = Reference.of(RAW)


def rows(n: int, words: Sequence[str] = USUAL, who: str = "ann") -> list[tuple[Any, ...]]:
    return [(complaint(words), vector(), who) for _ in range(n)]


def answered(given: Sequence[Sequence[Any]], minute: int = 0) -> Any:
    time_us = logged.NOON_US + minute * MINUTE_US
    return logged.request(given, time_us=time_us, prediction=[1.0] * len(given))


def schema(fields: Sequence[LoggedField] = FIELDS) -> Any:
    return logged.schema(fields=fields, output=NUMBER)


def folder(store: Store, **more: Any) -> Folder:
    pace = Pace()
    return Folder(store, "me", derive=lambda parts: rolled_up(parts, lambda *_: REFERENCE, pace), **more)


def folded(tmp_path: Path, *frames: Any, fields: Sequence[LoggedField] = FIELDS) -> Store:
    store = Store.open(str(tmp_path), tmp_path)
    logged.land(store, [schema(fields), *frames])
    folder(store).all()
    return store


def all_of(store: Store, *, sampled: bool = True) -> list[RollUp]:
    noon = logged.NOON.timestamp()
    return list(history(store, "penguins", noon - 86_400, noon + 86_400, sampled=sampled))


def test_a_minute_keeps_its_rows_as_features(tmp_path: Path) -> None:
    given = [*rows(20), (None, None, "bob"), (complaint(), [1.0, float("nan"), 2.0], "bob")]
    (one,) = all_of(folded(tmp_path, answered(given), logged.failed()))
    text, vectors = one.samples["text"], one.samples["vector"]
    assert (len(text), text.below, len(vectors)) == (21, EVERY, 20)
    known = REFERENCE.fields["text"].sample
    assert known is not None
    _, expected = known.features.rows([text for text, _, _ in given if text is not None])
    assert sorted(map(tuple, text.features())) == sorted(map(tuple, expected))


@pytest.mark.parametrize(
    ("texts", "start"),
    [
        pytest.param(["01HABC", "01HABD", "01HABE"], 0, id="of-one-length"),
        pytest.param(["01HABC", "01HABD", "01HABE"], 1, id="a-slice"),
        pytest.param(["01HABC", "x", "a longer one than fits", None], 0, id="of-several"),
        pytest.param(["", ""], 0, id="empty"),
        pytest.param([], 0, id="none"),
    ],
)
def test_the_bytes_of_ids_are_their_own_however_they_lie(texts: list[str | None], start: int) -> None:
    rows = pa.table({"request_id": pa.chunked_array([pa.array(texts, pa.string())])}).slice(start)
    found = erasing.home("arrow").bytes_of(rows, "request_id", 8)
    assert found.shape == (len(texts) - start, 8)
    assert [row.tobytes() for row in found] == [(text or "").encode()[:8].ljust(8, b"\0") for text in texts[start:]]


def test_who_asks_for_counts_reads_no_samples(tmp_path: Path) -> None:
    store = folded(tmp_path, answered(rows(20)))
    assert [one.samples for one in all_of(store, sampled=False)] == [{}]


def test_a_minute_of_many_rows_keeps_so_many(tmp_path: Path) -> None:
    (one,) = all_of(folded(tmp_path, answered(rows(2_000))))
    assert one.tally.rows == 2_000
    assert 0.8 * CAPACITY < len(one.samples["text"]) <= CAPACITY
    assert one.samples["text"].keys == one.samples["vector"].keys, "the same rows"


STEPS = ["listed", "created", "committed", "folded", "deleted"]


@pytest.mark.parametrize("step", STEPS)
def test_a_fold_that_is_cut_off_anywhere_keeps_each_row_once(tmp_path: Path, step: str) -> None:
    class Cut(Exception):
        pass

    def reached(name: str) -> None:
        if name.startswith(step):
            raise Cut

    store = Store.open(str(tmp_path), tmp_path)
    logged.land(store, [schema(), answered(rows(30)), answered(rows(20), minute=1)])
    with pytest.raises(Cut):
        folder(store, reached=reached).all()
    folder(store).all()
    keys = [key for one in all_of(store) for key in one.samples["text"].keys.hex(" ", 8).split()]
    assert len(keys) == len(set(keys)) == 50


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([LoggedField("text", "text", "input", "none"), *FIELDS[1:]], id="not-kept"),
        pytest.param([LoggedField("text", "text", "input", "hash"), *FIELDS[1:]], id="private"),
        pytest.param([LoggedField("text", "text", "input", "bin"), *FIELDS[1:]], id="summary"),
    ],
)
def test_what_the_log_keeps_no_values_of_is_not_sampled(tmp_path: Path, fields: list[LoggedField]) -> None:
    kept = fields[0].kept
    first = [] if kept == "none" else ["0f"] if kept == "hash" else [3]
    given = [(*first, vector(), "ann") for _ in range(5)]
    (one,) = all_of(folded(tmp_path, answered(given), fields=fields))
    assert list(one.samples) == ["vector"]


def test_samples_become_one_of_the_hour_and_go_after_some_days(tmp_path: Path) -> None:
    store = folded(tmp_path, *(answered(rows(40), minute) for minute in range(20)))
    assert sum(len(one.samples["text"]) for one in all_of(store)) > CAPACITY
    noon = logged.NOON
    assert age(store, "penguins", (noon + dt.timedelta(days=3)).timestamp()) == 1
    (hour,) = all_of(store)
    assert (hour.seconds, len(hour.samples["text"])) == (3_600, CAPACITY)
    assert age(store, "penguins", (noon + dt.timedelta(days=SAMPLES_FOR_DAYS)).timestamp()) == 0
    assert age(store, "penguins", (noon + dt.timedelta(days=SAMPLES_FOR_DAYS + 1)).timestamp()) == 1
    assert age(store, "penguins", (noon + dt.timedelta(days=SAMPLES_FOR_DAYS + 1)).timestamp()) == 0
    (bare,) = all_of(store)
    assert (bare.samples, bare.tally) == ({}, hour.tally)


def test_a_table_of_an_older_cloche_takes_samples_and_is_read_without(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    arrow = erasing.home("arrow")

    def older(parts: dict[str, list[Any]]) -> dict[str, list[Any]]:
        found = rolled_up(parts, lambda *_: REFERENCE)
        for those in found.values():
            for part in those:
                part.rows = part.rows.drop_columns([arrow.SAMPLES])
                part.schema = part.schema.remove(part.schema.get_field_index(arrow.SAMPLES))
        return found

    logged.land(store, [schema(), answered(rows(10))])
    Folder(store, "me", derive=older).all()
    assert [one.samples for one in all_of(store)] == [{}]
    logged.land(store, [schema(), answered(rows(10), minute=1)], number=2)
    folder(store).all()
    assert [len(one.samples) for one in all_of(store)] == [0, 2]


def test_who_is_erased_is_in_no_sample(tmp_path: Path) -> None:
    store = folded(tmp_path, answered(rows(10)), answered(rows(1, who="mallory")))
    before = {path: store.get(path) for path in store.list(layout.rollups("penguins")) if path.endswith(".parquet")}
    (counted,) = all_of(store)
    wanted = erasing.wanted("penguins", "customer", "mallory", by="dpo", why="article 17", hash_key=None)
    assert erasing.erase(store, wanted).rows == 1
    (left,) = all_of(store)
    assert (left.samples, left.tally) == ({}, counted.tally)
    assert not set(before) & set(store.list(layout.rollups("penguins"))), "nor in old files"
    logged.land(store, [schema(), answered(rows(5), minute=1)], number=2)
    folder(store).all()
    assert [len(one.samples) for one in all_of(store)] == [0, 2], "and it goes on"
