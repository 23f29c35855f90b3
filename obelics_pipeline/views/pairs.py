"""Image-text pairs for tar files: ``<uid>.jpg``, ``<uid>.txt`` and ``<uid>.json``, as img2dataset writes them."""

from __future__ import annotations

from typing import Any

import msgspec

from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.views.document import Document, Missing, Picture


def pair_of(row: dict[str, Any], missing: Missing = "drop") -> Document:
    """A row of the config ``pairs`` as a document of one picture and its text; one without bytes has a picture, too."""
    image = row["image"] or {"bytes": None, "path": None}
    picture = Picture(image["bytes"], image["path"], {"status": FetchStatus.OK.value, "url": row["url"]})
    return Document(row["uid"], (picture, row["text"]), row)


def record(pair: Document) -> dict[str, bytes]:
    """The files of a pair by name, in the order of img2dataset, whose names the keys of the JSON are, too."""
    row, (picture,) = pair.row, pair.pictures
    about = {
        "key": pair.id,
        "caption": row["text"],
        "status": "success",
        "error_message": None,
        **{name: value for name, value in row.items() if name not in ("image", "text")},
    }
    return {
        f"{pair.id}.{picture.extension}": picture.body or b"",
        f"{pair.id}.json": msgspec.json.encode(about),
        f"{pair.id}.txt": row["text"].encode(),
    }
