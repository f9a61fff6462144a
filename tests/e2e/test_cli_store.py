"""`gc`, `delete`, `copy`, `backup`, `restore`, `doctor` as people type them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import cloche
import handmade
from cloche.cli import main
from cloche.registry import Registry
from cloche.store import Store
from tiny_s3 import tiny_s3

pytestmark = pytest.mark.e2e
Put = Callable[..., None]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder commands run in; the store is `.cloche`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOCHE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLOCHE_USER", "ada")
    return tmp_path


@pytest.fixture
def put(here: Path) -> Put:
    """Publish a handmade artifact: `put("penguins")`."""
    count = iter(range(100))

    def put_one(name: str = "penguins", store: str | None = None, *fields: str, **details: object) -> None:
        number, made = next(count), handmade.contract(*fields)
        folder = handmade.artifact(here / "made" / str(number), made=made, content=b"%d" % number, **details)
        registry = Registry(Store.open(store, here))
        registry.publish(folder, name=name, contract=made, contract_number=1, by="ada")

    return put_one


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict:
    capsys.readouterr()
    assert main([*words, "--json"]) == status
    out = capsys.readouterr()
    return json.loads(out.out or out.err)


def test_delete_and_gc(here: Path, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    put()
    put()
    assert told(capsys, "delete", "penguins@1", status=1)["message"].startswith("model 'penguins': version 1 is live")
    assert main(["delete", "penguins@2", "--reason", "wrong table"]) == 0
    assert main(["delete", "penguins@live"]) == 2
    assert "deleted by ada" in told(capsys, "show", "penguins@2", status=3)["message"]
    assert "deleted by ada" in told(capsys, "list", "penguins")["versions"][1]["routes"]
    assert told(capsys, "gc", "--dry-run")["files"]["marked"] == 2
    assert told(capsys, "gc")["files"]["marked"] == 2
    assert told(capsys, "gc")["files"] == {"kept": 4, "marked": 0, "waiting": 2, "deleted": 0, "bytes_deleted": 0}
    assert told(capsys, "gc", "--grace", "0s")["files"]["deleted"] == 2
    assert main(["gc", "--grace", "soon"]) == 2
    assert main(["verify"]) == 0


def test_copy_keeps_the_artifact_and_takes_the_targets_number(here: Path, put: Put, capsys) -> None:
    put()
    put()
    put("penguins", "prod")
    first = told(capsys, "copy", "penguins@2", "--to", "prod")
    assert (first["new"], first["version"]["version"], first["version"]["contract"]) == (True, 2, 1)
    assert first["version"]["copied_from"] == {"store": str(here / ".cloche"), "name": "penguins", "version": 2}
    assert first["version"]["manifest"] == Registry(Store.open(None, here)).version("penguins", 2).manifest
    assert told(capsys, "copy", "penguins@2", "--to", "prod")["new"] is False
    other = told(capsys, "copy", "penguins@2", "--to", "prod", "--name", "birds")
    assert (other["version"]["name"], other["version"]["version"]) == ("birds", 1)
    assert told(capsys, "show", "penguins@2", "--store", "prod")["copied_from"]["version"] == 2
    assert main(["verify", "--store", "prod"]) == 0
    assert main(["copy", "penguins@2", "--to", ".cloche"]) == 2


def test_copy_does_not_break_the_callers_of_the_target(here: Path, put: Put, capsys) -> None:
    put("penguins", None, "x", "y")
    put("penguins", "prod", "x")
    refused = told(capsys, "copy", "penguins", "--to", "prod", status=1)
    assert refused["error"] == "BreakingContract"
    assert told(capsys, "list", "penguins", "--store", "prod")["versions"][-1]["version"] == 1


def test_a_store_that_was_destroyed_answers_as_before(here: Path, capsys) -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0] * 10, "y": [1.0, 0.0] * 20})
    cloche.save(LinearRegression().fit(table, table["x"] * 2), "prices", inputs=table)
    rows = [{"x": 1.5, "y": 0.0}, {"x": 3.0, "y": 1.0}]
    before = cloche.load("prices").predict(rows).prediction
    assert main(["backup", "--to", "safe/backup"]) == 4  # the folder above does not exist
    assert main(["backup", "--to", "safe"]) == 0
    shutil.rmtree(here / ".cloche")
    shutil.rmtree(here / "cache")
    assert main(["restore", "--from", "safe"]) == 0
    assert cloche.load("prices").predict(rows).prediction == before
    assert main(["restore", "--from", "safe", "--to", "elsewhere"]) == 0
    assert cloche.load("prices", store="elsewhere").predict(rows).prediction == before
    assert main(["backup", "--to", ".cloche"]) == 2
    assert main(["restore", "--from", "nowhere"]) == 1


def states(document: dict) -> dict[str, str]:
    return {check["name"]: check["state"] for check in document["checks"]}


def test_doctor_where_all_is_well(here: Path, put: Put, capsys) -> None:
    assert states(told(capsys, "doctor"))["store"] == "warning"  # none yet
    put()
    found = states(told(capsys, "doctor"))
    assert {found[name] for name in ("settings", "store", "clock", "penguins@1")} == {"ok"}
    assert Store.open(None, here).list("probes/") == []


def test_doctor_says_what_would_not_open_here(here: Path, put: Put, capsys) -> None:
    put("old", packages={"scikit-learn": "1.5.2", "skops": "0.16.0"})
    put("penguins")
    document = told(capsys, "doctor")
    assert states(document)["old@1"] == "warning"
    assert "scikit-learn 1.5.2 when saved" in next(c["what"] for c in document["checks"] if c["name"] == "old@1")
    assert states(told(capsys, "doctor", "--deep", status=1))["penguins@1"] == "problem"  # its model is no model


def test_doctor_names_a_setting_that_is_wrong(here: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CLOCHE_STROE", "s3://bucket")
    document = told(capsys, "doctor", status=1)
    assert states(document) == {"settings": "problem"}
    assert "did you mean 'CLOCHE_STORE'?" in document["checks"][0]["what"]


@pytest.mark.parametrize(
    ("fault", "check", "what"),
    [
        pytest.param({"honest": False}, "store", "overwrote an object", id="lies"),
        pytest.param({"refuse": 403}, "store", "credentials", id="says-no"),
        pytest.param({}, "clock", "s from the store's", id="another-time"),
    ],
)
def test_doctor_on_an_object_store(here: Path, monkeypatch, capsys, fault: dict, check: str, what: str) -> None:
    with tiny_s3() as server:  # its clock stands still at a moment of 2026
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        vars(server).update(fault)
        document = told(capsys, "doctor", "--store", "s3://bucket", status=1)
    found = next(one for one in document["checks"] if one["name"] == check)
    assert found["state"] == "problem"
    assert what in found["what"]
    assert found["advice"]
