"""Make the rows "salad" and "shuffled" of spun.jsonl from genuine.jsonl.

Run `python tests/filters/spun_development/make_spun.py`: it needs the standard library alone, and gives the same
file each time (every row has a random generator of its own, seeded by its number). Rows of kind
"synonym" were written by hand and are kept as they stand in spun.jsonl. README.md says what the kinds are.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("shuffled", "synonym", "salad")  # by the number of a row, modulo 3
LITTLE = 25  # a word seen as often in the hundred paragraphs holds a sentence together: a, the, of, was, you
JOINTS = frozenset(
    ("and", "but", "or", "because", "while", "who", "which", "where", "so", "then", "than", "when", "if")
)
BORDERS = JOINTS.union(
    ("with", "from", "for", "at", "on", "in", "by", "after", "before", "until", "as", "into", "to", "of")
)
ENDS = re.compile(r"[.!?:;,—]+$")
SENTENCE_END = re.compile(r"(?<!a\.m)(?<!incl)[.!?]$")


class Corpus:
    """The words of each paragraph without quotes, brackets and the capitals of sentence beginnings."""

    def __init__(self, paragraphs: dict[int, str]) -> None:
        split = {
            number: re.sub(r"[“”\"()`]|(?<= )[—=] ", "", text).split() for number, text in paragraphs.items()
        }
        pairs = [pair for words in split.values() for pair in zip(words, starts(words), strict=True)]
        self._inner = {bare(word) for word, first in pairs if not first}
        self.words = {number: self._lowered(words) for number, words in split.items()}
        counts = Counter(bare(word).lower() for words in self.words.values() for word in words)
        self.little = {word for word, seen in counts.items() if seen >= LITTLE}

    def _lowered(self, words: list[str]) -> list[str]:
        following = [*words[1:], ""]
        triples = zip(words, starts(words), following, strict=True)
        return [
            word if not first or self._name(word, after) else small(word) for word, first, after in triples
        ]

    def _name(self, word: str, after: str) -> bool:
        """Whether the capital is the word's own: seen inside a sentence, or before another capital."""
        if bare(small(word)) in self._inner:
            return word[0] == "I" and not word[1:2].isalpha()
        return bare(word) in self._inner or not word[1:2].islower() or after[:1].isupper()


def bare(word: str) -> str:
    return ENDS.sub("", word)


def small(word: str) -> str:
    return word[:1].lower() + word[1:]


def starts(words: list[str]) -> list[bool]:
    """For each word, whether it begins a sentence."""
    return [True] + [bool(SENTENCE_END.search(word)) for word in words[:-1]]


def sentence(words: list[str]) -> str:
    """The words with a capital at the front and a full stop at the end."""
    text = bare(" ".join(words))
    return text[:1].upper() + text[1:] + "."


def slots(words: list[str], little: set[str], rng: random.Random) -> str:
    """Little words and marks stay; all other words trade places: the shape of sentences without their sense."""
    places = [i for i, word in enumerate(words) if bare(word).lower() not in little]
    traded = dict(zip(places, rng.sample(places, len(places)), strict=True))
    return capitalised(
        [bare(words[traded.get(i, i)]) + word[len(bare(word)) :] for i, word in enumerate(words)]
    )


def capitalised(words: list[str]) -> str:
    pairs = zip(words, starts(words), strict=True)
    return " ".join(word[:1].upper() + word[1:] if first else word for word, first in pairs)


def phrases(words: list[str], rng: random.Random) -> str:
    """Pieces of one to three words in random order, in sentences of eight to eighteen words."""
    pieces = list(runs([bare(word) for word in words], rng, 1, 3))
    rng.shuffle(pieces)
    flat = [word for piece in pieces for word in piece]
    return " ".join(sentence(run) for run in runs(flat, rng, 8, 18))


def runs(words: list[str], rng: random.Random, least: int, most: int) -> Iterator[list[str]]:
    at = 0
    while at < len(words):
        size = rng.randint(least, most)
        if len(words) - at - size < least:
            size = len(words)
        yield words[at : at + size]
        at += size


def chain(corpus: list[list[str]], length: int, rng: random.Random) -> str:
    """A walk over the corpus where each word was seen after the one before: a Markov chain of order one."""
    follows: dict[str, list[str]] = {}
    for words in corpus:
        for word, following in pairwise(words):
            follows.setdefault(word, []).append(following)
    first = [words[0] for words in corpus]
    walk = [rng.choice(first)]
    while len(walk) < length:
        walk.append(rng.choice(follows.get(walk[-1], first)))
    return bare(capitalised(walk)) + "."


def cut(words: list[str], borders: frozenset[str]) -> list[list[str]]:
    """Pieces of two words or more that end at a mark or before a border; a whole sentence may be one word."""
    pieces: list[list[str]] = [[]]
    for word, first in zip(words, starts(words), strict=True):
        last = pieces[-1]
        if (last and first) or (len(last) > 1 and (ENDS.search(last[-1]) or word.lower() in borders)):
            pieces.append([])
        pieces[-1].append(word)
    return [[*piece[:-1], bare(piece[-1])] for piece in pieces]


def shuffled(words: list[str], other: list[str], rng: random.Random, clauses: bool) -> str:
    """Clauses, or phrases with a third from another paragraph, in random order and joined to sentences."""
    pieces = cut(words, JOINTS if clauses else BORDERS)
    if not clauses:
        third = len(pieces) // 3
        pieces = rng.sample(pieces, len(pieces) - third) + rng.sample(cut(other, BORDERS), third)
    rng.shuffle(pieces)
    sentences = []
    while pieces:
        group, pieces = pieces[: (size := rng.randint(2, 4))], pieces[size:]
        joined = [[*piece[:-1], piece[-1] + rng.choice(("", "", ","))] for piece in group]
        sentences.append(sentence([word for piece in joined for word in piece]))
    return " ".join(sentences)


def spin(number: int, corpus: Corpus) -> str:
    """The spun text of a paragraph: three recipes of salad and two of shuffling take turns."""
    rng, words, turn = random.Random(number), corpus.words[number], number // 3
    if KINDS[number % 3] == "shuffled":
        other = corpus.words[(number + 40) % len(corpus.words) + 1]
        return shuffled(words, other, rng, clauses=turn % 2 == 0)
    if turn % 3 == 0:
        return slots(words, corpus.little, rng)
    return phrases(words, rng) if turn % 3 == 1 else chain(list(corpus.words.values()), len(words), rng)


def read(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (HERE / name).read_text("utf-8").splitlines()]


def main() -> None:
    corpus = Corpus({int(row["id"][1:]): row["text"] for row in read("genuine.jsonl")})
    by_hand = {row["id"]: row["text"] for row in read("spun.jsonl") if row["kind"] == "synonym"}
    with (HERE / "spun.jsonl").open("w", encoding="utf-8") as out:
        for number in corpus.words:
            name, kind = f"s{number:03}", KINDS[number % 3]
            text = by_hand[name] if kind == "synonym" else spin(number, corpus)
            out.write(json.dumps({"id": name, "kind": kind, "text": text}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
