"""
`python -m cloche.web.processes.supervisor RUN --data-fd FD --management-fd FD`: PID 1 of a server.

Starts agent, workers, templates and monitor, starts again what dies or hangs, forwards signals, drains. One thread,
standard library only: no store, no HTTP, no numpy. Everybody holds its lifeline, so that nobody is left when it
is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloche.threads import ONE_THREAD
from cloche.web.processes.children import GIVES_UP, Child
from cloche.web.processes.folder import RunFolder, Watched, read_json
from cloche.web.processes.heartbeats import Heartbeats
from cloche.web.processes.lifeline import Lifeline
from cloche.web.processes.templates import Templates
from cloche.web.processes.voice import Voice
from cloche.web.ready import Ready

_TICK_STARTING_S = 0.02
_TICK_S = 0.1
#: A worker that was never heard of yet: an interpreter starts, on a busy machine.
_FIRST_BEAT_S = 60.0
_SILENT_S = 5.0
#: If the supervisor itself did not run for so long, neither did the workers: a stopped or starved machine.
_LATE_S = 2.0
_ATTEMPTS = 5
#: Beyond the grace: cancelled requests are answered, engines closed.
_DRAIN_SLACK_S = 10.0
_HURRY_S = 3.0
_AGENT_ENDS_S = 10.0
_MONITOR_ENDS_S = 10.0


class Supervisor:
    """One server, from nothing to drained."""

    def __init__(self, run: RunFolder, data_fd: int, management_fd: int | None) -> None:
        found = read_json(run.server)
        if found is None:
            raise FileNotFoundError(run.server)
        self._run = run
        self._server = found
        self._config: dict[str, Any] = found["config"]
        self._data_fd: int | None = data_fd
        self._voice = Voice(self._config["log_format"])
        self._lifeline = Lifeline()
        self._heartbeats = Heartbeats(run.heartbeats, self._config["workers"])
        self._templates = Templates(run, self._lifeline.reader, self._voice)
        self._agent = self._child("agent", "agent", management_fd)
        self._workers = [
            self._child(f"worker {slot}", "worker", data_fd, "--slot", str(slot))
            for slot in range(self._config["workers"])
        ]
        self._monitor = self._child("monitor", "monitor", None)
        self._monitor.wanted = bool(self._config["monitor"] and found["log"]["enabled"])
        self._silence_s = max(_SILENT_S, 2.0 * self._config["request_timeout_s"])
        self._managed, self._managed_at = Watched(run.login), management_fd
        self._signals: list[int] = []
        self._looked = time.monotonic()
        self._awake_since = 0.0
        self._ready = False
        self._drain_until: float | None = None
        self._agent_until: float | None = None
        self._monitor_until: float | None = None
        self._status: int | None = None

    def work(self) -> int:
        """Supervise until everything has ended; the exit status."""
        try:
            with _wakeups(self._signals) as bell:
                self._templates.prepare(time.monotonic())
                while self._status is None:
                    self._step(time.monotonic())
                    bell.wait(_TICK_S if self._ready and self._drain_until is None else _TICK_STARTING_S)
        finally:
            self._lifeline.cut()
            self._run.remove()
        return self._status

    def _child(self, name: str, role: str, descriptor: int | None, *arguments: str) -> Child:
        option = "--management-fd" if role == "agent" else "--data-fd"
        given = () if descriptor is None else (option, str(descriptor))
        descriptors = (self._lifeline.reader,) if descriptor is None else (self._lifeline.reader, descriptor)
        line = ("--lifeline", str(self._lifeline.reader))
        threads = ONE_THREAD if role == "worker" else {}
        return Child(name, role, (str(self._run.path), *arguments, *given, *line), descriptors, threads)

    def _step(self, now: float) -> None:
        self._take_signals(now)
        self._reap(now)
        if self._drain_until is not None:
            self._drain(now)
            return
        self._fail_to_start()
        for child in self._wanted():
            if child.process is None and now >= child.start_at:
                self._start(child, now)
        self._agent.worked = self._monitor.worked = True  # how long they lived says enough: they have no heartbeat
        self._templates.step(now)
        self._listen_to_hearts(now)
        self._announce()

    # -- life and death -----------------------------------------------------------------------------

    def _wanted(self) -> Iterator[Child]:
        yield self._agent
        yield from self._workers
        if self._ready and self._monitor.wanted:  # never in the way of a start
            yield self._monitor

    def _start(self, child: Child, now: float) -> None:
        if child in self._workers:
            slot = self._workers.index(child)
            self._heartbeats.forget(slot)
            self._run.slot(slot).unlink(missing_ok=True)
        try:
            child.start(now)
        except OSError as exc:
            self._voice.error(f"{child.name} could not be started: {exc}")
            child.ended(-1, now)

    def _reap(self, now: float) -> None:
        """Whoever ended: ours, and in a container orphans that became ours."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                status = os.waitstatus_to_exitcode(found[1])
                for child in (self._agent, self._monitor, *self._workers, *self._templates):
                    if child.pid == found[0]:
                        self._ended(child, status, now)

    def _ended(self, child: Child, status: int, now: float) -> None:
        child.ended(status, now)
        if child.role == "template":
            self._templates.ended(child, status)
        elif status == GIVES_UP:
            child.wanted = False
        elif self._drain_until is None and not self._run.failed.exists():
            self._voice.error(f"{child.name} ended (exit status {status})")

    def _listen_to_hearts(self, now: float) -> None:
        if now - self._looked > _LATE_S:
            self._awake_since = now
        self._looked = now
        for slot, child in enumerate(self._workers):
            if child.process is None:
                continue
            last = self._heartbeats.last(slot)
            child.worked = child.worked or last > 0
            patience = self._silence_s if last else max(_FIRST_BEAT_S, self._silence_s)
            if now - max(last, child.started, self._awake_since) > patience:
                self._voice.error(f"{child.name} has been silent for {patience:g} s; it is replaced")
                child.send(signal.SIGKILL)
                self._awake_since = now  # once is enough

    # -- the start ----------------------------------------------------------------------------------

    def _fail_to_start(self) -> None:
        """Until the server is ready, what cannot work ends it."""
        if self._ready:
            return
        failure = read_json(self._run.failed)
        if failure is None:
            failure = self._hopeless()
        if failure is None:
            return
        told = {"error": failure["error"].removesuffix("Error"), "message": failure["message"]}
        sys.stderr.write((json.dumps(told) if self._server["as_json"] else f"cloche: {failure['message']}") + "\n")
        sys.stderr.flush()
        self._status = self._server["exit_statuses"].get(failure["error"], 1)

    def _hopeless(self) -> dict[str, str] | None:
        for child in (self._agent, *self._workers):
            if child.short_lives >= _ATTEMPTS:
                message = f"{child.name} ended {child.short_lives} times before the server was ready"
                return {"error": "ServingError", "message": message}
        return None

    def _announce(self) -> None:
        if self._ready:
            if login := self._login():
                print(f"manage   {login}", flush=True)  # noqa: T201  (of an agent that took another's place)
            return
        if not all(self._applied(slot) for slot in range(len(self._workers))):
            return
        login = self._login()
        if login is None and self._managed_at is not None:
            return
        self._ready = True
        self._templates.dismiss()
        keys = self._config["auth"] == "keys"
        labels = _labels(read_json(self._run.state))
        ready = Ready(self._server["url"], labels, self._server["store_shown"], keys, login)
        print(ready.json() if self._server["as_json"] else ready.text(), flush=True)  # noqa: T201  (where a terminal user looks for the address)

    def _login(self) -> str | None:
        """The address that signs a browser in, where it is a new one."""
        return _text(self._run.login) if self._managed.changed() else None

    def _applied(self, slot: int) -> bool:
        report = read_json(self._run.slot(slot))
        return report is not None and report["pid"] == self._workers[slot].pid

    # -- the end ------------------------------------------------------------------------------------

    def _take_signals(self, now: float) -> None:
        for _ in range(len(self._signals)):
            self._signals.pop(0)
            if self._drain_until is None:
                self._begin_to_drain(now)
            else:
                self._hurry(now)

    def _begin_to_drain(self, now: float) -> None:
        if self._data_fd is not None:
            os.close(self._data_fd)  # the workers go on accepting for the drain delay; then nobody is to
            self._data_fd = None
        self._drain_until = now + self._config["drain_delay_s"] + self._config["grace_s"] + _DRAIN_SLACK_S
        for worker in self._workers:
            worker.send(signal.SIGTERM)

    def _hurry(self, now: float) -> None:
        self._drain_until = now + _HURRY_S
        self._agent_until = None if self._agent_until is None else now
        self._monitor_until = now  # whatever it does can be done by the next one
        for worker in self._workers:
            worker.send(signal.SIGUSR1)

    def _drain(self, now: float) -> None:
        """Workers, then templates and engines, then the agent, then the monitor."""
        if any(worker.process is not None for worker in self._workers):
            if self._drain_until is not None and now > self._drain_until:
                for worker in self._workers:
                    worker.send(signal.SIGKILL)
            return
        if self._agent_until is None:
            self._templates.kill()
            self._agent.send(signal.SIGTERM)
            self._agent_until = now + _AGENT_ENDS_S
        elif now > self._agent_until:
            self._agent.send(signal.SIGKILL)
        if self._agent.process is None and self._monitor_ended(now):
            self._voice.info("stopped")
            self._status = 0

    def _monitor_ended(self, now: float) -> bool:
        """After the agent: what it landed last is folded, for as long as that is quick."""
        if self._monitor_until is None:
            self._monitor.send(signal.SIGTERM)
            self._monitor_until = now + _MONITOR_ENDS_S
        elif now > self._monitor_until:
            self._monitor.send(signal.SIGKILL)
        return self._monitor.process is None


