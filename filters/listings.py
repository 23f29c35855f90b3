"""Rules on what is listed rather than told: keywords and links. The measures are ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from typing import Any, ClassVar, Final

from filters.subjects import Content, Text
from filters.text import Share, Size
from filters.texts import Texts

_NO_PROSE: Final = frozenset({"code", "table", "math"})
"""Kinds of blocks whose lines are short, and have commas, for reasons of their own."""

_LABEL: Final = 60
"""Characters of the longest line that may be the label of a link."""

_KEYWORD: Final = 40
"""Characters of the longest piece that may be a keyword."""

_KEYWORD_WORDS: Final = 3
_RUN: Final = 5
"""So many in a row make a list; fewer are found in any text: an address, "red, green and blue"."""

_BETWEEN: Final = re.compile(r"[,;|•·、]")
_ENDS: Final = (".", "!", "?", ":", ",", ";", "…", "。", "！", "？", "：", "，", '"', "”", "’", "»", ")")
"""How lines of prose end, and how labels do not."""

_ADDRESS: Final = re.compile(r"(?:https?://|www\.)\S+")


class KeywordStuffing(Share, frozen=True):
    """Limit the share of the words that say again one of the few most frequent content words.

    What no stopword is, is a content word; ``keywords`` is how many of them are looked at, and the first time
    of each does not count. In a language without spaces between words, two characters are a word.
    """

    measures: ClassVar[str] = "keyword_stuffing"
    needs: ClassVar[tuple[str, ...]] = ("stopwords",)
    keywords: Size = 3

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Repetitions of the most frequent content words / words."""
        size = 1 if texts.lexicon.profile.spaced else 2
        found = zip(texts.content_repeats(size), texts.word_counts, strict=True)
        return (self._share(content.counts, words) if content.counts else 0.0 for content, words in found)

    def _share(self, counts: Sequence[int], words: int) -> float:
        top = sorted(counts, reverse=True)[: self.keywords]
        return (sum(top) - len(top)) / words


class _ListedShare(Share, frozen=True):
    """Limit the share of the characters that stand in lists of a kind. Code, tables and formulas have none."""

    listed: ClassVar[Callable[[Any, Sequence[str]], int]]
    """How many characters of the lines stand in lists."""

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Characters in lists / characters of lines."""
        return map(self._share, texts.lines, texts.lines)

    def measure(self, text: Text, /) -> float | None:
        """The share of a text; of a document it depends on the kinds of its blocks."""
        if not isinstance(text, Content):
            return super().measure(text)
        if text.word_count < self.from_words:
            return None
        lines = [(block.kind, block.texts.lines[block.index]) for block in text.blocks]
        prose = chain.from_iterable(found for kind, found in lines if kind not in _NO_PROSE)
        return self._share(list(prose), list(chain.from_iterable(found for _, found in lines)))

    def _share(self, lines: Sequence[str], all_lines: Sequence[str]) -> float:
        listed = self.listed(lines)
        return listed / sum(map(len, all_lines)) if listed else 0.0


class KeywordList(_ListedShare, frozen=True):
    """Limit the share of text that is keywords with commas or the like between them: tags, names, menus."""

    measures: ClassVar[str] = "keyword_list"

    def listed(self, lines: Sequence[str], /) -> int:
        """The characters of runs of short pieces."""
        return sum(map(_in_runs, lines))


class LinkList(_ListedShare, frozen=True):
    """Limit the share of text in rows of short lines that end no sentence, or of addresses.

    Where links lead is not stored with a text, so this goes by their labels; other lists are much alike.
    """

    measures: ClassVar[str] = "link_list"

    def listed(self, lines: Sequence[str], /) -> int:
        """The characters of runs of such lines."""
        return _run_characters(lines, _is_label)


def _in_runs(line: str) -> int:
    pieces = _BETWEEN.split(line)
    return _run_characters(pieces, _is_keyword) if len(pieces) >= _RUN else 0


def _is_keyword(piece: str) -> bool:
    return len(piece) <= _KEYWORD and 0 < len(piece.split()) <= _KEYWORD_WORDS and not piece.isdigit()


def _is_label(line: str) -> bool:
    if len(line) <= _LABEL and not line.endswith(_ENDS):
        return True
    return ("://" in line or "www." in line) and 2 * len("".join(_ADDRESS.findall(line))) > len(line)


def _run_characters(parts: Iterable[str], is_listed: Callable[[str], bool]) -> int:
    """The characters of those ``parts`` that are listed, with so many others in a row."""
    runs = (list(run) for listed, run in groupby(parts, is_listed) if listed)
    return sum(sum(map(len, run)) for run in runs if len(run) >= _RUN)
