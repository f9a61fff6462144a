"""The monitor's claim on the processor: the lowest, until a fold does not end for lack of it."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from cloche.web.processes.children import BEHIND
from cloche.web.processes.monitor import watch
from cloche.web.processes.supervisor import Supervisor
from templates import run_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are Linux's")


@pytest.mark.parametrize(
    ("begun_ago_s", "noticed"),
    [
        pytest.param(None, False, id="no-fold-is-made"),
        pytest.param(0.0, False, id="it-has-just-begun"),
        pytest.param(9.0, True, id="it-does-not-end"),
    ],
)
def test_a_fold_that_does_not_end_is_noticed(begun_ago_s: float | None, noticed: bool) -> None:
    called, since = threading.Event(), None if begun_ago_s is None else time.monotonic() - begun_ago_s
    thread = watch(lambda: since, called.set, patience_s=5.0)
    thread.join(0.2)
    assert called.is_set() is noticed
    since = time.monotonic() - 9.0  # so that the thread ends
    thread.join(5.0)
    assert not thread.is_alive()


def test_one_that_got_no_processor_is_started_again_with_a_larger_claim(tmp_path: Path) -> None:
    run = run_folder(tmp_path, tmp_path / "store")
    reader, writer = os.pipe()
    supervisor = Supervisor(run, reader, None)
    supervisor._ended(supervisor._monitor, BEHIND, now=10.0)
    assert supervisor._monitor.arguments[-1] == "--hurry"
    assert supervisor._monitor.wanted
    assert supervisor._monitor.start_at == 10.0
    for descriptor in (reader, writer):
        os.close(descriptor)
    run.remove()
