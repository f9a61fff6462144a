"""Every later cloche reads what any earlier one wrote: `tests/museum/` holds a store of each release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cloche

MUSEUM = Path(__file__).parent / "museum"
RELEASES = sorted(path for path in MUSEUM.iterdir() if (path / "store").is_dir())

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not RELEASES, reason="no release has been put into the museum yet")]


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the release's exhibit, its store being the one in use."""
    copy = Path(shutil.copytree(request.param, tmp_path / "exhibit"))
    monkeypatch.setenv("CLOCHE_STORE", str(copy / "store"))
    monkeypatch.setenv("CLOCHE_CACHE", str(tmp_path / "cache"))
    return copy


def answers(release: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((release / "answers.json").read_text("utf-8"))
    return found


def run(*words: str) -> str:
    """What `cloche WORDS` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "cloche", *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_and_shown(release: Path) -> None:
    listed = run("list", "--json")
    for name in answers(release):
        assert f'"{name}"' in listed
        assert json.loads(run("show", name, "--json"))
        assert run("contract", name)
        assert run("history", name)


def test_it_is_intact(release: Path) -> None:
    run("verify")


def test_it_answers_as_it_did(release: Path) -> None:
    for name, expected in answers(release).items():
        got = cloche.load(name).predict(expected["rows"])
        assert got.prediction == pytest.approx(expected["prediction"]) or got.prediction == expected["prediction"]
        assert (got.probabilities is None) == (expected["probabilities"] is None)
        for label, shares in (expected["probabilities"] or {}).items():
            assert got.probabilities[label] == pytest.approx(shares)


def test_it_can_be_written_to(release: Path) -> None:
    run("promote", "classes", "1", "--reason", "an old version, by a new cloche")
    assert cloche.load("classes").version == 1
    run("rollback", "classes")
    assert cloche.load("classes").version == 2
