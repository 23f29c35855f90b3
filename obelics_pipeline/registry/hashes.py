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

BUCKET: Final = 16
"""Hashes of a bucket, at most, on average: the index has 8 bytes for each and adds 6.3 to 12.5 % to a file."""

FILTER: Final = 31
"""The bits of a hash that choose the bit of its bucket's filter: of 16 hashes, those that are not listed are
turned away by six in ten filters, of 8 by eight, without a look at the file itself, which is not in any cache."""

PIECE: Final = 1 << 17
"""Hashes in a piece of what is to be joined: 1 MB, which is read whole for a single one."""

MERGED: Final = 1 << 22
"""Hashes that are merged at once, about: 32 MB, and three times as much to sort them."""


def distinct(hashes: Hashes) -> Hashes:
    """The hashes in order, each once."""
    # NumPy's own for this puts integers into a hash table, which takes two hundred times as long as to sort them.
    ordered = np.sort(hashes)
    kept: Hashes = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return kept


def write_merged(runs: Sequence[Path], path: Path, index: Path) -> tuple[int, int]:
    """Write the union of the sorted ``runs`` to ``path``, and what its buckets hold to ``index``.

    Hashes are evenly spread, so the range of one part of 2^64 after the other is brought together and sorted.
    A bucket is that of equal leading bits; the index has a row for each, and one for the end: a filter, in which
    ``FILTER`` of each hash sets a bit, and where the bucket begins. All files are .npy; returns the lengths of the two.
    """
    listed = sum(len(mapped(run)) for run in runs)
    parts = 1 + listed // MERGED
    bits = max(1, (listed // BUCKET).bit_length())
    rows = np.zeros((1 + (1 << bits), 2), "<u4")
    with path.open("wb") as stream:
        _header(stream, listed)
        for piece in _ranges(runs, [part * (1 << 64) // parts for part in range(1, parts)]):
            kept = distinct(piece)
            kept.tofile(stream)
            held, starts, counts = np.unique(
                kept >> np.uint64(64 - bits), return_index=True, return_counts=True
            )
            rows[held + np.uint64(1), 1] += counts.astype("<u4")
            if len(kept):
                marks = np.left_shift(np.uint32(1), (kept & np.uint64(FILTER)).astype("<u4"))
                rows[held, 0] |= np.bitwise_or.reduceat(marks, starts)
        np.cumsum(rows[:, 1], out=rows[:, 1])
        count = int(rows[-1, 1])
        stream.seek(0)
        _header(stream, count)
    np.save(index, rows)
    return count, len(rows)


def write_pieces(runs: Sequence[Path], stem: Path) -> list[tuple[Path, int]]:
    """Write the union of the sorted ``runs`` to files of equal leading bits, ``stem`` and a number, without headers.

    There is a power of two of them, with about ``PIECE`` hashes at most; returns each with how many it holds.
    """
    listed = sum(len(mapped(run)) for run in runs)
    count = 1 << (max(0, listed - 1) // PIECE).bit_length()
    written = []
    for number, piece in enumerate(_ranges(runs, [part * (1 << 64) // count for part in range(1, count)])):
        kept = distinct(piece)
        written.append((stem.with_name(f"{stem.name}.{number:06d}.u64"), len(kept)))
        kept.astype("<u8").tofile(written[-1][0])
    return written


def _header(stream: BinaryIO, count: int) -> None:
    # NumPy leaves room for the number to grow, so that the header is as long whatever it is.
    described = {"descr": "<u8", "fortran_order": False, "shape": (count,)}
    write_array_header_1_0(stream, described)


def _ranges(runs: Sequence[Path], bounds: list[int]) -> Iterator[Hashes]:
    starts = [0] * len(runs)
    for bound in [*bounds, None]:
        pieces = []
        for at, path in enumerate(runs):
            run: Hashes = mapped(path)  # anew for each range, so that what was read is given back
            end = len(run) if bound is None else int(np.searchsorted(run, np.uint64(bound)))
            pieces.append(np.array(run[starts[at] : end]))
            starts[at] = end
        yield np.concatenate(pieces)


class SortedHashes:
    """A set of 64-bit hashes in two mapped files."""

    def __init__(self, hashes: Hashes, index: npt.NDArray[np.uint32]) -> None:
        """``ValueError`` if the two are not of one set."""
        bits = max(1, len(index).bit_length() - 1)
        if hashes.dtype != np.dtype("<u8") or index.dtype != np.dtype("<u4") or hashes.ndim != 1:
            raise ValueError(f"{hashes.ndim} dimensions of {hashes.dtype}, {index.dtype}")
        if index.shape != ((1 << bits) + 1, 2) or index[-1, 1] != len(hashes):
            raise ValueError("the index is not of these hashes")
        self.hashes = hashes
        self._values = hashes.data  # its items are plain integers, at a quarter of the time of NumPy's
        self._filters, self._places = index[:, 0].data, index[:, 1].data
        self._shift = 64 - bits

    def __contains__(self, hashed: int) -> bool:
        bucket = hashed >> self._shift
        if not self._filters[bucket] >> (hashed & FILTER) & 1:
            return False
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
