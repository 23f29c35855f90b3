"""One text with a placeholder for each image, beside the list of images."""

from __future__ import annotations

import re
from typing import Any, Final

import pyarrow as pa

from obelics_pipeline import dataset
from obelics_pipeline.views.document import PARAGRAPHS, Document

PLACEHOLDER: Final = "<image>"
SCHEMA: Final = pa.schema(
    [*((name, pa.string()) for name in ("id", "url", "text")), dataset.SCHEMA.field("images")]
)

_LITERAL: Final = re.compile(r"<(\\*image>)")
_ESCAPED: Final = re.compile(r"<\\(\\*image>)")


def escaped(text: str) -> str:
    r"""Text in which no placeholder stands: ``<image>`` becomes ``<\image>``, ``<\image>`` becomes ``<\\image>`` …"""
    return _LITERAL.sub(r"<\\\1", text)


def unescaped(text: str) -> str:
    """The text that ``escaped`` was given."""
    return _ESCAPED.sub(r"<\1", text)


def record(document: Document) -> dict[str, Any]:
    """The row of a document: as many placeholders as images, parts with a blank line between them."""
    pieces = [escaped(part) if isinstance(part, str) else PLACEHOLDER for part in document.parts]
    images = [
        None if picture.body is None else {"bytes": picture.body, "path": picture.name}
        for picture in document.pictures
    ]
    text = PARAGRAPHS.join(pieces)
    return {"id": document.id, "url": document.row["url"], "text": text, "images": images}


def parts(record: dict[str, Any]) -> list[str | bytes | None]:
    """The texts of a row and the bytes of its images, in order; None for an image that is missing."""
    images = iter(record["images"])
    pieces = record["text"].split(PLACEHOLDER)
    found: list[str | bytes | None] = []
    for place, piece in enumerate(pieces):
        first, last = place == 0, place == len(pieces) - 1
        text = piece if first else piece.removeprefix(PARAGRAPHS)
        text = text if last else text.removesuffix(PARAGRAPHS)
        if text:
            found.append(unescaped(text))
        if not last:
            image = next(images)
            found.append(image and image["bytes"])
    return found
