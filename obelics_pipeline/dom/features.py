"""What can be said of a block of text, yes or no: the features by which content is told from furniture.

Every feature is a bit with a name; a function gives the bits that are set, as one integer. ``weights.json``
holds what each is worth. Nothing depends on a language: names that authors give to elements, shapes of text,
places.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from obelics_pipeline.dom.rules import NAMES, TAG_BITS, TAGS
from obelics_pipeline.dom.tree import Block, Box, Tree

LENGTHS: Final = (15, 30, 60, 120, 250, 500)
LINK_SHARES: Final = (0.001, 0.1, 0.33, 0.67, 0.95)
KINDS: Final = ("heading", "list", "table", "caption", "quote", "code")
LONG: Final = 80
"""A text of this effective length, less than ``LINKED`` of it in links, is long."""
LINKED: Final = 0.3

_GROUP: Final = (
    "long", "3 long", "6 long", "links > .2", "links > .5", "links > .8", "mean < 30", "mean < 80",
    "> 10 blocks", "> 50 blocks",
)  # fmt: skip

SHAPE: Final = (
    *(f"length >= {n}" for n in LENGTHS),
    *(f"links >= {share}" for share in LINK_SHARES),
    *KINDS,
    *("in p", "in div", "in h1", "in h2", "in h3-6", "in td", "in li", "in section"),
    *("ends a sentence", "two sentences", "comma", "digit", "upper case", "copyright", "label and link"),
)
"""Names of the bits of ``shape``."""

SETTING: Final = (
    *(f"within {name}" for name in NAMES),
    *(f"within <{tag}>" for tag in TAGS),
    *(f"near {name}" for name in NAMES),
    *(f"next {name}" for name in NAMES),
    *(f"group {number}: {what}" for number in (1, 2, 3) for what in _GROUP),
)
"""Names of the bits of ``View.setting``."""

AROUND: Final = tuple(
    f"{what} at {offset:+}"
    for offset in (-3, -2, -1, 1, 2, 3)
    for what in ("long", "links", "short", "heading")
)
"""Names of the bits of ``View.around``."""

PLACE: Final = (
    *("in core", "around core", "before core", "after core", "core starts", "core ends"),
    *("before long text", "after long text", "page has h1", "before h1", "after h1", "h1"),
    *("first tenth", "first quarter", "last quarter", "last tenth", "little long text", "much long text"),
)
"""Names of the bits of ``View.places``."""

_KIND = {kind: 1 << (11 + number) for number, kind in enumerate(KINDS)}
_BOXES = {
    "p": 0,
    "div": 1,
    "h1": 2,
    "h2": 3,
    "h3": 4,
    "h4": 4,
    "h5": 4,
    "h6": 4,
    "td": 5,
    "li": 6,
    "section": 7,
}
_BOX = {tag: 1 << (17 + number) for tag, number in _BOXES.items()}
_SENTENCE_ENDS = frozenset('.!?。！？…:”"')
_DIGIT = re.compile(r"[0-9]")
_LENGTH_BITS = [(1 << n) - 1 for n in range(len(LENGTHS) + 1)]
_SHARE_BITS = [((1 << n) - 1) << len(LENGTHS) for n in range(len(LINK_SHARES) + 1)]
_EDGE = 6  # beyond the ends of a page: links, short
_UNWANTED = sum(
    1 << number
    for number, name in enumerate(NAMES)
    if name in {"nav", "footer", "sidebar", "comments", "related", "share", "ad", "pages"}
) + sum(TAG_BITS[tag] for tag in ("nav", "footer", "aside"))
_NEAR = len(NAMES) + len(TAGS)
_NEXT = _NEAR + len(NAMES)
_GROUPS = _NEXT + len(NAMES)


def effective_length(text: str) -> int:
    """Characters of a text, those outside ASCII by their UTF-8 bytes: for scripts that say more in fewer."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def shape(block: Block, length: int, share: float) -> int:
    """What the text itself shows; ``length`` is its effective length, ``share`` how much of it is links."""
    text = block.text
    bits = _LENGTH_BITS[bisect_right(LENGTHS, length)] | _KIND.get(block.kind, 0) | _BOX.get(block.box.tag, 0)
    if share:
        bits |= _SHARE_BITS[bisect_right(LINK_SHARES, share)]
        if share > 0.4 and ":" in text[:40]:
            bits |= 1 << 31
    if text[-1] in _SENTENCE_ENDS:
        bits |= 1 << 25
    if length > 60:
        if ". " in text or "? " in text or "! " in text or "。" in text:
            bits |= 1 << 26
    else:
        if _DIGIT.search(text) is not None:
            bits |= 1 << 28
        if text.isupper():
            bits |= 1 << 29
    if "," in text or (length > len(text) and ("，" in text or "、" in text)):
        bits |= 1 << 27
    if length < 500 and ("opyright" in text or "©" in text):
        bits |= 1 << 30
    return bits


