"""Rules after those of Gopher (arXiv 2112.11446, appendix A1.1, table A1), for blocks and documents.

Not all of them: its shares of duplicate 5- to 10-grams are ``word_repetition`` with ``ngram: 5`` to ``10``, its
bounds for words are ``word_count``, its two of eight stop words ``stopwords``, and repeated paragraphs are
repeated lines here, since most blocks are one line. Its limits are for documents of plain text; ours, and what
they lose, are in docs/filters.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import sub
from typing import ClassVar, Final

from filters.text import Counted, Share, Size, ratios
from filters.texts import Texts

_BULLETS: Final = ("- ", "* ", "+ ", "•", "‣", "▪", "◦", "●", "○", "■", "□", "►", "➤", "✓", "✔", "· ", "– ")
"""How a line of a list begins; the first is what extraction writes. Numbered lines are steps, not bullets."""

_ELLIPSES: Final = ("…", "...", "…]", "…)", "...]", "...)")


class TopNgram(Share, frozen=True):
    """Limit the share of the words that stand in the most frequent n-gram of ``ngram`` words; 0 if each comes once.

    Gopher's limits for pairs, threes and fours are 0.2, 0.18 and 0.16; it counts characters, which is the same
    but for the lengths of the words. One length will do: what is often repeated shows in its pairs.
    """

    measures: ClassVar[str] = "top_ngram"
    ngram: Size = 2

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Words of the n-gram / words; 1 at most, where occurrences overlap."""
        found = zip(texts.word_repeats(self.ngram), texts.word_counts, strict=True)
        return (min(1.0, self.ngram * max(top.counts) / words) if top.counts else 0.0 for top, words in found)


class RepeatedLines(Share, frozen=True):
    """Limit the share of the lines that repeat an earlier one (0.3 in Gopher): labels, menus, replies.

    Lines without a letter or digit do not count: a text may have as many rules and brackets as it likes.
    """

    measures: ClassVar[str] = "repeated_lines"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Repeated lines / lines."""
        return map(_repeated_lines, texts.lines)


class RepeatedSentences(Share, frozen=True):
    """Limit the share of the characters in sentences that repeat an earlier one.

    After Gopher's duplicate lines and paragraphs, by characters (0.2). Sentences find what is repeated within a
    line, too; ``character_repetition`` and ``word_repetition`` also count what is only alike.
    """

    measures: ClassVar[str] = "repeated_sentences"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Characters of repeated sentences / characters of sentences."""
        return map(_repeated_characters, texts.sentences)


class MeanWordLength(Counted, frozen=True):
    """Limit the mean length of words, in characters with their marks (3 to 10 in Gopher).

    A word is what stands between whitespace; where there is none between words, each character. Does not
    apply to a text without any.
    """

    measures: ClassVar[str] = "mean_word_length"

    def measure_all(self, texts: Texts, /) -> list[float | None]:
        """Characters but whitespace / words."""
        inked = map(sub, texts.lengths, texts.spaces)
        return [ink / words if words else None for ink, words in zip(inked, texts.token_counts, strict=True)]


class AlphabeticWords(Share, frozen=True):
    """Limit the share of what stands between whitespace that is a word, no number or mark (0.8 at least in Gopher)."""

    measures: ClassVar[str] = "alphabetic_words"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Words / words, numbers and marks."""
        return ratios(texts.word_counts, texts.token_counts)


class SymbolWords(Counted, frozen=True):
    """Limit the number of ``#`` and of ellipses per word (0.1 in Gopher): hashtags, and texts that are cut off.

    Does not apply to a text without words.
    """

    measures: ClassVar[str] = "symbol_words"

    def measure_all(self, texts: Texts, /) -> list[float | None]:
        """Symbols / words, which may be more than 1."""
        counts = zip(texts.texts, texts.token_counts, strict=True)
        return [_symbols(text) / words if words else None for text, words in counts]


class BulletLines(Share, frozen=True):
    """Limit the share of the lines that begin with a bullet (0.9 in Gopher)."""

    measures: ClassVar[str] = "bullet_lines"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Lines with a bullet / lines."""
        return (
            sum([line.startswith(_BULLETS) for line in lines]) / (len(lines) or 1) for lines in texts.lines
        )


class EllipsisLines(Share, frozen=True):
    """Limit the share of the lines that end with an ellipsis (0.3 in Gopher): excerpts of other pages."""

    measures: ClassVar[str] = "ellipsis_lines"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Lines with an ellipsis / lines."""
        return (
            sum([line.endswith(_ELLIPSES) for line in lines]) / (len(lines) or 1) for lines in texts.lines
        )


def _symbols(text: str) -> int:
    return text.count("#") + text.count("…") + text.count("...")


def _repeated_lines(lines: Sequence[str]) -> float:
    if len(lines) < 2 or len(set(lines)) == len(lines):  # as nearly always
        return 0.0
    wordy = [line for line in lines if any(map(str.isalnum, line))]
    return 1 - len(set(wordy)) / len(wordy) if wordy else 0.0


def _repeated_characters(sentences: Sequence[str]) -> float:
    if len(sentences) < 2 or len(distinct := set(sentences)) == len(sentences):
        return 0.0
    return 1 - sum(map(len, distinct)) / sum(map(len, sentences))
