"""Ways to spin or mangle English text, for fitting and for nothing else.

A text is a row of pieces: a word with its marks, and the place at which it stood, or None for a word that was put
in. So it is known afterwards which words are new, and where words meet that did not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from spun_lexicon import Habits, Lexicon

T = TypeVar("T")
Piece = tuple[str, int | None]
Row = list[Piece]

KEPT = frozenset(Path(__file__).with_name("spinner_words.txt").read_text().split())
"""Function words, which spinners leave alone."""

COMMON = 3000  # words so frequent are taken for no names
OTHER = 100_000  # added to the places of another text

_EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.S)
_END = re.compile(r"[.!?][\"”)’']*$")
_MARK = re.compile(r"[,;:.!?—–)][\"”’']*$")
_LAST_MARKS = re.compile(r'[,;:.!?"”“()\[\]—–]+$')
_JOINTS = frozenset(
    (
        "and",
        "but",
        "which",
        "because",
        "while",
        "who",
        "when",
        "if",
        "so",
        "or",
        "that",
        "as",
        "where",
        "than",
    )
).union(("then", "though", "although", "whose"))
_BORDERS = _JOINTS.union(
    ("with", "from", "for", "at", "on", "in", "by", "after", "before", "until", "into", "to", "of", "about")
).union(("over", "through", "under", "between", "without"))


def row_of(text: str) -> Row:
    """The words of a text, each in its place."""
    return [(word, place) for place, word in enumerate(text.split())]


def edges(token: str) -> tuple[str, str, str]:
    """Marks before the word, the word, marks behind it."""
    found = _EDGES.match(token)
    assert found is not None
    return found[1], found[2], found[3]


def ends(token: str) -> bool:
    """Whether it ends a sentence."""
    return _END.search(token) is not None


def bare(token: str) -> str:
    """Without marks behind it, unless it is nothing but marks."""
    return _LAST_MARKS.sub("", token) or token


class Spinners:
    """All the spinners; ``others`` are texts that some of them mix in."""

    def __init__(self, lexicon: Lexicon, others: Sequence[str]) -> None:
        self.lexicon = lexicon
        self.others = [row_of(text) for text in others]
        self.kinds: dict[str, list[tuple[Callable[[Row, Random], Row], int]]] = {
            "synonym": [(self.synonyms, 5), (self.replaced, 1)],
            "salad": [
                (self.trades, 4),
                (self.phrases, 4),
                (self.chain, 4),
                (self.windows, 2),
                (self.replaced, 1),
            ],
            "shuffled": [(self.clauses, 1)],
        }

    def spin(self, kind: str, row: Row, random: Random) -> Row:
        """The row, spun in one of the ways of this kind."""
        ways, weights = zip(*self.kinds[kind], strict=True)
        return random.choices(ways, weights)[0](row, random)

    def synonyms(self, row: Row, random: Random) -> Row:
        """Puts synonyms for a share of the words, mostly the same one for each word."""
        habits, share, faithful = Habits(random), random.uniform(0.2, 0.6), random.random() < 0.6
        put: dict[str, str] = {}
        result: Row = []
        for at, (token, place) in enumerate(row):
            before, word, behind = edges(token)
            low = word.lower()
            begins = at == 0 or ends(row[at - 1][0])
            new = None
            if low.isalpha() and low not in KEPT and (word.islower() or begins) and random.random() < share:
                known = put.get(low) if faithful else None
                new = known or self.lexicon.synonym(low, random, habits)
            if new is None or new == low:
                result.append((token, place))
            else:
                put[low] = new
                parts = (before + _like(word, new) + behind).split()
                result += [(part, None) for part in parts]
        return result

    def replaced(self, row: Row, random: Random) -> Row:
        """Puts random words, or words of other texts, for a share of the words, some with capitals."""
        share, capital = random.uniform(0.2, 0.5), random.choice((0, 0, 0.1, 0.3))
        draw = self._foreign(random) if random.random() < 0.4 else self._any(random)
        result: Row = []
        for token, place in row:
            before, word, behind = edges(token)
            if word and word.lower() not in KEPT and not word.isdigit() and random.random() < share:
                new = draw(word.lower())
                new = new.capitalize() if random.random() < capital else _like(word, new)
                result.append((before + new + behind, None))
            else:
                result.append((token, place))
        return result

    def _foreign(self, random: Random) -> Callable[[str], str]:
        some = " ".join(token for row in random.sample(self.others, 20) for token, _ in row).lower()
        words = [word for word in re.findall("[a-z]{3,}", some) if word not in KEPT]
        return lambda _: random.choice(words)

    def _any(self, random: Random) -> Callable[[str], str]:
        size = random.choice((3000, 10_000, 20_000))

        def draw(low: str) -> str:
            for _ in range(7):
                new = self.lexicon.words[int(size * random.random() ** 2)]
                if ending(new) == ending(low):
                    break
            return new

        return draw

    def trades(self, row: Row, random: Random) -> Row:
        """Lets words that are no function words trade places, near or far; function words and marks stay."""
        row, rate = self.lowered(row), random.choice((0.4, 0.7, 1, 1))
        own = (at for at, (token, _) in enumerate(row) if edges(token)[1].lower() not in KEPT)
        places = [at for at in own if random.random() < rate]
        words = [(edges(row[at][0])[1], row[at][1]) for at in places]
        reach = random.choice((3, 6, 10)) if random.random() < 0.4 else None
        for at, (word, place) in zip(places, _mixed(words, random, reach), strict=True):
            before, _, behind = edges(row[at][0])
            row[at] = (before + word + behind, place)
        return _recased(row, random)

    def phrases(self, row: Row, random: Random) -> Row:
        """Puts pieces of one to six words in another order, and mostly sets the marks anew."""
        row, most = self.lowered(row), random.choice((1, 2, 3, 3, 3, 4, 6))
        pieces, at = [], 0
        while at < len(row):
            size = random.randint(1, most)
            pieces.append(row[at : at + size])
            at += size
        mixed = _mixed(pieces, random, 8 if random.random() < 0.2 else None)
        flat = [piece for part in mixed for piece in part]
        return _recased(flat if random.random() < 0.3 else _framed(flat, random), random)

    def windows(self, row: Row, random: Random) -> Row:
        """Shuffles the words of windows, or exchanges neighbours; marks stay or go along."""
        row = self.lowered(row) if random.random() < 0.8 else row
        stay = random.random() < 0.5
        frames = [edges(token) for token, _ in row]
        units = [(frame[1] if stay else token, at) for frame, (token, at) in zip(frames, row, strict=True)]
        if random.random() < 0.5:
            size, rate = random.choice((3, 4, 6, 8, 12)), random.choice((0.4, 0.7, 1))
        else:
            size, rate = 2, random.uniform(0.1, 0.35)
        for at in range(0, len(units), size):
            if random.random() < rate:
                units[at : at + size] = _mixed(units[at : at + size], random, None)
        if stay:
            units = [
                (frame[0] + word + frame[2], at) for frame, (word, at) in zip(frames, units, strict=True)
            ]
        return _recased(units, random)

    def chain(self, row: Row, random: Random) -> Row:
        """A walk from word to word, or from two words to the next, through this text and others."""
        order, clean = random.choice((1, 1, 1, 2)), random.random() < 0.5
        rows = [*random.sample(self.others, min(len(self.others), random.choice((10, 40, 100)))), row]
        tokens: list[str] = []
        starts = []
        follows: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for own in map(self.lowered, rows):
            starts.append(first := len(tokens))
            words = (re.sub(r'[“”"()`]', "", token) if clean else token for token, _ in own)
            tokens += [word for word in words if word]
            for at in range(first + order, len(tokens)):
                follows[tuple(tokens[at - order : at])].append(at)
            tokens.append("")
        walk: list[int] = []
        while len(walk) < max(len(row), 30):
            found = follows.get(tuple(tokens[at] for at in walk[-order:])) if walk else None
            if found:
                walk.append(random.choice(found))
            else:
                start = random.choice(starts)
                walk += range(start, start + order)
        return _recased([(tokens[at], at) for at in walk if tokens[at]], random)

    def clauses(self, row: Row, random: Random) -> Row:
        """Puts clauses in another order, near or far, some of another text, and mostly sets the marks anew."""
        row = self.lowered(row)
        borders = random.choice((frozenset(), _JOINTS, _JOINTS, _BORDERS, _BORDERS))
        pieces = _cut(row, borders)
        if len(pieces) < 4:
            pieces = _cut(row, _BORDERS)
        if random.random() < 0.45:
            other = self.lowered(random.choice(self.others))
            foreign = _cut([(token, OTHER + (at or 0)) for token, at in other], borders)
            count = max(1, int(len(pieces) * random.uniform(0.25, 0.5)))
            pieces = random.sample(pieces, max(1, len(pieces) - count))
            pieces += random.sample(foreign, min(count, len(foreign)))
        pieces = _mixed(pieces, random, random.choice((3, 5, 8)) if random.random() < 0.3 else None)
        if random.random() < 0.25:
            return _recased([piece for part in pieces for piece in part], random)
        joined = _joined(pieces, random)
        return _capitalised(joined) if random.random() < 0.9 else joined

    def lowered(self, row: Row) -> Row:
        """Without the capitals of sentence beginnings, where the word is no name."""
        result: Row = []
        begins = True
        for at, (token, place) in enumerate(row):
            before, word, behind = edges(token)
            follows_name = at + 1 < len(row) and row[at + 1][0][:1].isupper()
            if begins and word[:1].isupper() and word[1:] == word[1:].lower() and word != "I":
                low = word.lower()
                if low in KEPT or (self.lexicon.ranks.get(low, COMMON) < COMMON and not follows_name):
                    token = before + low + behind
            result.append((token, place))
            begins = ends(token)
        return result


def ending(word: str) -> str:
    """Its inflection, roughly."""
    return next((end for end in ("ing", "ed", "ly", "s") if word.endswith(end)), "")


def _like(word: str, new: str) -> str:
    return new[:1].upper() + new[1:] if word[:1].isupper() else new


def _mixed(things: Sequence[T], random: Random, reach: int | None) -> list[T]:
    """In a random order, in which none moves much farther than ``reach``, if that is given."""
    if reach is None:
        return random.sample(things, len(things))
    return [things[i] for i in sorted(range(len(things)), key=lambda i: i + random.uniform(0, reach))]


def _capitalised(row: Row) -> Row:
    result: Row = []
    begins = True
    for token, place in row:
        if begins:
            token = re.sub(r"\w", lambda found: found[0].upper(), token, count=1)
        result.append((token, place))
        begins = ends(token)
    return result


def _recased(row: Row, random: Random) -> Row:
    return _capitalised(row) if random.random() < 0.8 else row


def _framed(row: Row, random: Random) -> Row:
    """In sentences of random length, without the marks of before."""
    least, most, comma = random.randint(6, 10), random.randint(12, 20), random.choice((0, 0, 0.1))
    result: Row = []
    left = random.randint(least, most)
    for at, (token, place) in enumerate(row):
        left -= 1
        mark = "," if random.random() < comma else ""
        if left == 0 or at == len(row) - 1:
            mark, left = ".", random.randint(least, most)
        result.append((bare(token) + mark, place))
    return result


def _cut(row: Row, borders: frozenset[str]) -> list[Row]:
    """Clauses: they end at marks, and before the words of ``borders``."""
    pieces: list[Row] = [[]]
    for token, place in row:
        last = pieces[-1]
        if last and (_MARK.search(last[-1][0]) or (len(last) > 1 and token.lower().strip('"“(') in borders)):
            pieces.append([])
        pieces[-1].append((token, place))
    return pieces


def _joined(pieces: Sequence[Row], random: Random) -> Row:
    """Sentences of a few clauses each."""
    result: Row = []
    at = 0
    while at < len(pieces):
        size = random.randint(*random.choice(((2, 4), (1, 3), (2, 6))))
        comma = random.choice((0.33, 0.1, 0.7))
        for piece in pieces[at : at + size]:
            token, place = piece[-1]
            result += [*piece[:-1], (bare(token) + ("," if random.random() < comma else ""), place)]
        token, place = result[-1]
        result[-1] = (bare(token) + ".", place)
        at += size
    return result


def changed(row: Row) -> float:
    """The share of the words that are new, or stand behind another word than before."""
    places = [place for _, place in row]
    pairs = zip([None, *places], places, strict=False)
    return sum(at is None or (before is not None and at != before + 1) for before, at in pairs) / len(row)
