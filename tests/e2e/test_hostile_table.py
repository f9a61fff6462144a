"""Attack class by place against a server with its defaults: no 5xx, no hang, no growth, a good answer after each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile import wire
from hostile.case import Case
from hostile.footprint import Footprint
from hostile.tables import CASES
from processes import eventually
from servers import Server, serving

pytestmark = pytest.mark.e2e
#: Allocators keep what they once needed; what leaks a body a case would be hundreds of megabytes.
GROWTH_MB = 60.0
HEAVY = 200_000


@pytest.fixture(scope="module")
def server(penguins_store: str) -> Iterator[Server]:
    with serving(["penguins"], store=penguins_store) as running:
        yield running


@pytest.fixture(scope="module")
def before(server: Server) -> Footprint:
    """What it holds once it has seen a large body."""
    for case in CASES:
        if case.id in ("size: a-limit", "size: ten-thousand-bad-rows", "table: csv-good"):
            wire.exchange(server.url, case.sent(), answers=case.answers)
    return Footprint.of(server.process.pid)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_attack(server: Server, before: Footprint, case: Case) -> None:
    answers = wire.exchange(server.url, case.sent(), answers=case.answers, bodiless=case.bodiless)
    verdicts = [str(one.status) if case.bodiless else one.verdict() for one in answers]
    assert case.accepts(verdicts), f"{case.expected} expected, got {verdicts}: {answers[-1:]}"
    for one in answers:
        assert one.status < 500 or one.status in (501, 505)
        if not case.bodiless:
            _check_body(one)
    assert wire.good(server.url).status == 200


def _check_body(answer: wire.Answer) -> None:
    """An error says which, why, and under which id; the id is the header's."""
    if answer.status < 400 or answer.verdict() == str(answer.status):
        return
    found = answer.json()
    assert set(found) - {"problems", "problems_total"} == {"error", "message", "request_id"}
    assert found["request_id"] == answer.headers["x-request-id"]
    assert len(answer.body) < 100_000


def test_the_heavy_ones_again_leave_nothing_behind(server: Server, before: Footprint) -> None:
    heavy = [case for case in CASES if len(case.sent()) > HEAVY]
    assert len(heavy) > 20
    for case in heavy:
        wire.exchange(server.url, case.sent(), answers=case.answers)
    eventually(lambda: Footprint.of(server.process.pid).descriptors <= before.descriptors, "descriptors are given back")
    assert Footprint.of(server.process.pid).resident_mb < before.resident_mb + GROWTH_MB


def test_the_log_holds_no_traceback(server: Server) -> None:
    assert wire.good(server.url).status == 200
    assert "Traceback" not in server.said()
    assert '"status":5' not in server.said().replace('"status":505', "").replace('"status":501', "")
