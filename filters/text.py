"""Rules on text, for one block or for a whole document."""

from __future__ import annotations

from typing import ClassVar

from filters.base import Bounds
from filters.subjects import Block, Content


class WordCount(Bounds, frozen=True):
    """Keep texts of ``min`` to ``max`` words (see ``filters.words``)."""

    measures: ClassVar[str] = "word_count"

    def measure(self, text: Block | Content, /) -> int:
        """The number of words."""
        return text.word_count
