"""The text of a node as Markdown: what kind of text it is survives in a dataset of plain strings.

Paragraphs and captions stay to the letter, without escapes: a model is to read what the page says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from obelics_pipeline.document import CELL, TextNode

_LEVEL: Final = re.compile(r"/h([1-6])\b")
_USUAL_LEVEL: Final = 2
_ITEM: Final = re.compile(r"(?P<indent>(?:  )*)(?P<marker>- |\d+\. )?")
_STEP: Final = 4
"""Spaces a level: two, as nodes have them, nest under bullets but not under numbers."""
_TICKS: Final = re.compile("`+")
_FENCE: Final = 3


def markdown(node: TextNode) -> str:
    """The text of ``node`` in the form of its kind; of a paragraph or a caption as it is."""
    form = _FORMS.get(node.kind)
    return node.text if form is None else form(node)


def _heading(node: TextNode) -> str:
    """The level is that of the element; a heading that is none (``h1`` … ``h6``) has the second."""
    levels = _LEVEL.findall(node.dom_path)
    level = int(levels[-1]) if levels else _USUAL_LEVEL
    return f"{'#' * level} {' '.join(node.text.split())}"


def _list(node: TextNode) -> str:
    """``_STEP`` spaces a level, more under long numbers.

    What begins deep, as an image cut the list, begins at the left: behind four spaces Markdown has code. A list in an
    item that counts from another number than one has an empty line before it (CommonMark 0.31, section 5.2: else it is
    text of the item).
    """
    lines: list[str] = []
    around: list[
        tuple[int, int]
    ] = []  # of each line around: its indent, and the column where lines within it begin
    for line in node.text.split("\n"):
        found = _ITEM.match(line)
        assert found is not None
        indent, marker = len(found["indent"]), found["marker"] or ""
        within = bool(around) and around[-1][0] < indent
        if within and marker[:1].isdigit() and marker != "1. ":
            lines.append("")
        while around and around[-1][0] >= indent:
            around.pop()
        column = around[-1][1] if around else 0
        around.append((indent, column + max(_STEP, len(marker))))
        lines.append(f"{' ' * column}{line[indent:]}")
    return "\n".join(lines)


def _table(node: TextNode) -> str:
    """A table of Markdown has a head, so that is what the first row becomes. One column is none to a reader."""
    rows = [line.split(CELL) for line in node.text.split("\n")]
    width = max(map(len, rows))
    if width == 1:
        return node.text
    head, *body = [_row([*row, *[""] * (width - len(row))]) for row in rows]
    return "\n".join([head, _row(["---"] * width), *body])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(node: TextNode) -> str:
    """The fence is longer than any run of backticks inside."""
    longest = max(map(len, _TICKS.findall(node.text)), default=0)
    fence = "`" * max(_FENCE, longest + 1)
    return f"{fence}\n{node.text}\n{fence}"


def _quote(node: TextNode) -> str:
    return "\n".join(f"> {line}".rstrip() for line in node.text.split("\n"))


def _math(node: TextNode) -> str:
    return f"$$\n{node.text}\n$$"


_FORMS: Final[dict[str, Callable[[TextNode], str]]] = {
    "heading": _heading,
    "list": _list,
    "table": _table,
    "code": _code,
    "quote": _quote,
    "math": _math,
}
