"""Similar texts found by keys: MinHash signatures in bands, and sketches to compare what they find.

Two texts are compared by the Jaccard index of their sets of shingles. The least shingle under a random order is the
same for both with just that probability (Broder 1997), so a band of ``rows`` such orders agrees with probability
J^rows, and at least one of ``bands`` with 1 - (1 - J^rows)^bands (Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, 3.4).

The orders are those of odd·shingle modulo 2^32, which permutes the numbers of 32 bits. Shingles are random numbers
already; what the orders must be is different from each other. Each order has two ends, and both are used: the
greatest under one is the least under its negative, which saves half of the products.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from filters.dedup.shingles import Shingles, mix
from filters.ngrams import Hashes

_BLOCK: Final = 2048
"""Shingles that are ordered at once: their products under 56 orders, 4 bytes each, fit a second-level cache."""


class MinHash:
    """Signatures of ``bands`` · ``rows`` hashes; those of different ``seed``, ``bands`` or ``rows`` share no key."""

    def __init__(self, bands: int, rows: int, seed: int = 1) -> None:
        if min(bands, rows) < 1:
            raise ValueError(f"MinHash: {bands} bands of {rows} rows; give 1 or more of each")
        self.shape = bands, rows
        self.size = bands * rows
        orders = (self.size + 1) // 2
        numbers = _random(orders + self.size, (seed, bands, rows)) | np.uint64(1)
        self._orders = (numbers[:orders] >> np.uint64(31)).astype(np.uint32)[:, np.newaxis] | np.uint32(1)
        self._weights = numbers[orders:].reshape(self.shape)

    def signature(self, shingles: Shingles) -> npt.NDArray[np.uint32]:
        """The hashes of a set of shingles, which may be repeated and in any order; none of an empty one."""
        if not len(shingles):
            return np.empty(0, np.uint32)
        shingles = np.maximum(shingles, np.uint32(1))  # 0 would be the least under every order
        least, greatest = self._ends(shingles[:_BLOCK])
        for at in range(_BLOCK, len(shingles), _BLOCK):
            low, high = self._ends(shingles[at : at + _BLOCK])
            np.minimum(least, low, out=least)
            np.maximum(greatest, high, out=greatest)
        return np.concatenate((least, greatest))[: self.size]

    def _ends(self, shingles: Shingles) -> tuple[Shingles, Shingles]:
        products = self._orders * shingles
        return np.minimum.reduce(products, axis=1), np.maximum.reduce(products, axis=1)

    def bands(self, shingles: Shingles) -> Hashes:
        """A key for each band, which equal bands share, and no two of different places; none of an empty set."""
        hashes = self.signature(shingles)
        if not len(hashes):
            return np.empty(0, np.uint64)
        return mix((hashes.reshape(self.shape) * self._weights).sum(axis=1, dtype=np.uint64))


def _random(count: int, seeds: tuple[int, ...]) -> Hashes:
    """Numbers that ``seeds`` determine, on every machine (SplitMix64)."""
    state = np.zeros(1, np.uint64)
    for seed in seeds:
        state = mix(state + np.uint64(seed))
    return mix(state + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def sketch(shingles: Shingles, size: int = 1024) -> Shingles:
    """The ``size`` smallest of the distinct shingles, in order; all of them if there are fewer."""
    ordered = np.sort(shingles)
    first = np.empty(len(ordered), np.bool_)
    first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first][:size]


def jaccard(one: Shingles, other: Shingles, size: int = 1024) -> float:
    """The Jaccard index of the sets that two sketches are of, which were made with the same ``size``.

    Exact where both have less than ``size`` shingles. Else the share of the ``size`` smallest ones of either set that
    are in both, whose standard deviation is √(J(1-J)/size) (Cohen, Kaplan 2007: bottom-k sketches). Of two empty
    sets 0: without words there is nothing to be similar.
    """
    both = np.sort(np.concatenate((one, other)))
    again = both[1:] == both[:-1]
    distinct, shared = len(both) - int(np.count_nonzero(again)), again
    if max(len(one), len(other)) >= size and distinct > size:
        ranks = np.cumsum(~again)  # of the shingle at i + 1, from 0
        shared, distinct = again[ranks < size], size
    return int(np.count_nonzero(shared)) / distinct if distinct else 0.0


def threshold(bands: int, rows: int) -> float:
    """The Jaccard index around which pairs become likely to be found: (1/bands)^(1/rows)."""
    return float((1 / bands) ** (1 / rows))


def found_share(jaccard: float, bands: int, rows: int) -> float:
    """The probability that a pair of this Jaccard index has a band in common."""
    return float(1 - (1 - jaccard**rows) ** bands)


def s_curve(bands: int, rows: int, steps: int = 20) -> list[tuple[float, float]]:
    """Jaccard indices from 0 to 1, each with the probability that a pair of it is found."""
    return [(step / steps, found_share(step / steps, bands, rows)) for step in range(steps + 1)]


def s_curve_line(bands: int, rows: int) -> str:
    """What part of the similar pairs is found, in a line."""
    shares = ", ".join(f"{share:.1%} at {index:.1f}" for index, share in s_curve(bands, rows, 10)[3:10])
    middle = threshold(bands, rows)
    return f"{bands} bands of {rows} rows find pairs from a Jaccard index of about {middle:.2f} on: {shares}"
