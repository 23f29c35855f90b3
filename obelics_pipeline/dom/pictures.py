"""What can be said of an image on a page, yes or no: the features by which illustrations are told from decoration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from obelics_pipeline.document import ImageNode
from obelics_pipeline.dom.features import View, _wider
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
_DIMENSIONS = re.compile(r"(?<![0-9])([0-9]{2,4})x([0-9]{2,4})(?![0-9])|[?&;_/-](?:w|width|h|height)[=_]([0-9]{2,4})")
_AVATAR = 1 << list(URL_NAMES).index("avatar") | 1 << (_CLASS + list(IMAGE_NAMES).index("avatar"))
_PLACED = 1 << (_CLASS + list(IMAGE_NAMES).index("placed"))
_SVG = 1 << _FILE


def longest_side(image: ImageNode) -> int:
    """The longer side that the page declares, in CSS pixels; 0 where it declares none."""
    return max(image.rendered_width or 0, image.rendered_height or 0)


def source(block: Block, image: ImageNode) -> int:
    """What the image itself shows: its address, class, declared size and description."""
    path = image.url.partition("?")[0]
    bits = _URL_WORDS.of(image.url.partition("//")[2]) | _CLASS_WORDS[block.label] << _CLASS
    side = longest_side(image)
    bits |= ((1 << sum(side >= n for n in SIDES)) - 1) << _SIDE if side else 1 << (_SIDE + len(SIDES))
    bits |= _FILES.get(path.rpartition(".")[2].lower(), 32) << _FILE
    alt = image.alt or ""
    flat = bool(image.rendered_height) and (image.rendered_width or 0) > 3.5 * (image.rendered_height or 1)
    size = _DIMENSIONS.search(image.url)
    small = size is not None and max(int(n) for n in size.groups() if n) < 200
    flags = (
        bool(alt),
        len(alt) > 25,
        bool(image.title),
        block.links > 0,
        flat,
        small,
        block.label == "noscript",
    )
    for number, flag in enumerate(flags):
        bits |= flag << (_TEXT + number)
    return bits


class Gallery:
    """The images of a page and what the texts that are kept say of them."""

    def __init__(self, view: View, kept: Sequence[bool]) -> None:
        blocks = view.tree.blocks
        self.view = view
        self.kept = kept
        self.blocks = [(number, block) for number, block in enumerate(blocks) if block.image is not None]
        self.first = next((i for i, k in enumerate(kept) if k), -1)
        self.last = max((i for i, k in enumerate(kept) if k), default=-1)
        self.h1 = next((i for i, block in enumerate(view.texts) if block.box.tag == "h1"), -1)
        self.sum_kept = list(
            accumulate([n if k else 0 for n, k in zip(view.lengths, kept, strict=True)], initial=0)
        )
        self.sum_images = list(accumulate([block.image is not None for block in blocks], initial=0))
        self.seen: set[str] = set()

    def states(self, number: int, at: int, block: Block, image: ImageNode, source_bits: int) -> int:
        """Where an image stands; ``number`` is its place among the blocks, ``at`` that of the text behind it."""
        flags = (
            *self._beside(at), *self._groups(block.box), at == 0 and not self.seen, len(self.blocks) > 20,
            image.url in self.seen, *self._page(number, at, block), *self._between(number, at, block, image, source_bits),
        )  # fmt: skip
        self.seen.add(image.url)
        bits = 0
        for position, flag in enumerate(flags):
            if flag:
                bits |= 1 << position
        return bits

    def _is_kept(self, at: int) -> bool:
        return 0 <= at < len(self.kept) and self.kept[at]

    def _beside(self, at: int) -> tuple[bool, ...]:
        view, first, last = self.view, self.first, self.last
        any_kept = first >= 0
        before = view.texts[at - 1] if at else None
        behind = view.texts[at] if at < len(view.texts) else None
        return (
            self._is_kept(at - 1), self._is_kept(at), self._is_kept(at - 2), self._is_kept(at + 1),
            first < at <= last, any_kept and at <= first, any_kept and at > last,
            any_kept and at <= first < at + 3, any_kept and first > at + 5, not any_kept,
            before is not None and view.longs[at - 1], behind is not None and view.longs[at],
            before is not None and before.kind == "heading", behind is not None and behind.kind == "heading",
            before is not None and before.box.tag == "h1", before is not None and before.kind == "caption",
            behind is not None and behind.kind == "caption", behind is not None and view.lengths[at] < 60,
            behind is not None and view.shares[at] > 0.5, before is not None and view.shares[at - 1] > 0.5,
        )  # fmt: skip

    def _count(self, box: Box) -> tuple[int, int, int]:
        """Kept length, length and images of a box."""
        start, end = self.view.rank[box.start], self.view.rank[box.end]
        lengths = self.view.sum_lengths
        images = self.sum_images[box.end] - self.sum_images[box.start]
        return self.sum_kept[end] - self.sum_kept[start], lengths[end] - lengths[start], images

    def _groups(self, box: Box) -> tuple[bool, ...]:
        groups = []
        size = 1
        for _ in range(3):
            box, _ = _wider(box, size)
            size = box.end - box.start
            groups.append(self._count(box))
        (_, text1, images1), (_, text2, images2), _ = groups
        return (
            *(flag for kept, text, _ in groups for flag in (kept > 0, kept > 0.5 * text)),
            images1 > 1, images1 > 3, images2 > 3, images2 > 8, images2 > 5 and text2 < 60 * images2,
            text1 < 100, text1 > 500, text2 < 200,
        )  # fmt: skip

    def _page(self, number: int, at: int, block: Block) -> tuple[bool, ...]:
        h1, core = self.h1, self.view.core
        return (
            core.start <= number < core.end, h1 >= at, -1 < h1 < at, h1 >= 0 and abs(at - h1) <= 3,
            block.box.end - block.box.start > 1 and self._count(block.box)[0] > 0,
            self._is_kept(at - 1) and self.view.texts[at - 1].box.parent is block.box.parent,
        )  # fmt: skip

    def _between(
        self, number: int, at: int, block: Block, image: ImageNode, source_bits: int
    ) -> tuple[bool, ...]:
        view, core = self.view, self.view.core
        between = self.first < at <= self.last
        lead = 0 <= self.first < at + 4 and at <= self.first
        side, linked = longest_side(image), block.links > 0
        behind = view.texts[at] if at < len(view.texts) else None
        paragraphs = (
            self._is_kept(at - 1) and self._is_kept(at)
            and view.texts[at - 1].box.tag == "p" and view.texts[at].box.tag == "p"
        )  # fmt: skip
        described = (behind is not None and behind.kind == "caption") or len(image.alt or "") > 25
        return (
            between and side >= 150, between and not side and not linked, between and not side and linked,
            between and 0 < side < 100, between and bool(source_bits & _AVATAR), between and described, paragraphs,
            between and core.start <= number < core.end, between and bool(source_bits & _SVG),
            between and bool(source_bits & _PLACED), lead and side >= 250, lead and not side,
            linked and behind is not None and view.shares[at] > 0.5,
        )  # fmt: skip
