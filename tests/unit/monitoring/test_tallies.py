"""Tallies add up like the rows they were made of, and latencies come back within 1 %."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloche.monitoring.tallies import FieldTally, OutputTally, Tally, bucket_of, quantile_ms, summed

counts = st.integers(0, 10**9)
fields = st.builds(FieldTally, counts, counts, counts, counts, counts, counts, counts, counts, st.just([1, 2, 3]))
outputs = st.builds(OutputTally, counts, st.dictionaries(st.sampled_from("ab"), counts), fields, fields)
tallies = st.builds(
    Tally,
    counts,
    counts,
    st.dictionaries(st.sampled_from(["200", "400"]), counts),
    st.dictionaries(st.integers(-300, 900), counts),
    st.just({}),
    st.dictionaries(st.sampled_from(["age", "island"]), fields),
    outputs,
)


@given(tallies, tallies, tallies)
def test_the_order_of_adding_does_not_matter(one: Tally, other: Tally, third: Tally) -> None:
    assert one.plus(other) == other.plus(one)
    assert summed([one, other, third]) == one.plus(other.plus(third))
    assert one.plus(Tally()) == one


@given(tallies)
def test_a_tally_survives_its_bytes(one: Tally) -> None:
    assert Tally.from_bytes(one.to_bytes()) == one


@given(st.floats(0.001, 1e7))
def test_a_latency_is_known_within_one_per_cent(latency_ms: float) -> None:
    found = quantile_ms({bucket_of(latency_ms): 1}, 0.5)
    assert found is not None
    assert abs(found - latency_ms) <= 0.01 * latency_ms
