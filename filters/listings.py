"""Rules on what is listed rather than told: keywords and links. The measures are ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, ClassVar, Final

from filters.lexicon import UNSPACED
from filters.lines import lines_of
from filters.subjects import Block, Content, Text
from filters.text import Share, Size
from filters.texts import Texts

_NO_PROSE: Final = frozenset({"code", "table", "math"})
"""Kinds of blocks whose lines are short, and have commas, for reasons of their own."""

_LABEL: Final = {True: 60, False: 25}
"""Characters of the longest line that may be the label of a link, with spaces between words and without."""

_KEYWORD: Final = 40
"""Characters of the longest piece that may be a keyword."""

_KEYWORD_WORDS: Final = 3
_KEYWORD_UNSPACED: Final = 6
"""The same in letters of scripts without spaces: in these a clause between commas is one piece, but longer."""

_RUN: Final = 5
"""So many in a row make a list; fewer are found in any text: an address, "red, green and blue"."""

_MARKS: Final = {True: ",;|•·", False: ",;|•·，；｜、"}
"""What stands between pieces, with spaces between words and without."""

_BETWEEN: Final = {spaced: re.compile(f"[{marks}]") for spaced, marks in _MARKS.items()}
_DENSE: Final = {
    spaced: re.compile(rf"[{marks}](?:[^{marks}]{{1,40}}+[{marks}]){{3}}") for spaced, marks in _MARKS.items()
}
"""What a run of pieces has in it: to look for it is quicker than to split every line."""

_SENTENCES: Final = re.compile(r"[。！？]\s*[^\s。！？]")
"""Where another sentence begins."""

_ROW: Final = b"\1" * _RUN
_ROWS: Final = re.compile(b"\1{%d,}" % _RUN)

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
    """Limit the share of the characters that stand in lists of a kind; in code, tables and formulas none do."""

    listed: ClassVar[Callable[[Any, Sequence[Block]], float]]
    """How many characters of blocks with nothing between them stand in lists."""

    def measure(self, text: Text, /) -> float | None:
        """The share of a text; of a document it depends on the kinds of its blocks."""
        if not isinstance(text, Content) or (self.from_words and text.word_count < self.from_words):
            return super().measure(text)
        runs = groupby(text.blocks, key=lambda block: block.kind in _NO_PROSE)
        listed = sum(self.listed(list(blocks)) for other, blocks in runs if not other)
        return listed / _length(text) if listed else 0.0


class KeywordList(_ListedShare, frozen=True):
    """Limit the share of text that is keywords with commas or the like between them: tags, names, menus."""

    measures: ClassVar[str] = "keyword_list"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Characters of runs of short pieces / characters."""
        found = zip(texts.measured(_KEYWORDS), texts.lengths, strict=True)
        return (count / length if count else 0.0 for count, length in found)

    def listed(self, blocks: Sequence[Block], /) -> float:
        """The characters of runs of short pieces."""
        return sum(block.texts.measured(_KEYWORDS)[block.index] or 0 for block in blocks)


class LinkList(_ListedShare, frozen=True):
    """Limit the share of text in rows of short lines that end no sentence, or of addresses.

    Where links lead is not stored with a text, so this goes by their labels; other lists are much alike.
    """

    measures: ClassVar[str] = "link_list"

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Characters of rows of such lines / characters."""
        longest = _LABEL[texts.lexicon.profile.spaced]
        found = zip((_in_rows(lines, longest) for lines in texts.lines), texts.lengths, strict=True)
        return (count / length if count else 0.0 for count, length in found)

    def listed(self, blocks: Sequence[Block], /) -> float:
        """The characters of rows of such lines, which go on from block to block of prose."""
        lines = lines_of("\n".join([block.text for block in blocks]))
        return _in_rows(lines, _LABEL[not blocks or blocks[0].texts.lexicon.profile.spaced])


class _KeywordCharacters:
    """How many characters of each text stand in runs of short pieces: counted once for blocks and document."""

    def measure_all(self, texts: Texts, /) -> list[float | None]:
        """The counts."""
        spaced = texts.lexicon.profile.spaced
        dense = _DENSE[spaced].search
        return [
            sum(_in_runs(line, spaced) for line in lines_of(text)) if dense(text) else 0
            for text in texts.texts
        ]


_KEYWORDS: Final = _KeywordCharacters()


def _length(content: Content) -> int:
    """The characters of all blocks and of the blank lines between: the text itself may be cut to fewer."""
    return sum(len(block.text) for block in content.blocks) + 2 * (len(content.blocks) - 1)


def _in_rows(lines: Sequence[str], longest: int) -> int:
    """The characters of rows of lines that look like the labels of links, of ``longest`` characters at most."""
    if len(lines) < _RUN:
        return 0
    labels = [
        (len(line) <= longest and not line.endswith(_ENDS))
        or (("://" in line or "www." in line) and _is_address(line))
        for line in lines
    ]
    return _run_characters(lines, labels)


def _in_runs(line: str, spaced: bool) -> int:
    pieces = _BETWEEN[spaced].split(line)
    if len(pieces) < _RUN:
        return 0
    return _run_characters(pieces, [_is_keyword(piece) and (spaced or _is_short(piece)) for piece in pieces])


def _is_keyword(piece: str) -> bool:
    return len(piece) <= _KEYWORD and 0 < len(piece.split()) <= _KEYWORD_WORDS and not piece.isdigit()


def _is_short(piece: str) -> bool:
    return len(UNSPACED.findall(piece)) <= _KEYWORD_UNSPACED and not _SENTENCES.search(piece)


def _is_address(line: str) -> bool:
    return 2 * len("".join(_ADDRESS.findall(line))) > len(line)


def _run_characters(parts: Sequence[str], listed: Sequence[bool]) -> int:
    """The characters of those ``parts`` that are ``listed``, with enough others in a row."""
    flags = bytes(listed)
    if _ROW not in flags:
        return 0
    runs = (run.span() for run in _ROWS.finditer(flags))
    return sum(len(part) for start, end in runs for part in parts[start:end])