class _Bell:
    """Sleeps until a signal comes."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._selector = selectors.DefaultSelector()
        self._selector.register(reader, selectors.EVENT_READ)

    def wait(self, seconds: float) -> None:
        """At most *seconds*."""
        if self._selector.select(seconds):
            os.read(self._reader, 4096)


@contextlib.contextmanager
def _wakeups(signals: list[int]) -> Iterator[_Bell]:
    """Inside the block SIGTERM, SIGINT and SIGHUP are collected in *signals*, and they and SIGCHLD ring the bell."""
    reader, writer = os.pipe()
    for descriptor in (reader, writer):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda number, _frame: signals.append(number))
    yield _Bell(reader)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _labels(state: dict[str, Any] | None) -> tuple[str, ...]:
    """`penguins@3` for every model that answers."""
    labels = []
    for model in (state or {}).get("models", ()):
        answering = {int(number): one["record"]["version"] for number, one in model["answering"].items()}
        if answering:
            number = model["default_number"] if model["default_number"] in answering else min(answering)
            labels.append(f"{model['name']}@{answering[number]}")
    return tuple(labels)


def main(arguments: list[str]) -> int:
    """Supervise the server of RUN."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-fd", type=int, required=True)
    parser.add_argument("--management-fd", type=int)
    given = parser.parse_args(arguments)
    for descriptor in (given.data_fd, given.management_fd):
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
    return Supervisor(RunFolder(given.run), given.data_fd, given.management_fd).work()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
