"""Rules on text, for one block or for a whole document: the measures of OBELICS (arXiv 2306.16527, table 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import add, sub
from typing import Annotated, Any, ClassVar

import msgspec

from filters.base import Bounds
from filters.subjects import Text
from filters.texts import Texts

Count = Annotated[int, msgspec.Meta(ge=0)]
Size = Annotated[int, msgspec.Meta(ge=1)]


class Counted(Bounds, frozen=True):
    """Limits for what ``Texts`` counts in all texts together."""

    measure_all: ClassVar[Callable[[Any, Texts], list[float | None]]]
    """The value of each text."""

    def measure(self, text: Text, /) -> float | None:
        """The value of one text."""
        return text.texts.measured(self)[text.index]


class WordCount(Counted, frozen=True):
    """Keep texts of ``min`` to ``max`` words (see ``Lexicon.tokens``)."""

    measures: ClassVar[str] = "word_count"

    def measure_all(self, texts: Texts, /) -> list[float | None]:
        """The numbers of words."""
        return list(texts.word_counts)


class Share(Counted, frozen=True):
    """Limits for a share, from 0 to 1.

    Texts of fewer than ``from_words`` words pass unmeasured: in a short text one word makes a large share.
    """

    from_words: Count = 0
    shares: ClassVar[Callable[[Any, Texts], Iterable[float]]]
    """The share in each text, of any length."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and not 0 <= bound <= 1:
                raise ValueError(f"{name} is {bound:g}; a share is from 0 to 1")

    def measure_all(self, texts: Texts, /) -> list[float | None]:
        """The shares, none of texts that are too short."""
        shares = self.shares(texts)
        if not self.from_words:
            return list(shares)
        counts = zip(texts.word_counts, shares, strict=True)
        return [share if words >= self.from_words else None for words, share in counts]


def ratios(parts: Iterable[int], wholes: Iterable[int]) -> Iterator[float]:
    """``part / whole``, 0 where there is nothing."""
    return (part / whole if whole else 0.0 for part, whole in zip(parts, wholes, strict=True))


class CharacterRepetition(Share, frozen=True):
    """Limit the share of the n-grams of ``ngram`` characters that are the most frequent, repeated ones."""

    measures: ClassVar[str] = "character_repetition"
    ngram: Size = 10

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """See ``Repeats.top_share``."""
        return (found.top_share for found in texts.character_repeats(self.ngram))


class WordRepetition(Share, frozen=True):
    """Limit the share of the n-grams of ``ngram`` words that come more than once."""

    measures: ClassVar[str] = "word_repetition"
    ngram: Size = 5

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """See ``Repeats.repeated_share``."""
        return (found.repeated_share for found in texts.word_repeats(self.ngram))


class SpecialCharacters(Share, frozen=True):
    """Limit the share of the characters that are special.

    Whitespace is special, too; without ``spaces`` it counts neither as special nor as a character.
    """

    measures: ClassVar[str] = "special_characters"
    spaces: bool = True

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Special characters / characters."""
        if self.spaces:
            return ratios(texts.special, texts.lengths)
        return ratios(map(sub, texts.special, texts.special_spaces), map(sub, texts.lengths, texts.spaces))


class Punctuation(Share, frozen=True):
    """Limit the share of the tokens that are punctuation marks; the others are runs of letters and digits.

    A text of fewer than ``from_tokens`` tokens, but of some, counts as punctuation throughout, as in OBELICS: it
    passes any ``min``.
    """

    measures: ClassVar[str] = "punctuation"
    from_tokens: Count = 0

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Marks / tokens."""
        tokens = list(map(add, texts.punctuation, texts.runs))
        shares = ratios(texts.punctuation, tokens)
        if not self.from_tokens:
            return shares
        counts = zip(tokens, shares, strict=True)
        return (1.0 if 0 < count < self.from_tokens else share for count, share in counts)


class ListedWords(Share, frozen=True):
    """Limit the share of the words that are in the list of the profile that has the name of the rule.

    In a language without spaces between words phrases are found, too, and count by their characters.
    """

    measures: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """The lists of the profile without which a rule cannot be used."""

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Listed words / words."""
        return ratios(texts.listed(self.measures), texts.word_counts)


class Stopwords(ListedWords, frozen=True):
    """Limit the share of function words: prose has many of them, lists and keywords few."""

    measures: ClassVar[str] = "stopwords"
    needs: ClassVar[tuple[str, ...]] = ("stopwords",)


class CommonWords(ListedWords, frozen=True):
    """Limit the share of words that are frequent in the language: few of them is gibberish, or another one."""

    measures: ClassVar[str] = "common_words"
    needs: ClassVar[tuple[str, ...]] = ("common_words",)


class SpamWords(ListedWords, frozen=True):
    """Limit the share of words that sites speak of themselves with: log in, newsletter, terms."""

    measures: ClassVar[str] = "spam_words"
    needs: ClassVar[tuple[str, ...]] = ("spam_words",)


class FlaggedWords(ListedWords, frozen=True):
    """Limit the share of words that are mostly used in pornography; ``allowed`` ones do not count.

    One such word says little: it may have another meaning ("fingering" on a guitar).
    """

    measures: ClassVar[str] = "flagged_words"
    needs: ClassVar[tuple[str, ...]] = ("flagged_words",)
    allowed: Count = 0

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Flagged words beyond those allowed / words."""
        beyond = (max(0, count - self.allowed) for count in texts.listed(self.measures))
        return ratios(beyond, texts.word_counts)
