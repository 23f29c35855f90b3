"""From blocks to the nodes of a document: items and cells come together, captions find their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from obelics_pipeline.document import CELL, Node, TextNode
from obelics_pipeline.dom.images import ImageFinder
from obelics_pipeline.dom.rules import NAMES, TAG_BITS
from obelics_pipeline.dom.tree import Block, Box

LONG_CELL: Final = 300
"""A table with a cell of more characters than this is laid out, not filled in."""

_CAPTION = 1 << list(NAMES).index("caption")
_IN_TABLE = TAG_BITS["table"]
_LISTS = ("ul", "ol", "dl", "menu", "dir")
MAX_INDENT: Final = 20
"""Lists nested deeper than this are indented no more."""

_NO_LIST = ("td", "th", "blockquote")  # what stands in them is no part of a list around
_MAX_CAPTION: Final = 1000


def nodes_of(kept: Sequence[Block], all_blocks: Sequence[Block], finder: ImageFinder) -> tuple[Node, ...]:
    """The nodes that the kept blocks of a page make, in order; captions come from all its blocks."""
    captions = _captions(all_blocks)
    nodes: list[Node] = []
    started: set[Box] = set()
    for box, blocks in pieces(kept, all_blocks):
        if box is None:
            nodes.append(_single(blocks[0], captions, finder))
        elif blocks[0].kind == "list":
            nodes.append(TextNode("list", "\n".join(_items(blocks, started)), box.path))
        else:
            nodes.append(TextNode("table", "\n".join(_rows(blocks)), box.path))
    return tuple(nodes)


def pieces(kept: Sequence[Block], all_blocks: Sequence[Block]) -> Iterator[tuple[Box | None, list[Block]]]:
    """The kept blocks that make one node each: all those of a list or table and its box, or one alone."""
    layouts = _layout_tables(all_blocks)
    lists: dict[Box, Box | None] = {}
    for box, group in groupby(kept, lambda block: _gathers(block, layouts, lists)):
        if box is None:
            yield from ((None, [block]) for block in group)
        else:
            yield box, list(group)


def _gathers(block: Block, layouts: set[Box], lists: dict[Box, Box | None]) -> Box | None:
    """The list or table that a block is one piece of; None for a block that is a node of its own."""
    if block.kind == "list":
        return _outermost_list(block.box, lists)
    if block.kind == "table":
        table = block.box.ancestor("table")
        return None if table in layouts else table
    return None


def _outermost_list(box: Box | None, known: dict[Box, Box | None]) -> Box | None:
    if box is None or box.tag in _NO_LIST:
        return None
    if box not in known:
        known[box] = _outermost_list(box.parent, known) or (box if box.tag in _LISTS else None)
    return known[box]


def _layout_tables(blocks: Sequence[Block]) -> set[Box]:
    """Tables that only arrange a page: with long cells, several blocks in a cell, or a single cell."""
    cells: dict[Box, dict[Box, int]] = {}
    layouts: set[Box] = set()
    for block in blocks:
        if not block.box.within & _IN_TABLE:
            continue
        cell = block.box.ancestor("td", "th")
        table = cell.ancestor("table") if cell is not None else None
        if cell is None or table is None or table in layouts:
            continue
        counts = cells.setdefault(table, {})
        counts[cell] = counts.get(cell, 0) + 1
        if (
            counts[cell] > 2
            or len(block.text) > LONG_CELL
            or cell.ancestor("table") is not block.box.ancestor("table")
        ):
            layouts.add(table)
    layouts.update(table for table, counts in cells.items() if len(counts) < 2)
    return layouts


def _single(block: Block, captions: dict[int, str], finder: ImageFinder) -> Node:
    if block.image is not None:
        return finder.complete(block.image, captions.get(id(block)), f"{block.box.path}/img")
    kind = "paragraph" if block.kind in ("list", "table") else block.kind
    return TextNode(kind, block.text, block.box.path)


def _items(blocks: Sequence[Block], started: set[Box]) -> Iterator[str]:
    """The lines of a list as Markdown writes them; ``started`` are the items that have begun, here or before."""
    depths: dict[Box, int] = {}
    for block in blocks:
        item = block.box.ancestor("li", "dt", "dd")
        parent = item.parent if item is not None else None
        depth = max(0, min(_lists_around(parent, depths) - 1, MAX_INDENT))
        text = block.text.replace("\n", "\n" + "  " * (depth + 1))
        if item is None or parent is None or item in started:
            yield "  " * (depth + 1) + text
        elif item.tag == "li":
            marker = f"{item.number}." if parent.tag == "ol" else "-"
            yield f"{'  ' * depth}{marker} {text}"
        else:
            yield ("" if item.tag == "dt" else "  ") + text
        if item is not None:
            started.add(item)


def _lists_around(box: Box | None, known: dict[Box, int]) -> int:
    """How many lists a piece of a list stands in; ``known`` remembers it of boxes."""
    if box is None or box.tag in _NO_LIST:
        return 0
    if box not in known:
        known[box] = _lists_around(box.parent, known) + (box.tag in _LISTS)
    return known[box]


def _rows(blocks: Sequence[Block]) -> Iterator[str]:
    """The rows of a table, cells set apart by bars; a bar in a cell is escaped as Markdown does it."""
    for _, row in groupby(blocks, lambda block: block.box.ancestor("tr")):
        cells: list[str] = []
        for cell, group in groupby(row, lambda block: block.box.ancestor("td", "th")):
            if cell is not None:
                cells.extend([""] * (cell.index - 1 - len(cells)))
            cells.append(" ".join(block.text.replace("\n", " ") for block in group).replace("|", "\\|"))
        yield CELL.join(cells)


def _captions(blocks: Sequence[Block]) -> dict[int, str]:
    """The caption of each image block that has one, by the identity of the block."""
    captions: dict[int, str] = {}
    figures: dict[Box, str] = {}
    for block in blocks:
        if block.kind == "caption":
            figure = block.box.ancestor("figure")
            if figure is not None:
                figures.setdefault(figure, block.text)
    for number, block in enumerate(blocks):
        if block.image is None:
            continue
        figure = block.box.ancestor("figure") if figures else None
        caption = figures.get(figure) if figure is not None else None
        caption = caption or _caption_behind(blocks, number)
        if caption is not None and len(caption) <= _MAX_CAPTION:
            captions[id(block)] = caption
    return captions


def _caption_behind(blocks: Sequence[Block], number: int) -> str | None:
    """The text right behind an image if its author calls it a caption."""
    if number + 1 == len(blocks):
        return None
    block = blocks[number + 1]
    called = block.kind == "caption" or block.box.names & _CAPTION
    return block.text if called and block.image is None else None
