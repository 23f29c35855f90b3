"""The order is made of integers alone: fixed for good, and as even as chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.feed.order import draws, lanes_of, mixed, permutation, rows_of


def test_numbers_are_those_that_were_published() -> None:
    # The first outputs of SplitMix64 for the seed 1234567, as in the test data of several implementations.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert draws(1234567, 3).tolist() == expected


def test_the_order_is_what_it_was() -> None:
    """A state that was saved with an older version has to mean the same documents."""
    assert permutation(mixed(17, 0), 10).tolist() == [5, 7, 3, 6, 8, 9, 1, 4, 2, 0]
    assert rows_of(17, 3, 5, np.ones(6)).tolist() == [4, 3, 5, 2, 0, 1]


@given(st.integers(0, 2**70), st.integers(0, 500))
def test_permutation_has_every_number_once(key: int, count: int) -> None:
    assert sorted(permutation(key, count)) == list(range(count))


@given(st.integers(0, 10**9), st.integers(0, 5), st.integers(0, 300), st.integers(1, 50))
def test_lanes_share_the_units(seed: int, epoch: int, units: int, lanes: int) -> None:
    found = lanes_of(seed, epoch, units, lanes)
    assert len(found) == lanes
    assert sorted(np.concatenate(found)) == list(range(units))
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(permutation(mixed(seed, epoch), 20)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 2.5])
def test_rows_are_shown_as_often_as_they_weigh(weight: float) -> None:
    shown = sum(len(rows_of(seed, 0, 0, np.full(100, weight))) for seed in range(100))
    assert shown == pytest.approx(weight * 10_000, rel=0.05)


def test_places_are_taken_evenly() -> None:
    """The first of ten is each of them about as often: chi-squared with nine degrees of freedom, 99.9 % below 27.9."""
    firsts = np.bincount([permutation(mixed(seed, 0), 10)[0] for seed in range(2000)], minlength=10)
    assert ((firsts - 200) ** 2 / 200).sum() < 27.9
