"""Three R models published from R, served over HTTP, beside a plumber service of the same fits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import cloche
import r_fits
from cloche.api.workplace import workplace
from cloche.artifact import open_artifact
from cloche.errors import UntrustedCodeError
from cloche.flavors.r import FILE
from cloche.manifest import MANIFEST, Manifest, identity
from cloche.saving.writing import seal
from cloche.trust import TrustPolicy
from servers import Server, cloche_here, serving
from servers import cloche as run

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MODELS = ("paid", "survived", "deck")
EXAMPLES = Path(__file__).parents[2] / "examples"
LEVELS = ("low", "mid", "high")
FIELDS = {
    "paid": ("age", "fare", "class", "port"),
    "survived": ("age", "fare", "class"),
    "deck": ("age", "fare", "class"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fits, the rows to ask for, and `store`, published by R."""
    r_fits.need_r()
    folder = tmp_path_factory.mktemp("r")
    r_fits.write_client(folder)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    r_fits.rscript(r_fits.SCRIPTS / "publish.R", folder, folder / "store", PATH=path)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def trusted(folder: Path) -> dict[str, str]:
    """The environment of an operator who trusts the three."""
    shown = [cloche_here("show", f"{name}@1", "--json", store=folder / "store").stdout for name in MODELS]
    digests = [json.loads(one)["artifact"] for one in shown]
    config = folder / "config" / "cloche" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"[trust]\ntrusted_digests = {json.dumps(digests)}\n")
    return {"XDG_CONFIG_HOME": str(folder / "config")}


@pytest.fixture(scope="module")
def server(folder: Path, trusted: dict[str, str]) -> Iterator[Server]:
    with serving(MODELS, store=folder / "store", env=trusted) as server:
        yield server


