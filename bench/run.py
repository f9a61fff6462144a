"""
cloche and its peers on the same models and bodies, interleaved: `make bench`, or

    python bench/run.py --peers ../shared/bench [--scratch DIR] [--servers cloche,fastapi-1,…] [--rounds 3]

Everything runs in a scratch folder: a copy of the peers, their environments, the store, the spool. Results go to
`results.jsonl` there, and as sections to bench/RESULTS.md. `--report` writes the sections again without measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import report

import processes
from servers import ENVIRONMENTS, ROOT, SERVERS, Running

BENCH = Path(__file__).parent
MODEL_LIBRARIES = "scikit-learn==1.5.2 numpy==1.26.4 pandas==2.2.3 joblib"  # the same for each: one pickle fits all
#: One row or 100 rows a request, and how many connections ask at once.
CASES = (("W1", 1), ("W1", 16), ("W1", 64), ("W2", 16))
#: Requests a second in the open loop, for model a; a server is not asked for more than 80 % of what it can do.
RATES = (1_000, 5_000, 10_000)
#: So long a server may work on what the closed loops left behind, before the open loop begins.
REST_S = 180.0
#: Fits and publishes with one thread, as the servers compute.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_REMOVED = shutil.ignore_patterns("venvs", "run", "logs")


def main() -> None:
    """Prepare, measure, report."""
    chosen = arguments()
    results = chosen.scratch / "results.jsonl"
    if not chosen.report:
        key = prepare(chosen)
        results.unlink(missing_ok=True)
        with results.open("a", encoding="utf-8") as out:
            for record in measured(chosen, key):
                record["load"] = os.getloadavg()[0]
                out.write(json.dumps(record) + "\n")
                out.flush()
                print(report.line(record), flush=True)
    records = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    report.write(BENCH / "RESULTS.md", records)


def arguments() -> argparse.Namespace:
    """What to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = os.environ.get("CLOCHE_BENCH_PEERS", str(ROOT.parent / "shared" / "bench"))
    parser.add_argument("--peers", type=Path, default=Path(given), help="the peers' folder [CLOCHE_BENCH_PEERS]")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/cloche-bench"))
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--models", default="abc")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of one run")
    parser.add_argument("--report", action="store_true", help="only write RESULTS.md again")
    return parser.parse_args()


# -- before -------------------------------------------------------------------------------------


def prepare(chosen: argparse.Namespace) -> str:
    """The peers' copy, their environments, the models of both sides; returns a key for cloche."""
    scratch: Path = chosen.scratch
    shutil.copytree(chosen.peers, scratch, dirs_exist_ok=True, ignore=_REMOVED)
    for name in ("venvs", "run", "logs"):
        (scratch / name).mkdir(exist_ok=True)
    folders = {SERVERS[name].folder for name in chosen.servers.split(",")} - {None}
    for name in ENVIRONMENTS:
        if name == "base" or f"peers/{name}" in folders:
            environment(scratch / "venvs" / name, ENVIRONMENTS[name])
    python = str(scratch / "venvs" / "base" / "bin" / "python")
    if not (scratch / "models" / "bodies").exists():
        for script in ("make_models.py", "make_bodies.py"):
            subprocess.run([python, str(scratch / "common" / script)], check=True)
    ours = [sys.executable, str(BENCH / "models.py"), str(scratch)]
    if not (scratch / "store").exists():
        subprocess.run(ours, check=True, env=environ(scratch))
    for left in ("spool", "store/log"):
        shutil.rmtree(scratch / left, ignore_errors=True)
    create = [sys.executable, "-m", "cloche", "keys", "create", "--scope", "predict", "--store", str(scratch / "store")]
    return subprocess.run(create, check=True, env=environ(scratch), capture_output=True, text=True).stdout.strip()


def environment(folder: Path, packages: str) -> None:
    """A virtual environment with *packages*, unless it is there."""
    if (folder / "complete").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, *MODEL_LIBRARIES.split(), *packages.split()], check=True)
    (folder / "complete").touch()


