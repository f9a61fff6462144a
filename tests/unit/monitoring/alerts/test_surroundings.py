"""What rules see beside the log: hosts by their reports, requests by roll-ups of several versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloche.monitoring.alerts.surroundings import Hosts, Requests
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.tallies import FieldTally, OutputTally, Tally
from cloche.registry.reports import AgentReport, ModelReport, ReportWriter, rfc3339
from cloche.store import Store

NOW = 1_800_000_000.0


def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"), tmp_path)


def report(at_store: Store, host: str, *, age_s: float, serving: bool = True, **more: object) -> None:
    """What a host said so long ago of penguins."""
    versions = {1: 3} if serving else {}
    ReportWriter(at_store, host).write(
        AgentReport(
            host=host, machine=host, pid=1, url="http://x", cloche="0.1.0", **more,  # type: ignore[arg-type]
            at=rfc3339(datetime.fromtimestamp(NOW - age_s, UTC)),
            models=(ModelReport(name="penguins", route="live", event=1, wanted={1: 3}, serving=versions),),
        )
    )  # fmt: skip


Host = tuple[str, float, bool, bool]


@pytest.mark.parametrize(
    ("hosts", "ready"),
    [
        pytest.param([], None, id="nobody-ever"),
        pytest.param([("a", 10, True, False)], True, id="served"),
        pytest.param([("a", 200, True, False)], False, id="silent"),
        pytest.param([("a", 200, True, False), ("b", 10, True, False)], True, id="another-serves"),
        pytest.param([("a", 10, False, False)], False, id="refused-everywhere"),
        pytest.param([("a", 10, True, True)], None, id="stopped-in-order"),
        pytest.param([("a", 2 * 86_400, True, False)], None, id="long-gone"),
    ],
)
def test_who_serves_a_model(tmp_path: Path, hosts: Sequence[Host], ready: bool | None) -> None:
    at_store = store(tmp_path)
    for host, age_s, serving, ended in hosts:
        report(at_store, host, age_s=age_s, serving=serving, ended=ended)
    assert Hosts(at_store).ready("penguins", NOW) is ready
    assert Hosts(at_store).ready("irises", NOW) is None


def test_the_longest_wait_of_any_host(tmp_path: Path) -> None:
    at_store = store(tmp_path)
    hosts = Hosts(at_store)
    assert hosts.log_waiting_s(NOW) is None
    for host, waiting in (("a", 5.0), ("b", 900.0), ("c", None)):
        report(at_store, host, age_s=1, log_waiting_s=waiting)
    assert hosts.log_waiting_s(NOW + 5) is None, "reports are read every ten seconds"
    assert hosts.log_waiting_s(NOW + 10) == 900.0


def minute(ago_s: float, version: int, bins: int) -> RollUp:
    """Ten requests of a version whose reference has so many bins."""
    field = FieldTally(n=10, missing=1, finite=9, counts=[1] * bins)
    tally = Tally(
        requests=10, rows=10, status={"200": 10}, fields={"a": field}, output=OutputTally(rows=10, number=field)
    )
    return RollUp(int(NOW - ago_s), 60, version, 1, "live", tally)


def test_versions_are_added_where_they_can_be(tmp_path: Path) -> None:
    minutes = [minute(60, 3, 4), minute(120, 3, 4), minute(180, 2, 7), minute(1_000, 3, 4)]
    window = Requests(store(tmp_path)).window("penguins", 3, minutes, 900, NOW)
    found = window(300.0)
    assert (found.served.requests, found.served.fields) == (30, {})
    assert (found.live.requests, found.live.fields["a"].missing) == (20, 2)
    assert window(60.0).served.requests == 10


def test_a_long_window_is_read_from_the_table(tmp_path: Path) -> None:
    window = Requests(store(tmp_path)).window("penguins", 3, [minute(60, 3, 4)], 900, NOW)
    assert window(3_600.0).served.requests == 0, "nothing is folded in this store"


def test_the_last_request(tmp_path: Path) -> None:
    requests = Requests(store(tmp_path))
    assert requests.last("penguins", [], NOW) is None
    assert requests.last("penguins", [minute(600, 3, 4), minute(300, 2, 7)], NOW) == NOW - 240
    assert requests.last("penguins", [], NOW + 3_600) == NOW - 240, "remembered"
