"""Image-text pairs: what the documents of a dataset say of their images, a row for each picture and text.

The columns are those that LAION, DataComp and img2dataset made common, under their names where they share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice
from typing import Any, Final, Literal, TypeAlias

import msgspec
import pyarrow as pa

from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.dataset import IMAGE
from obelics_pipeline.dataset_rows import image_of
from obelics_pipeline.document import ImageNode, Node, TextNode
from obelics_pipeline.release import Shown, Withheld
from obelics_pipeline.url import words_of

TextSource: TypeAlias = Literal["caption", "alt", "title", "next_text", "filename"]
"""Where a text comes from: the caption, the attributes ``alt`` and ``title``, the paragraph that follows, or the words
of the file name."""
SOURCES: Final[tuple[TextSource, ...]] = ("caption", "alt", "title", "next_text", "filename")
"""From what is written for the image to what may be about it."""

SCHEMA: Final = pa.schema(
    [
        ("uid", pa.string()),
        ("image", IMAGE),
        *((name, pa.string()) for name in ("text", "text_source", "url", "page_url", "doc_id")),
        ("slot", pa.int32()),
        *((name, pa.int32()) for name in ("width", "height", "original_width", "original_height")),
        *((name, pa.string()) for name in ("sha256", "phash", "language")),
        *((name, pa.float32()) for name in ("similarity", "punsafe", "pwatermark")),
        ("crawl", pa.string()),
    ]
)
"""``uid`` is a hash of the image and the text, ``doc_id`` and ``slot`` lead to the place in the config ``default``,
``punsafe`` is its ``nsfw``. What nobody fills is null."""

_PROSE: Final = frozenset({"paragraph", "quote"})
_MARKS: Final = {code: None for code in range(128) if not chr(code).isalnum()}


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A text that goes with an image, on one line; in its document ``images`` have the same, this one included."""

    source: TextSource
    text: str
    images: int = 1


class Captioned(msgspec.Struct, frozen=True, array_like=True):
    """An image of a document of the dataset, with all that is said of it.

    ``slot`` is its place in the lists of the document's row, ``sha256`` that of the published bytes, ``found`` where
    these come from.
    """

    doc_id: str
    page_url: str
    language: str | None
    crawl: str | None
    slot: int
    url: str
    filename: str
    sha256: str
    nsfw: float | None
    found: Slot
    said: tuple[Said, ...]

    @property
    def picture(self) -> str:
        """What images share that show the same: by sight, where that was compared, else by their bytes."""
        by_sight = self.found.picture
        return by_sight if by_sight is not None and by_sight != self.found.sha256 else self.sha256


def captioned(assembled: Assembled, row: dict[str, Any]) -> Iterator[Captioned]:
    """The images that ``row``, made of ``assembled``, shows, or would show if images were not left out everywhere."""
    document = assembled.document
    at = [place for place, node in enumerate(document.nodes) if isinstance(node, ImageNode)]
    slots = [place for place, info in enumerate(row["image_info"]) if info is not None]
    texts = [_texts(document.nodes, place) for place in at]
    folded = [{source: fold(text) for source, text in said.items()} for said in texts]
    times = Counter(chain.from_iterable(set(said.values()) for said in folded))
    for place, slot, said, equal in zip(at, slots, texts, folded, strict=True):
        info, found = row["image_info"][slot], assembled.slots[place]
        if found is None or (row["images"][slot] is None and info["status"] != Withheld.LEFT_OUT):
            continue
        yield Captioned(
            row["id"],
            row["url"],
            row["language"],
            row["crawl"],
            slot,
            info["fetched_url"] or info["url"],
            info["filename"],
            info["sha256"],
            info["nsfw"],
            found,
            tuple(Said(source, text, times[equal[source]]) for source, text in said.items()),
        )


def _texts(nodes: Sequence[Node], at: int) -> dict[TextSource, str]:
    """What is said of the image at a place of a document, by source."""
    image = nodes[at]
    assert isinstance(image, ImageNode)
    given: dict[TextSource, str | None] = {
        "caption": image.caption,
        "alt": image.alt,
        "title": image.title,
        "next_text": _text_behind(nodes, at),
        "filename": file_words(image.url.partition("?")[0].rpartition("/")[2]),
    }
    lines = {source: " ".join((text or "").split()) for source, text in given.items()}
    return {source: line for source, line in lines.items() if line}


def _text_behind(nodes: Sequence[Node], at: int) -> str | None:
    """The first paragraph of the prose right behind an image and its caption; a heading begins something else."""
    for node in islice(nodes, at + 1, None):
        if isinstance(node, TextNode) and node.kind == "caption":
            continue
        if isinstance(node, TextNode) and node.kind in _PROSE:
            return node.text.partition("\n\n")[0]
        break
    return None


def file_words(filename: str) -> str:
    """The words of a file name: without its extension, and without what has digits, which are sizes, dates and hashes.

    >>> file_words("Old-Harbour_at%20night-1024x768.jpg")
    'old harbour at night'
    """
    stem = filename.rpartition(".")[0] or filename
    return " ".join(words_of(stem, digits=False))


def fold(text: str) -> str:
    """Letters and digits alone, in one case: equal for texts that differ only in how they are written."""
    folded = text.casefold().translate(_MARKS)
    return folded if folded.isascii() else "".join(filter(str.isalnum, folded))


def uid_of(image: Captioned, said: Said) -> str:
    """The ``uid`` of an image with a text."""
    return uid(image.sha256, said.text)


def uid(sha256: str | None, text: str) -> str:
    """32 hexadecimal digits that name an image, by its hash, and a text."""
    return blake2b(f"{sha256}\n{text}".encode(), digest_size=16).hexdigest()


def pair_row(image: Captioned, said: Said, shown: Shown | None) -> dict[str, Any]:
    """A row of ``SCHEMA``; without ``shown`` it has no bytes."""
    found = image.found
    return {
        "uid": uid_of(image, said),
        "image": None if shown is None else image_of(found, shown),
        "text": said.text,
        "text_source": said.source,
        "url": image.url,
        "page_url": image.page_url,
        "doc_id": image.doc_id,
        "slot": image.slot,
        "width": found.width,
        "height": found.height,
        "original_width": found.width,
        "original_height": found.height,
        "sha256": image.sha256,
        "phash": found.phash,
        "language": image.language,
        "punsafe": image.nsfw,
        "crawl": image.crawl,
    }
