"""Phrases that betray what a text is, and how much of a text stands with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from ahocorasick_rs import AhoCorasick, Implementation

from filters.lexicon import Lexicon
from filters.lines import sentences_of

PHRASE_LISTS: Final = ("boilerplate_phrases", "cookie_phrases", "error_phrases")
"""The lists of a profile whose phrases are sought."""

_OPENING: Final = tuple("\"'“„‘«»「『")
_CLOSING: Final = ("", *"\"'”’“»«」』")  # or the end of a sentence, whose mark comes first


class Phrases:
    """Finds the phrases of a profile as whole words, in any case, across any whitespace.

    All lists are sought in one pass, which takes less time than splitting a text into words; a regular expression
    of 150 phrases takes 16 times as long as that.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        lists: dict[str, set[str]] = defaultdict(set)
        for name in PHRASE_LISTS:
            for phrase in getattr(lexicon.profile, name) or ():
                lists[" ".join(lexicon.tokens(phrase))].add(name)
        self._lists = list(lists.values())
        self._find = AhoCorasick(list(lists), implementation=Implementation.DFA).find_matches_as_indexes

    def marked(self, texts: Sequence[str], tokens: Sequence[Sequence[str]]) -> list[Mapping[str, int]]:
        """For each text and list, how many characters the sentences have that have one of its phrases.

        ``tokens`` are those of the texts (see ``Lexicon.tokens``); lists without a phrase in a text are left out.
        """
        lines = list(map(" ".join, tokens))
        try:
            hits = [self._find(line, True) for line in lines]
        except UnicodeEncodeError:
            hits = list(map(self._found, lines))
        return [self._characters(text) if found else {} for text, found in zip(texts, hits, strict=True)]

    def _characters(self, text: str) -> Mapping[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for sentence in sentences_of(text):
            line = " ".join(self._lexicon.tokens(sentence))
            found = _counted(line, self._found(line), self._lexicon.profile.spaced)
            for name in set[str]().union(*(self._lists[phrase] for phrase in found)):
                counts[name] += len(sentence)
        return counts

    def _found(self, line: str) -> list[tuple[int, int, int]]:
        """The number of each phrase that is found, and where: its first character, and the one after its last."""
        try:
            return self._find(line, True)
        except UnicodeEncodeError:  # half of a surrogate pair, which is no text
            return self._find(line.encode("utf-8", "replace").decode(), True)


def _counted(line: str, hits: Iterable[tuple[int, int, int]], spaced: bool) -> Iterator[int]:
    """The phrases that ``line`` has as whole words, but for what is only spoken of: alone in quotation marks.

    Nor does a phrase count that is part of such a quotation.
    """
    quoted = 0  # where the last quotation ends: those begin earlier that are longer
    for phrase, start, end in sorted(hits, key=lambda hit: (hit[1], -hit[2])):
        if end <= quoted or not _whole(line, start, end):
            continue
        if _alone(line, start, end, spaced):
            quoted = end
        else:
            yield phrase


def _whole(line: str, start: int, end: int) -> bool:
    """Whether a match is of whole words."""
    before, after = line[max(start - 1, 0) : start], line[end : end + 1]
    return not ((before.isalnum() and line[start].isalnum()) or (after.isalnum() and line[end - 1].isalnum()))


def _alone(line: str, start: int, end: int, spaced: bool) -> bool:
    """Whether a match is in quotation marks by itself, which is how one speaks of it.

    Where no spaces stand between words, ``line`` has them around each character, also beside the marks.
    """
    before, after = line[max(start - 1, 0) : start], line[end : end + 2]
    if not spaced:
        before = line[max(start - 2, 0) : start].strip()[-1:]
        after = line[end : end + 3].strip()
    return before in _OPENING and after.lstrip(",.!?")[:1] in _CLOSING


@lru_cache(maxsize=8)
def phrases(lexicon: Lexicon) -> Phrases:
    """Those of the lexicon's profile, made once per process."""
    return Phrases(lexicon)
