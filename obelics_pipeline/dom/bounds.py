"""Where a page must end for the parser to keep in bounds: some markup costs the square of its length.

The parser looks through all open elements at every tag, opens unclosed formatting elements again in every
paragraph, and compares attributes and unknown names one by one. Pages that people read hold few of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

FEW_TAGS: Final = 2_000
"""A page with no more tags than this is cheap, whatever they are."""

FEW_UNCLOSED: Final = 1_500
MANY_TAGS: Final = 30_000
"""A page with fewer tags is looked at only if more than ``FEW_UNCLOSED`` of them have no end tag, or if many open
formatting elements of their own."""

LONG_TAG: Final = 4_096
"""Bytes; the attributes of a tag that is longer are counted."""

WORTH_COMPARING: Final = 1_000_000_000
"""Bytes of a page times bytes of its tags: with less, all attributes are compared in a few hundredths of a second."""

MAX_STEPS: Final = 100_000_000
"""Open elements looked through: about half a second."""

MAX_REOPENED: Final = 500_000
"""Formatting elements opened again: about a fifth of a second and 200 MB."""

MAX_NAMES: Final = 20_000
"""Different names of elements, and of attributes: each less than a tenth of a second."""

MAX_TAGS: Final = 500_000
"""Tags of a page: about a fifth of a second and 150 MB."""

MAX_COMPARED: Final = 50_000_000
"""Attributes compared with each other: about a tenth of a second."""

_TAG = re.compile(rb"<(/?)([A-Za-z][^\s/>]*)([^>]*)")
_START_TAG = re.compile(rb"""<[A-Za-z](?:[^>"']++|"[^"]*"|'[^']*'|["'])*+""")
_QUOTED = re.compile(rb"""\"[^"]*\"|'[^']*'""")
_REOPENED = re.compile(rb"<(?:b|big|code|em|font|i|s|small|strike|strong|tt|u)\s", re.IGNORECASE)
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
    return _affordable_tags(html, end) if _suspicious(html, end) else end


def _suspicious(html: bytes, end: int) -> bool:
    """Whether the tags of a page are worth being looked at one by one, judged by cheap counts."""
    codes = np.frombuffer(html, np.uint8, end)  # counts a page in a fifth of the time that bytes.count takes
    starts = codes[:-1] == ord("<")
    tags = int(np.count_nonzero(starts))
    if tags <= FEW_TAGS or tags > MANY_TAGS:
        return tags > MANY_TAGS
    if tags - 2 * int(np.count_nonzero(starts & (codes[1:] == ord("/")))) > FEW_UNCLOSED:
        return True
    return tags > FEW_TAGS * 5 and tags * len(_REOPENED.findall(html, 0, end)) > 10 * MAX_REOPENED


def _long_tags(html: bytes) -> Iterator[tuple[int, int]]:
    """Where each long tag starts, and how many attributes have been compared up to its end."""
    position, compared = 0, 0
    half = max(LONG_TAG // 2, min(WORTH_COMPARING // (len(html) or 1), 16_384))
    while position < len(html):
        if html.find(b">", position, position + half) < 0:
            start = html.rfind(b"<", max(0, position - half), position + half)
            tag = _START_TAG.match(html, start) if start >= 0 else None
            if tag is not None and tag.end() > position:
                bare = _QUOTED.sub(b" ", tag.group().replace(b"/", b" "))
                compared += max(len(bare.split()), bare.count(b"=")) ** 2 // 2
                yield start, compared
                position = tag.end()
        position += half


def _affordable_tags(html: bytes, end: int) -> int:
    """The same, tag by tag."""
    cost = Cost()
    for number, tag in enumerate(_TAG.finditer(html, 0, end)):
        closes, name, rest = tag.groups()
        if closes:
            cost.close(name.lower())
        else:
            cost.open(name.lower(), rest)
        if number >= MAX_TAGS or cost.too_high():
            return tag.start()
    return end


class Cost:
    """What the tags of a page cost the parser: an estimate, because elements also end without a tag."""

    def __init__(self) -> None:
        self.depth = 0
        self.steps = 0
        self.reopened = 0
        self.active = 0  # formatting elements that are opened again where they are cut off
        self.opened: dict[bytes, int] = {}
        self.formatting: dict[bytes, list[bytes]] = {name: [] for name in _FORMATTING}
        self.names: set[bytes] = set()
        self.rests: set[bytes] = set()

    def open(self, name: bytes, rest: bytes) -> None:
        """Take a start tag in; ``rest`` is what stands behind its name."""
        self.steps += self.depth
        if rest and rest not in self.rests:
            self.rests.add(rest)
            self.names.update([b"=" + part.partition(b"=")[0] for part in _QUOTED.sub(b" ", rest).split()])
        if name in _NEVER_DEEP:
            self.reopened += self.active
            return
        self.depth += 1
        self.opened[name] = self.opened.get(name, 0) + 1
        alike = self.formatting.get(name)
        if alike is not None and alike.count(rest) < 3:  # the standard opens no more of the same again
            alike.append(rest)
            self.active += 1
            self.steps += len(alike)

    def close(self, name: bytes) -> None:
        """Take an end tag in."""
        self.steps += self.depth
        alike = self.formatting.get(name)
        if alike is None:
            self.reopened += self.active
        elif alike:
            alike.pop()
            self.active -= 1
        if self.opened.get(name, 0) > 0:
            self.opened[name] -= 1
            self.depth -= 1

    def too_high(self) -> bool:
        """Whether the parser would need more time or memory than a page is worth."""
        different = max(len(self.names), len(self.opened))
        return self.steps > MAX_STEPS or self.reopened > MAX_REOPENED or different > MAX_NAMES
