"""Words and characters looked up once: what they are, and in which lists of a profile they stand."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from filters.profile import Profile, TextOptions, profile

T = TypeVar("T")

WORD: Final = 1
LISTS: Final = {"stopwords": 2, "flagged_words": 4, "common_words": 8, "spam_words": 16}
"""A bit for each list that words are looked up in; ``WORD`` is set for what is a word at all."""

ID_SHIFT: Final = 5
"""The bits of an entry above the flags tell words apart."""

SPECIAL: Final = 1
SPACE: Final = 2
RUN: Final = 4
PUNCTUATION: Final = 8
"""Bits for characters: special ones, whitespace, letters digits and ``_'``, punctuation."""

_KNOWN: Final = 250_000
"""Tokens that are remembered, about 100 bytes each; then all are forgotten. A crawl has new ones for ever."""

_LONGEST: Final = 60
"""Longer tokens are addresses and the like, and seldom met again: not remembered."""

UNSPACED: Final = re.compile(
    "(["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f"  # Hiragana, Katakana, Bopomofo
    "])"
)
"""Characters of scripts written without spaces between words (blocks of the Unicode standard)."""


class Lexicon:
    """What a profile says of tokens (``words``, ``entries``) and of characters (``bits``).

    ``phrases`` finds what is longer than a word in lists of a language without spaces between words.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.words = _Words("".join(sorted(profile.special_characters)))
        self.entries = _Entries(self.words, profile)
        self.phrases = {
            name: re.compile(_any_of(phrases))
            for name, phrases in (
                ("flagged_words", profile.flagged_phrases),
                ("spam_words", profile.spam_phrases),
            )
            if phrases
        }
        elisions = sorted(profile.elisions)
        self._elision = re.compile(rf"\b({_any_of(elisions)})['’](?=\w)") if elisions else None

    def tokens(self, text: str) -> list[str]:
        """The lower-cased parts of ``text`` that may hold a word.

        Whitespace separates them, and the apostrophe of an elision (l'eau); where a profile is not ``spaced``
        each character of a script without spaces is one, too.
        """
        text = text.lower()
        if not self.profile.spaced and not text.isascii() and UNSPACED.search(text):
            text = UNSPACED.sub(r" \1 ", text)
        if self._elision is not None:
            text = self._elision.sub(r"\1 ", text)
        return text.split()

    @cached_property
    def bits(self) -> npt.NDArray[np.uint8]:
        """The bits of each code point."""
        bits = _unicode_bits().copy()
        for bit, characters in (
            (SPECIAL, self.profile.special_characters),
            (PUNCTUATION, self.profile.punctuation),
        ):
            bits[[ord(character) for character in characters]] |= bit
        return bits


def _any_of(phrases: Sequence[str]) -> str:
    return "|".join(map(re.escape, phrases))


class _Words(dict[str, str]):
    """What is left of a token without special characters at its ends; nothing if it holds no word."""

    def __init__(self, special: str) -> None:
        super().__init__()
        self._special = special

    def __missing__(self, token: str) -> str:
        return _remember(self, token, token.strip(self._special))


class _Entries(dict[str, int]):
    """A number for each token that equal words share: an id, and a bit for each list that has the word."""

    def __init__(self, words: _Words, profile: Profile) -> None:
        super().__init__()
        self._words = words
        self._lists = [(bit, getattr(profile, name) or frozenset()) for name, bit in LISTS.items()]

    def __missing__(self, token: str) -> int:
        word = self._words[token]
        entry = 0
        if word:
            entry = WORD | (hash(word) & (2**57 - 1)) << ID_SHIFT
            for bit, words in self._lists:
                if word in words:
                    entry |= bit
        return _remember(self, token, entry)


def _remember(known: dict[str, T], token: str, value: T) -> T:
    if len(token) <= _LONGEST:
        if len(known) >= _KNOWN:
            known.clear()
        known[token] = value
    return value


@cache
def _unicode_bits() -> npt.NDArray[np.uint8]:
    size = sys.maxunicode + 1
    characters = "".join(map(chr, range(size)))
    spaces = np.fromiter(map(str.isspace, characters), np.uint8, size)
    letters = np.fromiter(map(str.isalnum, characters), np.uint8, size)
    letters[[ord("_"), ord("'")]] = 1
    bits: npt.NDArray[np.uint8] = spaces * SPACE + letters * RUN
    return bits


@lru_cache(maxsize=8)
def lexicon(options: TextOptions) -> Lexicon:
    """The lexicon of ``options``, made once per process."""
    return Lexicon(profile(options))
