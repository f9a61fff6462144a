"""A batch that raises: which rows are refused, at what price."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloche.records import Columns, Outputs
from cloche.serving.isolate import Refused, answer


def picky(bad: set[int], calls: list[int]):  # type: ignore[no-untyped-def]
    def predict(columns: Columns, n: int) -> Outputs:
        calls.append(n)
        if bad & set(columns["x"]):
            raise ValueError("no")
        return Outputs(list(columns["x"]))

    return predict


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_finds_exactly_the_rows_that_raise(case: tuple[int, set[int]]) -> None:
    n, bad = case
    result = answer(picky(bad, []), {"x": list(range(n))}, n)
    if bad:
        assert isinstance(result, Refused)
        assert result.rows == tuple(sorted(bad))
    else:
        assert result == Outputs(list(range(n)))


def test_one_bad_row_among_many_costs_few_calls() -> None:
    calls: list[int] = []
    result = answer(picky({4_321}, calls), {"x": list(range(10_000))}, 10_000)
    assert isinstance(result, Refused)
    assert len(calls) < 30


def test_stops_at_the_limit() -> None:
    calls: list[int] = []
    result = answer(picky(set(range(1_000)), calls), {"x": list(range(1_000))}, 1_000, limit=5)
    assert isinstance(result, Refused)
    assert result.rows == (0, 1, 2, 3, 4)
    assert len(calls) < 30


def test_a_batch_that_only_fails_as_a_whole_is_answered_from_its_parts() -> None:
    def predict(columns: Columns, n: int) -> Outputs:
        if n > 2:
            raise MemoryError
        return Outputs(list(columns["x"]), [[1.0]] * n)

    assert answer(predict, {"x": [1, 2, 3, 4, 5]}, 5) == Outputs([1, 2, 3, 4, 5], [[1.0]] * 5)
