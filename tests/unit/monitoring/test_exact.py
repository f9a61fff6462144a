"""`cloche report --exact`: distances on raw rows, against rows and against bins; by what SciPy says of samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from cloche.monitoring.documents import ExactField
from cloche.monitoring.exact import exact
from cloche.monitoring.reference import FieldReference, Reference
from cloche.profile import numbers
from cloche.tables import read

DRAWS = np.random.default_rng(5)
BEFORE = DRAWS.normal(10, 2, size=20_000)
NOW = DRAWS.normal(11, 3, size=3_000)


class Rows:
    """A log that holds one table."""

    def __init__(self, **columns: Any) -> None:
        n = len(next(iter(columns.values())))
        given = {"version": [2] * n, "status": [200] * n, "row": [0] * n} | columns
        self.table = pa.table(given)

    def answers(self, _model: str, *, columns: set[str], **_range: Any) -> Any:
        return self.table.select([name for name in self.table.column_names if name in columns])


def reference_of(values: Any, name: str = "x", **facts: Any) -> Reference:
    bins = numbers(np.asarray(values, dtype=np.float64))["bins"]
    return Reference(
        fields={
            name: FieldReference(
                name, "number", "input", len(values), edges=tuple(bins["edges"]), counts=tuple(bins["counts"]), **facts
            )
        }
    )


def levels_of(**counts: int) -> Reference:
    one = FieldReference(
        "x", "category", "input", sum(counts.values()), levels=tuple(counts), counts=tuple(counts.values())
    )
    return Reference(fields={"x": one})


def measured(rows: Any, reference: Reference, table: Any = None) -> ExactField:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    columns = None if table is None else read(table).columns
    (found,) = exact(rows, "m", 2, reference, since=moment, until=moment, table=columns)
    return found


def test_against_bins_the_true_distances_are_enclosed() -> None:
    found = measured(Rows(in_x=NOW), reference_of(BEFORE))
    true = stats.ks_2samp(BEFORE, NOW).statistic
    assert found.ks is not None
    assert found.ks_high is not None
    assert found.ks <= true <= found.ks_high <= found.ks + 2 / 20
    assert found.wasserstein == pytest.approx(
        stats.wasserstein_distance(BEFORE, NOW), rel=0.1
    )  # its values lie evenly in their bins
    assert found.p is None


def test_beyond_the_bins_the_distance_goes_on() -> None:
    far = measured(Rows(in_x=[1e6]), reference_of(BEFORE))
    assert far.wasserstein == pytest.approx(1e6 - BEFORE.mean(), rel=1e-3)
    assert (far.ks, far.ks_high) == (1.0, 1.0)


def test_against_rows_they_are_scipys() -> None:
    found = measured(Rows(in_x=NOW), reference_of(BEFORE), [{"x": float(one)} for one in BEFORE])
    tested = stats.ks_2samp(BEFORE, NOW)
    assert (found.ks, found.p) == (tested.statistic, tested.pvalue)
    assert found.wasserstein == stats.wasserstein_distance(BEFORE, NOW)
    assert found.ks_high is None


def test_moments_quantiles_and_what_is_missing() -> None:
    found = measured(Rows(in_x=[1.0, None, 3.0, 2.0, None]), reference_of([1, 2, 3]))
    assert (found.n, found.missing, found.mean, found.distinct) == (5, 2, 2.0, 3)
    assert (found.quantiles["min"], found.quantiles["p50"], found.quantiles["max"]) == (1.0, 2.0, 3.0)


def test_only_answered_rows_of_the_version_count() -> None:
    rows = Rows(in_x=[1.0, 2.0, 3.0], version=[2, 1, 2], status=[200, 200, 500])
    assert measured(rows, reference_of([1, 2, 3])).n == 1


def test_levels_by_bins_and_by_rows() -> None:
    rows = Rows(in_x=["a", "a", "b", "new", None])
    found = measured(rows, levels_of(a=50, b=50))
    assert (found.missing, found.unseen, found.distinct) == (1, {"new": 1}, 3)
    assert found.tv == pytest.approx(0.25)
    found = measured(rows, levels_of(a=50, b=50), [{"x": "a"}, {"x": "new"}])
    assert (found.unseen, found.tv) == ({"b": 1}, pytest.approx(0.25))


def test_a_field_that_is_not_kept_is_left_out() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows: Any = Rows(hash_x=["1"])
    assert exact(rows, "m", 2, reference_of([1, 2, 3]), since=moment, until=moment) == []


def test_nothing_but_missing_values() -> None:
    rows = Rows(in_x=pa.array([None, None], pa.float64()))
    found = measured(rows, reference_of([1, 2, 3]))
    assert (found.n, found.missing, found.mean, found.ks) == (2, 2, None, None)
