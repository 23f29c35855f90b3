"""The four columns that OBELICS was published with: texts, addresses of images, and JSON in two strings."""

from __future__ import annotations

import json
from typing import Any, Final

import pyarrow as pa

from obelics_pipeline.views.document import Document, Picture

SCHEMA: Final = pa.schema(
    [
        ("images", pa.list_(pa.string())),
        ("metadata", pa.string()),
        ("general_metadata", pa.string()),
        ("texts", pa.list_(pa.string())),
    ]
)
GENERAL: Final = {
    "url": "url",
    "warc_filename": "warc_filename",
    "warc_record_offset": "warc_offset",
    "warc_record_length": "warc_length",
}
"""The keys of ``general_metadata``, and the columns of the dataset that they come from."""

OF_IMAGE: Final = {
    "unformatted_src": "src_raw",
    "src": "url",
    "formatted_filename": "filename",
    "alt_text": "alt",
    "original_width": "original_width",
    "original_height": "original_height",
    "rendered_width": "rendered_width",
    "rendered_height": "rendered_height",
}
"""The keys of an element of ``metadata`` besides ``document_url``, and the fields of ``image_info``."""


def record(document: Document) -> dict[str, Any]:
    """The row of a document. A picture without an address that may be used is left out."""
    parts = [part for part in document.parts if isinstance(part, str) or part.url is not None]
    shown = [part if isinstance(part, Picture) else None for part in parts]
    about = [part and _about(part, document.row["url"]) for part in shown]
    general = {name: document.row[column] for name, column in GENERAL.items()}
    return {
        "images": [part and part.url for part in shown],
        "metadata": json.dumps(about, ensure_ascii=False),
        "general_metadata": json.dumps(general, ensure_ascii=False),
        "texts": [part if isinstance(part, str) else None for part in parts],
    }


def _about(picture: Picture, page: str) -> dict[str, Any]:
    given = {name: picture.info[field] for name, field in OF_IMAGE.items()}
    return {"document_url": page, **{name: value for name, value in given.items() if value is not None}}


def parts(record: dict[str, Any]) -> list[str]:
    """The texts of a row and the addresses of its images, in order."""
    return [image or text for image, text in zip(record["images"], record["texts"], strict=True)]
