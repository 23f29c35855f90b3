"""Documents as Multimodal C4 has them: a list of texts, and images that are matched to one of them each.

MMC4 matched by similarity; here an image belongs to the text that follows it, or to the last one.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from obelics_pipeline.views.document import PARAGRAPHS, Document, Picture

MATCHED_BY: Final = "document_order"


def record(document: Document, inline: bool = True) -> dict[str, Any]:
    """The line of a document that has a text; ``inline`` puts the bytes of images into it.

    ``after_text`` marks images that come after the last text, not before the one they are matched to.
    """
    texts: list[str] = []
    shown: list[tuple[Picture, int]] = []
    for part in document.parts:
        if isinstance(part, Picture):
            shown.append((part, len(texts)))
        else:
            texts += part.split(PARAGRAPHS)
    last = len(texts) - 1
    places = [min(place, last) for _, place in shown]
    return {
        "id": document.id,
        "url": document.row["url"],
        "text_list": texts,
        "image_info": [_info(picture, place, last, inline) for picture, place in shown],
        "similarity_matrix": [[float(at == place) for at in range(last + 1)] for place in places],
        "matched_by": MATCHED_BY,
        "could_have_url_duplicate": 0,
    }


def _info(picture: Picture, place: int, last: int, inline: bool) -> dict[str, Any]:
    body = picture.body if inline else None
    return {
        "image_name": picture.name,
        "raw_url": picture.url,
        "matched_text_index": min(place, last),
        "matched_sim": 1.0,
        "face_detections": None,
        "after_text": place > last,
        "status": picture.status,
    } | ({"image_base64": None if body is None else b64encode(body).decode()} if inline else {})


def parts(record: dict[str, Any]) -> list[str | bytes | None]:
    """The texts of a line and the bytes of its images, in order; None for an image that is missing."""
    found: list[str | bytes | None] = []
    run: list[str] = []

    def images(wanted: tuple[int, bool]) -> list[bytes | None]:
        return [
            None if info["image_base64"] is None else b64decode(info["image_base64"])
            for info in record["image_info"]
            if (info["matched_text_index"], info["after_text"]) == wanted
        ]

    for place, text in enumerate(record["text_list"]):
        if before := images((place, False)):
            found += [PARAGRAPHS.join(run)] if run else []
            found += before
            run = []
        run.append(text)
    return [*found, PARAGRAPHS.join(run), *images((len(record["text_list"]) - 1, True))]


def write(documents: Iterator[Document], open_file: Callable[[], BinaryIO], name: str, inline: bool) -> None:
    """Write the lines of documents as the file ``name`` in a zip file."""
    encode = msgspec.json.Encoder().encode
    first = next(documents, None)
    if first is None:
        return
    member = ZipInfo(name)
    member.compress_type = ZIP_DEFLATED
    with (
        open_file() as stream,
        ZipFile(stream, "w") as archive,
        archive.open(member, "w", force_zip64=True) as lines,
    ):
        for document in chain([first], documents):
            lines.write(encode(record(document, inline)) + b"\n")
