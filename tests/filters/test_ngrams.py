from __future__ import annotations

from collections import Counter
from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.ngrams import Repeats, repeats

sequences = st.lists(st.lists(st.integers(0, 3), max_size=30), min_size=1, max_size=6)


def counted(sequence: list[int], n: int) -> Counter[tuple[int, ...]]:
    """What ``repeats`` finds, the slow way."""
    return Counter(tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1))


@given(sequences, st.integers(1, 13))
def test_repeats_are_those_that_counting_finds(sequences: list[list[int]], n: int) -> None:
    values = np.array([value for sequence in sequences for value in sequence], np.uint64)
    found = repeats(values, [len(sequence) for sequence in sequences], n)
    assert len(found) == len(sequences)
    for sequence, one in zip(sequences, found, strict=True):
        counts = counted(sequence, n)
        assert one.total == counts.total()
        assert sorted(one.counts) == sorted(count for count in counts.values() if count > 1)


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 5))
def test_shares_are_those_of_their_definition(sequence: list[int], n: int) -> None:
    (one,) = repeats(np.array(sequence, np.uint64), [len(sequence)], n)
    counts = sorted(counted(sequence, n).values(), reverse=True)
    top = counts[: min(isqrt(len(counts)), len(counts) - counts.count(1))]
    assert one.top_share == pytest.approx(sum(top) / sum(counts) if counts else 0)
    assert one.repeated_share == pytest.approx(
        sum(count for count in counts if count > 1) / sum(counts) if counts else 0
    )


@pytest.mark.parametrize(
    ("values", "n", "expected"),
    [
        pytest.param([], 2, Repeats(0), id="nothing"),
        pytest.param([1], 2, Repeats(0), id="shorter than an n-gram"),
        pytest.param([1, 2], 2, Repeats(1), id="one n-gram"),
        pytest.param([1, 2, 1, 2, 1], 2, Repeats(4, [2, 2]), id="two pairs, twice each"),
        pytest.param([7] * 11, 10, Repeats(2, [2]), id="one window twice"),
        pytest.param([0, 0, 0], 1, Repeats(3, [3]), id="zeros count like other values"),
        pytest.param([2**64 - 1, 2**63, 2**64 - 1, 2**63], 2, Repeats(3, [2]), id="values of all bits"),
    ],
)
def test_repeats(values: list[int], n: int, expected: Repeats) -> None:
    (found,) = repeats(np.array(values, np.uint64), [len(values)], n)
    assert (found.total, list(found.counts)) == (expected.total, list(expected.counts))


def test_the_same_n_gram_in_two_sequences_is_no_repeat() -> None:
    assert repeats(np.array([1, 2, 1, 2], np.uint64), [2, 2], 2) == [Repeats(1), Repeats(1)]