def environ(scratch: Path) -> dict[str, str]:
    """For our own commands."""
    return os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT / "src"), "CLOCHE_CACHE": str(scratch / "cache")}


# -- measuring ----------------------------------------------------------------------------------


def measured(chosen: argparse.Namespace, key: str) -> Iterator[dict[str, Any]]:
    """Everything, one record a run."""
    yield {"kind": "machine", **report.machine(" ".join(["bench/run.py", *sys.argv[1:]]))}
    for model in chosen.models:
        running = [
            Running(name, model, chosen.scratch, key)
            for name in chosen.servers.split(",")
            if model in SERVERS[name].models
        ]
        try:
            for one in running:
                yield {"kind": "start", "server": one.name, "model": model, "ready_s": one.ready_s}
            yield from interleaved(running, chosen)
        finally:
            for one in running:
                one.stop()
        again = [name for name in chosen.servers.split(",") if name in ("cloche", "fastapi-1")]
        for name in again:  # with a warm cache
            second = Running(name, model, chosen.scratch, key)
            yield {"kind": "start", "server": name, "model": model, "ready_s": second.ready_s}
            second.stop()
    if "a" in chosen.models and "cloche" in chosen.servers.split(","):
        yield switching(chosen, key)
    ours = [sys.executable, str(BENCH / "models.py"), str(chosen.scratch), "--time"]
    took = subprocess.run(ours, check=True, env=environ(chosen.scratch), capture_output=True, text=True)
    yield {"kind": "save", "seconds": float(took.stdout)}


