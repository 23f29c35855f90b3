"""Near pairs of hashes: the same as by comparing all with all, and found in time."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup import hamming
from filters.dedup.hamming import BITS, band_keys, masks, near_pairs

BOUNDS = (0, 1, 3, 6)
hash_of_64_bits = st.integers(0, 2**BITS - 1)


@st.composite
def some_near(draw: st.DrawFn) -> npt.NDArray[np.uint64]:
    """Hashes, of which many are a few flipped bits away from another."""
    seeds = draw(st.lists(hash_of_64_bits, max_size=4))
    flips = st.lists(st.integers(0, BITS - 1), max_size=8)
    copies = [(seed, draw(flips)) for seed in seeds for _ in range(draw(st.integers(0, 8)))]
    made = seeds + [seed ^ sum(1 << bit for bit in set(bits)) for seed, bits in copies]
    return np.array(draw(st.permutations(sorted(set(made)))), np.uint64)


def by_comparing_all(hashes: npt.NDArray[np.uint64], bound: int) -> list[list[int]]:
    numbers = hashes.tolist()
    return [
        [i, j]
        for i, one in enumerate(numbers)
        for j, other in enumerate(numbers)
        if i < j and (one ^ other).bit_count() <= bound
    ]


@pytest.mark.parametrize("bound", BOUNDS)
@given(hashes=some_near())
def test_all_near_pairs_are_found_once_and_in_order(hashes: npt.NDArray[np.uint64], bound: int) -> None:
    assert near_pairs(hashes, bound).tolist() == by_comparing_all(hashes, bound)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("equal", [1, 2, 3])
@given(hashes=some_near())
def test_whatever_the_masks_and_the_blocks(hashes: npt.NDArray[np.uint64], bound: int, equal: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "_cheapest", lambda hashes, bound: equal)
        patch.setattr(hamming, "BLOCK", 3)
        assert near_pairs(hashes, bound).tolist() == by_comparing_all(hashes, bound)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("equal", [1, 2])
@given(one=hash_of_64_bits, bits=st.lists(st.integers(0, BITS - 1), max_size=7))
def test_near_hashes_share_a_key(one: int, bits: list[int], bound: int, equal: int) -> None:
    other = one ^ sum(1 << bit for bit in set(bits[:bound]))
    keys = band_keys(one, bound, equal)
    assert set(keys) & set(band_keys(other, bound, equal))
    assert len(set(keys)) == len(masks(bound, equal))
    assert not set(keys) & set(band_keys(one ^ (2**BITS - 1), bound, equal))


@pytest.mark.parametrize(
    ("bound", "equal", "pieces", "fewest_bits"),
    [
        pytest.param(0, 1, 1, 64, id="equal hashes"),
        pytest.param(3, 1, 4, 16, id="quarters"),
        pytest.param(6, 1, 7, 9, id="sevenths"),
        pytest.param(6, 2, 28, 16, id="two of eight eighths"),
        pytest.param(63, 1, 64, 1, id="single bits"),
    ],
)
def test_masks(bound: int, equal: int, pieces: int, fewest_bits: int) -> None:
    counts = [mask.bit_count() for mask in masks(bound, equal).tolist()]
    assert (len(counts), min(counts)) == (pieces, fewest_bits)
    assert np.bitwise_or.reduce(masks(bound, equal)) == 2**BITS - 1


@pytest.mark.parametrize(("bound", "equal"), [(-1, 1), (3, 0), (64, 1), (62, 3)])
def test_more_pieces_than_bits_are_refused(bound: int, equal: int) -> None:
    with pytest.raises(ValueError, match=f"bound is {bound}, equal is {equal}"):
        masks(bound, equal)


def test_equal_keys_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "BLOCK", 5000)
    blocks = [len(left) for left, _ in hamming._runs(np.zeros(1000, np.uint64))]
    assert sum(blocks) == 1000 * 999 // 2
    assert max(blocks) <= 5000


@pytest.mark.parametrize("bound", BOUNDS)
def test_many_hashes_take_seconds(bound: int) -> None:
    random = np.random.default_rng(7)
    hashes = random.integers(0, 2**BITS, 20_000, np.uint64, endpoint=False)
    hashes[10_000:10_200] = hashes[:200] ^ np.uint64(0b111 << 30)
    begun = time.process_time()
    pairs = near_pairs(hashes, bound)
    assert time.process_time() - begun < 5
    assert pairs.tolist() == ([[i, i + 10_000] for i in range(200)] if bound >= 3 else [])
