"""What the rules ask about. A subject measures itself when asked, and each thing once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Final, TypeVar

import msgspec

from filters.lexicon import Lexicon
from filters.texts import Texts
from obelics_pipeline.document import TextNode

T = TypeVar("T")

LONG_TEXT: Final = 3000
"""Characters after which more text no longer helps to recognise a language: on 1,146 labelled pages 1,000
characters give 1,137 right answers, 3,000 and 10,000 give 1,140."""

BATCH: Final = 30_000
"""Characters that are counted together, which spreads what a count costs anyway: more does not cost less."""

_NO_PROSE: Final = frozenset({"code", "math"})
"""Kinds of blocks that tell of another language than the page's own."""


class Text:
    """One of ``texts``, which are counted together."""

    def __init__(self, texts: Texts, index: int) -> None:
        self.texts = texts
        self.index = index

    @property
    def text(self) -> str:
        """The text itself."""
        return self.texts.texts[self.index]

    @property
    def words(self) -> list[str]:
        """Its words, lower-cased, without special characters at the ends."""
        return self.texts.words[self.index]

    @property
    def word_count(self) -> int:
        """How many words it has."""
        return self.texts.word_counts[self.index]


class Block(Text):
    """A text node."""

    def __init__(self, texts: Texts, index: int, kind: str) -> None:
        super().__init__(texts, index)
        self.kind = kind


def blocks_of(nodes: Sequence[TextNode], lexicon: Lexicon) -> list[Block]:
    """The subjects that ``nodes`` are."""
    texts = Texts([node.text for node in nodes], lexicon)
    return [Block(texts, index, node.kind) for index, node in enumerate(nodes)]


class Content(Text):
    """All that is left of a document: its blocks as one text, and how many images it shows."""

    def __init__(self, whole: Texts, blocks: Sequence[Block], image_count: int) -> None:
        super().__init__(whole, 0)
        self.blocks = tuple(blocks)
        self.image_count = image_count

    @cached_property
    def long_text(self) -> str:
        """The longest blocks in the order of the page, about ``LONG_TEXT`` characters of them, on one line.

        Not the first characters: a page begins with names, dates and buttons, often in another language.
        """
        prose = [block.text for block in self.blocks if block.kind not in _NO_PROSE]
        texts = prose or [block.text for block in self.blocks]
        chosen: list[int] = []
        length = 0
        for index in sorted(range(len(texts)), key=lambda index: (-len(texts[index]), index)):
            if length >= LONG_TEXT:
                break
            chosen.append(index)
            length += len(texts[index])
        return " ".join(" ".join(texts[index][:LONG_TEXT] for index in sorted(chosen)).split())


def batches(items: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """``items`` in order, as many together as have ``BATCH`` characters; ``size`` tells those of one."""
    batch: list[T] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        if total >= BATCH:
            yield batch
            batch, total = [], 0
    yield batch


def blocks_of_each(parts: Sequence[Sequence[TextNode]], lexicon: Lexicon) -> list[list[Block]]:
    """The blocks of the nodes of several documents, counted together."""
    blocks = iter(blocks_of(list(chain.from_iterable(parts)), lexicon))
    return [list(islice(blocks, len(nodes))) for nodes in parts]


def content_of(blocks: Sequence[Block], lexicon: Lexicon, image_count: int) -> Content:
    """A document of some of the blocks that ``blocks_of`` made of its nodes."""
    if not blocks:
        return Content(Texts([""], lexicon), (), image_count)
    whole = blocks[0].texts.joined([block.index for block in blocks])
    return Content(whole, blocks, image_count)


class Picture(msgspec.Struct, frozen=True):
    """What is known of an image once it is fetched: its true format (``jpeg`` …), its sides in pixels.

    ``same`` is by what its picture is known, if that was asked: ``documents`` show the same one, this one included;
    in this one it was kept ``before`` so often. ``scores`` are those of a classifier by label, if it could give them.
    """

    format: str
    width: int
    height: int
    same: bytes | None = None
    documents: int = 1
    before: int = 0
    scores: Mapping[str, float] | None = None
