"""The last answers: from folds as they pass by, and from the log for who has just started; few rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import logged
from cloche.contract.model import Output
from cloche.monitoring.rollups.recent import KEPT, Recent
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.reading import LogReader
from cloche.store import Store

MINUTE_US = 60_000_000
NUMBER = Output(task="regression", type="number")


def asked(*minutes: float, **more: Any) -> list[Any]:
    return [logged.request(time_us=logged.NOON_US + int(at * MINUTE_US), **more) for at in minutes]


class Log:
    """A store whose folds *recent* is shown."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(str(folder), folder)
        self.number = 0

    def land(self, frames: Sequence[Any], recent: Recent | None = None, schema: Any = None) -> None:
        self.number += 1
        logged.land(self.store, [schema or logged.schema(), *frames], number=self.number)
        Folder(self.store, "me", derive=lambda parts: (recent.take(parts), {})[1] if recent else {}).all()


def ids(recent: Recent) -> list[str]:
    return [one.request_id for one in recent.of("penguins")]


@pytest.mark.parametrize(
    ("minutes", "shown"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([0.0, 0.5], 2, id="a-minute"),
        pytest.param([at / 100 for at in range(50)], KEPT, id="busy"),
        pytest.param([at * 2.0 for at in range(25)], KEPT, id="an-hour"),
        pytest.param([at * 50.0 for at in range(25)], KEPT, id="a-day"),
        pytest.param([at * 100.0 for at in range(25)], 15, id="no-more-than-a-day-is-read"),
    ],
)
def test_who_has_just_started_reads_the_newest_from_the_log(tmp_path: Path, minutes: list[float], shown: int) -> None:
    log, requests = Log(tmp_path), asked(*minutes)
    if requests:
        log.land([*requests[::2], *requests[1::2]])
    assert ids(Recent(log.store)) == [one.request_id for one in requests[::-1][:shown]]


def test_what_a_fold_brought_stands_once(tmp_path: Path) -> None:
    log = Log(tmp_path)
    before, since = asked(*range(5)), asked(*range(10, 13))
    log.land(before)
    recent = Recent(log.store)
    log.land(since, recent)
    wanted = [one.request_id for one in (before + since)[::-1]]
    assert ids(recent) == wanted
    later = asked(20)
    log.land(later, recent)
    assert ids(recent) == [later[0].request_id, *wanted]


def test_refused_requests_and_other_models_are_not_among_them(tmp_path: Path) -> None:
    log = Log(tmp_path)
    (one,) = asked(0)
    log.land([one, *(logged.failed(time_us=logged.NOON_US + at) for at in range(100))])
    recent = Recent(log.store)
    assert ids(recent) == [one.request_id]
    assert recent.of("other") == []
    assert recent.of("penguins")[0].prediction == "Adelie"
    assert recent.of("penguins")[0].confidence == 0.75


def test_of_several_contracts_the_newest_of_all(tmp_path: Path) -> None:
    log, old = Log(tmp_path), asked(*range(3))
    log.land(old)
    new = asked(0.5, 1.5, 2.5, prediction=[7.5], schema=2)
    log.land(new, schema=logged.schema(id=2, version=4, contract=2, output=NUMBER))
    found = [(one.version, one.prediction) for one in Recent(log.store).of("penguins")]
    assert found == [(4, "7.5"), (3, "Adelie")] * 3


def test_no_input_is_read(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.land(asked(0))
    rows = LogReader(log.store).newest("penguins", 5, ("request_id", "time", "row"))
    assert rows.column_names == ["request_id", "row", "time"]
    assert rows.num_rows == 1
