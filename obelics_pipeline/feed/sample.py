"""What the feed hands out: a document with its texts and images in order."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Cursor(NamedTuple):
    """A place in the order of an epoch: before the document at ``offset`` of the ``unit``-th row group of ``lane``."""

    epoch: int
    lane: int
    unit: int
    offset: int


class Image(msgspec.Struct, frozen=True, array_like=True):
    """An image of a document.

    ``bytes`` is the file, of which ``width`` and ``height`` are the pixels as a reader sees it; ``None`` if it is not
    in the dataset, with ``status`` saying why.
    """

    bytes: bytes | None
    width: int = 0
    height: int = 0
    status: str = "ok"

    def __repr__(self) -> str:
        held = "None" if self.bytes is None else f"<{len(self.bytes):,} bytes>"
        return f"Image(bytes={held}, width={self.width}, height={self.height}, status={self.status!r})"


class Sample(msgspec.Struct, frozen=True):
    """A document: ``parts`` are its texts and images in their order.

    ``extra`` holds the columns that were asked for besides, by name. ``at`` is its place in the order: a feed that
    begins there gives this document first.
    """

    id: str
    parts: tuple[str | Image, ...]
    at: Cursor
    extra: dict[str, Any] = {}

    @property
    def texts(self) -> list[str | None]:
        """The texts, with None where an image is."""
        return [part if isinstance(part, str) else None for part in self.parts]

    @property
    def images(self) -> list[Image | None]:
        """The images, with None where a text is."""
        return [part if isinstance(part, Image) else None for part in self.parts]
