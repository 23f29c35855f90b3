"""HTML as MediaWiki's parser Parsoid writes it: which parts are the article, and in what order they are read.

A page of a wiki says by its markup what other pages leave to be guessed, so nothing here is a matter of scores:
all that is not left out by ``rules`` is content. The structure is that of
https://www.mediawiki.org/wiki/Specs/HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate, compress, groupby
from operator import and_
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from obelics_pipeline.document import ImageNode, Node
from obelics_pipeline.dom.images import rendered_size
from obelics_pipeline.dom.rules import LABELS
from obelics_pipeline.dom.tree import Block, Box, Tree
from obelics_pipeline.wikimedia.files import full_size, is_picture
from obelics_pipeline.wikimedia.rules import ENDINGS, LEFT_OUT

_LEFT_OUT: Final = ", ".join(LEFT_OUT)
_HEADINGS: Final = (
    "section > h2, section > h3, section > h4, section > .mw-heading > h2, section > .mw-heading > h3"
)
_CAPTIONS: Final = ".thumbcaption, .gallerytext, .infobox-caption"
_FORMULAS: Final = '[typeof~="mw:Extension/math"], .mwe-math-element'
_DISPLAYS: Final = ("dd", "div", "p")  # what a formula on a line of its own stands in
_STYLE = re.compile(r"\{\\(?:display|text|script)style (.*)\}", re.DOTALL)

# Names that tell what a box is, to be found again after the walk: words that the walk knows.
_CAPTION: Final = "caption"
_INFOBOX: Final = "info"


def mark(parser: LexborHTMLParser, language: str | None) -> set[str]:
    """Hide what is none of the article, and write its formulas as text, before the page is walked.

    Returns the formulas as the walk will find them.
    """
    for element in parser.css(_LEFT_OUT):
        element.attrs["hidden"] = ""
    endings = ENDINGS.get((language or "en").partition("-")[0], ENDINGS["en"])
    for heading in parser.css(_HEADINGS):
        if " ".join(heading.text_lexbor().split()).lower() in endings:
            _section(heading).attrs["hidden"] = ""
    formulas: set[str] = set()
    inside: set[int] = set()
    for element in parser.css(_FORMULAS):
        if element.mem_id not in inside:
            inside.update(inner.mem_id for inner in element.css(_FORMULAS))
            tex = " ".join(_tex(element).split())
            formulas.add(tex)
            element.replace_with(tex)
    for element in parser.css(_CAPTIONS):
        element.attrs["class"] = _CAPTION
    for element in parser.css("table.infobox"):
        element.attrs["class"] = _INFOBOX
    return formulas


def _section(heading: LexborNode) -> LexborNode:
    around = heading.parent
    while around is not None and around.tag != "section":
        around = around.parent
    return around or heading


def _tex(element: LexborNode) -> str:
    """The TeX source of a formula, without the style that MediaWiki puts around it."""
    annotation = element.css_first('annotation[encoding="application/x-tex"]')
    if annotation is not None:
        source = annotation.text_lexbor()
    else:
        bearer = element.css_first("math[alttext]") or element.css_first("img[alt]")
        attributes = bearer.attributes if bearer is not None else {}
        source = attributes.get("alttext") or attributes.get("alt") or element.text_lexbor()
    styled = _STYLE.fullmatch(source.strip())
    return styled[1] if styled else source


def widths(parser: LexborHTMLParser) -> dict[str, int]:
    """How wide the files are that a page shows, in pixels, by the sources of its images."""
    found = {}
    for image in parser.css("img[data-file-width]"):
        attributes = image.attributes
        width = rendered_size(attributes.get("data-file-width"))
        if width:
            found[(attributes.get("src") or "").strip()] = width
    return found


def full_images(nodes: tuple[Node, ...], widths: dict[str, int]) -> tuple[Node, ...]:
    """The nodes of an article with the addresses of full-size images."""
    return tuple(
        full_size(node, widths.get(node.src_raw)) if isinstance(node, ImageNode) else node for node in nodes
    )


def arrange(tree: Tree, formulas: set[str]) -> list[Block]:
    """The blocks of an article, in the order of reading; one that is a formula and no more is of the kind ``math``.

    Stills of videos and images from elsewhere are left out, and so are headings of sections that are empty
    without them. An infobox gives its images, each with its caption, then a table of its rows.
    """
    blocks = tree.blocks
    stays = [block.image is None or is_picture(block.image.url) for block in blocks]
    images = _counts(blocks, stays, lambda block: block.image is not None)
    for number, block in enumerate(blocks):
        figure = _captioned(blocks, number)
        if figure is not None:
            block.kind = "caption"
            stays[number] = images[figure.end] > images[figure.start]
        elif block.box.tag in _DISPLAYS and block.kind != "table" and block.text in formulas:
            block.kind = "math"
    told = _counts(blocks, stays, lambda block: block.kind != "heading")
    for number, block in enumerate(blocks):
        if block.kind == "heading":
            section = block.box.ancestor("section") or tree.root
            stays[number] = told[section.end] > told[section.start]
    result: list[Block] = []
    for infobox, group in groupby(compress(blocks, stays), _infobox):
        members = list(group)
        result.extend(members if infobox is None else _in_order(infobox, members))
    return result


def _counts(blocks: list[Block], stays: list[bool], counted: Callable[[Block], bool]) -> list[int]:
    """How many of the blocks before each place stay and are ``counted``; one place more than blocks."""
    return list(accumulate(map(and_, stays, map(counted, blocks)), initial=0))


def _captioned(blocks: list[Block], number: int) -> Box | None:
    """The box around an image whose caption a block is; None if it is none."""
    block = blocks[number]
    if block.kind == "caption":
        return block.box.ancestor("figure")
    if number and blocks[number - 1].image is not None:
        around = (block.box, block.box.parent)  # the caption may be a paragraph in its element
        if any(box is not None and box.names & LABELS[_CAPTION] for box in around):
            return blocks[number - 1].box
    return None


def _infobox(block: Block) -> Box | None:
    """The outermost infobox that a block stands in."""
    found = None
    box: Box | None = block.box
    while box is not None:
        if box.tag == "table" and box.names & LABELS[_INFOBOX]:
            found = box
        box = box.parent
    return found


def _in_order(infobox: Box, blocks: list[Block]) -> Iterator[Block]:
    pictures = [block for block in blocks if block.image is not None or block.kind == "caption"]
    for block in pictures:
        block.box.within = 0  # no longer in the table, which their cells would make a layout
        yield block
    rest = [block for block in blocks if block.image is None and block.kind != "caption"]
    for row, group in groupby(rest, lambda block: block.box.ancestor("tr")):
        line = Box("tr", "table", infobox, row.index if row is not None else 1, 0)
        for cell, members in groupby(group, lambda block: block.box.ancestor("td", "th")):
            text = "; ".join(" ".join(block.text.split()) for block in members)
            yield Block("table", text, 0, Box("td", "table", line, cell.index if cell is not None else 1, 0))
