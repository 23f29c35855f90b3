"""One pass over the tree of a page, with an explicit stack: from elements to boxes and blocks."""

from __future__ import annotations

import re
from typing import Final

from selectolax.lexbor import LexborNode

from obelics_pipeline.dom.images import Attributes, ImageFinder, same_picture
from obelics_pipeline.dom.rules import (
    BLOCKS,
    CONTROLS,
    FORMATTING,
    FURNITURE,
    IMAGES,
    LABELS,
    MENU,
    SKIPPED,
    TAG_BITS,
    comment_ids,
    ids_of,
)
from obelics_pipeline.dom.tree import Block, Box, Tree

MAX_DEPTH: Final = 300
"""Block-level elements nested deeper than this open no box of their own; browsers stop at 512 elements."""

MAX_DIGITS: Final = 9
"""Digits of the number of an item of a list, as in CommonMark (5.2)."""
NOSCRIPT_TEXT: Final = 500
"""A ``noscript`` with more characters than this holds the page itself (Discourse), not a request for JavaScript."""

_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
# React streams parts of a page as hidden elements with such ids, and a script moves them into place.
_STREAMED = re.compile(r"S:[0-9a-f]+$")

# What to do with the content of an element, and when it closes.
_PASS_OVER: Final = -1
_ENTER: Final = 0
_BLOCK: Final = 1
_LINK: Final = 2
_PICTURE: Final = 3

# What an element is that is no block.
_INLINE: Final = 0
_SKIP: Final = 1
_ANCHOR: Final = 2
_BREAK: Final = 3
_IMAGE: Final = 4
_SOURCE: Final = 5
_PICTURES: Final = 6
_FALLBACK: Final = 7
_CODE: Final = 8
_RULE: Final = 9
_MATH: Final = 10
_CONTROL: Final = 11

_PLAIN: Final = 12

_ROLES: Final = {
    **dict.fromkeys(FORMATTING, _PLAIN),
    "a": _ANCHOR,
    "br": _BREAK,
    "picture": _PICTURES,
    "source": _SOURCE,
    "noscript": _FALLBACK,
    "pre": _CODE,
    "hr": _RULE,
    "math": _MATH,
    **dict.fromkeys(IMAGES, _IMAGE),
    **dict.fromkeys(SKIPPED, _SKIP),
    **dict.fromkeys(CONTROLS, _CONTROL),
}
_MENUS: Final = ("ul", "ol")
_BLOCK_OF: Final = ids_of(BLOCKS)
_OWN: Final = 1 << 12
"""Elements that HTML does not know have numbers above this, others in every page."""

_ROLE_OF: Final = {
    **{number: _ROLES[tag] for number, tag in ids_of(_ROLES).items()},
    **dict.fromkeys(comment_ids(), _SKIP),
}


