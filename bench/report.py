"""From records to bench/RESULTS.md: targets first, then every table behind them."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import processes

Records = list[dict[str, Any]]
HEADING = "## Served: "
memory = processes.memory_mb
ABOUT = """\
cloche has one worker and everything on: contract, key, prediction log, access log, metrics and request ids
(`cloche-bare` has no key and no logs). The peers are started as their documentation says, without access logs;
`rawuv-1` is a bare uvloop and httptools server that answers a constant, `uvicorn-1` the smallest ASGI application. W1
is one row a request, W2 100 rows; a = LogisticRegression on iris, b = RandomForest(100) on iris, c = 8 numbers and 4
categories with missing values, scaled and one-hot encoded before HistGradientBoosting. Estimators, data and seeds are
the same for all; cloche's were fitted under its own scikit-learn. CPU is that of all processes of a server for a
request, `least` the best round; ratios are medians of the ratios within a round. wrk takes one of the two cores: a
server that needs less than it is better judged by its CPU.
"""
OPEN = ("server", "model", "rate/s", "p50 ms", "p99 ms", "p99.9 ms", "not answered", "CPU µs")
STARTS = (
    "server", "model", "first start s", "second start s", "worker MiB resident", "of it its own (PSS)",
    "all processes MiB (PSS)", "processes", "CPU µs a request over its life",
)  # fmt: skip
CLOSED = (
    "server", "requests/s", "CPU µs", "least", "× cloche's CPU", "cloche's requests/s ×", "p50 ms", "p99 ms", "failed",
)  # fmt: skip
LIMITS = frozenset({"rawuv-1", "uvicorn-1"})


def machine(command: str) -> dict[str, Any]:
    """Where and with what it was measured."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "command": command,
        "commit": commit.stdout.strip(),
        "machine": f"{os.cpu_count()} cores ({model}), Linux {platform.release()}",
        "versions": f"Python {platform.python_version()}, scikit-learn {version('scikit-learn')} (peers: 1.5.2)",
    }


def line(record: dict[str, Any]) -> str:
    """A record while it is measured."""
    shown = {key: value for key, value in record.items() if not isinstance(value, list | dict)}
    return " ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{value}" for key, value in shown.items())


def write(path: Path, records: Records) -> None:
    """Put the section of *records* in the place of the one before, or at the top."""
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(HEADING)
    if not found:
        before, found, rest = text.partition("\n## ")
        before, rest = before + "\n", "## " + rest
    else:
        _, found, rest = rest.partition("\n## ")
        rest = "## " + rest if found else ""
    path.write_text(f"{before}{section(records)}\n{rest}".rstrip("\n") + "\n", encoding="utf-8")


def section(records: Records) -> str:
    """Everything about one measurement."""
    about = _of(records, "machine")[0]
    loads = [one["load"] for one in records]
    measured = f"{about['machine']}; {about['versions']}; load {min(loads):.1f} to {max(loads):.1f}"
    parts = [
        f"{HEADING}{about['date']} UTC\n",
        f"`{about['command']}` at {about['commit']}; {measured}.\n\n{ABOUT}",
        "### Targets\n",
        _table(("what", "target", "measured", ""), "lrrl", _targets(records)),
        *_closed(records),
        "### Open loop: latency from when a request was due\n",
        _table(OPEN, "llrrrrrr", (_open_row(one) for one in _of(records, "open"))),
        "### Start and memory\n",
        _table(STARTS, "llrrrrrrr", _starts(records)),
        *_roles(records),
        *_switches(records),
    ]
    return "\n".join(parts)


# -- targets ------------------------------------------------------------------------------------


