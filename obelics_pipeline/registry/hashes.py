"""Sorted files of 64-bit hashes: merged in bounded memory, mapped into memory, searched in a microsecond."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.format import write_array_header_1_0

Hashes: TypeAlias = npt.NDArray[np.uint64]

BUCKET: Final = 32
"""Hashes between two places of the index, at most, on average: the index adds 1.6 to 3.1 % to a file."""

MERGED: Final = 1 << 22
"""Hashes that are merged at once, about: 32 MB, and as much again to sort them."""


def write_merged(runs: Sequence[Hashes], path: Path) -> int:
    """Write the union of sorted ``runs`` to ``path`` (.npy); return how many hashes there are.

    Hashes are evenly spread, so the range of one part of 2^64 after the other is brought together and sorted.
    """
    listed = sum(map(len, runs))
    parts = 1 + listed // MERGED
    count = 0
    with path.open("wb") as stream:
        _header(stream, listed)
        for piece in _ranges(runs, [part * (1 << 64) // parts for part in range(1, parts)]):
            distinct = np.unique(piece)
            distinct.tofile(stream)
            count += len(distinct)
        stream.seek(0)
        _header(stream, count)
    return count


def _header(stream: BinaryIO, count: int) -> None:
    # NumPy leaves room for the number to grow, so that the header is as long whatever it is.
    described = {"descr": "<u8", "fortran_order": False, "shape": (count,)}
    write_array_header_1_0(stream, described)


def _ranges(runs: Sequence[Hashes], bounds: list[int]) -> Iterator[Hashes]:
    starts = [0] * len(runs)
    for bound in [*bounds, None]:
        ends = [len(run) if bound is None else int(np.searchsorted(run, np.uint64(bound))) for run in runs]
        yield np.concatenate([run[start:end] for run, start, end in zip(runs, starts, ends, strict=True)])
        starts = ends


def write_index(hashes: Hashes, path: Path) -> int:
    """Write where each bucket of equal leading bits begins in sorted ``hashes``, and the end; return how many."""
    bits = _index_bits(len(hashes))
    firsts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    places = np.append(np.searchsorted(hashes, firsts), len(hashes)).astype("<u4")
    np.save(path, places)
    return len(places)


def _index_bits(count: int) -> int:
    return max(1, (count // BUCKET).bit_length())


class SortedHashes:
    """A set of 64-bit hashes in two mapped files."""

    def __init__(self, hashes: Hashes, index: npt.NDArray[np.uint32]) -> None:
        """``ValueError`` if the two are not of one set."""
        bits = _index_bits(len(hashes))
        if hashes.dtype != np.dtype("<u8") or index.dtype != np.dtype("<u4") or hashes.ndim != 1:
            raise ValueError(f"{hashes.ndim} dimensions of {hashes.dtype}, {index.dtype}")
        if index.shape != ((1 << bits) + 1,):
            raise ValueError("the index is not of these hashes")
        self.hashes = hashes
        self._values = hashes.data  # its items are plain integers, at a quarter of the time of NumPy's
        self._places = index.data
        self._shift = 64 - bits

    def __contains__(self, hashed: int) -> bool:
        bucket = hashed >> self._shift
        end = self._places[bucket + 1]
        place = bisect_left(self._values, hashed, self._places[bucket], end)
        return place < end and self._values[place] == hashed

    def contains_each(self, hashed: Iterable[int]) -> npt.NDArray[np.bool_]:
        """Whether each is in the set; the memory is read in order."""
        asked: Hashes = np.fromiter(hashed, np.uint64)
        order = np.argsort(asked)
        sorted_hashes = asked[order]
        places = np.searchsorted(self.hashes, sorted_hashes)
        found = np.empty(len(asked), np.bool_)
        found[order] = self.hashes[np.minimum(places, len(self.hashes) - 1)] == sorted_hashes
        return found


def mapped(path: Path) -> npt.NDArray[Any]:
    """The array of a .npy file, mapped into memory read-only; ``ValueError`` if it is none."""
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found