class Walker:
    """Walks a page once and keeps what a reader would see, in the order of reading.

    Without ``furniture``, elements that say that they are none of the content (``FURNITURE``) become one block
    each: a fifth of a page's elements that nobody need look at one by one.
    """

    def __init__(self, images: ImageFinder, max_nodes: int, furniture: bool = True) -> None:
        self.images = images
        self.max_nodes = max_nodes
        self.furniture = furniture
        self.box = Box("html", "", None, 1, 0)
        self.tree = Tree(self.box)
        self.depth = 0
        self.parts: list[str] = []
        self.lines: list[str] = []
        self.links = 0
        self.in_links = 0

    def walk(self, root: LexborNode) -> Tree:
        """The boxes and blocks under ``root``; stops, with a note, after ``max_nodes`` elements."""
        stack: list[tuple[LexborNode, int, int]] = []
        parts = self.parts
        node = root.first_child
        index = 0
        left = self.max_nodes
        while True:
            while node is None:
                if not stack:
                    return self.finish()
                closed, action, index = stack.pop()
                if action:
                    self.close(action)
                node = closed.next
            text = node.text_content
            if text is not None:
                if parts or not text.isspace():
                    parts.append(text)
                    if self.in_links:
                        self.links += len(text)
                node = node.next
                continue
            index += 1
            left -= 1
            if left < 0:
                self.tree.notes.append("page_cut_at_nodes")
                while stack:
                    self.close(stack.pop()[1])
                return self.finish()
            number = node.tag_id
            tag = _BLOCK_OF.get(number)
            if tag is not None:
                if not self.furniture and tag in FURNITURE:
                    self.add_furniture(node, tag, index)
                    node = node.next
                    continue
                action = self.open_block(node, tag, index)
            else:
                role = _ROLE_OF.get(number, _INLINE) if number < _OWN else _ROLES.get(node.tag or "", _INLINE)
                action = self.open(node, role, index)
            if action >= 0:
                stack.append((node, action, index))
                index = 0
                node = node.first_child
            else:
                node = node.next

    def finish(self) -> Tree:
        """The tree, when everything has been walked."""
        self.flush()
        root = self.tree.root
        root.end = len(self.tree.blocks)
        self.tree.boxes.append(root)
        return self.tree

    def open(self, node: LexborNode, role: int, index: int) -> int:
        """Take an element in that is no block; what to do when it closes, or ``_PASS_OVER`` its content."""
        if role == _ANCHOR:
            self.in_links += 1
            return _LINK
        if role == _SKIP:
            return _PASS_OVER
        if role == _PLAIN:
            return _ENTER
        if role == _INLINE:
            attributes = node.attributes
            if not attributes or (len(attributes) == 1 and "class" in attributes):
                return _ENTER
            return _PASS_OVER if is_hidden(attributes) else _ENTER
        if role == _BREAK:
            self.lines.append("".join(self.parts))
            self.parts.clear()
        elif role == _CONTROL:
            self.parts.append(" ")
        elif role == _IMAGE:
            self.add_image(node)
        elif role == _RULE:
            self.flush()
        elif role == _CODE:
            self.add_code(node, index)
        elif role == _SOURCE:
            self.images.add_source(node.attributes)
        elif role == _MATH:
            self.add_math(node)
        elif role == _FALLBACK:
            return self.add_noscript(node)
        else:
            self.images.open_picture()
            return _PICTURE
        return _PASS_OVER

    def open_block(self, node: LexborNode, tag: str, index: int) -> int:
        """Open a box for a block-level element."""
        attributes = node.attributes
        names = 0
        if attributes:
            label = attributes.get("class")
            if label is not None and len(attributes) == 1:
                names = LABELS[label]
            elif is_hidden(attributes):
                return _PASS_OVER
            else:
                names = names_of(attributes)
        if names & MENU and not self.furniture and tag in _MENUS:
            self.add_furniture(node, tag, index)
            return _PASS_OVER
        if self.parts or self.lines:
            self.flush()
        if self.depth >= MAX_DEPTH:
            return _ENTER
        self.depth += 1
        parent = self.box
        kind = BLOCKS[tag] or ("" if tag == "p" and parent.kind == "table" else parent.kind)
        box = self.box = Box(tag, kind, parent, index, len(self.tree.blocks))
        if tag == "ol":
            number_list(box, node)
        elif tag == "li":
            number_item(box, parent, attributes)
        if tag != "body":
            box.names = names
            box.within = parent.within | names | TAG_BITS.get(tag, 0)
        return _BLOCK

    def add_furniture(self, node: LexborNode, tag: str, index: int) -> None:
        """Take an element in as one block of links."""
        self.flush()
        text = " ".join(node.text(separator=" ").split())
        if text:
            box = Box(tag, "", self.box, index, len(self.tree.blocks))
            box.within = self.box.within | TAG_BITS[tag] | MENU
            self.add_whole(Block("paragraph", text, len(text), box))

    def add_whole(self, block: Block) -> None:
        """Add an element that is one block: its box holds that and nothing else."""
        block.box.end = block.box.start + 1
        self.tree.boxes.append(block.box)
        self.tree.blocks.append(block)

    def close(self, action: int) -> None:
        """End an element that ``open`` or ``open_block`` let in."""
        if action == _BLOCK:
            if self.parts or self.lines:
                self.flush()
            box = self.box
            self.depth -= 1
            box.end = len(self.tree.blocks)
            if box.end > box.start:
                self.tree.boxes.append(box)
            self.box = box.parent or box
        elif action == _LINK:
            self.in_links -= 1
        elif action == _PICTURE:
            self.images.close_picture()

    def flush(self) -> None:
        """End the block of text that is being collected."""
        parts = self.parts
        if self.lines:
            self.lines.append("".join(parts))
            text = "\n".join([" ".join(line.split()) for line in self.lines]).strip()
            self.lines.clear()
        else:
            text = " ".join((parts[0] if len(parts) == 1 else "".join(parts)).split()) if parts else ""
        parts.clear()
        if text:
            box = self.box
            self.tree.blocks.append(Block(box.kind or "paragraph", text, self.links, box))
        self.links = 0

    def has_text(self) -> bool:
        """Whether text has been read since the last block."""
        return any(not part.isspace() for part in self.parts) or any(map(str.strip, self.lines))

    def add_image(self, node: LexborNode) -> None:
        """Add the picture of an ``img``; it takes the place of its own preview or fallback just before."""
        attributes = node.attributes
        image = self.images.find(attributes)
        if image is None or "hidden" in attributes:
            self.parts.append(" ")
            return
        last = self.last_image()
        if last is not None and last.image is not None and same_picture(last.image, image):
            self.drop_preview(last)
        self.flush()
        label = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        self.tree.blocks.append(Block("image", "", int(self.in_links > 0), self.box, image, label))

    def drop_preview(self, last: Block) -> None:
        """Take the last image back: a blurred preview, or the fallback, of the one that follows."""
        if last.label == "noscript" or last.box is self.box:
            self.tree.blocks.pop()

    def last_image(self) -> Block | None:
        """The block before, if it is an image and no text came since."""
        blocks = self.tree.blocks
        return blocks[-1] if blocks and blocks[-1].image is not None and not self.has_text() else None

    def add_noscript(self, node: LexborNode) -> int:
        """Look for the pictures, or the page, that browsers without scripts are offered."""
        text = node.text_lexbor()
        if len(text) > NOSCRIPT_TEXT and "<" not in text:
            return _ENTER
        if self.last_image() is not None:
            return _PASS_OVER  # the same picture for browsers without scripts
        for img in node.css("img"):
            image = self.images.find(img.attributes)
            if image is not None:
                self.flush()
                self.tree.blocks.append(
                    Block("image", "", int(self.in_links > 0), self.box, image, "noscript")
                )
        return _PASS_OVER

    def add_code(self, node: LexborNode, index: int) -> None:
        """Add preformatted text as it is written."""
        self.flush()
        text = node.text_lexbor().strip("\n").rstrip()
        if text.strip():
            box = Box("pre", "code", self.box, index, len(self.tree.blocks))
            box.within = self.box.within
            self.add_whole(Block("code", text, 0, box))

    def add_math(self, node: LexborNode) -> None:
        """MathML: its TeX source between dollar signs where the page has it, else its text."""
        tex = node.css_first('annotation[encoding="application/x-tex"]')
        source = tex.text_lexbor().strip() if tex is not None else ""
        mark = "$$" if node.attributes.get("display") == "block" else "$"
        self.parts.append(f"{mark}{source}{mark}" if source else node.text_lexbor())