def _targets(records: Records) -> Iterable[tuple[str, ...]]:
    """One row a target of the design (section 13)."""
    closed = _of(records, "closed")

    def cpu(model: str, work: str, connections: int, peer: str) -> float | None:
        return _ratio(
            _pick(closed, peer, model, work, connections), _pick(closed, "cloche", model, work, connections), "cpu_us"
        )

    for model, least in (("a", 20), ("b", 250), ("c", 250)):
        yield _at_least(f"W1 {model}, CPU of FastAPI ÷ cloche", cpu(model, "W1", 64, "fastapi-1"), least)
    for model, least in (("a", 10), ("b", 20), ("c", 20)):
        name, ratio = _best_peer(closed, model)
        yield _at_least(f"W1 {model}, requests/s of cloche ÷ best peer ({name})", ratio, least)
    bare = cpu("a", "W1", 64, "rawuv-1")
    yield _at_most("W1 a, CPU of cloche ÷ bare uvloop and httptools", None if bare is None else 1 / bare, 2.5, "×")
    alone = [one["p50_ms"] for one in _pick(closed, "cloche", "a", "W1", 1).values()]
    yield _at_most("one connection, a, p50", statistics.median(alone) if alone else None, 0.12, " ms")
    yield _at_most("key, log, access log, a: CPU", _extra(closed), 6.0, " µs")
    for model, least in (("a", 15), ("c", 25)):
        yield _at_least(f"W2 {model}, CPU of FastAPI ÷ cloche", cpu(model, "W2", 16, "fastapi-1"), least)
    for model in "abc":
        half = next((one for one in _of(records, "open") if one.get("half") and one["model"] == model), {})
        yield _at_most(f"half of capacity, {model}, p99", half.get("p99_ms"), 5.0, " ms")
        yield _at_most(f"half of capacity, {model}, p99.9", half.get("p999_ms"), 20.0, " ms")
    starts = [one["ready_s"] for one in _of(records, "start") if one["server"] == "cloche"]
    yield _at_most("start to the first answer, worst of all", max(starts, default=None), 1.0, " s")
    sizes = [one["worker_mb"] for one in closed if one["server"] == "cloche"]
    yield _at_most("memory of a worker, largest", max(sizes, default=None), 80.0, " MiB")
    for one in _of(records, "switch"):
        yield _at_most("promote and roll back at 2,000/s: not answered", float(one["bad"]), 0.0, "")
        yield _at_most("… largest p99 of a second ÷ median one", _step(one), 2.0, "×")
    for one in _of(records, "save"):
        yield _at_most("`save` of c on 100,000 rows", one["seconds"], 5.0, " s")


def _at_least(what: str, value: float | None, least: float) -> tuple[str, ...]:
    if value is None:
        return what, f"≥ {least:g}×", "–", "not measured"
    return (
        what,
        f"≥ {least:g}×",
        f"{_number(value)}×",
        "met" if value >= least else f"missed: {value / least:.0%} of it",
    )


def _at_most(what: str, value: float | None, most: float, unit: str) -> tuple[str, ...]:
    if value is None:
        return what, f"≤ {most:g}{unit}", "–", "not measured"
    verdict = "met" if value <= most else f"missed by {_number(value - most)}{unit}"
    return what, f"≤ {most:g}{unit}", f"{_number(value)}{unit}", verdict


def _best_peer(closed: Records, model: str) -> tuple[str, float | None]:
    ours = _pick(closed, "cloche", model, "W1", 64)
    peers = {one["server"] for one in closed if one["model"] == model} - {
        "cloche",
        "cloche-bare",
        "rawuv-1",
        "uvicorn-1",
    }
    found = {name: _ratio(ours, _pick(closed, name, model, "W1", 64), "rps") for name in peers}
    known = {name: ratio for name, ratio in found.items() if ratio is not None}
    name = min(known, key=lambda one: known[one], default="–")
    return name, known.get(name)


def _extra(closed: Records) -> float | None:
    """What everything costs beyond the answer: the median of the differences within a round."""
    ours, bare = _pick(closed, "cloche", "a", "W1", 64), _pick(closed, "cloche-bare", "a", "W1", 64)
    found = [ours[one]["cpu_us"] - bare[one]["cpu_us"] for one in ours.keys() & bare.keys()]
    return statistics.median(found) if found else None


def _step(one: dict[str, Any]) -> float:
    seconds = one["p99_by_second_ms"][1:]
    return float(max(seconds) / statistics.median(seconds))


# -- tables -------------------------------------------------------------------------------------


def _closed(records: Records) -> Iterable[str]:
    closed = _of(records, "closed")
    cases = dict.fromkeys((one["work"], one["model"], one["connections"]) for one in closed)
    for work, model, connections in cases:
        ours = _pick(closed, "cloche", model, work, connections)
        rows = []
        for name in dict.fromkeys(one["server"] for one in closed):
            runs = _pick(closed, name, model, work, connections)
            if runs:
                rows.append(_closed_row(name, runs, ours))
        yield f"### {work}, model {model}, {connections} connection{'s' * (connections > 1)}\n"
        yield _table(CLOSED, "lrrrrrrrr", rows)


