"""Request ids sort by time, never repeat, and tell processes apart."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from cloche.ids import ALPHABET, LENGTH, RequestIds


def number_of(text: str) -> int:
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return number


@given(clock=st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=200), random=st.integers(0, 2**40 - 1))
def test_each_is_greater_than_the_one_before_whatever_the_clock_does(clock: list[int], random: int) -> None:
    times = iter(clock)
    source = RequestIds(clock_ms=lambda: next(times), random=random)
    made = [source.new() for _ in clock]
    assert all(len(one) == LENGTH and set(one) <= set(ALPHABET) for one in made)
    assert all(a < b for a, b in itertools.pairwise(made))


@given(now=st.integers(0, 2**48 - 1), random=st.integers(0, 2**40 - 1), already=st.integers(0, 300))
def test_the_bits_stand_where_the_design_says(now: int, random: int, already: int) -> None:
    source = RequestIds(clock_ms=lambda: now, random=random)
    for _ in range(already):
        source.new()
    number = number_of(source.new())
    assert (number >> 82, (number >> 42) & (2**40 - 1), number & (2**42 - 1)) == (now, random, already + 1)


def test_two_processes_do_not_meet() -> None:
    one, other = (RequestIds(clock_ms=lambda: 1) for _ in range(2))
    assert {one.new() for _ in range(100)}.isdisjoint(other.new() for _ in range(100))


def test_the_clock_is_the_wall_clock() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= number_of(RequestIds().new()) >> 82 <= time.time_ns() // 1_000_000
