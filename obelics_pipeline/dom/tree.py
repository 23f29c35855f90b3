"""The simplified DOM: the block-level boxes of a page and, in reading order, the blocks that stand in them."""

from __future__ import annotations

from obelics_pipeline.document import ImageNode


class Box:
    """A block-level element that holds at least one block: ``blocks[start:end]`` of the page.

    ``names`` is what its author calls it (the categories of its class, id, role and itemprop: ``rules.LABELS``)
    and ``within`` that of the element and all elements around it. ``index`` is its place among the elements of
    its parent, from 1; ``kind`` that of the text in it. ``number`` is that of an ``li`` in an ``ol``, and of an ``ol``
    that of its next item, ``step`` further on each time.
    """

    __slots__ = (
        "_path",
        "around",
        "end",
        "group",
        "index",
        "kind",
        "names",
        "number",
        "parent",
        "start",
        "step",
        "tag",
        "within",
    )

    def __init__(self, tag: str, kind: str, parent: Box | None, index: int, start: int) -> None:
        self.tag = tag
        self.kind = kind
        self.parent = parent
        self.index = index
        self.start = start
        self.end = start
        self.names = 0
        self.number = 1
        self.step = 1
        self.within = 0
        self.around = -1  # of features.View: what stands around a block in this box
        self.group = -1  # of features.View: what its texts are together
        self._path: str | None = None

    @property
    def path(self) -> str:
        """Where the element stands: block-level tags from the root down, each with its place among its siblings."""
        chain: list[Box] = []
        box: Box | None = self
        while box is not None and box._path is None:
            chain.append(box)
            box = box.parent
        path = box._path if box is not None else None
        for box in reversed(chain):
            path = box._path = f"{path}/{box.tag}[{box.index}]" if path else box.tag
        return path or ""

    def ancestor(self, *tags: str) -> Box | None:
        """The nearest box with one of these tags, this one included."""
        box: Box | None = self
        while box is not None and box.tag not in tags:
            box = box.parent
        return box


class Block:
    """A piece of text without block-level structure inside it, or one image.

    ``links`` is how many characters of the text stand in links; an image has 1 there if it is a link.
    ``label`` is the class and id of an image.
    """

    __slots__ = ("box", "image", "kind", "label", "links", "text")

    def __init__(
        self, kind: str, text: str, links: int, box: Box, image: ImageNode | None = None, label: str = ""
    ) -> None:
        self.kind = kind
        self.text = text
        self.links = links
        self.box = box
        self.image = image
        self.label = label


class Tree:
    """What one walk over a page finds."""

    __slots__ = ("blocks", "boxes", "notes", "root")

    def __init__(self, root: Box) -> None:
        self.root = root
        self.boxes: list[Box] = []
        self.blocks: list[Block] = []
        self.notes: list[str] = []
