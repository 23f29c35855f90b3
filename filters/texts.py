"""The counts that measures are made of, for several texts at once: each counted when first asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain
from operator import add
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from filters.lexicon import ID_SHIFT, LISTS, PUNCTUATION, RUN, SPACE, SPECIAL, WORD, Lexicon
from filters.lines import lines_of, sentences_of
from filters.ngrams import Repeats, repeats
from filters.phrases import phrases

LONGEST: Final = 1_000_000
"""Characters of a text that are looked at: more would cost memory (50 bytes each) and tell nothing new."""


class Measure(Protocol):
    """What is measured on all texts at once."""

    def measure_all(self, texts: Texts, /) -> list[float | None]:
        """A value for each text, ``None`` where there is none."""


class Texts:
    """Texts that are counted together. Every method returns a value for each of them, in order."""

    def __init__(self, texts: Sequence[str], lexicon: Lexicon) -> None:
        self.texts = [text[:LONGEST] for text in texts]
        self.lexicon = lexicon
        self._measured: dict[int, tuple[Measure, list[float | None]]] = {}
        self._listed: dict[str, list[int]] = {}
        self._word_repeats: dict[int, list[Repeats]] = {}
        self._character_repeats: dict[int, list[Repeats]] = {}

    def measured(self, measure: Measure) -> list[float | None]:
        """What ``measure`` finds in each text; asked once."""
        known = self._measured.get(id(measure))
        if known is None:  # the measure stays with its values, so that no other one gets its id
            known = self._measured[id(measure)] = (measure, measure.measure_all(self))
        return known[1]

    def joined(self, indices: Sequence[int]) -> Texts:
        """The texts at ``indices``, which ascend, as one with blank lines between them; what is known stays known."""
        whole = Texts(["\n\n".join([self.texts[index] for index in indices])], self.lexicon)
        if indices and "_entries" in self.__dict__ and len(whole.texts[0]) < LONGEST:
            first, end = indices[0], indices[-1] + 1
            wanted = np.zeros(end - first, np.bool_)
            wanted[np.subtract(indices, first)] = True
            counts = self._token_counts[first:end]
            start = self._token_starts[first]
            entries = self._entries[start : start + sum(counts)]
            whole.__dict__["_entries"] = entries[np.repeat(wanted, counts)]
        if len(whole.texts[0]) < LONGEST:
            if "spaces" in self.__dict__:
                between = 2 * max(len(indices) - 1, 0)
                whole.__dict__["spaces"] = [sum(self.spaces[index] for index in indices) + between]
            for name in {"lines", "sentences"} & self.__dict__.keys():
                parts = self.__dict__[name]
                whole.__dict__[name] = [list(chain.from_iterable(parts[index] for index in indices))]
            if "_phrases" in self.__dict__:
                found = (self._phrases[index] for index in indices)
                whole.__dict__["_phrases"] = [sum(map(Counter, filter(None, found)), Counter())]
        return whole

    @cached_property
    def words(self) -> list[list[str]]:
        """The words: lower-cased, without special characters at the ends."""
        known = self.lexicon.words.__getitem__
        return [list(filter(None, map(known, tokens))) for tokens in self._tokens]

    @cached_property
    def word_counts(self) -> list[int]:
        """How many words there are."""
        return self._tokens_with(WORD)

    def listed(self, name: str) -> list[int]:
        """How many of the words are in the list ``name`` of the profile."""
        if name not in self._listed:
            self._listed[name] = self._count_listed(name)
        return self._listed[name]

    def _count_listed(self, name: str) -> list[int]:
        words = self._tokens_with(LISTS[name])
        if name not in self.lexicon.phrases:
            return words
        find = self.lexicon.phrases[name].findall
        inside = [sum(map(len, find(text.lower()))) for text in self.texts]
        found = map(add, words, inside)  # a word may stand in a phrase, and one in Latin letters is long
        return list(map(min, found, self.word_counts))

    def marked(self, name: str) -> list[int]:
        """How many characters the sentences have that have a phrase of the list ``name`` of the profile."""
        return [found.get(name, 0) for found in self._phrases]

    @cached_property
    def _phrases(self) -> list[Mapping[str, int]]:
        return phrases(self.lexicon).marked(self.texts, self._tokens)

    @cached_property
    def lines(self) -> list[list[str]]:
        """The lines that are not blank, without whitespace at the ends."""
        return [lines_of(text) for text in self.texts]

    @cached_property
    def sentences(self) -> list[list[str]]:
        """The sentences, without the marks that end them."""
        return [sentences_of(text) for text in self.texts]

    @cached_property
    def token_counts(self) -> list[int]:
        """How many parts there are between whitespace, be they words or not (see ``Lexicon.tokens``)."""
        return list(self._token_places.lengths)

    def content_repeats(self, n: int) -> list[Repeats]:
        """The repeated n-grams of the words that are no stopwords."""
        content = self._entries & (WORD | LISTS["stopwords"]) == WORD
        ids = (self._entries >> ID_SHIFT)[content].view(np.uint64)
        return repeats(ids, self._token_places.sums(content), n)

    def word_repeats(self, n: int) -> list[Repeats]:
        """The repeated n-grams of words."""
        if n not in self._word_repeats:
            ids = (self._entries >> ID_SHIFT)[self._entries & WORD != 0].view(np.uint64)
            self._word_repeats[n] = repeats(ids, self.word_counts, n)
        return self._word_repeats[n]

    def character_repeats(self, n: int) -> list[Repeats]:
        """The repeated n-grams of characters."""
        if n not in self._character_repeats:
            self._character_repeats[n] = repeats(self._codes.astype(np.uint64), self.lengths, n)
        return self._character_repeats[n]

    @cached_property
    def lengths(self) -> list[int]:
        """How many characters there are."""
        return [len(text) for text in self.texts]

    @cached_property
    def spaces(self) -> list[int]:
        """How many characters are whitespace."""
        return self._sums(self._bits & SPACE)

    @cached_property
    def special(self) -> list[int]:
        """How many characters are special."""
        return self._sums(self._bits & SPECIAL)

    @cached_property
    def special_spaces(self) -> list[int]:
        """How many characters are both."""
        both = SPECIAL | SPACE
        return self._sums(self._bits & both == both)

    @cached_property
    def punctuation(self) -> list[int]:
        """How many characters are punctuation."""
        return self._sums(self._bits & PUNCTUATION)

    @cached_property
    def runs(self) -> list[int]:
        """How many runs of letters, digits, ``_`` and ``'`` there are."""
        inside = self._bits & RUN != 0
        first = self._places.starts
        begins = inside.copy()
        begins[1:] &= ~inside[:-1]
        begins[first] = inside[first]
        return self._sums(begins)

    @cached_property
    def _tokens(self) -> list[list[str]]:
        return [self.lexicon.tokens(text) for text in self.texts]

    @cached_property
    def _entries(self) -> npt.NDArray[np.int64]:
        known = self.lexicon.entries.__getitem__
        tokens = chain.from_iterable(self._tokens)
        return np.fromiter(map(known, tokens), np.int64, sum(self._token_counts))

    @cached_property
    def _token_counts(self) -> list[int]:
        return [len(tokens) for tokens in self._tokens]

    @cached_property
    def _token_starts(self) -> list[int]:
        return list(accumulate(self._token_counts, initial=0))

    @cached_property
    def _token_places(self) -> _Places:
        return _Places([len(self._entries)] if len(self.texts) == 1 else self._token_counts)

    @cached_property
    def _places(self) -> _Places:
        return _Places(self.lengths)

    def _tokens_with(self, bit: int) -> list[int]:
        return self._token_places.sums(self._entries & bit)

    @cached_property
    def _codes(self) -> npt.NDArray[np.uint32]:
        return np.frombuffer("".join(self.texts).encode("utf-32-le", "surrogatepass"), np.uint32)

    @cached_property
    def _bits(self) -> npt.NDArray[np.uint8]:
        return self.lexicon.bits[self._codes]

    def _sums(self, flags: npt.NDArray[Any]) -> list[int]:
        return self._places.sums(flags)


class _Places:
    """Where sequences stand that follow each other in one array."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = lengths
        filled = [length for length in lengths if length]
        self.starts = np.cumsum([0, *filled[:-1]]) if filled else np.zeros(0, np.int64)
        """Where those start that are not empty."""

    def sums(self, flags: npt.NDArray[Any]) -> list[int]:
        """How many ``flags`` are set in each of the sequences."""
        sums: list[int] = np.add.reduceat(flags != 0, self.starts, dtype=np.int64).tolist()
        if len(sums) == len(self.lengths):
            return sums
        waiting = iter(sums)
        return [next(waiting) if length else 0 for length in self.lengths]
