"""Signatures, bands and sketches: what they estimate, how well, and that they stay what they are."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.minhash import (
    MinHash,
    found_share,
    jaccard,
    s_curve,
    s_curve_line,
    sketch,
    threshold,
)
from filters.dedup.shingles import Shingles, Words, shingles

MINHASH = MinHash(16, 7)

sets = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), max_size=60)


def array(values: list[int]) -> Shingles:
    return np.array(values, np.uint32)


def pairs(size: int, shared: int, count: int) -> list[tuple[Shingles, Shingles]]:
    """Pairs of random sets of whose union of ``size`` numbers ``shared`` are in both."""
    random = np.random.default_rng([size, shared])
    made = []
    for _ in range(count):
        both = random.integers(0, 2**32, size, np.uint32)
        cut = random.integers(shared, size + 1)
        made.append((both[:cut], np.concatenate((both[:shared], both[cut:]))))
    return made


@pytest.mark.parametrize(
    ("size", "shared"), [(10, 5), (40, 32), (200, 60), (200, 160), (1000, 300), (1000, 800), (5000, 4500)]
)
def test_the_estimate_is_unbiased_and_as_narrow_as_it_can_be(size: int, shared: int) -> None:
    count = 2000 if size <= 1000 else 400
    index = shared / size
    signatures = [(MINHASH.signature(a), MINHASH.signature(b)) for a, b in pairs(size, shared, count)]
    estimates = np.array([(a == b).mean() for a, b in signatures])
    ideal = sqrt(index * (1 - index) / 112)
    assert abs(estimates.mean() - index) < 4 * ideal / sqrt(count)
    assert estimates.std() < 1.15 * ideal


@pytest.mark.parametrize(("size", "shared"), [(8, 6), (100, 80), (300, 195), (1000, 700)])
def test_pairs_are_found_as_the_s_curve_says(size: int, shared: int) -> None:
    count = 1500
    found = np.mean(
        [bool((MINHASH.bands(a) == MINHASH.bands(b)).any()) for a, b in pairs(size, shared, count)]
    )
    share = found_share(shared / size, 16, 7)
    assert abs(found - share) < 0.01 + 4 * sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("size", [1, 7, 2047, 2048, 2049, 5000])
def test_a_signature_of_blocks_is_one_of_the_whole(size: int) -> None:
    values = np.random.default_rng(size).integers(0, 2**32, size, np.uint32)
    products = MINHASH._orders * values
    expected = [*products.min(axis=1).tolist(), *products.max(axis=1).tolist()]
    assert MINHASH.signature(values).tolist() == expected


@given(sets, st.randoms())
def test_neither_order_nor_repetition_matters(values: list[int], random: object) -> None:
    again = values + values[: len(values) // 2]
    random.shuffle(again)  # type: ignore[attr-defined]
    for made in (MINHASH.signature, MINHASH.bands, sketch):
        assert made(array(values)).tolist() == made(array(again)).tolist()


@given(sets, sets)
def test_the_signature_of_a_union(one: list[int], other: list[int]) -> None:
    if one and other:
        a, b, both = (MINHASH.signature(array(values)) for values in (one, other, one + other))
        assert both[:56].tolist() == np.minimum(a, b)[:56].tolist()
        assert both[56:].tolist() == np.maximum(a, b)[56:].tolist()


@pytest.mark.parametrize(
    ("bands", "rows"), [(1, 1), (1, 2), (5, 3), (16, 7), (14, 8), (25, 10)], ids=lambda n: str(n)
)
def test_bands(bands: int, rows: int) -> None:
    values = shingles(Words(["some words make some shingles and these make keys"]).hashes)
    keys = MinHash(bands, rows).bands(values)
    assert keys.dtype == np.uint64
    assert len(set(keys.tolist())) == bands
    assert len(MinHash(bands, rows).signature(values)) == bands * rows
    assert MinHash(bands, rows).bands(values[:0]).tolist() == []


def test_no_band_shares_a_key_with_another() -> None:
    """Of a single shingle, under whose orders all rows of small values would look alike."""
    values = [MINHASH.bands(array([value])).tolist() for value in [0, 1, 2, 2**31, 2**32 - 1]]
    assert values[0] == values[1], "0 stands for 1, as it would be first in every order"
    assert len({key for keys in values[1:] for key in keys}) == 4 * 16


@pytest.mark.parametrize("other", [MinHash(16, 7, seed=2), MinHash(14, 8), MinHash(7, 16)])
def test_other_parameters_share_no_key(other: MinHash) -> None:
    values = array([*range(100)])
    assert set(MINHASH.bands(values).tolist()) & set(other.bands(values).tolist()) == set()


@pytest.mark.parametrize(("bands", "rows"), [(0, 7), (16, 0), (-1, 2)])
def test_numbers_of_bands_and_rows_that_make_no_sense(bands: int, rows: int) -> None:
    with pytest.raises(ValueError, match="give 1 or more of each"):
        MinHash(bands, rows)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param([5], [5], id="one"),
        pytest.param([9, 3, 9, 1], [1, 3, 9], id="fewer than its size"),
        pytest.param([9, 3, 9, 1, 4], [1, 3, 4, 9], id="as many"),
        pytest.param([2**32 - 1, 0, 7, 7, 5, 6], [0, 5, 6, 7], id="more"),
    ],
)
def test_sketch(values: list[int], expected: list[int]) -> None:
    assert sketch(array(values), 4).tolist() == expected


@given(sets, sets)
def test_jaccard_is_exact_for_small_sets(one: list[int], other: list[int]) -> None:
    union = len({*one, *other})
    expected = len({*one} & {*other}) / union if union else 0
    assert jaccard(sketch(array(one)), sketch(array(other))) == expected


@given(sets, sets, st.integers(1, 30))
def test_jaccard_of_the_smallest_of_either(one: list[int], other: list[int], size: int) -> None:
    smallest = sorted({*one, *other})
    if len({*one}) >= size or len({*other}) >= size:
        smallest = smallest[:size]
    expected = sum(value in one and value in other for value in smallest) / max(len(smallest), 1)
    sketches = sketch(array(one), size), sketch(array(other), size)
    assert jaccard(*sketches, size) == expected
    assert jaccard(*reversed(sketches), size) == expected


@pytest.mark.parametrize(("size", "shared"), [(3000, 2400), (6000, 3000), (1500, 1350)])
def test_jaccard_of_large_sets_is_unbiased(size: int, shared: int) -> None:
    found = np.array([jaccard(sketch(a), sketch(b)) for a, b in pairs(size, shared, 300)])
    index = shared / size
    ideal = sqrt(index * (1 - index) / 1024)
    assert abs(found.mean() - index) < 4 * ideal / sqrt(300)
    assert found.std() < 1.15 * ideal


def test_texts_with_a_changed_word() -> None:
    """One word in the middle is in five of 100 n-grams: J = 95 / 105."""
    words = [f"w{number}" for number in range(104)]
    changed = [*words[:50], "other", *words[51:]]
    a, b = (shingles(Words([" ".join(text)]).hashes) for text in (words, changed))
    assert jaccard(sketch(a), sketch(b)) == 95 / 105
    assert (MINHASH.bands(a) == MINHASH.bands(b)).any()


def test_s_curve() -> None:
    curve = dict(s_curve(16, 7))
    assert (curve[0], curve[1]) == (0, 1)
    assert curve[0.8] == pytest.approx(1 - (1 - 0.8**7) ** 16)
    assert all(low <= high for (_, low), (_, high) in pairwise(s_curve(16, 7)))
    assert threshold(16, 7) == pytest.approx(0.673, abs=0.001)
    assert threshold(1, 1) == 1


def test_s_curve_line() -> None:
    assert s_curve_line(16, 7) == (
        "16 bands of 7 rows find pairs from a Jaccard index of about 0.67 on: 0.3% at 0.3, 2.6% at 0.4, "
        "11.8% at 0.5, 36.5% at 0.6, 74.7% at 0.7, 97.7% at 0.8, 100.0% at 0.9"
    )


def test_values_never_change() -> None:
    """Signatures of earlier runs are compared with new ones: another value here is another SIGNATURE_VERSION."""
    values: npt.NDArray[np.uint32] = array([1, 2, 3, 5, 8, 2**31, 2**32 - 1])
    assert [hex(key) for key in MINHASH.bands(values)[[0, 7, 8, 15]].tolist()] == [
        "0x316041983c638f0d",
        "0x9a7bef71e603cee1",
        "0x61bfdffb2416d5c7",
        "0xd8d7b815704fd920",
    ]
    assert MINHASH.signature(values)[[0, 55, 56, 111]].tolist() == [
        728531887,
        547411578,
        3374407464,
        3516012593,
    ]