@pytest.fixture(scope="module")
def plumber(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = r_fits.SCRIPTS / "plumber.R"
    process = subprocess.Popen(["Rscript", "--vanilla", str(script), str(folder), str(port)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                httpx.get(f"{url}/ready").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        assert process.poll() is None
        yield url
    finally:
        process.kill()
        process.wait()


def of(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fields that the model *name* reads."""
    return [{field: row[field] for field in FIELDS[name]} for row in rows]


def ask(url: str, name: str, rows: Any) -> Any:
    answer = httpx.post(f"{url}/models/{name}/predict", json=rows, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_answers_as_plumber_does(server: Server, plumber: str, rows: list[dict[str, Any]]) -> None:
    close = {"rtol": 1e-9, "atol": 1e-9}
    ours = {name: ask(server.url, name, of(name, rows)) for name in MODELS}
    theirs = {name: ask(plumber, name, rows) for name in MODELS}
    np.testing.assert_allclose(ours["paid"]["prediction"], theirs["paid"]["prediction"], **close)
    np.testing.assert_allclose(ours["survived"]["probabilities"]["yes"], theirs["survived"]["probability"], **close)
    shares = np.array([ours["deck"]["probabilities"][level] for level in LEVELS])
    sure = (shares == shares.max(axis=0)).sum(axis=0) == 1  # where votes are equal R draws lots
    assert sure.sum() > 380
    assert (np.array(ours["deck"]["prediction"]) == np.array(theirs["deck"]["prediction"]))[sure].all()
    for level in LEVELS:
        np.testing.assert_allclose(
            ours["deck"]["probabilities"][level], theirs["deck"]["probabilities"][level], **close
        )


def test_one_row_is_answered_as_among_others(server: Server, rows: list[dict[str, Any]]) -> None:
    many = ask(server.url, "deck", of("deck", rows[:20]))
    alone = [ask(server.url, "deck", row) for row in of("deck", rows[:20])]
    assert [one["prediction"] for one in alone] == many["prediction"]
    assert [one["probabilities"]["mid"] for one in alone] == many["probabilities"]["mid"]


def test_r_itself_calls_it(server: Server, folder: Path) -> None:
    assert r_fits.rscript(r_fits.SCRIPTS / "ask.R", folder, server.url).stdout == "as R says\n"


def test_a_killed_r_process_costs_no_answer(server: Server, rows: list[dict[str, Any]]) -> None:
    before = ask(server.url, "paid", of("paid", rows[:3]))["prediction"]
    killed = [pid for pid in _descendants(server.process.pid) if _is_r(pid)]
    assert len(killed) >= len(MODELS)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert ask(server.url, "paid", of("paid", rows[:3]))["prediction"] == before
    assert ask(server.url, "deck", of("deck", rows[:3]))["prediction"]


def _descendants(pid: int) -> list[int]:
    found = []
    for child in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(child.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(child.parent.name), *_descendants(int(child.parent.name))]
    return found


def _is_r(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == "R"


def test_a_row_r_refuses_is_no_outage(server: Server, rows: list[dict[str, Any]]) -> None:
    bad = of("deck", rows[:2])
    bad[1]["age"] = None
    answer = httpx.post(f"{server.url}/models/deck/predict", json=bad, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["field"] == "age"
    assert ask(server.url, "deck", of("deck", rows[:2]))


def test_what_the_manifest_says(folder: Path) -> None:
    shown = json.loads(cloche_here("show", "deck@1", "--json", store=folder / "store").stdout)
    packages = shown["environment"]["packages"]
    assert shown["framework"] == f"R {packages['R']} (randomForest {packages['R package randomForest']})"
    assert shown["task"] == "classification"
    assert shown["training"]["rows"] == 300
    assert shown["training"]["data_version"] == "7"
    assert {one["name"]: one["n"] for one in shown["metrics"]}["accuracy"] == 100
    assert shown["training"]["hyperparameters"]["ntree"] == "50"


# -- a file that saveRDS wrote, from Python -----------------------------------------------------------


def test_python_saves_a_fit(folder: Path, tmp_path: Path) -> None:
    """The table lies in the fit; one of the caller's own takes its place."""
    own = [{"age": 30.5 + place, "fare": 7.25 * place + 1, "class": "2nd", "port": "Cherbourg"} for place in range(40)]
    first = cloche.save(folder / "paid.rds", "paid", store=str(tmp_path), quiet=True)
    assert [(one.name, one.rule) for one in first.rules][2:] == [
        ("class", "one of '1st', '2nd', '3rd', null allowed"),
        ("port", "one of 'Cherbourg', 'Köln \"am Rhein\"', null allowed"),
    ]
    second = cloche.save(
        folder / "paid.rds", "paid", inputs=own, description="by hand", store=str(tmp_path), quiet=True
    )
    assert second.version == 2
    assert any("cloche trust paid@2" in note for note in second.notes)
    assert "number, seen 30.5…69.5" in str(cloche.inspect(str(folder / "paid.rds"), own))


def test_the_command_line_saves_a_fit(folder: Path, tmp_path: Path) -> None:
    saved = cloche_here("save", str(folder / "survived.rds"), "--name", "survived", store=tmp_path)
    assert saved.returncode == 0, saved.stderr
    assert "survived version 1 (contract 1, live)" in saved.stdout
    (tmp_path / "cut.rds").write_bytes((folder / "survived.rds").read_bytes()[:900])
    cut = cloche_here("save", str(tmp_path / "cut.rds"), "--name", "survived", store=tmp_path)
    assert cut.returncode == 1
    assert "cut.rds: " in cut.stderr
    printed = cloche_here("r")
    assert printed.stdout == (folder / "cloche.R").read_text("utf-8")


def test_the_example(folder: Path, tmp_path: Path) -> None:
    r_fits.write_client(tmp_path)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    r_fits.rscript(EXAMPLES / "iris.R", cwd=tmp_path, PATH=path, CLOCHE_STORE=str(tmp_path / "store"))
    shown = json.loads(cloche_here("show", "iris@1", "--json", store=tmp_path / "store").stdout)
    assert shown["output"]["classes"] == ["setosa", "versicolor", "virginica"]


# -- trust ------------------------------------------------------------------------------------------


@pytest.fixture
def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there as soon as anybody starts R."""
    started = tmp_path / "started"
    spy = tmp_path / "bin" / "Rscript"
    spy.parent.mkdir()
    spy.write_text(f"#!/bin/sh\ntouch {started}\nexec false\n")
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}{os.pathsep}{os.environ['PATH']}")
    return started


def test_without_trust_r_is_not_started(folder: Path, spied: Path) -> None:
    with pytest.raises(UntrustedCodeError, match=r"an \.rds file can hold code .*cloche trust"):
        cloche.load("paid", store=str(folder / "store"))
    assert cloche_here("promote", "paid", "1", store=folder / "store").returncode == 1
    assert run("serve", "paid", "--port", "0", store=folder / "store").returncode != 0
    assert not spied.exists()


@pytest.fixture(scope="module")
def attacks(folder: Path) -> Path:
    r_fits.rscript(r_fits.SCRIPTS / "attacks.R", folder, folder / "cloche.R")
    return folder


@pytest.mark.parametrize("attack", ["closure", "promise"])
def test_code_in_a_file_runs_for_a_trusted_digest_only(
    attack: str, attacks: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = workplace(str(folder / "store")).registry
    artifact = registry.fetch(registry.version("paid", 1), tmp_path / "cache")
    before = identity((artifact / MANIFEST).read_bytes())
    (artifact / FILE).write_bytes((attacks / f"attack-{attack}.rds").read_bytes())
    seal(artifact, Manifest.from_json((artifact / MANIFEST).read_bytes()))
    now = identity((artifact / MANIFEST).read_bytes())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(UntrustedCodeError):
        open_artifact(artifact, TrustPolicy(trusted_digests=frozenset({before})))
    assert not (tmp_path / "canary").exists()
    with pytest.raises(Exception, match=r"golden\.jsonl"):  # it is another model: but it did run
        open_artifact(artifact, TrustPolicy(trusted_digests=frozenset({now})))
    assert (tmp_path / "canary").exists()