def _closed_row(name: str, runs: dict[int, dict[str, Any]], ours: dict[int, dict[str, Any]]) -> tuple[str, ...]:
    def middle(key: str) -> str:
        return _number(statistics.median(one[key] for one in runs.values()))

    least = min(one["cpu_us"] for one in runs.values())
    failed = sum(one["bad"] for one in runs.values())
    dearer, slower = _ratio(runs, ours, "cpu_us"), _ratio(ours, runs, "rps")
    return (
        name, middle("rps"), middle("cpu_us"), _number(least), _number(dearer), _number(slower), middle("p50_ms"),
        middle("p99_ms"), str(failed),
    )  # fmt: skip


def _open_row(one: dict[str, Any]) -> tuple[str, ...]:
    rate = f"{one['rate']:,.0f}{' (half)' if one.get('half') else ''}"
    numbers = (_number(one[key]) for key in ("p50_ms", "p99_ms", "p999_ms"))
    return one["server"], one["model"], rate, *numbers, str(one["bad"]), _number(one["cpu_us"])


def _starts(records: Records) -> Iterable[tuple[str, ...]]:
    closed = _of(records, "closed")
    starts = _of(records, "start")
    for name, model in dict.fromkeys((one["server"], one["model"]) for one in starts):
        seconds = [_number(one["ready_s"]) for one in starts if (one["server"], one["model"]) == (name, model)]
        runs = [one for one in closed if (one["server"], one["model"]) == (name, model)]
        sizes = [
            _number(max((one[key] for one in runs), default=None)) for key in ("worker_mb", "worker_own_mb", "all_mb")
        ]
        life = [
            _number(one["cpu_us"]) for one in _of(records, "life") if (one["server"], one["model"]) == (name, model)
        ]
        count = str(max((one["processes"] for one in runs), default=0))
        yield name, model, seconds[0], seconds[1] if len(seconds) > 1 else "", *sizes, count, *life


def _roles(records: Records) -> Iterable[str]:
    """Whose processor time it is: the median run of each model, one row a request, 64 connections."""
    names = ("worker", "agent", "monitor", "supervisor", "template")
    rows = []
    for model in "abc":
        runs = [one["cpu_us_by_role"] for one in _pick(_of(records, "closed"), "cloche", model, "W1", 64).values()]
        if runs:
            shares = (_number(statistics.median(one.get(name, 0.0) for one in runs)) for name in names)
            rows.append((model, *shares))
    yield "### CPU of cloche by process: µs a request, W1, 64 connections\n"
    yield _table(("model", *names), "lrrrrr", rows)


def _switches(records: Records) -> Iterable[str]:
    for one in _of(records, "switch"):
        seconds = ", ".join(_number(value) for value in one["p99_by_second_ms"])
        yield "### A promotion and a rollback at 2,000 requests a second\n"
        yield (
            f"{one['n']} answered, {one['bad']} not. Promoted after three seconds, rolled back some five later; p99 "
            f"of each second in ms: {seconds}.\n"
        )


# -- numbers ------------------------------------------------------------------------------------


def _of(records: Records, kind: str) -> Records:
    return [one for one in records if one["kind"] == kind]


def _pick(closed: Records, server: str, model: str, work: str, connections: int) -> dict[int, dict[str, Any]]:
    """The runs of one case, by round."""
    wanted = (server, model, work, connections)
    return {
        one["round"]: one
        for one in closed
        if (one["server"], one["model"], one["work"], one["connections"]) == wanted and one["n"]
    }


def _ratio(over: dict[int, dict[str, Any]], under: dict[int, dict[str, Any]], key: str) -> float | None:
    """The median of the ratios within a round."""
    found = [over[one][key] / under[one][key] for one in sorted(over.keys() & under.keys()) if under[one][key]]
    return statistics.median(found) if found else None


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(head: tuple[str, ...], sides: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Markdown; *sides* says l or r for each column."""
    rule: Callable[[str], str] = lambda side: "--:" if side == "r" else "---"  # noqa: E731
    lines = [head, tuple(map(rule, sides)), *rows]
    return "\n".join("| " + " | ".join(one) + " |" for one in lines) + "\n"
