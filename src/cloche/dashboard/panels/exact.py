"""What a report adds with `--exact`: every field on raw rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.panels.panel import cell, empty, panel, table
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import ExactField

_HEAD: Final = (
    "Field", "n", "Missing", "Mean", "Deviation", "Quantiles", "Distinct", "Unseen", "KS", "Wasserstein",
    "Total variation",
)  # fmt: skip


def exact_panel(found: Sequence[ExactField], version: int, range_: str, against: str) -> Html:
    """*against* says what the reference is."""
    note = (
        f"Raw rows of version {version}, last {range_}: n = {figures.count(max((one.n for one in found), default=0))}"
    )
    if not found:
        return panel(
            "exact", "Exact, on raw rows", note, empty("No raw rows in this range, or none whose inputs are kept.")
        )
    words = f"{note} · against {against}"
    return panel(
        "exact", "Exact, on raw rows", words, table(_HEAD, map(_row, found), "Fields on raw rows", numeric=True)
    )


def _row(one: ExactField) -> Html:
    missing = one.missing / one.n if one.n else None
    return tag(
        "tr",
        tag("th", one.name, tag("small", one.type), scope="row"),
        cell("n", figures.count(one.n)),
        cell("Missing", figures.count(one.missing), tag("small", figures.share(missing))),
        cell("Mean", figures.number(one.mean, 4)),
        cell("Deviation", figures.number(one.deviation, 4)),
        cell("Quantiles", _quantiles(one), class_="words"),
        cell("Distinct", figures.count(one.distinct)),
        cell("Unseen", _unseen(one), class_="words"),
        cell("KS", _ks(one)),
        cell("Wasserstein", figures.number(one.wasserstein)),
        cell("Total variation", figures.number(one.tv)),
    )


def _quantiles(one: ExactField) -> Child:
    if not one.quantiles:
        return figures.NONE
    return tag("small", ", ".join(f"{name} {figures.number(value, 4)}" for name, value in one.quantiles.items()))


def _unseen(one: ExactField) -> Child:
    return tag("small", ", ".join(f"{name} ({n:,})" for name, n in one.unseen.items())) if one.unseen else figures.NONE


def _ks(one: ExactField) -> list[Child]:
    if one.ks is None:
        return [figures.NONE]
    if one.ks_high is not None:
        return [f"{figures.number(one.ks)} … {figures.number(one.ks_high)}", tag("small", "the reference is in bins")]
    return [figures.number(one.ks), tag("small", f"p {figures.probability(one.p)}")]
