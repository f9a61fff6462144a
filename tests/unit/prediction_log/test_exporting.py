"""The log as one file."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import logged
from cloche.contract.model import Output
from cloche.errors import UsageError
from cloche.prediction_log.exporting import Exported, export, named
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import LoggedField
from cloche.prediction_log.reading import LogReader
from cloche.store import Store

CLASSES = {1: ("Adelie", "Gentoo"), 2: ("Gentoo", 7)}


def store_in(folder: Path) -> Store:
    return Store.open((folder / "store").as_uri(), Path("/"))


def write(store: Store, path: Path, **options: Any) -> Exported:
    return export(LogReader(store), "penguins", path, classes=CLASSES.get, **options)


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_folded_and_landed_rows_with_the_names_of_their_fields(store_url: str, tmp_path: Path, suffix: str) -> None:
    store = Store.open(store_url, Path("/"))
    one = logged.request(client_request_id="mine", key="K")
    logged.land(store, [logged.schema(), one, logged.failed()])
    Folder(store, "me").all()
    logged.land(store, [logged.schema(), logged.request(((1.5, 'Dr"eam,', "bob"), (2.5, None, "cyd")))], number=2)
    path = tmp_path / f"log{suffix}"
    done = write(store, path)
    assert done.rows == 3
    found = {row["customer"]: row for row in rows_of(path)}
    assert sorted(found) == ["ann", "bob", "cyd"]
    first = found["ann"]
    assert first["request_id"] == one.request_id
    assert (first["client_request_id"], first["key"], first["route"], first["engine"]) == (
        "mine",
        "K",
        "live",
        "native",
    )
    assert found["bob"]["island"] == 'Dr"eam,'
    assert [float(first[f"probabilities.{name}"]) for name in CLASSES[1]] == [0.75, 0.25]
    assert not found["cyd"]["island"]
    assert write(store, path, everything=True).rows == 4
    assert list(tmp_path.glob(".log*")) == []


def test_windows_and_versions(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    logged.land(store, [logged.schema(), logged.request(), logged.schema(id=2, version=4), logged.request(schema=2)])
    path = tmp_path / "log.parquet"
    assert write(store, path, version=4).rows == 1
    assert write(store, path, since=logged.NOON + dt.timedelta(hours=1)).rows == 0
    assert "island" in write(store, path, until=logged.NOON + dt.timedelta(hours=1)).columns


def test_several_contracts_in_one_file(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    output = Output(task="classification", type="string", classes=("Gentoo", 7), probabilities=True)
    second = logged.schema(id=2, contract=2, output=output)
    logged.land(store, [logged.schema(), logged.request(), second, logged.request(schema=2)])
    Folder(store, "me").all()
    path = tmp_path / "log.parquet"
    write(store, path)
    rows = {row["contract"]: row for row in rows_of(path)}
    assert (rows[1]["probabilities.Adelie"], rows[1]["probabilities.7"]) == (0.75, None)
    assert (rows[2]["probabilities.Gentoo"], rows[2]["probabilities.7"]) == (0.75, 0.25)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_vectors_moments_and_several_outputs(tmp_path: Path, suffix: str) -> None:
    store = store_in(tmp_path)
    fields = (
        LoggedField("vec", "vector", "input"),
        LoggedField("when", "datetime", "input", timezone="Europe/Berlin"),
        LoggedField("day", "date", "context"),
    )
    output = Output(task="multioutput_classification", type="string", names=("p", "q"))
    request = logged.request(
        (([1.0, 2.0], logged.NOON, "2020-02-29"),), prediction=[{"p": "a", "q": "b"}], probabilities=[{"p": [1.0]}]
    )
    logged.land(store, [logged.schema(fields=fields, output=output), request])
    Folder(store, "me").all()
    path = tmp_path / f"log{suffix}"
    write(store, path)
    (row,) = rows_of(path)
    assert row["probabilities"] == '{"p":[1.0]}'
    assert row["prediction"] == '{"p":"a","q":"b"}'
    assert str(row["day"]) == "2020-02-29"
    assert row["vec"] == ([1.0, 2.0] if suffix == ".parquet" else "[1.0,2.0]")
    assert dt.datetime.fromisoformat(str(row["when"])) == logged.NOON


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        pytest.param(["in_age"], {"in_age": "age"}, id="plain"),
        pytest.param(["in_age", "ctx_age"], {"in_age": "in_age", "ctx_age": "ctx_age"}, id="two-of-one-name"),
        pytest.param(["in_time"], {"in_time": "in_time"}, id="as-a-column-of-ours"),
        pytest.param(["in_odd%2C%20x%3D"], {"in_odd%2C%20x%3D": "odd, x="}, id="odd"),
        pytest.param(["hash_who", "bin_age"], {"hash_who": "hash_who", "bin_age": "bin_age"}, id="not-the-values"),
        pytest.param(["in_probabilities.a"], {"in_probabilities.a": "in_probabilities.a"}, id="as-a-class"),
    ],
)
def test_names_in_a_file(columns: list[str], names: dict[str, str]) -> None:
    assert named(columns) == names


@pytest.mark.parametrize("name", ["log.txt", "log", "no/such/folder/log.csv"])
def test_files_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    store = store_in(tmp_path)
    logged.land(store, [logged.schema(), logged.request()])
    with pytest.raises(UsageError, match=name):
        write(store, tmp_path / name)
