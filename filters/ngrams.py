"""Repeated n-grams of many sequences at once, found by sorting hashes instead of counting slices.

Two different n-grams share a 64-bit hash with a chance of about 1 in 10^11 for a text of 10,000; a measure
would then be off by 1 in 10,000. Counting the n-grams themselves takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]

_BASE: Final = 0x9E3779B97F4A7C15
"""An odd number with mixed bits (2^64 / golden ratio): the base of the polynomial hash, modulo 2^64."""


class Repeats(msgspec.Struct, frozen=True):
    """The n-grams of one sequence: how many there are, and how often each comes that comes more than once."""

    total: int
    counts: Sequence[int] = ()

    @property
    def repeated_share(self) -> float:
        """The share of the n-grams that are no single ones; 0 if there are none."""
        return sum(self.counts) / self.total if self.total else 0.0

    @property
    def top_share(self) -> float:
        """The share of the n-grams that are among the √(distinct ones) most frequent and repeated ones.

        The character repetition ratio of OBELICS (arXiv 2306.16527, appendix A.1.4; from the filters of ROOTS).
        """
        if not self.counts:
            return 0.0
        distinct = self.total - sum(self.counts) + len(self.counts)
        top = sorted(self.counts, reverse=True)[: isqrt(distinct)]
        return sum(top) / self.total


def repeats(values: Hashes, lengths: Sequence[int], n: int) -> list[Repeats]:
    """The repeated ``n``-grams of each of the sequences that stand one after the other in ``values``.

    ``lengths`` are those of the sequences. No n-gram reaches from one sequence into the next.
    """
    totals = [max(length - n + 1, 0) for length in lengths]
    found = [Repeats(total) for total in totals]
    if not any(totals):
        return found
    bits = (len(lengths) - 1).bit_length()
    keys = windows(values, n)
    if bits:
        keys = _within(keys, lengths, n, bits)
    keys.sort()
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if len(again):
        owners, counts = _runs(keys, again, bits)
        ends = [*(np.flatnonzero(owners[1:] != owners[:-1]) + 1).tolist(), len(owners)]
        for start, end in pairwise([0, *ends]):
            owner = owners[start].item()
            found[owner] = Repeats(totals[owner], counts[start:end])
    return found


def _within(hashes: Hashes, lengths: Sequence[int], n: int, bits: int) -> Hashes:
    """The hashes of windows inside of one sequence, which gives them their first ``bits``."""
    sizes = np.asarray(lengths)
    sequence = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)[: len(hashes)]
    inside = np.repeat(np.cumsum(sizes) - n, sizes)[: len(hashes)] >= np.arange(len(hashes))
    keys: Hashes = ((hashes >> np.uint64(bits)) | (sequence << np.uint64(64 - bits)))[inside]
    return keys


def _runs(keys: Hashes, again: npt.NDArray[np.intp], bits: int) -> tuple[Hashes, list[int]]:
    """Whose each key is that the sorted ``keys`` have again at the places ``again``, and how often it comes."""
    # not np.diff with prepend and append, which takes ten times as long for the few that there are
    edges = np.concatenate(([0], np.flatnonzero(again[1:] - again[:-1] != 1) + 1, [len(again)]))
    first = edges[:-1]
    counts: list[int] = (edges[1:] - first + 1).tolist()
    # one sequence has no bits of its own, and to shift by all 64 is undefined
    owners = keys[again[first]] >> np.uint64(64 - bits) if bits else np.zeros(len(first), np.uint64)
    return owners, counts


def windows(values: Hashes, n: int) -> Hashes:
    """A polynomial hash of each ``n`` neighbours, put together from those of 1, 2, 4 … neighbours."""
    power, width = values * np.uint64(_BASE), 1
    result, length = values[:0], 0
    while True:
        if n & width:
            result = _joined(result, length, power, width) if length else power
            length += width
        if 2 * width > n:
            return result
        power = _joined(power, width, power, width)
        width *= 2


def _joined(left: Hashes, left_width: int, right: Hashes, right_width: int) -> Hashes:
    """The hashes of windows of ``left``, each with the window of ``right`` that follows it."""
    size = len(right) - left_width
    result: Hashes = left[:size] * np.uint64(pow(_BASE, right_width, 2**64))
    result += right[left_width:]
    return result
