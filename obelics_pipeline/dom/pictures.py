"""What can be said of an image on a page, yes or no: the features that tell illustrations from decoration."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from obelics_pipeline.document import ImageNode
from obelics_pipeline.dom.features import View, wider
from obelics_pipeline.dom.rules import IMAGE_NAMES, URL_NAMES, Vocabulary
from obelics_pipeline.dom.tree import Block, Box

SIDES: Final = (20, 32, 64, 100, 150, 250, 400, 600)
"""CSS pixels of the longer declared side."""

SOURCE: Final = (
    *(f"url {name}" for name in URL_NAMES),
    *(f"class {name}" for name in IMAGE_NAMES),
    *(f"side >= {side}" for side in SIDES),
    *("side unknown", "svg", "gif", "png", "jpg", "webp", "no file name", "alt", "long alt", "title", "link"),
    *("flat", "small by its url", "noscript"),
)
"""Names of the bits of ``source``."""

STATE: Final = (
    *("text before kept", "text behind kept", "second before kept", "second behind kept"),
    *("between kept", "before kept", "behind kept", "just before kept", "long before kept", "nothing kept"),
    *(
        "long text before",
        "long text behind",
        "heading before",
        "heading behind",
        "h1 before",
        "caption before",
    ),
    *("caption behind", "short text behind", "links behind", "links before"),
    *(f"group {n}: {what}" for n in (1, 2, 3) for what in ("kept", "half kept")),
    *("group 1: 2 images", "group 1: 4 images", "group 2: 4 images", "group 2: 9 images", "group 2: gallery"),
    *("group 1: little text", "group 1: much text", "group 2: little text"),
    *("first image", "many images", "again", "in core", "before h1", "behind h1", "near h1", "own box kept"),
    *(
        "kept beside",
        "between: large",
        "between: free",
        "between: linked",
        "between: small",
        "between: avatar",
    ),
    *("between: described", "between: paragraphs", "between: core", "between: svg", "between: placed"),
    *("lead: large", "lead: unknown", "card"),
)
"""Names of the bits of ``states``."""

_URL_WORDS = Vocabulary(URL_NAMES)
_CLASS_WORDS = Vocabulary(IMAGE_NAMES)
_CLASS = len(URL_NAMES)
_SIDE = _CLASS + len(IMAGE_NAMES)
_FILE = _SIDE + len(SIDES) + 1
_TEXT = _FILE + 6
_FILES = {"svg": 1, "gif": 2, "png": 4, "jpg": 8, "jpeg": 8, "webp": 16}
_DIMENSIONS = re.compile(
    r"(?<![0-9])([0-9]{2,4})x([0-9]{2,4})(?![0-9])|[?&;_/-](?:w|width|h|height)[=_]([0-9]{2,4})"
)
_AVATAR = 1 << list(URL_NAMES).index("avatar") | 1 << (_CLASS + list(IMAGE_NAMES).index("avatar"))
_PLACED = 1 << (_CLASS + list(IMAGE_NAMES).index("placed"))
_SVG = 1 << _FILE


def longest_side(image: ImageNode) -> int:
    """The longer side that the page declares, in CSS pixels; 0 where it declares none."""
    return max(image.rendered_width or 0, image.rendered_height or 0)


def source(block: Block, image: ImageNode) -> int:
    """What the image itself shows: its address, class, declared size and description."""
    path = image.url.partition("?")[0]
    folder, _, name = image.url.partition("//")[2].rpartition("/")
    bits = _URL_WORDS[folder] | _URL_WORDS.of(name) | _CLASS_WORDS[block.label] << _CLASS
    side = longest_side(image)
    bits |= ((1 << bisect_right(SIDES, side)) - 1 if side else 1 << len(SIDES)) << _SIDE
    bits |= _FILES.get(path.rpartition(".")[2].lower(), 32) << _FILE
    alt, width, height = image.alt or "", image.rendered_width or 0, image.rendered_height or 0
    size = None if side else _DIMENSIONS.search(image.url)
    small = size is not None and max([int(n) for n in size.groups() if n]) < 200
    flags = (alt != "") | (len(alt) > 25) << 1 | (image.title is not None) << 2 | (block.links > 0) << 3
    flags |= (0 < 3.5 * height < width) << 4 | small << 5 | (block.label == "noscript") << 6
    return bits | flags << _TEXT


class Gallery:
    """The images of a page and what the texts that are kept say of them."""

    def __init__(self, view: View, kept: Sequence[bool]) -> None:
        blocks = view.tree.blocks
        self.view = view
        self.kept = kept
        self.blocks = [(number, block) for number, block in enumerate(blocks) if block.image is not None]
        self.first = next((i for i, k in enumerate(kept) if k), -1)
        self.last = max((i for i, k in enumerate(kept) if k), default=-1)
        self.sum_kept = list(
            accumulate([n if k else 0 for n, k in zip(view.lengths, kept, strict=True)], initial=0)
        )
        self.sum_images = list(accumulate([block.image is not None for block in blocks], initial=0))
        self.seen: set[str] = set()
        self._of_group: dict[Box, int] = {}

    def states(self, number: int, at: int, block: Block, image: ImageNode, source_bits: int) -> int:
        """Where an image stands; ``number`` is its place among the blocks, ``at`` that of the text behind."""
        url = image.url
        bits = self._beside(at) | self._groups(block.box) << 20
        bits |= (at == 0 and not self.seen) << 34 | (len(self.blocks) > 20) << 35 | (url in self.seen) << 36
        bits |= self._page(number, at, block) << 37
        bits |= self._between(number, at, block, image, source_bits) << 43
        self.seen.add(url)
        return bits

    def _is_kept(self, at: int) -> bool:
        return 0 <= at < len(self.kept) and self.kept[at]

    def _beside(self, at: int) -> int:
        """Twenty bits on the texts before and behind an image."""
        view, first, last = self.view, self.first, self.last
        bits = self._is_kept(at - 1) | self._is_kept(at) << 1 | self._is_kept(at - 2) << 2
        bits |= self._is_kept(at + 1) << 3
        if first < 0:
            bits |= 1 << 9
        else:
            bits |= (first < at <= last) << 4 | (at <= first) << 5 | (at > last) << 6
            bits |= (at <= first < at + 3) << 7 | (first > at + 5) << 8
        if at:
            before = view.texts[at - 1]
            bits |= view.longs[at - 1] << 10 | (before.kind == "heading") << 12
            bits |= (before.box.tag == "h1") << 14 | (before.kind == "caption") << 15
            bits |= (view.shares[at - 1] > 0.5) << 19
        if at < len(view.texts):
            behind = view.texts[at]
            bits |= view.longs[at] << 11 | (behind.kind == "heading") << 13 | (behind.kind == "caption") << 16
            bits |= (view.lengths[at] < 60) << 17 | (view.shares[at] > 0.5) << 18
        return bits

    def _count(self, box: Box) -> tuple[int, int, int]:
        """Kept length, length and images of a box."""
        start, end = self.view.rank[box.start], self.view.rank[box.end]
        lengths = self.view.sum_lengths
        images = self.sum_images[box.end] - self.sum_images[box.start]
        return self.sum_kept[end] - self.sum_kept[start], lengths[end] - lengths[start], images

    def _groups(self, box: Box) -> int:
        """Fourteen bits on the three groups around an image (``features.View.setting``)."""
        first, _ = wider(box, 1)
        bits = self._of_group.get(first, -1)
        if bits < 0:
            second, _ = wider(first, first.end - first.start)
            third, _ = wider(second, second.end - second.start)
            kept1, text1, images1 = self._count(first)
            kept2, text2, images2 = self._count(second)
            kept3, text3, _ = self._count(third)
            bits = (kept1 > 0) | (kept1 > 0.5 * text1) << 1 | (kept2 > 0) << 2 | (kept2 > 0.5 * text2) << 3
            bits |= (kept3 > 0) << 4 | (kept3 > 0.5 * text3) << 5 | (images1 > 1) << 6 | (images1 > 3) << 7
            bits |= (images2 > 3) << 8 | (images2 > 8) << 9 | (images2 > 5 and text2 < 60 * images2) << 10
            bits |= (text1 < 100) << 11 | (text1 > 500) << 12 | (text2 < 200) << 13
            self._of_group[first] = bits
        return bits

    def _page(self, number: int, at: int, block: Block) -> int:
        """Six bits on the page around an image."""
        h1, core, box = self.view.h1, self.view.core, block.box
        bits = (core.start <= number < core.end) << 0 | (h1 >= at) << 1 | (-1 < h1 < at) << 2
        bits |= (h1 >= 0 and abs(at - h1) <= 3) << 3
        bits |= (box.end - box.start > 1 and self._count(box)[0] > 0) << 4
        return bits | (self._is_kept(at - 1) and self.view.texts[at - 1].box.parent is box.parent) << 5

    def _between(self, number: int, at: int, block: Block, image: ImageNode, source_bits: int) -> int:
        """Thirteen bits on an image between texts that are kept, in the lead of them, or on a card."""
        view, core = self.view, self.view.core
        side, linked = longest_side(image), block.links > 0
        bits = 0
        if self.first < at <= self.last:
            caption = at < len(view.texts) and view.texts[at].kind == "caption"
            bits = (side >= 150) << 0 | (not side and not linked) << 1 | (not side and linked) << 2
            bits |= (0 < side < 100) << 3 | ((source_bits & _AVATAR) != 0) << 4
            bits |= (caption or len(image.alt or "") > 25) << 5 | (core.start <= number < core.end) << 7
            bits |= ((source_bits & _SVG) != 0) << 8 | ((source_bits & _PLACED) != 0) << 9
        if self._is_kept(at - 1) and self._is_kept(at):
            bits |= (view.texts[at - 1].box.tag == "p" and view.texts[at].box.tag == "p") << 6
        if 0 <= self.first < at + 4 and at <= self.first:
            bits |= (side >= 250) << 10 | (not side) << 11
        return bits | (linked and at < len(view.texts) and view.shares[at] > 0.5) << 12
