"""Where a page must end for the parser to keep in bounds: some markup costs the square of its length.

The parser looks through all open elements at every tag, opens unclosed formatting elements again in every
paragraph, and compares attributes and unknown names one by one. Pages that people read hold few of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

FEW_TAGS: Final = 2_000
"""A page with no more tags than this is cheap, whatever they are."""

FEW_UNCLOSED: Final = 1_500
MANY_TAGS: Final = 10_000
"""A page with fewer tags is looked at only if more than ``FEW_UNCLOSED`` of them have no end tag."""

LONG_TAG: Final = 2_048
"""Bytes; the attributes of a tag that is longer are counted."""

MAX_STEPS: Final = 100_000_000
"""Open elements looked through: about half a second."""

MAX_REOPENED: Final = 500_000
"""Formatting elements opened again: about a fifth of a second and 200 MB."""

MAX_NAMES: Final = 20_000
"""Different names of elements, and of attributes: each less than a tenth of a second."""

MAX_COMPARED: Final = 50_000_000
"""Attributes compared with each other: about a tenth of a second."""

_TAG = re.compile(rb"<(/?)([A-Za-z][^\s/>]*)([^>]*)")
_START_TAG = re.compile(rb"""<[A-Za-z](?:[^>"']++|"[^"]*"|'[^']*'|["'])*+""")
_QUOTED = re.compile(rb"""\"[^"]*\"|'[^']*'""")
_NEVER_DEEP = frozenset(
    b"a area base body br col dd dt embed head hr html img input li link meta nobr option p param rp rt source"
    b" tbody td tfoot th thead tr track wbr".split()
)  # elements without content, and those that the next of their kind closes
_FORMATTING = frozenset(b"b big code em font i s small strike strong tt u".split())


def affordable(html: bytes) -> int:
    """How many bytes of a page, from its start, the parser takes in bounded time and memory: mostly all."""
    end = len(html)
    for start, compared in _long_tags(html):
        if compared > MAX_COMPARED:
            end = start
            break
    tags = html.count(b"<", 0, end)
    if tags > FEW_TAGS and (tags > MANY_TAGS or tags - 2 * html.count(b"</", 0, end) > FEW_UNCLOSED):
        return _affordable_tags(html, end)
    return end


def _long_tags(html: bytes) -> Iterator[tuple[int, int]]:
    """Where each long tag starts, and how many attributes have been compared up to its end."""
    position, compared = 0, 0
    half = LONG_TAG // 2
    while position < len(html):
        closing = html.find(b">", position, position + half)
        if closing < 0:
            start = html.rfind(b"<", 0, position + half)
            tag = _START_TAG.match(html, start) if start >= 0 else None
            if tag is not None and tag.end() > position:
                bare = _QUOTED.sub(b" ", tag.group().replace(b"/", b" "))
                compared += max(len(bare.split()), bare.count(b"=")) ** 2 // 2
                yield start, compared
                position = tag.end()
        position += half


def _affordable_tags(html: bytes, end: int) -> int:
    """The same for the tags of a page, one after the other: an estimate, because elements close each other."""
    opened: dict[bytes, int] = {}
    formatting: dict[bytes, list[bytes]] = {}
    names: set[bytes] = set()
    rests: set[bytes] = set()
    depth = steps = reformatted = active = 0
    for tag in _TAG.finditer(html, 0, end):
        closes, name, rest = tag.groups()
        name = name.lower()
        steps += depth
        alike = formatting.setdefault(name, []) if name in _FORMATTING else None
        if alike is None and (closes or name in _NEVER_DEEP):
            reformatted += active
        if closes:
            if opened.get(name):
                opened[name] -= 1
                depth -= 1
            if alike:
                alike.pop()
                active -= 1
        elif name not in _NEVER_DEEP:
            opened[name] = opened.get(name, 0) + 1
            depth += 1
            if alike is not None and alike.count(rest) < 3:  # the standard opens no more of the same again
                alike.append(rest)
                active += 1
                steps += len(alike)
        if rest and rest not in rests:
            rests.add(rest)
            names.update([b"=" + part.partition(b"=")[0] for part in _QUOTED.sub(b" ", rest).split()])
        names.add(name)
        if steps > MAX_STEPS or reformatted > MAX_REOPENED or len(names) > MAX_NAMES:
            return tag.start()
    return end
