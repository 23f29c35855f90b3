"""The words of a document as numbers, and the n-grams of them: what texts are compared by.

Words are lower-cased runs of letters, digits and the marks that combine with them, of any script; a character of a
script without spaces (Han, Kana, Thai, …) is a word of its own. All else separates words, apart from characters
that nobody sees (soft hyphens, joiners, variation selectors, marks of direction), which are skipped.

All hashes are the same on every machine and in every process, as signatures of several runs are compared. They
change if Unicode gives a meaning to a character that had none (with a new version of Python), where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from hashlib import blake2b
from itertools import accumulate, pairwise
from sys import maxunicode
from typing import Final, TypeAlias
from unicodedata import category

import numpy as np
import numpy.typing as npt

from filters import ngrams
from filters.lexicon import UNSPACED
from filters.ngrams import Hashes

Shingles: TypeAlias = npt.NDArray[np.uint32]

KEY_BYTES: Final = 16
"""Bytes of a ``text_key``: texts that differ share one with a chance of 2^-128."""

_BASE: Final = 0xD1342543DE82EF95
"""Base of the polynomial that hashes the characters of a word, modulo 2^64 (a multiplier of Steele, Vigna 2021).

It is odd, so that it has an inverse.
"""

_PIECE: Final = 1 << 15
"""Words that begin within so many characters are hashed at once: 8 bytes of each, and of its power, fit a cache."""

_UNSEEN: Final = np.int32(2**31 - 1)
"""What the table of characters has for those to skip; above all code points."""

_MAPPED: Final = 0x20000
"""Below it characters are what Unicode says; above it are Han (planes 2 and 3) and none that are part of words."""

_SELECTORS: Final = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))
"""Variation selectors, which are marks by category, but only say how a character looks; tags, of some flags."""

_ZERO_WIDTH_SPACE: Final = 0x200B  # unseen, but it parts words


class Words:
    """The words of ``texts``, which are the text nodes of a document, as one sequence."""

    def __init__(self, texts: Sequence[str]) -> None:
        lowered = [text.lower() for text in texts]
        self._ends = list(accumulate((len(text) + 1 for text in lowered), initial=0))
        joined = "\n".join(lowered)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
        values = _characters().take(codes)
        if not joined.isascii():
            values = self._skip(values)
        in_run, alone = values > 0, values < 0
        begins = in_run.copy()
        np.greater(in_run[1:], in_run[:-1], out=begins[1:])
        begins |= alone
        self._values, self._begins = values, begins
        self._starts = np.flatnonzero(begins)

    def _skip(self, values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """``values`` without characters that nobody sees."""
        seen = values != _UNSEEN
        if seen.all():
            return values
        places = np.concatenate(([0], np.cumsum(seen)))
        self._ends = places[np.minimum(self._ends, len(seen))].tolist()
        shown: npt.NDArray[np.int32] = values[seen]
        return shown

    def __len__(self) -> int:
        """How many words there are."""
        return len(self._starts)

    @cached_property
    def counts(self) -> list[int]:
        """How many words each of the texts has."""
        before: list[int] = self._starts.searchsorted(self._ends).tolist()
        return [end - start for start, end in pairwise(before)]

    @cached_property
    def hashes(self) -> Hashes:
        """A hash of each word, in order. Two different words share one with a chance of 2^-64."""
        starts, values = self._starts, self._values.view(np.uint32)
        if not len(starts):
            return np.empty(0, np.uint64)
        cuts = [0]  # the words that begin a piece
        while starts[-1] - starts[cuts[-1]] >= _PIECE:
            cuts.append(int(starts.searchsorted(starts[cuts[-1]] + _PIECE)))
        ends = [*starts[cuts[1:]].tolist(), len(values)]
        pieces = zip(np.split(starts, cuts[1:]), ends, strict=True)
        hashes = [_polynomials(values[piece[0] : end], piece - piece[0]) for piece, end in pieces]
        return mix(np.concatenate(hashes) if len(hashes) > 1 else hashes[0])


def _polynomials(values: Shingles, starts: npt.NDArray[np.intp]) -> Hashes:
    """Hashes of the words that begin at ``starts``, of ``values`` that are 0 between words.

    Σ value·base^place over a word, divided by base^start. All starts are below ``_PIECE``.
    """
    powers, inverses = _powers()
    if len(values) > len(powers):  # the last word is longer than any word of a language
        powers = _geometric(_BASE, len(values))
    sums: Hashes = np.add.reduceat(values * powers[: len(values)], starts)
    sums *= inverses.take(starts)
    return sums


def shingles(words: Hashes, n: int = 5) -> Shingles:
    """Hashes of all ``n`` words in a row, repeated ones too; of all words if there are fewer; none without words."""
    if not len(words):
        return np.empty(0, np.uint32)
    return (windows(words, min(n, len(words))) >> np.uint64(32)).astype(np.uint32)


def windows(words: npt.NDArray[np.unsignedinteger], n: int) -> Hashes:
    """Hashes of all ``n`` words in a row: that at place ``i`` of the words ``i`` to ``i + n``; none if there are fewer.

    ``words`` are hashes themselves, of 32 bits or more.
    """
    if len(words) < n:
        return np.empty(0, np.uint64)
    return mix(ngrams.windows(words.astype(np.uint64, copy=False), n))


def text_key(words: Words) -> bytes:
    """``KEY_BYTES`` that only texts with the same words in the same order share, however they are parted into nodes.

    Of the characters themselves, not of their words' hashes: nobody can make two words that are taken for the same.
    """
    values = words._values
    inside = np.flatnonzero(values != 0)
    characters = np.abs(values.take(inside)).tobytes().decode("utf-32-le")
    begins = np.packbits(words._begins.take(inside))
    parts = characters.encode(), begins.tobytes()  # the first has no byte 255
    return blake2b(b"\xff".join(parts), digest_size=KEY_BYTES).digest()


def mix(hashes: Hashes) -> Hashes:
    """Change ``hashes`` in place so that each bit depends on all, and give them back; no two become one.

    The finaliser of SplitMix64 (Steele, Lea, Flood 2014) with the constants of Stafford's variant 13.
    """
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """The powers of the base from 0 on, of twice a piece, as the last word may reach out of it; their inverses."""
    return _geometric(_BASE, 2 * _PIECE), _geometric(pow(_BASE, -1, 2**64), _PIECE)


def _geometric(base: int, size: int) -> Hashes:
    """1, base, base², … modulo 2^64."""
    factors = np.full(size, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


@cache
def _characters() -> npt.NDArray[np.int32]:
    """For each code point: itself where it is part of a word, negative if it is one alone, ``_UNSEEN``, or 0."""
    table = np.zeros(maxunicode + 1, np.int32)
    table[_MAPPED:0x40000] = np.arange(_MAPPED, 0x40000)
    for code, kind in enumerate(map(category, map(chr, range(_MAPPED)))):
        if kind[0] in "LMN":
            table[code] = code
        elif kind == "Cf":
            table[code] = _UNSEEN
    alone = list(map(ord, UNSPACED.findall("".join(map(chr, range(0x40000))))))
    table[alone] *= -1
    for selectors in _SELECTORS:
        table[selectors] = _UNSEEN
    table[_ZERO_WIDTH_SPACE] = 0
    return table
