"""The order of documents: of several that count as one, the first stays.

A rank is a row of bytes, so that it compares anywhere as it does here, and travels as it is: documents of
earlier runs first, run by run, then by what ``keep`` says, then by id, part and row. No two documents have the same.
"""

from __future__ import annotations

from typing import Final

from obelics_pipeline.document import Document

_TAIL: Final = 9
"""Bytes after the id: a zero byte, part and row."""
_HEAD: Final = 9
"""Bytes before the id: the age of the run, and the number that ``order_of`` gives."""

OWN: Final = 255
"""The age of the run that is being made; earlier ones have less, the first 0."""

MAX_EARLIER: Final = OWN
"""How many earlier runs there can be."""

_MIDDLE: Final = 1 << 63


def order_of(document: Document, keep: str) -> int:
    """Less is better: by capture time (``newest`` or ``oldest`` first) or by characters of text (``longest``).

    A document without a time is taken for older than any.
    """
    if keep == "longest":
        return -sum(len(node.text) for node in document.texts)
    time = document.source.timestamp
    time = -1 if time is None else time
    return time if keep == "oldest" else -time


def rank(age: int, order: int, id: str, part: int, row: int) -> bytes:
    """The rank of the document in ``row`` of ``part``, of a run of that age."""
    head = bytes([age]) + (order + _MIDDLE).to_bytes(8, "big")
    return head + id.encode("utf-8", "replace") + b"\0" + part.to_bytes(4, "big") + row.to_bytes(4, "big")


def place(rank: bytes) -> tuple[int, int]:
    """Part and row of the document of a rank."""
    return int.from_bytes(rank[-8:-4], "big"), int.from_bytes(rank[-4:], "big")


def id_of(rank: bytes) -> str:
    """The id of the document of a rank."""
    return rank[_HEAD:-_TAIL].decode()