class View:
    """The texts of a page and what their places in it say, measured once for all features."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.texts: list[Block] = []
        self.rank: list[int] = []
        """How many texts stand before each block: turns ranges of blocks into ranges of texts."""
        self.lengths: list[int] = []
        self.shares: list[float] = []
        self.longs: list[bool] = []
        self.sum_lengths, self.sum_links, self.sum_longs = [0], [0.0], [0]
        values: list[float] = [0.0]
        for block in tree.blocks:
            self.rank.append(len(self.texts))
            if block.image is None:
                self.texts.append(block)
                values.append(values[-1] + self._measure(block))
        self.rank.append(len(self.texts))
        self.core = self._core(values)
        self.h1 = next((i for i, block in enumerate(self.texts) if block.box.tag == "h1"), -1)
        """Which text is the first ``h1``; -1 without one."""

    def _measure(self, block: Block) -> float:
        """Take a text in; what it is worth as a first guess at the main content."""
        text = block.text
        length = effective_length(text)
        share = min(1.0, block.links / len(text)) if block.links else 0.0
        is_long = length >= LONG and share < LINKED
        self.lengths.append(length)
        self.shares.append(share)
        self.longs.append(is_long)
        self.sum_lengths.append(self.sum_lengths[-1] + length)
        self.sum_links.append(self.sum_links[-1] + length * share)
        self.sum_longs.append(self.sum_longs[-1] + is_long)
        if block.kind == "heading":
            return 0.0
        if not is_long:
            value = length * 0.3 - 15.0 if share < LINKED else -length * share - 25.0
        else:
            value = float(min(length, 600))
        return value * 0.3 if value > 0 and block.box.within & _UNWANTED else value

    def _core(self, sums: list[float]) -> Box:
        """The box whose texts are worth most, the smallest of equals; ``sums`` runs over the worth of texts."""
        rank = self.rank
        core = self.tree.boxes[0]
        most = sums[rank[core.end]] - sums[rank[core.start]]
        for box in self.tree.boxes:
            worth = sums[rank[box.end]] - sums[rank[box.start]]
            if worth > most or (worth == most and box.end - box.start < core.end - core.start):
                core, most = box, worth
        return core

    def group(self, box: Box) -> int:
        """Ten bits on the texts of a box together."""
        if box.group < 0:
            start, end = self.rank[box.start], self.rank[box.end]
            count = end - start or 1
            length = self.sum_lengths[end] - self.sum_lengths[start]
            links = (self.sum_links[end] - self.sum_links[start]) / (length or 1)
            longs = self.sum_longs[end] - self.sum_longs[start]
            bits = (longs > 0) | (longs > 2) << 1 | (longs > 5) << 2
            bits |= (links > 0.2) << 3 | (links > 0.5) << 4 | (links > 0.8) << 5
            bits |= (length < 30 * count) << 6 | (length < 80 * count) << 7
            bits |= (count > 10) << 8 | (count > 50) << 9
            box.group = bits
        return box.group

    def setting(self, box: Box) -> int:
        """What stands around a block in ``box``: its names, and its groups.

        A group is the smallest box around that holds more than the one before: wrappers do not count, so that
        the depth of a page's markup does not matter.
        """
        bits = box.within | box.names << _NEAR
        if box.end - box.start > 1 or box.parent is None:
            return bits | self._surroundings(box)
        return bits | self._surroundings(box.parent)

    def _surroundings(self, box: Box) -> int:
        """Names on the way to the first two groups around a block in ``box``, and all three groups."""
        if box.around < 0:
            if box.end - box.start <= 1 and box.parent is not None:
                box.around = box.names << _NEAR | self._surroundings(box.parent)
            else:
                second, next_names = wider(box, box.end - box.start)
                third, _ = wider(second, second.end - second.start)
                groups = self.group(box) | self.group(second) << 10 | self.group(third) << 20
                box.around = box.names << _NEAR | next_names << _NEXT | groups << _GROUPS
        return box.around

    def around(self) -> list[int]:
        """For every text, what its neighbours are: four bits for each of three before and three behind."""
        codes = [_EDGE] * 3
        for i, block in enumerate(self.texts):
            code = (self.shares[i] > 0.5) << 1 | (self.lengths[i] < 30) << 2 | (block.kind == "heading") << 3
            codes.append(self.longs[i] | code)
        codes += [_EDGE] * 3
        c = codes
        return [
            c[i] | c[i + 1] << 4 | c[i + 2] << 8 | c[i + 4] << 12 | c[i + 5] << 16 | c[i + 6] << 20
            for i in range(len(self.texts))
        ]

    def places(self) -> list[int]:
        """For every text, where on the page it stands."""
        count = len(self.texts)
        places = [self._page()] * count
        core, wider = self.core, self.core.parent or self.core
        core_start, core_end = self.rank[core.start], self.rank[core.end]
        h1 = self.h1
        first = next((i for i, is_long in enumerate(self.longs) if is_long), 0)
        last = count - 1 - next((i for i, is_long in enumerate(reversed(self.longs)) if is_long), 0)
        spans = [
            (1, core_start, core_end), (2, self.rank[wider.start], self.rank[wider.end]),
            (4, 0, core_start), (8, core_end, count),
            (16, core_start, min(core_start + 3, core_end)), (32, max(core_start, core_end - 3), core_end),
            (64, 0, first), (128, last + 1, count),
            (4096, 0, -(-count // 10)), (8192, 0, -(-count // 4)),
            (16384, count * 3 // 4 + 1, count), (32768, count * 9 // 10 + 1, count),
        ]  # fmt: skip
        if h1 >= 0:
            spans += [(256, 0, count), (512, 0, h1), (1024, h1 + 1, count), (2048, h1, h1 + 1)]
        for bit, start, end in spans:
            for i in range(start, end):
                places[i] |= bit
        return places

    def _page(self) -> int:
        longs = self.sum_longs[-1]
        return (longs < 3) << 16 | (longs > 10) << 17


def wider(box: Box, size: int) -> tuple[Box, int]:
    """The nearest box around with more blocks than ``size``, and the names met on the way up to it."""
    names = 0
    while box.end - box.start <= size and box.parent is not None:
        box = box.parent
        names |= box.names
    return box, names
