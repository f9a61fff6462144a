"""`cloche log` and `cloche monitor --once` as somebody types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import logged
from cloche.cli import main
from cloche.prediction_log.frames import Label
from cloche.store import Store

Run = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with two requests of penguins and a label landed."""
    url = (tmp_path / "store").as_uri()
    monkeypatch.setenv("CLOCHE_STORE", url)
    monkeypatch.chdir(tmp_path)
    opened = Store.open(url, Path("/"))
    one = logged.request(client_request_id="order-17")
    label = logged.labels(Label("Adelie", id="order-17"))
    logged.land(opened, [logged.schema(), one, logged.request(((1.0, "Dream", "bob"),)), label])
    return opened


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command that has to end with *exits*; what it printed, read where it is JSON."""

    def ran(*words: str, exits: int = 0) -> Any:
        status = main(words)
        told = capsys.readouterr()
        assert status == exits, told.err
        return json.loads(told.out) if "--json" in words and not exits else told.out + told.err

    return ran


def test_from_landed_to_folded(store: Store, run: Run) -> None:
    before = run("log", "status", "--json")["log"]
    assert (before["waiting"], before["fold"], before["tables"]) == (1, 0, [])
    assert "nothing is folded yet" in run("log", "status")
    (done,) = run("monitor", "--once", "--json")["folds"]
    assert (done["number"], done["segments"], done["rows"]) == (1, 1, 3)
    after = run("log", "status", "penguins", "--json")["log"]
    assert (after["waiting"], after["fold"], after["spools"]) == (0, 1, 1)
    rows = {table["path"]: (table["rows"], table["contract"], table["fold"]) for table in after["tables"]}
    assert rows == {"log/penguins/contract=1": (2, 1, 1), "log/penguins/labels": (1, None, 1)}
    assert "log/penguins/labels" in run("log", "status")
    assert "folded 0 rows" in run("monitor", "--once")
    assert {one["merged"] for one in run("log", "compact", "--json")["tables"]} == {0}
    assert "files merged" in run("log", "compact", "penguins")


def test_export(store: Store, run: Run, tmp_path: Path) -> None:
    done = run("log", "export", "penguins", "-o", "all.parquet", "--json")
    assert done["rows"] == 2
    # no version was ever published here, so that nobody knows the classes
    assert [name for name in done["columns"] if name.startswith("probabilities")] == ["probabilities"]
    assert sorted(pq.read_table("all.parquet")["customer"].to_pylist()) == ["ann", "bob"]
    assert "all.csv: 2 rows" in run("log", "export", "penguins", "-o", "all.csv", "--since", "2026-11-24")
    assert "none.csv: 0 rows" in run("log", "export", "penguins", "-o", "none.csv", "--until", "2026-11-24T11:00Z")


def test_purge(store: Store, run: Run) -> None:
    run("monitor", "--once")
    assert run("log", "purge", "penguins", "--before", "2026-11-24", "--json")["rows"] == 0
    assert "3 rows of penguins" in run("log", "purge", "penguins", "--before", "2026-11-25")
    assert "0 rows of penguins" in run("log", "purge", "penguins", "--older-than", "0s")


def test_erase(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(question: str, **_options: Any) -> bool:
        asked.append(question)
        raise KeyboardInterrupt

    monkeypatch.setattr("click.confirm", refuse)
    words = ("log", "erase", "penguins", "--where", "customer=ann", "--reason", "asked for by mail")
    run(*words, exits=130)
    assert asked[0].startswith("erase 1 rows and 1 labels of penguins")
    done = run(*words, "--yes", "--json")["erased"]
    assert (done["rows"], done["labels"]) == (1, 1)
    assert run("log", "status", "--json")["log"]["erasures"] == 1
    assert "erased 0 rows" in run(*words, "--yes")


REFUSED = [
    pytest.param(("log", "export", "nobody", "-o", "x.csv"), 3, "models with a log: penguins", id="no-such-model"),
    pytest.param(("log", "export", "penguins", "-o", "x.txt"), 2, ".csv or .parquet", id="kind-of-file"),
    pytest.param(("log", "export", "penguins", "-o", "x.csv", "--since", "now"), 2, "--since", id="moment"),
    pytest.param(("log", "purge", "penguins"), 2, "--older-than", id="purge-what"),
    pytest.param(("log", "purge", "penguins", "--older-than", "1"), 2, "--older-than", id="age"),
    pytest.param(
        ("log", "erase", "penguins", "--where", "ann", "--reason", "x", "--yes"), 2, "FIELD=VALUE", id="no-value"
    ),
    pytest.param(
        ("log", "erase", "penguins", "--where", "nam=ann", "--reason", "x", "--yes"), 2, "customer", id="no-such-field"
    ),
    pytest.param(
        ("log", "erase", "penguins", "--where", "customer=a", "--reason", " ", "--yes"), 2, "--reason", id="no-reason"
    ),
    pytest.param(
        ("log", "erase", "penguins", "--where", "customer=a", "--reason", "x", "--json"), 2, "--yes", id="json-asks"
    ),
    pytest.param(("log", "status", "Bad Name"), 2, "Bad Name", id="name"),
]


@pytest.mark.parametrize(("words", "exits", "says"), REFUSED)
def test_what_is_refused(store: Store, run: Run, words: tuple[str, ...], exits: int, says: str) -> None:
    assert says in run(*words, exits=exits)


def test_probabilities_have_the_names_of_the_classes(lines_store_2: str, run: Run, tmp_path: Path) -> None:
    opened = Store.open(lines_store_2, Path("/"))
    logged.land(opened, [logged.schema("lines"), logged.request(model="lines")])
    path = str(tmp_path / "lines.parquet")
    done = run("log", "export", "lines", "-o", path, "--store", lines_store_2, "--json")
    assert [name for name in done["columns"] if name.startswith("prob")] == ["probabilities.no", "probabilities.yes"]
