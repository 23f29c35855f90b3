"""All pairs of 64-bit hashes that differ in few bits, without a comparison of all pairs.

Cut 64 bits into more pieces than bits may differ: each of these bits lies in one piece, so that some pieces
are equal in both hashes. Two hashes are compared only where their pieces are, which is exact: no pair is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from filters.ngrams import Hashes

Indices: TypeAlias = npt.NDArray[np.int64]

BITS: Final = 64
BLOCK: Final = 1 << 20
"""Pairs that are compared at once, in about 60 MB."""


def masks(bound: int, equal: int = 1) -> Hashes:
    """Sets of bits, at least one of which is the same in any two hashes that differ in at most ``bound`` bits.

    The 64 bits are cut into ``bound + equal`` pieces, of which ``equal`` are the same in both: a mask for
    each choice of them. A larger ``equal`` makes more masks, and of more bits, which fewer hashes share.
    ``ValueError`` if 64 bits have not so many pieces.
    """
    if bound < 0 or equal < 1 or bound + equal > BITS:
        raise ValueError(
            f"bound is {bound}, equal is {equal}: give at least 0 and 1, and at most {BITS} together"
        )
    ends = [BITS * piece // (bound + equal) for piece in range(bound + equal + 1)]
    pieces = [(1 << end) - (1 << start) for start, end in pairwise(ends)]
    return np.array([sum(chosen) for chosen in combinations(pieces, equal)], np.uint64)


def band_keys(hashed: int, bound: int, equal: int = 1) -> list[bytes]:
    """A key for each of ``masks``: hashes within ``bound`` share one, and only those may that share one.

    For a search that brings equal keys together: near hashes may meet several times.
    """
    kept = (masks(bound, equal) & np.uint64(hashed)).tolist()
    return [place.to_bytes(2) + bits.to_bytes(8) for place, bits in enumerate(kept)]


def near_pairs(hashes: Hashes, bound: int) -> Indices:
    """All rows ``(i, j)``, i < j, of ``hashes`` that differ in at most ``bound`` bits, each once, in order.

    ``hashes`` are distinct. Memory: 40 bytes for each, what ``BLOCK`` says, and the pairs found, which are
    very many if most hashes are near each other.
    """
    tried = masks(bound, _cheapest(len(hashes), bound))
    found = [np.empty((0, 2), np.int64)]
    for place, mask in enumerate(tried):
        keys = hashes & mask
        order = np.argsort(keys, kind="stable")  # stable: i < j
        sorted_hashes = hashes[order]
        for left, right in _runs(keys[order]):
            unequal = sorted_hashes[left] ^ sorted_hashes[right]
            near = np.flatnonzero(np.bitwise_count(unequal) <= bound)
            met_before = (unequal[near, np.newaxis] & tried[:place] == 0).any(axis=1)
            near = near[~met_before]
            found.append(np.stack((order[left[near]], order[right[near]]), axis=1))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _cheapest(hashes: int, bound: int) -> int:
    """The ``equal`` of ``masks`` with the least work for so many random hashes."""

    def work(equal: int) -> float:
        pieces = bound + equal
        to_sort = 20.0  # a hash costs as much as so many comparisons
        to_compare = hashes / 2 ** (BITS * equal / pieces) / 2
        return comb(pieces, equal) * (to_sort + to_compare)

    return min(range(1, min(5, BITS - bound + 1)), key=work, default=1)


def _runs(keys: Hashes) -> Iterator[tuple[Indices, Indices]]:
    """Blocks of all pairs of places, the smaller first, at which sorted ``keys`` are equal."""
    places = np.arange(len(keys))
    after = np.searchsorted(keys, keys, side="right") - places - 1  # partners behind each place
    until = np.cumsum(after)
    start = 0
    while start < len(keys):
        done = until[start] - after[start]
        stop = max(start + 1, int(np.searchsorted(until, done + BLOCK, side="right")))
        counts = after[start:stop]
        left = np.repeat(places[start:stop], counts)
        before = np.repeat(until[start:stop] - counts - done, counts)
        yield left, left + 1 + np.arange(len(left)) - before
        start = stop
