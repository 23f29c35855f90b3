"""Fetched images on disk: their bytes in Parquet files, from which single images can be read by range.

A file of ``images/`` is an ordinary Parquet table (``url``, ``sha256``, ``bytes``). The bytes are stored
plain and uncompressed, so each image lies in the file as the server sent it; ``ImageFile`` tells where. Who
knows that place reads one image with one range request, whatever the size of the file.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Final

import msgspec
import pyarrow as pa

from obelics_pipeline.errors import RunFailed
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.tables import strings

IMAGES: Final = pa.schema([("url", pa.string()), ("sha256", pa.string()), ("bytes", pa.binary())])
IMAGES_OPTIONS: Final = {
    "compression": {"url": "zstd", "sha256": "zstd", "bytes": "none"},
    "use_dictionary": False,
    "write_statistics": ["url", "sha256"],
}
IMAGE_URLS: Final = pa.schema([("url", pa.string()), ("slots", pa.int64())])
"""The unique image URLs of the documents, and how often each is shown."""

IMAGE_RESULTS: Final = pa.schema(
    [
        ("url", pa.string()),
        ("fetched_url", pa.string()),
        ("final_url", pa.string()),
        ("via", pa.list_(pa.string())),
        ("status", pa.string()),
        ("http_status", pa.int16()),
        ("content_type", pa.string()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("num_bytes", pa.int32()),
        ("md5", pa.string()),
        ("sha1", pa.string()),
        ("sha256", pa.string()),
        ("phash", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float32())),
        ("signals", pa.list_(pa.string())),
        ("part", pa.int32()),
        ("offset", pa.int64()),
    ]
)
"""One row for every unique URL, with its one final status. ``fetched_url`` is the address that the bytes came from:
``url`` or, if nothing was there, a candidate for the same picture. ``via`` are the addresses of the redirects between
that and ``final_url``. ``part`` and ``offset`` say where in ``images/``
the bytes are; equal bytes are there once in a part. ``phash`` is the perceptual hash (``phash.py``). ``scores``
are those of a classifier by label, null of what is not ``ok`` and of what could not be scored. ``signals`` are
the consent signals in the headers of all answers on the way (``consent.py``)."""

FETCH_LOG: Final = pa.schema(
    [
        ("url", pa.string()),
        ("fetched_at", pa.timestamp("ms")),
        ("detail", pa.string()),
        ("first_status", pa.string()),
    ]
)
"""What differs from one fetch to the next: the rows of ``image_results`` in the same order. ``first_status`` is what
``url`` itself ended with if a candidate decided instead."""

GROUP_ROWS: Final = 64
GROUP_BYTES: Final = 32_000_000


class ImageResult(msgspec.Struct, frozen=True):
    """A row of ``image_results``."""

    url: str
    status: str
    fetched_url: str | None = None
    final_url: str | None = None
    via: tuple[str, ...] = ()
    http_status: int | None = None
    content_type: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    num_bytes: int | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    phash: str | None = None
    scores: dict[str, float] | None = None
    signals: tuple[str, ...] = ()
    part: int | None = None
    offset: int | None = None


class FetchLog(msgspec.Struct, frozen=True):
    """A row of ``fetch_log``; the time is in milliseconds since 1970, UTC."""

    url: str
    fetched_at: int | None
    detail: str
    first_status: str | None = None


class ImageFile:
    """A file of ``images/`` being written; ``file`` has to be opened with ``remember=True``.

    ``offsets`` holds the place of every image by its hash once ``flush`` has been called.
    """

    def __init__(self, file: ParquetFile) -> None:
        self._file = file
        self._waiting: list[tuple[str, str, bytes]] = []
        self._bytes = 0
        self._seen: set[str] = set()
        self.offsets: dict[str, int] = {}

    def add(self, url: str, sha256: str, body: bytes) -> None:
        """Store ``body`` unless its equal is stored already."""
        if sha256 in self._seen:
            return
        self._seen.add(sha256)
        self._waiting.append((url, sha256, body))
        self._bytes += len(body)
        if len(self._waiting) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting as a row group, and find its images in what was written."""
        if not self._waiting:
            return
        urls, hashes, bodies = zip(*self._waiting, strict=True)
        columns = [strings(list(urls)), strings(list(hashes)), pa.array(bodies, pa.binary())]
        stream = self._file.stream
        start = stream.length
        stream.recent.clear()
        self._file.write(pa.RecordBatch.from_arrays(columns, schema=IMAGES))
        position = 0
        for digest, body in zip(hashes, bodies, strict=True):
            position = stream.recent.find(body, position)
            if position < 0:
                raise RunFailed(
                    "images: the bytes of an image are not in the file as they are; report this bug"
                )
            self.offsets[digest] = start + position
            position += len(body)
        stream.recent.clear()
        self._waiting, self._bytes = [], 0


def read_image(stream: BinaryIO, offset: int, length: int, sha256: str) -> bytes:
    """The image at ``offset`` of a file of ``images/``; ``RunFailed`` if it is not the one of that hash."""
    stream.seek(offset)
    body = stream.read(length)
    if hashlib.sha256(body).hexdigest() != sha256:
        raise RunFailed(f"images: bytes at {offset} are not the image {sha256}; run 'obelics images' again")
    return body
