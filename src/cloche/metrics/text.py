"""Samples as Prometheus reads them: text format 0.0.4, or OpenMetrics 1.0 for those who ask for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from cloche.metrics.families import FAMILIES, Family
from cloche.metrics.reading import Samples

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def exposition(samples: Samples, *, openmetrics: bool = False, families: Mapping[str, Family] = FAMILIES) -> bytes:
    """Every family that has a sample, in the order of the table."""
    lines: list[str] = []
    for family in families.values():
        series = samples.get(family.name)
        if series:
            lines += _head(family, openmetrics)
            for labels, numbers in sorted(series.items()):
                lines += _series(family, labels, numbers)
    if openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _head(family: Family, openmetrics: bool) -> Iterator[str]:
    name = family.name.removesuffix("_total") if openmetrics and family.kind == "counter" else family.name
    told = family.help.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {name} {told.replace(chr(34), chr(92) + chr(34)) if openmetrics else told}"
    yield f"# TYPE {name} {family.kind}"


def _series(family: Family, labels: Sequence[str], numbers: Sequence[float]) -> Iterator[str]:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, labels, strict=True)]
    if family.kind != "histogram":
        yield f"{family.name}{_braced(pairs)} {_number(numbers[0])}"
        return
    counts = list(accumulate(numbers[:-1]))
    for bound, count in zip((*family.buckets, math.inf), counts, strict=True):
        edge = "+Inf" if bound == math.inf else repr(float(bound))
        pair = f'le="{edge}"'
        yield f"{family.name}_bucket{_braced([*pairs, pair])} {_number(count)}"
    yield f"{family.name}_sum{_braced(pairs)} {_number(numbers[-1])}"
    yield f"{family.name}_count{_braced(pairs)} {_number(counts[-1])}"


def _braced(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
