"""Captures in archives: what servers answered when a crawler asked for robots.txt, and where that led."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from obelics_pipeline.http import undo_encodings
from obelics_pipeline.records import Damaged, Record, is_gzipped, walk
from obelics_pipeline.robots import MAX_BYTES
from obelics_pipeline.url import resolve
from obelics_pipeline.warc import MAX_HEAD_BYTES, RECORD_TYPES, Skipped, head_of, milliseconds, target_of

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
"""Statuses that send a client elsewhere."""


class Capture(msgspec.Struct, frozen=True):
    """What came of asking for ``url``, ``at`` so many milliseconds since 1970 (0 if the archive has no date).

    ``status`` is 0 if the answer was no HTTP; of a ``body`` no more is there than a robots.txt is read of, and one
    byte. ``target`` is where a redirect leads, "" if to nothing that can be asked for, ``None`` if it is none.
    """

    url: str
    at: int
    status: int
    body: bytes = b""
    target: str | None = None


def read_captures(stream: BinaryIO, filename: str) -> Iterator[Capture | Skipped | Damaged]:
    """One item for each record of an archive, in its order. Raises InputError if this is no WARC file."""
    limit = MAX_BYTES + 1
    for event in walk(stream, is_gzipped(stream, filename), 0, limit + MAX_HEAD_BYTES):
        yield event if isinstance(event, Damaged) else _item(event, limit)


def _item(record: Record, limit: int) -> Capture | Skipped:
    if record.type != "response":
        return Skipped(record.type if record.type in RECORD_TYPES else "unknown")
    url = target_of(record)
    if url is None:
        return Skipped("no_url")
    at = max(0, milliseconds(record.headers.get("WARC-Date") or "") or 0)
    head = head_of(record.block)
    if head is None:
        return Capture(url, at, 0)
    if head.status in REDIRECTS:
        location = next((value for name, value in head.headers if name == "location"), "")
        return Capture(url, at, head.status, target=(resolve(location, url) or "") if location else "")
    if not 200 <= head.status < 300:
        return Capture(url, at, head.status)
    return Capture(url, at, head.status, undo_encodings(record.block[head.end :], head.headers, limit))
