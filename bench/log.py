"""
What the prediction log costs: CPU of the whole server a request and a row, with the log and without, in turn.

    python bench/log.py            # 7 pairs, about five minutes
    python bench/log.py --quick    # one pair: does it run?

CPU is user and system time of every process of the server (supervisor, agent, template, engine, worker) over the
requests of one measurement; the client is not in it. Servers with and without the log are measured in pairs, the first
of a pair being the other one each time, and what is told is the median of the differences within pairs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import cloche

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
FIELDS = 20
WARM_UP = 300
START_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How much is measured: `requests` by the number of rows in each."""

    pairs: int
    requests: dict[int, int]


FULL = Plan(7, {1: 5_000, 100: 1_000})
QUICK = Plan(1, {1: 300, 100: 60})


def saved(store: Path) -> None:
    """A model that costs little, so that what the log costs is seen: 20 numbers, two classes."""
    draws = np.random.default_rng(0)
    table = pd.DataFrame(draws.normal(size=(500, FIELDS)), columns=[f"field_{number}" for number in range(FIELDS)])
    labels = np.where(table.sum(axis=1) > 0, "yes", "no")
    cloche.save(
        LogisticRegression().fit(table, labels), "cheap", inputs=table, targets=labels, store=str(store), quiet=True
    )


@contextmanager
def serving(folder: Path, *, log: bool) -> Iterator[tuple[int, int]]:
    """A server of one worker: its process and its port."""
    said = folder / "said.log"
    surroundings = {**os.environ, "CLOCHE_LOG_ENABLED": str(log).lower(), "CLOCHE_SPOOL": str(folder / "spool")}
    command = [sys.executable, "-m", "cloche", "serve", "cheap", "--store", str(folder / "store"), "--port", "0"]
    with said.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=surroundings | {"CLOCHE_SERVER_ACCESS_LOG": "0"}
        )
        try:
            yield process.pid, _port(process, said)
        finally:
            process.terminate()
            process.wait(30)


def _port(process: subprocess.Popen[bytes], said: Path) -> int:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"predict +http://[\d.]+:(\d+)", said.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(f"the server did not start:\n{said.read_text()}")


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and all that descend from it."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return (int(fields[11]) + int(fields[12])) * TICK_S + sum(cpu_s(int(one)) for one in children)
    return 0.0


def asked(port: int, rows: int, times: int) -> None:
    """Ask on one connection, one request after the other."""
    row = {f"field_{number}": 0.1 * number for number in range(FIELDS)}
    body = json.dumps(row if rows == 1 else [row] * rows).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(times):
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"status {answer.status}")
    connection.close()


def measured(folder: Path, plan: Plan, *, log: bool) -> dict[int, float]:
    """Microseconds of CPU a request, by the number of rows."""
    found = {}
    with serving(folder, log=log) as (pid, port):
        for rows, times in plan.requests.items():
            asked(port, rows, max(10, min(WARM_UP, times // 4)))
            before = cpu_s(pid)
            asked(port, rows, times)
            found[rows] = (cpu_s(pid) - before) / times * 1e6
    return found


def main() -> None:
    """Measure, and print a table for `bench/RESULTS.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short pair")
    plan = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory(prefix="cloche-bench-") as place:
        folder = Path(place)
        saved(folder / "store")
        pairs = []
        for number in range(plan.pairs):
            order = (True, False) if number % 2 else (False, True)
            pair = {log: measured(folder, plan, log=log) for log in order}
            pairs.append(pair)
            print(f"pair {number + 1}: {pair}", file=sys.stderr, flush=True)
    told(pairs)


def told(pairs: list[dict[bool, dict[int, float]]]) -> None:
    """Medians, and what one more row costs the log."""
    print("| rows a request | without the log, µs | with it, µs | difference, µs (min … max) |\n|---|---|---|---|")
    cost = {}
    for rows in pairs[0][True]:
        off, on = ([pair[log][rows] for pair in pairs] for log in (False, True))
        differences = [with_log - without for with_log, without in zip(on, off, strict=True)]
        cost[rows] = statistics.median(differences)
        spread = f"{min(differences):.1f} … {max(differences):.1f}"
        print(f"| {rows} | {statistics.median(off):.1f} | {statistics.median(on):.1f} | {cost[rows]:.1f} ({spread}) |")
    few, many = min(cost), max(cost)
    print(f"\nA row of {FIELDS} fields costs the log {(cost[many] - cost[few]) / (many - few):.2f} µs of CPU.")


if __name__ == "__main__":
    main()
