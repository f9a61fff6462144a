"""Two users who come from elsewhere, end to end: an MLflow folder and a vetiver pin, with both tools themselves."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

import cloche
import peering
import warm
from conftest import needs
from servers import cloche_here, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
_SCRIPT = Path(__file__).parent.parent / "peers" / "other_tools.py"


@dataclass(frozen=True)
class Peers:
    """What both tools wrote, where they serve it, and a store with all of it imported."""

    python: Path
    folder: Path
    mlflow_url: str
    vetiver_url: str
    store: str


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    found = peering.make() if peering.wanted() else peering.python()
    needs(found, "needs .venv-peers (python tests/peering.py makes it, in some 40 s)")
    assert found is not None
    folder = tmp_path_factory.mktemp("peers")
    ports = _free_ports()
    with _other_tools(found, folder, ports):
        store = str(folder / "store")
        with warm.saves():
            for path, name, flags in (
                ("mlflow-skops", "skops", []),
                ("mlflow-pickle", "pickled", ["--trust"]),
                ("board/loans", "loans", ["--trust"]),
                ("board/others", "others", ["--trust"]),
            ):
                done = cloche_here("import", str(folder / path), "--name", name, *flags, "--store", store)
                assert done.returncode == 0, done.stderr
        yield Peers(found, folder, *(f"http://127.0.0.1:{port}" for port in ports), store)


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def _other_tools(python: Path, folder: Path, ports: tuple[int, int]) -> Iterator[None]:
    """Both servers, from when they answer until the end of the block."""
    with (folder / "peers.log").open("w+") as log:
        command = [python, _SCRIPT, "serve", folder, *map(str, ports)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=_environment(), text=True
        )
        try:
            assert process.stdout is not None
            assert "ready" in _until_ready(process.stdout), (folder / "peers.log").read_text()
            yield
        finally:
            process.kill()
            process.wait()


def _until_ready(stream: IO[str]) -> str:
    """What it prints until it is ready; vetiver prints too."""
    said = ""
    for line in stream:
        said += line
        if line.strip() == "ready":
            break
    return said


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


@pytest.mark.parametrize("name", ["skops", "pickled", "loans"])
@pytest.mark.parametrize("tool", ["mlflow", "vetiver"])
def test_an_import_answers_as_the_old_server(name: str, tool: str, peers: Peers) -> None:
    url = peers.mlflow_url if tool == "mlflow" else peers.vetiver_url
    told = ["--as", tool, "--rows", str(peers.folder / "rows.csv"), "--store", peers.store]
    done = cloche_here("compare", url, f"{name}@1", *told)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "82 rows (predictions): 82 equal, 0 different" in done.stdout


def test_another_model_is_found_to_be_another(peers: Peers) -> None:
    told = ["--rows", str(peers.folder / "rows.csv"), "--store", peers.store]
    done = cloche_here("compare", peers.mlflow_url, "others@1", *told)
    assert done.returncode == 1
    assert "does not answer as" in done.stdout


def test_names_types_and_origin_are_those_of_the_signature(peers: Peers) -> None:
    for name, kind in (("skops", "mlflow"), ("loans", "vetiver")):
        model = cloche.load(name, store=peers.store)
        fields = [(field.name, field.type) for field in model.contract.inputs]
        assert fields == [("age", "number"), ("income", "number"), ("city", "category")]
        assert model.manifest.lineage["imported_from"] == kind


def test_it_takes_the_old_place_and_the_old_clients_notice_nothing(peers: Peers, tmp_path: Path) -> None:
    done = cloche_here("export", "skops", "--to", "mlflow", "-o", str(tmp_path / "out"), "--store", peers.store)
    assert done.returncode == 0, done.stderr
    with serving(["skops", "--dialect", "mlflow"], store=peers.store) as server:
        port = re.findall(r"\d+$", server.url)[0]
        predict = f"{server.url}/predict?probabilities=false"
        command = [peers.python, _SCRIPT, "call", port, predict, peers.folder / "rows.csv", tmp_path / "out"]
        called = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    assert called.returncode == 0, called.stderr
    found: dict[str, Any] = json.loads(called.stdout.splitlines()[-1])
    assert found["mlflow"] == found["vetiver"] == found["exported"]
    assert set(found["mlflow"]) == {"yes", "no"}
    assert found["version"].strip() == cloche.__version__
