"""Faults of genuine text, put in on purpose so that they are not taken for spinning."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

ARTICLES = frozenset(("a", "an", "the"))
MIXED_UP = {
    "in": ("on", "at"),
    "on": ("in", "at"),
    "at": ("in", "on"),
    "to": ("for",),
    "for": ("to",),
    "is": ("are",),
    "are": ("is",),
    "was": ("were",),
    "has": ("have",),
    "have": ("has",),
    "a": ("the",),
    "the": ("a",),
}


def noisy(text: str, random: Random) -> str:
    """The text with one kind of fault, or in one of five cases with none."""
    way = random.choices((typing, small, articles, commas, little_words, none), (5, 3, 4, 2, 2, 4))[0]
    return " ".join(way(text.split(), random)) or text


def none(words: list[str], _: Random) -> list[str]:
    """As it is."""
    return words


def typing(words: list[str], random: Random) -> list[str]:
    """Letters are exchanged, missing or doubled."""
    rate = random.uniform(0.01, 0.1)
    return [_mistyped(word, random) if len(word) > 3 and random.random() < rate else word for word in words]


def _mistyped(word: str, random: Random) -> str:
    at = random.randrange(1, len(word) - 1)
    ways: tuple[Callable[[], str], ...] = (
        lambda: word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        lambda: word[:at] + word[at + 1 :],
        lambda: word[:at] + word[at] + word[at:],
    )
    return random.choices(ways, (4, 3, 3))[0]()


def small(words: list[str], _: Random) -> list[str]:
    """No capitals."""
    return [word.lower() for word in words]


def articles(words: list[str], random: Random) -> list[str]:
    """Articles are missing, as learners leave them out."""
    rate = random.uniform(0.2, 0.9)
    return [word for word in words if word.lower() not in ARTICLES or random.random() >= rate]


def commas(words: list[str], _: Random) -> list[str]:
    """No commas."""
    return [re.sub("[,;:]+$", "", word) for word in words]


def little_words(words: list[str], random: Random) -> list[str]:
    """Prepositions and verbs in the wrong form."""
    rate = random.uniform(0.1, 0.4)
    return [
        random.choice(MIXED_UP[word]) if word in MIXED_UP and random.random() < rate else word
        for word in words
    ]
