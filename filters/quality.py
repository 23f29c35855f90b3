"""How much a text is like those that somebody chose, and unlike the rest of a crawl."""

from __future__ import annotations

from typing import ClassVar, Final

from filters.base import Bounds
from filters.fasttext_model import as_line, bare, classifier
from filters.lexicon import UNSPACED
from filters.subjects import Text
from obelics_pipeline.config import suggestion

MAX_CHARACTERS: Final = 20_000
"""How much of a text is looked at, from its beginning: more does not change a mean over its words much."""


class Quality(Bounds, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keep texts that a classifier finds good with a probability of at least ``min`` (and at most ``max``).

    ``model`` is the path of a fastText classifier, ``label`` the one whose probability is measured, with or
    without ``__label__``. Does not apply to a text without a letter. docs/quality.md tells how to train one.
    """

    model: str
    label: str = "good"

    measures: ClassVar[str] = "quality"
    files: ClassVar[tuple[str, ...]] = ("model",)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = classifier(self.model).labels
        if bare(self.label) not in known:
            raise ValueError(f"label: no label {suggestion(bare(self.label), known)}")

    def measure(self, subject: Text, /) -> float | None:
        """See ``quality``."""
        return quality(subject.text, self.model, self.label)


def quality(text: str, model: str, label: str = "good") -> float | None:
    """The probability of ``label`` for ``text``, from 0 to 1; ``None`` without a letter that ``model`` could know.

    ``ValueError`` if the model cannot be used.
    """
    found = line_of(text)
    if not any(map(str.isalpha, found)):
        return None
    return dict(classifier(model).predict(found)).get(bare(label))


def line_of(text: str) -> str:
    """``text`` as a classifier is trained on it and asked for it: lower-cased, on one line, of bounded length.

    Characters of scripts without spaces between words (Han, kana, Thai …) are words, so that their texts are
    told apart, too.
    """
    line = as_line(text[:MAX_CHARACTERS])
    return line if line.isascii() else " ".join(UNSPACED.sub(r" \1 ", line).split())
