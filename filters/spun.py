"""Spun text: words exchanged for synonyms that do not fit, words or phrases in random order, shuffled clauses.

A language model tells how surprising each token of a text is, after those before it. Spun text surprises more, even
where its words are frequent. ``scripts/fit-spun`` fits what the measures weigh; docs/filters.md says how well it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import exp, log
from typing import ClassVar, Final, NamedTuple

import msgspec
import numpy as np

from filters.base import Bounds
from filters.llama_model import Surprise, llama_model
from filters.subjects import Text
from filters.text import Count

WINDOW: Final = 320
"""Tokens that the model reads at a time, about 240 words: most paragraphs are shorter."""

MOST_TOKENS: Final = 4 * WINDOW
"""Tokens of a text that are looked at, from its beginning: it bounds what one text can cost."""

MOST_CHARACTERS: Final = 8 * MOST_TOKENS


class SpunText(Bounds, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keep texts that are spun with a probability of at most ``max`` (see ``spun_score``).

    ``model`` is the path of SmolLM2-135M. Texts of fewer than ``from_words`` words pass unmeasured: they give too
    little evidence.
    """

    model: str
    from_words: Count = 40

    measures: ClassVar[str] = "spun_text"
    files: ClassVar[tuple[str, ...]] = ("model",)
    languages: ClassVar[tuple[str, ...]] = ("en",)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and not 0 <= bound <= 1:
                raise ValueError(f"{name} is {bound:g}; a probability is from 0 to 1")
        llama_model(self.model)

    def measure(self, subject: Text, /) -> float | None:
        """See ``spun_score``. One by one: what an earlier rule refuses is not worth the time."""
        return spun_score(subject.text, self.model) if subject.word_count >= self.from_words else None


class Measures(NamedTuple):
    """What is measured of a text; both are natural logarithms."""

    surprise: float
    """Of a token, on average: the logarithm of perplexity."""

    excess: float
    """How much more surprising a word in small letters is than its frequency makes it, on average."""


def spun_score(text: str, model: str) -> float:
    """The probability, from 0 to 1, that an English text is spun, if half of all texts were.

    ``ValueError`` if the model cannot be used.
    """
    found, own = measures(text, model), weights()
    odds = own["bias"] + sum(own[name] * value for name, value in found._asdict().items())
    return 1 / (1 + exp(-max(-_MOST_ODDS, min(odds, _MOST_ODDS))))


_MOST_ODDS: Final = 50.0


def measures(text: str, model: str) -> Measures:
    """The measures of the beginning of the text; 0 of nothing."""
    text = text[:MOST_CHARACTERS]
    found = llama_model(model).surprise(text, WINDOW, MOST_TOKENS)
    if not len(found.logs):
        return Measures(0.0, 0.0)
    return Measures(-float(found.logs.mean()), _excess(text, found))


_DISCOUNT: Final = 0.8
"""How much of a word's surprise comes from its frequency and does not count. Chosen on spun_development (tests)."""

_RARE: Final = 1e-8
"""The frequency of words that wordfreq does not know: that of the rarest it knows."""

_AROUND: Final = ".,;:!?\"“”()'’‘*—–-"


def _excess(text: str, found: Surprise) -> float:
    words = text.split()
    ends, at = [], 0
    for word in words:
        at = text.index(word, at) + len(word)
        ends.append(at)
    places = np.searchsorted(ends, found.ends)  # of tokens that are blanks behind the last word, too
    surprises = -np.bincount(places, found.logs, len(words) + 1)
    known = frequencies()
    excess = [
        surprise + _DISCOUNT * log(known.get(bare.lower(), _RARE))
        for word, surprise in zip(words[: places[-1] + 1], surprises.tolist(), strict=False)
        if (bare := word.strip(_AROUND))[:1].islower()
    ]
    return sum(excess) / len(excess) if excess else 0.0


@cache
def frequencies() -> Mapping[str, float]:
    """How frequent English words are, after ``wordfreq``: of all words, from 0 to 1."""
    from wordfreq import get_frequency_dict  # loaded when needed, since it takes 0.3 s

    found: Mapping[str, float] = get_frequency_dict("en")
    return found


@cache
def weights() -> Mapping[str, float]:
    """What the measures weigh in the log-odds, and a bias."""
    packed = (files("filters") / "data/spun.json").read_bytes()
    return msgspec.json.decode(packed, type=dict[str, float])
