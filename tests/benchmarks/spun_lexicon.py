"""What spinners know of words: how frequent they are, and what may be put for them."""

from __future__ import annotations

from pathlib import Path
from random import Random

from thesaurus import Thesaurus, favourites
from wordfreq import top_n_list

VOCABULARY = 30_000
"""Rarer words are put in by no spinner."""


class Habits:
    """What one spinner does all through a text."""

    def __init__(self, random: Random) -> None:
        self.favourites = random.choice((0.0, 0.5, 1.0))  # chance of what spinners like most
        self.careless = random.choice((0, 0, 0.15, 0.4))  # chance of another inflection
        self.tries = random.choice((1, 3, 3, 6))  # of so many synonyms it takes the most frequent one


class Lexicon:
    """Words and their synonyms; ``folder``: where the files of WordNet are."""

    def __init__(self, folder: Path) -> None:
        self.words = [word for word in top_n_list("en", 2 * VOCABULARY) if word.isascii() and word.isalpha()]
        self.words = self.words[:VOCABULARY]
        self.ranks = {word: i for i, word in enumerate(self.words)}
        self._thesaurus = Thesaurus(folder, frozenset(self.words))
        self._favourites = favourites()

    def synonym(self, word: str, random: Random, habits: Habits) -> str | None:
        """Something to put for the word in small letters."""
        if word in self._favourites and random.random() < habits.favourites:
            return random.choice(self._favourites[word])
        drawn = (self._thesaurus.swap(word, random, habits.careless) for _ in range(habits.tries))
        return min(filter(None, drawn), key=self._rank, default=None)

    def _rank(self, phrase: str) -> int:
        return max(self.ranks.get(word, VOCABULARY) for word in phrase.split())