def interleaved(running: list[Running], chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each round asks each server for each kind of work once; then the open loop."""
    answered = {one.name: 0 for one in running}
    best: dict[str, float] = {}
    for work, connections in CASES:
        asked = [one for one in running if one.takes(work, connections)]
        for one in asked:
            answered[one.name] += int(wrk(one, work, connections, 1)["n"])
        for number in range(chosen.rounds):
            for one in asked:
                record = closed_loop(one, work, connections, chosen.seconds)
                answered[one.name] += int(record["n"])
                if (work, connections) == ("W1", 64):
                    best[one.name] = max(best.get(one.name, 0.0), record["rps"])
                yield {"kind": "closed", "round": number, **record}
    for one in running:
        rest(one)
    for record in open_loops(running, best, chosen.seconds, chosen.rounds):
        answered[record["server"]] += record["n"]
        yield record
    for one in running:
        life_us = 1e6 * (one.cpu_s() - one.cpu_at_ready_s) / max(1, answered[one.name])
        yield {"kind": "life", "server": one.name, "model": one.model, "n": answered[one.name], "cpu_us": life_us}


def closed_loop(one: Running, work: str, connections: int, seconds: int) -> dict[str, Any]:
    """As fast as *connections* callers can: what it costs, and what the busiest process holds in memory."""
    before = one.cpu_by_process()
    found = wrk(one, work, connections, seconds)
    after = one.cpu_by_process()
    spent = {pid: seconds_ - before.get(pid, 0.0) for pid, seconds_ in after.items()}
    role = {pid: processes.role(pid) for pid in spent}
    worker = max((pid for pid in spent if role[pid] in ("worker", "other")), key=lambda pid: spent[pid])
    roles: dict[str, float] = {}
    for pid, cpu_s in spent.items():
        roles[role[pid]] = roles.get(role[pid], 0.0) + 1e6 * cpu_s / max(1, found["n"])
    resident, share = report.memory(worker)
    everything = sum(report.memory(pid)[1] for pid in after)
    return {
        "server": one.name, "model": one.model, "work": work, "connections": connections, **found,
        "cpu_us": 1e6 * sum(spent.values()) / max(1, found["n"]),
        "worker_mb": resident, "worker_own_mb": share, "all_mb": everything, "processes": len(after),
        "cpu_us_by_role": roles,
    }  # fmt: skip


def wrk(one: Running, work: str, connections: int, seconds: int) -> dict[str, Any]:
    """One run of wrk on one thread."""
    environment_ = os.environ | {"BODY": str(one.body(work))}
    if one.authorization:
        environment_["AUTH"] = one.authorization
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(BENCH / "post.lua")]
    url = f"http://127.0.0.1:{one.port}{one.path(work)}"
    output = subprocess.run([*command, url], env=environment_, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(output.partition("RESULT ")[2].partition("\n")[0])
    return found


def rest(one: Running) -> None:
    """
    Wait until a server has done what the closed loops left it: cloche's monitor has rows of minutes to fold.

    What an open loop logs is folded while it runs, as at any steady rate.
    """
    end, before, quiet = time.monotonic() + REST_S, one.cpu_s(), 0
    while time.monotonic() < end:
        time.sleep(2.0)
        now = one.cpu_s()
        quiet = quiet + 1 if now - before < 0.1 else 0
        if quiet == 3:  # a monitor looks every few seconds
            return
        before = now
    print(f"{one.name} {one.model}: still at work after {REST_S:g} s", flush=True)


def open_loops(running: list[Running], best: dict[str, float], seconds: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Fixed rates; and half of what cloche did with 64 connections, of which the run with the middle p99 is told."""
    for rate in (*RATES, 0):
        for one in running:
            most = best.get(one.name, 0.0)
            wanted = rate or (most / 2 if one.name == "cloche" else 0.0)
            if one.name in ("cloche", "fastapi-1") and 0 < wanted <= 0.8 * most:
                before = one.cpu_s()
                found = [open_loop(one, wanted, 2 * seconds) for _ in range(1 if rate else rounds)]
                answered = sum(run["n"] for run in found)
                cpu_us = 1e6 * (one.cpu_s() - before) / max(1, answered)
                middle = sorted(found, key=lambda run: run["p99_ms"])[len(found) // 2]
                half = {"half": True} if not rate else {}
                told = {"server": one.name, "model": one.model, "rate": wanted, **middle, **half}
                yield {"kind": "open", **told, "n": answered, "cpu_us": cpu_us}


def open_loop(one: Running, rate: float, seconds: int) -> dict[str, Any]:
    """
    One run at *rate* requests a second; the generator has a core of its own, the server has the others.

    It never sleeps, and whom it wakes the kernel likes to put on its own core, to wait there until it is interrupted.
    """
    cores = os.sched_getaffinity(0)
    last = max(cores)
    processes.keep_to(processes.tree(one.pid), cores - {last} or cores)
    done = generator(one, rate, seconds, core=last).communicate()[0]
    processes.keep_to(processes.tree(one.pid), cores)
    found: dict[str, Any] = json.loads(done)
    return found


def generator(one: Running, rate: float, seconds: int, *, core: int | None = None) -> subprocess.Popen[str]:
    """The load of an open loop, started; on *core* alone where one is given."""
    command = [sys.executable, str(BENCH / "openloop.py"), str(one.port), one.path("W1"), str(one.body("W1"))]
    auth = [one.authorization] if one.authorization else []
    started = subprocess.Popen([*command, str(rate), str(seconds), *auth], stdout=subprocess.PIPE, text=True)
    if core is not None:
        processes.keep_to([started.pid], {core})
    return started


def switching(chosen: argparse.Namespace, key: str) -> dict[str, Any]:
    """A promotion and a rollback while 2,000 requests a second come."""
    one = Running("cloche", "a", chosen.scratch, key)
    load = generator(one, 2_000.0, 12)
    for wait_s, words in ((3.0, ("promote", "a", "2")), (4.0, ("rollback", "a"))):
        time.sleep(wait_s)
        command = [sys.executable, "-m", "cloche", *words, "--store", str(chosen.scratch / "store")]
        subprocess.run(command, check=True, env=environ(chosen.scratch), capture_output=True)
    found = json.loads(load.communicate()[0])
    versions = json.loads(one.ask("W1"))["model_version"]
    one.stop()
    return {"kind": "switch", "version_after": versions, **found}


if __name__ == "__main__":
    main()
