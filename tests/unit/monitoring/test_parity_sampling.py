"""Samples of logged answers, computed again in a process of their own: when, and what is told of them."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from cloche.monitoring.documents import Lamps, ParitySample
from cloche.monitoring.lamps import lit
from cloche.monitoring.parity import EVERY_S, IMPOSSIBLE_EVERY_S, Parity, sample_of
from cloche.monitoring.tallies import Tally
from cloche.store import Store
from processes import eventually

ROW = {"request_id": "a", "version": 3, "equal": True}
OTHER = {"request_id": "b", "version": 3, "equal": False, "differences": ["prediction: 'x' logged, 'y' now"]}
LOST = {"request_id": "c", "version": 3, "equal": None, "why": "its contract keeps no inputs in the log"}


def printed(*rows: Any) -> str:
    return json.dumps({"store": "s", "counts": {}, "rows": rows})


@pytest.mark.parametrize(
    ("said", "errors", "wanted"),
    [
        pytest.param(printed(ROW, ROW), "", ParitySample(version=3, at=1.0, equal=2), id="equal"),
        pytest.param(
            printed(ROW, OTHER),
            "",
            ParitySample(
                version=3, at=1.0, equal=1, different=1, request_id="b", why="prediction: 'x' logged, 'y' now"
            ),
            id="different",
        ),
        pytest.param(
            printed(LOST),
            "",
            ParitySample(version=3, at=1.0, impossible=1, why="its contract keeps no inputs in the log"),
            id="inputs-are-not-kept",
        ),
        pytest.param(printed(ROW | {"version": 2}), "", ParitySample(version=3, at=1.0), id="another-version"),
        pytest.param(
            "",
            "store: /s\nerror: needs scikit-learn\n",
            ParitySample(version=3, at=1.0, why="error: needs scikit-learn"),
            id="no-library",
        ),
        pytest.param("", "", ParitySample(version=3, at=1.0, why="it ended without a word"), id="killed"),
    ],
)
def test_what_is_told(said: str, errors: str, wanted: ParitySample) -> None:
    assert sample_of(said, errors, version=3, at=1.0) == wanted


class Program:
    """A parity whose command prints what it is given, and counts how often it was begun."""

    def __init__(self, folder: Path, text: str, rows: int = 50) -> None:
        self.store = Store.open(str(folder / "store"), folder)
        self.begun = folder / "begun"
        script = f"import sys\nopen({str(self.begun)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\nprint({text!r})"
        self.command = (sys.executable, "-c", script)
        self.rows = rows
        self.parity = Parity(self.store, rows, command=self.command)

    def look(self, now: float, version: int = 3, *, asked: bool = True) -> ParitySample | None:
        return self.parity.look("penguins", version, now, asked=asked)

    def times(self) -> int:
        return len(self.begun.read_text().splitlines()) if self.begun.exists() else 0

    def done(self, now: float) -> ParitySample:
        self.look(now)
        found = eventually(lambda: self.look(now), "the sample is told")
        assert isinstance(found, ParitySample)
        return found


def test_a_sample_is_taken_once_an_hour_and_again_for_another_version(tmp_path: Path) -> None:
    program = Program(tmp_path, printed(ROW))
    assert program.done(0.0).equal == 1
    assert program.begun.read_text().startswith("penguins --sample 50 --since 1969-12-31T23:00:00+00:00 --store ")
    program.look(EVERY_S - 1)
    assert program.times() == 1
    again = Parity(program.store, 50, command=program.command)  # another monitor knows of it
    assert again.look("penguins", 3, EVERY_S - 1, asked=True) is not None
    program.look(EVERY_S)
    eventually(lambda: program.times() == 2, "after an hour it is taken again")
    program.parity.close()
    assert program.look(EVERY_S + 1, version=4) is None
    eventually(lambda: program.times() == 3, "of another version at once")
    program.parity.close()


def test_what_is_not_possible_is_tried_once_a_day(tmp_path: Path) -> None:
    program = Program(tmp_path, printed(LOST))
    assert program.done(0.0).impossible == 1
    program.look(IMPOSSIBLE_EVERY_S - 1)
    assert program.times() == 1


@pytest.mark.parametrize(("rows", "asked"), [(0, True), (50, False)], ids=["switched-off", "nobody-asked"])
def test_where_none_is_taken(tmp_path: Path, rows: int, asked: bool) -> None:
    program = Program(tmp_path, printed(ROW), rows)
    assert program.look(0.0, asked=asked) is None
    assert program.parity.news("penguins") is None
    assert program.times() == 0


def test_a_difference_is_logged_and_lights_the_lamp(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "cloche.monitor"):
        found = Program(tmp_path, printed(ROW, OTHER)).done(0.0)
    assert "request b: prediction: 'x' logged, 'y' now" in caplog.text
    lamp = lit(Lamps(), Tally(), [], [], 0.0, parity=found).predictions
    assert (lamp.state, lamp.why) == ("alarm", "1 of 2 logged answers are not what the model's library answers")
