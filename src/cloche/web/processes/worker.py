"""
`python -m cloche.web.processes.worker RUN --slot N --data-fd FD --lifeline FD`: answers requests.

One event loop: gate, decode, ask an engine, answer. It accepts once it has applied a state, so a worker that takes
the place of another fails no request. SIGTERM drains; SIGUSR1 skips what is left of that. No store.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from cloche.ids import RequestIds
from cloche.logs import configure
from cloche.metrics import MetricsSlot
from cloche.prediction_log.recorder import Recorder, open_recorder
from cloche.web import doors
from cloche.web.access import writer
from cloche.web.app import create_app
from cloche.web.measured import RequestMetrics
from cloche.web.processes import lifeline, runtime
from cloche.web.processes.buckets import SharedBuckets
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.following import Following
from cloche.web.processes.heartbeats import Heartbeats
from cloche.web.processes.runtime import ServerFile
from cloche.web.runner import Runner, loop_factory
from cloche.web.traces import traces_of

_log = logging.getLogger("cloche.web")
_BEAT_S = 0.5
#: The table of open files grows by doubling; in a process with threads each time waits some 10 ms for all processors.
_DESCRIPTORS = 2048


def main(arguments: list[str]) -> int:
    """Answer until drained."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    for name in ("--slot", "--data-fd", "--lifeline"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args(arguments)
    lifeline.hold(given.lifeline)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all of us; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    run = RunFolder(given.run)
    server = runtime.server_of(run)
    configure(server.config.log_format)
    os.set_inheritable(given.data_fd, False)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(run, given.slot, server, socket.socket(fileno=given.data_fd)))
    return 0


async def _work(run: RunFolder, slot: int, server: ServerFile, listener: socket.socket) -> None:
    config = server.config
    _make_room()
    following = Following(run, slot, config)
    traces = traces_of(server.traces)
    gate = doors.gate_of(
        config,
        new_id=RequestIds().new,
        authenticate=following.authenticate,
        buckets=SharedBuckets(run.buckets),
        traces=traces,
    )
    metrics = RequestMetrics(MetricsSlot(run.slot_metrics(slot)))
    write = metrics.counting(writer(requests=config.access_log))
    recorder = open_recorder(server.log, Path(server.spool), server.store) if server.log.enabled else None
    app = create_app(following.deployments, gate, config, log_request=write, records=recorder, traces=traces)
    runner = Runner(app, gate, config, write, app.express())
    handlers: dict[int, Callable[[], None]] = {signal.SIGTERM: runner.drain, signal.SIGUSR1: runner.hurry}
    with listener, runner.signals(handlers):
        sample = partial(_look, metrics, following, recorder)
        async with _beating(Heartbeats(run.heartbeats, config.workers), slot, sample):
            try:
                if await runner.unless_stopped(following.first()):
                    await _answer(runner, following, listener)
            finally:
                await following.close()
                if recorder is not None:
                    recorder.close()
                if traces is not None:
                    traces.close()


def _make_room() -> None:
    """Let the table of open files grow before the first connection."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    highest = _DESCRIPTORS - 1 if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS) - 1
    with contextlib.suppress(OSError):
        os.close(fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, highest))


def _look(metrics: RequestMetrics, following: Following, recorder: Recorder | None) -> None:
    """With every beat: what waits is measured, and a segment that is old enough is handed over."""
    metrics.sample(following.deployments, recorder)
    if recorder is not None:
        recorder.tick()


async def _answer(runner: Runner, following: Following, listener: socket.socket) -> None:
    tasks: list[asyncio.Task[None]] = []
    # What is loaded by now stays. Requests leave no cycles, and one turn of the loop holds many: looking for cycles
    # after every 700 objects, as Python does, costs 5 % of a request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    try:
        await runner.serve(listener, lambda: tasks.append(asyncio.create_task(following.follow())))
    finally:
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def _beating(heartbeats: Heartbeats, slot: int, sample: Callable[[], None]) -> AsyncIterator[None]:
    """While the loop turns the supervisor knows; with every beat *sample* is called."""

    async def beat() -> None:
        while True:
            heartbeats.beat(slot)
            sample()
            await asyncio.sleep(_BEAT_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
