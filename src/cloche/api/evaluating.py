"""`cloche.evaluate`: how good a version is, on a table with targets or on what it answered and was told since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cloche.api import evaluating_log, evaluating_table
from cloche.api.workplace import workplace
from cloche.registry import Evaluation, evaluations


def evaluate(
    reference: str,
    table: Any = None,
    *,
    target: str | Sequence[str] = (),
    segments: Sequence[str] = (),
    against: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    horizon: timedelta | None = None,
    store: str | None = None,
) -> Evaluation:
    """
    Measure a version on rows with known truths, and keep the result beside it.

    With a *table*: each row is answered now and compared with its *target*. Without: the rows that the version was
    asked for in [*since*, *until*), and answered, are compared with the labels that came. A metric that has not rows
    enough to mean something is not told.

    Args:
        reference: `NAME` (its live version), `NAME@VERSION` or `NAME@ROUTE`.
        table: What `save` takes as `inputs`, with the target among its columns; or None.
        target: The column with the truth; with several outputs theirs, in their order.
        segments: Columns to measure by: inputs, keys or contexts, of a table any. Numbers are cut at their quartiles.
        against: Another version of the model: the difference on the same rows, with its own interval.
        since: Of the log, from this moment (aware).
        until: Of the log, up to this moment (aware).
        horizon: How long after an answer a label by key may belong to it; by default that of the model.
        store: A store's URL or path, instead of `CLOCHE_STORE`.

    Raises:
        UsageError: no such column, no such truth, or a task without one.
        RefusedError: *against* cannot answer logged rows again: their inputs were not kept.
        ArtifactError: the version will not be opened.
    """
    here = workplace(store)
    if table is not None:
        targets = (target,) if isinstance(target, str) else tuple(target)
        found = evaluating_table.evaluate(here, reference, table, targets, tuple(segments), against)
    else:
        asked = evaluating_log.Asked(since, until, horizon, tuple(segments), against)
        found = evaluating_log.evaluate(here, reference, asked)
    evaluations.keep(here.store, found)
    return found
