"""What a document is: a page's text and images, in reading order.

Values only. A stage never edits a document, it returns a new one (``msgspec.structs.replace``).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

TEXT_KINDS: Final = ("paragraph", "heading", "list", "table", "code", "quote", "caption", "math")
"""What a text node may be, in the words of the ``nodes.kind`` column; an image node's kind is ``image``."""

CELL: Final = " | "
"""What stands between the cells of a row in the text of a table; a bar in a cell is ``\\|``."""


class TextNode(msgspec.Struct, frozen=True, tag="text", array_like=True):
    """A block of text; ``text`` is never blank and keeps the block's own line structure."""

    kind: str
    text: str
    dom_path: str = ""


class ImageNode(msgspec.Struct, frozen=True, tag="image", array_like=True):
    """A place where a reader sees an image.

    ``url`` is absolute (WHATWG form); ``src_raw`` is the attribute value it came from; ``candidates`` are
    the other absolute URLs that the page offers for the same picture, best first. Rendered sizes are in
    CSS pixels.
    """

    url: str
    src_raw: str = ""
    alt: str | None = None
    title: str | None = None
    caption: str | None = None
    rendered_width: int | None = None
    rendered_height: int | None = None
    candidates: tuple[str, ...] = ()
    dom_path: str = ""


Node: TypeAlias = TextNode | ImageNode


class Source(msgspec.Struct, frozen=True, array_like=True):
    """Where a page was read: enough to read it again by a byte range of its WARC file."""

    crawl: str | None = None
    warc_filename: str | None = None
    warc_record_id: str | None = None
    warc_offset: int | None = None
    warc_length: int | None = None
    timestamp: int | None = None
    """When the page was captured: milliseconds since 1970, UTC."""


class Cluster(msgspec.Struct, frozen=True, array_like=True):
    """Documents that were found to be alike, and how; the document that has it stands for all ``size`` of them."""

    id: str
    size: int
    method: str


class Document(msgspec.Struct, frozen=True, array_like=True):
    """A page as interleaved text and images.

    ``measures`` are what document rules measured, by name. ``canonical`` is the other address of its site by
    which the page asks to be known (``canonical_link``). ``cluster`` are the documents that this one stands for.
    ``license`` are the licences of the text as its publisher names them, joined by commas.
    """

    id: str
    url: str
    host: str
    domain: str
    nodes: tuple[Node, ...]
    source: Source = Source()
    title: str | None = None
    language: str | None = None
    language_score: float | None = None
    consent: tuple[str, ...] = ()
    measures: dict[str, float] = {}
    canonical: str | None = None
    cluster: Cluster | None = None
    license: str | None = None

    @property
    def images(self) -> tuple[ImageNode, ...]:
        """The image nodes, in order."""
        return tuple(node for node in self.nodes if isinstance(node, ImageNode))

    @property
    def texts(self) -> tuple[TextNode, ...]:
        """The text nodes, in order."""
        return tuple(node for node in self.nodes if isinstance(node, TextNode))
