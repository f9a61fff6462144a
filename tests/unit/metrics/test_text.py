"""The text format: golden, escaped, and accepted by Prometheus' own tool."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from cloche.metrics import FAMILIES, Family, MetricsSlot, exposition, read_slot
from cloche.metrics.families import ALL
from conftest import needs

SOME = {
    one.name: one
    for one in (
        Family("r_total", "counter", 'Say "hi"\\\nthere', ("model",)),
        Family("s", "histogram", "Seconds.", ("model",), (0.5, 1.0)),
        Family("g", "gauge", "Now."),
    )
}
SAMPLES = {
    "r_total": {('a"\\\nb',): [2.0], ("a",): [1e20]},
    "s": {("m",): [1.0, 2.0, 1.0, 4.25]},
    "g": {(): [float("nan")]},
}
PLAIN = r"""# HELP r_total Say "hi"\\\nthere
# TYPE r_total counter
r_total{model="a"} 1e+20
r_total{model="a\"\\\nb"} 2
# HELP s Seconds.
# TYPE s histogram
s_bucket{model="m",le="0.5"} 1
s_bucket{model="m",le="1.0"} 3
s_bucket{model="m",le="+Inf"} 4
s_sum{model="m"} 4.25
s_count{model="m"} 4
# HELP g Now.
# TYPE g gauge
g NaN
"""


def test_the_plain_text_format() -> None:
    assert exposition(SAMPLES, families=SOME).decode() == PLAIN


def test_open_metrics_names_counters_without_total_and_ends() -> None:
    lines = exposition(SAMPLES, openmetrics=True, families=SOME).decode().splitlines()
    assert lines[:3] == [r"# HELP r Say \"hi\"\\\nthere", "# TYPE r counter", 'r_total{model="a"} 1e+20']
    assert lines[-1] == "# EOF"


def test_what_was_never_counted_is_not_shown() -> None:
    assert exposition({}) == b""
    assert exposition({"g": {}}, families=SOME) == b""


def everything() -> bytes:
    slot = MetricsSlot()
    for family in ALL:
        labels = tuple('p"\\\n\u00e9' for _ in family.labels)
        if family.kind == "histogram":
            slot.observe(family.name, labels, 0.3)
        else:
            slot.add(family.name, labels)
    return exposition(read_slot(slot.snapshot()))


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    needs(promtool, "needs promtool (Debian: prometheus)")
    assert promtool is not None
    done = subprocess.run([promtool, "check", "metrics"], input=everything(), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_families_are_named_as_prometheus_wants(family: Family) -> None:
    assert FAMILIES[family.name] is family
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.help.endswith(".")
    assert bool(family.buckets) == (family.kind == "histogram")
    assert list(family.buckets) == sorted(set(family.buckets))
