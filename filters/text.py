"""Rules on text, for one block or for a whole document: the measures of OBELICS (arXiv 2306.16527, table 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec

from filters.base import Bounds
from filters.subjects import Text

Count = Annotated[int, msgspec.Meta(ge=0)]
Size = Annotated[int, msgspec.Meta(ge=1)]


class WordCount(Bounds, frozen=True):
    """Keep texts of ``min`` to ``max`` words (see ``Lexicon.tokens``)."""

    measures: ClassVar[str] = "word_count"

    def measure(self, text: Text, /) -> int:
        """The number of words."""
        return text.word_count


class Share(Bounds, frozen=True):
    """Limits for a share, from 0 to 1.

    Texts of fewer than ``from_words`` words pass unmeasured: in a short text one word makes a large share.
    """

    from_words: Count = 0
    share: ClassVar[Callable[[Any, Text], float]]
    """The share of a text of any length."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and not 0 <= bound <= 1:
                raise ValueError(f"{name} is {bound:g}; a share is from 0 to 1")

    def measure(self, text: Text, /) -> float | None:
        """The share that the rule limits."""
        if self.from_words and text.word_count < self.from_words:
            return None
        return self.share(text)


class CharacterRepetition(Share, frozen=True):
    """Limit the share of the n-grams of ``ngram`` characters that are the most frequent, repeated ones."""

    measures: ClassVar[str] = "character_repetition"
    ngram: Size = 10

    def share(self, text: Text, /) -> float:
        """See ``Repeats.top_share``."""
        return text.texts.character_repeats(self.ngram)[text.index].top_share


class WordRepetition(Share, frozen=True):
    """Limit the share of the n-grams of ``ngram`` words that come more than once."""

    measures: ClassVar[str] = "word_repetition"
    ngram: Size = 5

    def share(self, text: Text, /) -> float:
        """See ``Repeats.repeated_share``."""
        return text.texts.word_repeats(self.ngram)[text.index].repeated_share


class SpecialCharacters(Share, frozen=True):
    """Limit the share of the characters that are special.

    Whitespace is special, too; without ``spaces`` it counts neither as special nor as a character.
    """

    measures: ClassVar[str] = "special_characters"
    spaces: bool = True

    def share(self, text: Text, /) -> float:
        """Special characters / characters; 0 of nothing."""
        texts, index = text.texts, text.index
        special, length = texts.special[index], texts.lengths[index]
        if not self.spaces:
            special -= texts.special_spaces[index]
            length -= texts.spaces[index]
        return special / length if length else 0.0


class Punctuation(Share, frozen=True):
    """Limit the share of the tokens that are punctuation marks; the others are runs of letters and digits.

    A text of fewer than ``from_tokens`` tokens, but of some, counts as punctuation throughout and passes.
    """

    measures: ClassVar[str] = "punctuation"
    from_tokens: Count = 0

    def share(self, text: Text, /) -> float:
        """Marks / tokens; 0 if there are none."""
        marks = text.texts.punctuation[text.index]
        tokens = marks + text.texts.runs[text.index]
        if not tokens:
            return 0.0
        return marks / tokens if tokens >= self.from_tokens else 1.0


class ListedWords(Share, frozen=True):
    """Limit the share of the words that are in the list of the profile that has the name of the rule.

    In a language without spaces between words phrases are found, too, and count by their characters.
    """

    measures: ClassVar[str]

    def share(self, text: Text, /) -> float:
        """Listed words / words; 0 if there are none."""
        words = text.word_count
        return text.texts.listed(self.measures)[text.index] / words if words else 0.0


class Stopwords(ListedWords, frozen=True):
    """Limit the share of function words: prose has many of them, lists and keywords few."""

    measures: ClassVar[str] = "stopwords"


class CommonWords(ListedWords, frozen=True):
    """Limit the share of words that are frequent in the language: few of them is gibberish, or another one."""

    measures: ClassVar[str] = "common_words"


class SpamWords(ListedWords, frozen=True):
    """Limit the share of words that sites speak of themselves with: log in, newsletter, terms."""

    measures: ClassVar[str] = "spam_words"


class FlaggedWords(ListedWords, frozen=True):
    """Limit the share of words that are mostly used in pornography; ``allowed`` ones do not count.

    One such word says little: it may have another meaning ("fingering" on a guitar).
    """

    measures: ClassVar[str] = "flagged_words"
    allowed: Count = 0

    def share(self, text: Text, /) -> float:
        """Flagged words beyond those allowed / words."""
        words = text.word_count
        flagged = text.texts.listed(self.measures)[text.index] - self.allowed
        return flagged / words if flagged > 0 else 0.0
