"""Tar files of ``<id>.json`` with the texts and the names of images, each followed by its images, ``<id>.00.jpg`` …

The names and headers in them are a function of the documents alone.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

import msgspec

from obelics_pipeline.errors import InputError
from obelics_pipeline.views.document import Document, Picture

BLOCK: Final = 512
"""Bytes of a header of a tar file; contents are filled up to a multiple of it."""


def record(document: Document) -> dict[str, bytes]:
    """The files of a document by name, the JSON first.

    ``InputError`` for an id with a dot or a slash, at which readers would cut it.
    """
    if "." in document.id or "/" in document.id:
        raise InputError(
            f"document {document.id!r}: an id with '.' or '/' is no key of a tar file; export again"
        )
    names: list[str | None] = []
    files: dict[str, bytes] = {}
    for part in document.parts:
        name = None
        if isinstance(part, Picture) and part.body is not None:
            name = f"{document.id}.{len(files):02d}.{part.extension}"
            files[name] = part.body
        names.append(name)
    about: dict[str, Any] = {
        "id": document.id,
        "url": document.row["url"],
        "images": names,
        "texts": document.texts,
    }
    if missing := [picture.status for picture in document.pictures if picture.body is None]:
        about["missing"] = missing
    return {f"{document.id}.json": msgspec.json.encode(about), **files}


def parts(files: dict[str, bytes]) -> list[str | bytes | None]:
    """The texts of a document and the bytes of its images, in order; None for an image that is missing."""
    (about,) = (msgspec.json.decode(body) for name, body in files.items() if name.endswith(".json"))
    pairs = zip(about["images"], about["texts"], strict=True)
    return [text if name is None else files[name] for name, text in pairs]


def write(
    documents: Iterator[Document],
    shard: Callable[[], BinaryIO],
    limit: int,
    record: Callable[[Document], dict[str, bytes]] = record,
) -> None:
    """Write tar files of about ``limit`` bytes, each to a stream that ``shard`` opens and this closes.

    ``record`` gives the files of a document by name.
    """
    tar: tarfile.TarFile | None = None
    try:
        for document in documents:
            files = record(document)
            size = sum(BLOCK + len(body) + -len(body) % BLOCK for body in files.values())
            if tar is not None and tar.offset + size > limit:
                _close(tar)
                tar = None
            if tar is None:
                tar = tarfile.TarFile(fileobj=shard(), mode="w", format=tarfile.USTAR_FORMAT)
            for name, body in files.items():
                header = tarfile.TarInfo(name)
                header.size = len(body)
                tar.addfile(header, io.BytesIO(body))
    finally:
        if tar is not None:
            _close(tar)


def _close(tar: tarfile.TarFile) -> None:
    stream: Any = tar.fileobj
    tar.close()
    stream.close()
