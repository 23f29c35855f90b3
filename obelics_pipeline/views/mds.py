"""Mosaic Data Shards, which MosaicML's Streaming reads: samples behind a table of their places, and ``index.json``.

A shard is: the number of samples and the places where they begin and end (32 bits each), a copy of the entry of the
index, the samples. A sample is: the lengths of its columns (32 bits each), the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np

from obelics_pipeline.errors import InputError
from obelics_pipeline.views.document import Document, Picture

COLUMNS: Final = {"blob": "bytes", "id": "str", "images": "json", "texts": "json", "url": "str"}
"""``images`` says for each slot where the image lies in ``blob``: ``{"offset", "bytes", "name"}``."""

MAX_SHARD: Final = 2**32 - 1
"""What a place of 32 bits can reach."""


def record(document: Document) -> dict[str, Any]:
    """The columns of a document."""
    images: list[dict[str, Any] | None] = []
    blob = bytearray()
    for part in document.parts:
        if isinstance(part, Picture) and part.body is not None:
            images.append({"offset": len(blob), "bytes": len(part.body), "name": part.name})
            blob += part.body
        else:
            images.append(None)
    made = {"blob": bytes(blob), "images": images, "texts": document.texts}
    return made | {"id": document.id, "url": document.row["url"]}


def parts(record: dict[str, Any]) -> list[str | bytes | None]:
    """The texts of a sample and the bytes of its images, in order; None for an image that is missing."""
    blob = record["blob"]
    return [
        text if image is None else blob[image["offset"] : image["offset"] + image["bytes"]]
        for image, text in zip(record["images"], record["texts"], strict=True)
    ]


def encoded(record: dict[str, Any]) -> bytes:
    """The bytes of a sample."""
    columns = [_column(record[name], kind) for name, kind in COLUMNS.items()]
    return np.array([len(column) for column in columns], "<u4").tobytes() + b"".join(columns)


def _column(value: Any, kind: str) -> bytes:
    if kind == "json":
        return msgspec.json.encode(value)
    return bytes(value) if kind == "bytes" else (value or "").encode()


def write(documents: Iterator[Document], shard: Callable[[], BinaryIO], limit: int) -> list[int]:
    """Write shards of about ``limit`` bytes, each to a stream that ``shard`` opens; their numbers of samples.

    A document that is longer has a shard of its own.
    ``InputError`` for a document that no shard can hold.
    """
    written: list[int] = []
    samples: list[bytes] = []
    size = 0
    for document in documents:
        sample = encoded(record(document))
        if len(sample) > MAX_SHARD // 2:
            raise InputError(
                f"document {document.id}: {len(sample):,} bytes are too many for MDS; choose another view"
            )
        if samples and size + len(sample) > limit:
            written.append(_write_shard(samples, shard, limit))
            samples, size = [], 0
        samples.append(sample)
        size += len(sample) + 4
    if samples:
        written.append(_write_shard(samples, shard, limit))
    return written


def _write_shard(samples: list[bytes], shard: Callable[[], BinaryIO], limit: int) -> int:
    described = json.dumps(_described(limit), sort_keys=True).encode()
    begin = 4 * (len(samples) + 2) + len(described)
    places = np.cumsum([begin, *map(len, samples)], dtype="<u4")
    with shard() as stream:
        stream.write(np.array(len(samples), "<u4").tobytes() + places.tobytes() + described)
        stream.writelines(samples)
    return len(samples)


def _described(limit: int) -> dict[str, Any]:
    return {
        "version": 2,
        "format": "mds",
        "compression": None,
        "hashes": [],
        "size_limit": limit,
        "column_names": list(COLUMNS),
        "column_encodings": list(COLUMNS.values()),
        "column_sizes": [None] * len(COLUMNS),
    }


def index(shards: Iterable[tuple[str, int, int]], limit: int) -> bytes:
    """``index.json`` of shards, each of a name, a number of bytes and a number of samples."""
    entries = [
        _described(limit)
        | {"raw_data": {"basename": name, "bytes": size, "hashes": {}}, "samples": samples, "zip_data": None}
        for name, size, samples in shards
    ]
    return json.dumps({"version": 2, "shards": entries}, sort_keys=True).encode()