def number_list(box: Box, node: LexborNode) -> None:
    """Where the numbers of an ``ol`` begin, and whether they go down."""
    attributes = node.attributes
    first = number_in(attributes, "start")
    if "reversed" in attributes:
        box.step = -1
        if first is None:
            first, item = 0, node.first_child
            while item is not None:
                first += item.tag == "li"
                item = item.next
    box.number = 1 if first is None else first


def number_item(box: Box, parent: Box, attributes: Attributes) -> None:
    """The number of an ``li``: its own, or the one behind that of the item before."""
    given = number_in(attributes, "value")
    box.number = parent.number if given is None else given
    parent.number = box.number + parent.step


def number_in(attributes: Attributes, name: str) -> int | None:
    """The number that an attribute gives, of as many digits as those of Markdown's lists may have."""
    text = (attributes.get(name) or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def names_of(attributes: Attributes) -> int:
    """What the author of a page calls an element, by the categories of ``rules.NAMES``."""
    get = attributes.get
    names = 0
    if value := get("class"):
        names = LABELS[value]
    if value := get("id"):
        names |= LABELS[value]
    if value := get("role"):
        names |= LABELS[value]
    if value := get("itemprop"):
        names |= LABELS[value]
    return names


def is_hidden(attributes: Attributes) -> bool:
    """Whether the page hides the element from its readers."""
    if "hidden" in attributes:
        return _STREAMED.match(attributes.get("id") or "") is None
    style = attributes.get("style")
    if not style or ("none" not in style and "hidden" not in style):
        return False
    return _HIDDEN.search(style) is not None
