"""Texts cut into lines and sentences."""

from __future__ import annotations

import re
from typing import Final

_END: Final = re.compile(
    r"[.!?…。！？\n]"  # one class first: that is what the engine looks for quickly
    r"(?:[\"'”’»)\]]*(?:\s+|\Z)|(?<=[。！？\n]))"
)
"""A mark that ends a sentence where space or nothing follows, or by itself in scripts without spaces; a line's end."""


def lines_of(text: str) -> list[str]:
    """The lines of ``text`` that are not blank, without the whitespace around them."""
    if "\n" not in text:  # as most blocks are
        return [line] if (line := text.strip()) else []
    return [line for part in text.split("\n") if (line := part.strip())]


def sentences_of(text: str) -> list[str]:
    """The sentences of ``text``, without the marks that end them; an abbreviation ends one, too.

    >>> sentences_of('He said: "No." Then 3.5 miles…\\nNo heading 今天。很好！')
    ['He said: "No', 'Then 3.5 miles', 'No heading 今天', '很好']
    """
    return [sentence for part in _END.split(text) if (sentence := part.strip())]
