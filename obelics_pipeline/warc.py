"""Pages from WARC files: HTML responses become pages, all else is skipped or damaged, and each is an item.

Streams are given, seekable and in binary mode; nothing is opened here. A file can be read by ranges of bytes
in parallel: every record is read by exactly one range, whatever the ranges are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import BinaryIO, Final, TypeAlias

import msgspec
from fastwarc.stream_io import GzipReader
from fastwarc.warc import ArchiveIterator, HeaderMap, WarcRecordType

from obelics_pipeline.document import Source
from obelics_pipeline.errors import InputError
from obelics_pipeline.http import undo_encodings
from obelics_pipeline.page import Page
from obelics_pipeline.records import (
    DAMAGES,
    GZIP_MAGIC,
    Damaged,
    Record,
    is_gzipped,
    next_header,
    next_member,
    raise_unless_damage,
    walk,
)
from obelics_pipeline.url import resolve

__all__ = [
    "DAMAGES",
    "MAX_PAGE_BYTES",
    "RECORD_TYPES",
    "SKIPPED",
    "Damaged",
    "Place",
    "Skipped",
    "crawl_of",
    "head_of",
    "milliseconds",
    "page_at",
    "read_one",
    "read_pages",
    "split",
    "target_of",
]

MAX_PAGE_BYTES: Final = 10 << 20
"""Longer pages are cut, as a default; of 1,607 real pages the longest has 3 MB."""

RECORD_TYPES: Final = (
    "warcinfo", "request", "resource", "metadata", "revisit", "conversion", "continuation", "unknown"
)  # fmt: skip
"""Types of records that hold no page. A ``resource`` is left out even if it is HTML: it came without HTTP
headers, so that nothing is known of its status and its opt-outs."""

SKIPPED: Final = (*RECORD_TYPES, "not_http", "not_ok", "not_html", "no_url", "empty")
"""Why a record is no page: the words of ``Skipped.kind``."""

MAX_HEAD_BYTES: Final = 256 << 10
"""Status line and headers of a response; real servers send less than 64 kB."""

_CONTENT = re.compile(rb"[^\t\n\f\r \0]")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"\s*(?:HTTP/\d(?:\.\d)?[ \t]+)+(\d{3})(?!\d)")
_CRAWL = re.compile(r"CC-MAIN-\d{4}-\d{2}(?![0-9])")
_PART_OF = re.compile(rb"^isPartOf:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(r"(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?Z?)?)?)?")

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_UNKNOWN_TYPES = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})
_NEVER_HTML = ("image/", "audio/", "video/", "font/", "application/pdf", "application/zip")
_BINARY_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"%PDF-", b"PK\x03\x04", b"RIFF", b"\x1f\x8b\x08")
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*(?:<\?xml[^>]*>[\t\n\f\r ]*)?"
    rb"<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)"
    rb"[\t\n\f\r >])",
    re.IGNORECASE,
)
"""What the WHATWG MIME Sniffing standard (§7.1) takes for HTML, also after an XML declaration."""


Headers: TypeAlias = tuple[tuple[str, str], ...]


class Skipped(msgspec.Struct, frozen=True):
    """A sound record that is no HTML page. ``kind`` is one of ``SKIPPED``."""

    kind: str


class Head(msgspec.Struct, frozen=True):
    """Status and headers of a response, names in lower case, and where in the block its body begins."""

    status: int
    headers: Headers
    end: int


def split(size: int, range_bytes: int) -> list[tuple[int, int]]:
    """Ranges (start, stop) of about ``range_bytes`` that cover a file of ``size`` bytes."""
    return [(start, min(start + range_bytes, size)) for start in range(0, max(size, 1), range_bytes)]


def read_pages(
    stream: BinaryIO,
    filename: str,
    *,
    start: int = 0,
    stop: int | None = None,
    max_page_bytes: int = MAX_PAGE_BYTES,
) -> Iterator[Page | Skipped | Damaged]:
    """One item for each record that begins in the range; a cut page has ``max_page_bytes`` + 1 bytes.

    Over ranges that cover the file the items are those of the whole file, in the same order. In a gzipped
    file a range begins at the first member from ``start`` on that holds a WARC record; in a file that is not
    compressed the records before ``start`` are passed over, because archived text may look like a record.
    Should that happen with an archived .warc.gz, it is noticed, as ``border_in_record``.
    Raises InputError if this is no WARC file.
    """
    gzipped = is_gzipped(stream, filename)
    origin = _Origin(filename, _crawl(stream, filename, gzipped), max_page_bytes)
    first = _border(stream, start) if gzipped and start else 0
    for event, following in _owned(_events(stream, gzipped, first, max_page_bytes), stream, gzipped, stop):
        if event.offset >= start:
            yield _item(event, following, origin)


def page_at(stream: BinaryIO, filename: str, offset: int, *, max_page_bytes: int = MAX_PAGE_BYTES) -> Page:
    """The page whose record begins at ``offset``. Raises InputError if there is none."""
    gzipped = is_gzipped(stream, filename)
    origin = _Origin(filename, _crawl(stream, filename, gzipped), max_page_bytes)
    for event, following in _events(stream, gzipped, offset, max_page_bytes):
        item = _item(event, following, origin)
        if isinstance(item, Page) and event.offset == offset:
            return item
        found = f"a record that is no page ({item.kind})" if isinstance(item, Skipped) else "no sound record"
        raise InputError(
            f"{filename}#{offset}: {found} begins there; expected the offset of an HTML response"
        )
    raise InputError(f"{filename}#{offset}: the file is shorter")


def read_one(data: bytes, place: Place, *, max_page_bytes: int = MAX_PAGE_BYTES) -> Page | Skipped | Damaged:
    """The record that ``data`` is, with the offset that it has in its file: one item, as ``read_pages`` yields it.

    ``Damaged`` says ``not_there`` unless the data begins with a record of the page that ``place`` names, and is all
    of it.
    """
    origin = _Origin(place.filename, place.crawl, max_page_bytes)
    gzipped = data.startswith(GZIP_MAGIC[:2])
    events = list(islice(_events(BytesIO(data), gzipped, 0, max_page_bytes), 2))
    if not events or not _begins_record(data, gzipped):
        return Damaged("not_there", f"no record begins here ({len(data)} bytes read)", place.offset)
    event, following = events[0]
    if isinstance(event, Damaged):
        return msgspec.structs.replace(event, offset=place.offset)
    if len(events) > 1:
        return Damaged("not_there", f"the record has {following} bytes and not {len(data)}", place.offset)
    if place.url is not None and target_of(event) != resolve(place.url):
        return Damaged("not_there", "the record here is that of another address", place.offset)
    return _item(msgspec.structs.replace(event, offset=place.offset), place.offset + following, origin)


def _begins_record(data: bytes, gzipped: bool) -> bool:
    return (next_member if gzipped else next_header)(BytesIO(data), 0, len(data)) == 0


class Place(msgspec.Struct, frozen=True):
    """Where one record is said to begin, and what it is said to be of; ``crawl`` is that of ``crawl_of``."""

    filename: str
    offset: int
    url: str | None
    crawl: str | None


class _Origin(msgspec.Struct, frozen=True):
    """What all pages of one reading have in common."""

    filename: str
    crawl: str | None
    max_page_bytes: int


Event: TypeAlias = Record | Damaged


def _events(stream: BinaryIO, gzipped: bool, first: int, max_page_bytes: int) -> Iterator[tuple[Event, int]]:
    """Everything from ``first`` on, each with the offset of the next thing or the size of the file."""
    events = walk(stream, gzipped, first, max_page_bytes + MAX_HEAD_BYTES)
    pending = next(events, None)
    if pending is None:
        return
    for event in events:
        yield pending, event.offset
        pending = event
    yield pending, stream.seek(0, os.SEEK_END)


def _owned(
    events: Iterator[tuple[Event, int]], stream: BinaryIO, gzipped: bool, stop: int | None
) -> Iterator[tuple[Event, int]]:
    """Events up to where the range that begins at ``stop`` takes over."""
    border = None
    for event, following in events:
        if stop is not None and event.offset >= stop:
            border = border or (_border(stream, stop) if gzipped else stop)
            if event.offset >= border:
                break
        yield event, following
        if stop is not None and event.offset < stop < following and gzipped:
            border = _border(stream, stop)
            if border < following:
                yield (
                    Damaged("border_in_record", "archived WARC text was taken for a record", border),
                    following,
                )


def _border(stream: BinaryIO, position: int) -> int:
    """Where the range that begins at ``position`` of a gzipped file finds its first record."""
    here = stream.tell()
    found = next_member(stream, position, stream.seek(0, os.SEEK_END))
    stream.seek(here)
    return found


def crawl_of(filename: str, head: Callable[[], bytes]) -> str | None:
    """The name of the crawl: of Common Crawl from the path, of others as the first record has it, of the ``head``."""
    if match := _CRAWL.search(filename):
        return match[0]
    data = head()
    return _crawl(BytesIO(data), filename, data.startswith(GZIP_MAGIC[:2]))


def _crawl(stream: BinaryIO, filename: str, gzipped: bool) -> str | None:
    match = _CRAWL.search(filename)
    if match:
        return match[0]
    stream.seek(0)
    try:
        for record in ArchiveIterator(GzipReader(stream) if gzipped else stream, parse_http=False):
            if record.record_type == WarcRecordType.warcinfo:
                found = _PART_OF.search(record.reader.read(MAX_HEAD_BYTES))
                return found[1].decode("utf-8", "replace").strip() or None if found else None
            break
    except OSError as error:
        raise_unless_damage(error)
    return None


def _item(event: Event, following: int, origin: _Origin) -> Page | Skipped | Damaged:
    if isinstance(event, Damaged):
        return event
    if event.type != "response":
        return Skipped(event.type if event.type in RECORD_TYPES else "unknown")
    head = head_of(event.block)
    if head is None:
        return Skipped("not_http")
    if head.status != 200:
        return Skipped("not_ok")
    if not _may_be_html(head.headers, event.headers):
        return Skipped("not_html")
    body = undo_encodings(event.block[head.end :], head.headers, origin.max_page_bytes + 1)
    return _page(body, head.headers, event, origin, following)


def head_of(block: bytes) -> Head | None:
    """The head of the response that is the block of a record; ``None`` if it is none."""
    end = _HEAD_END.search(block, 0, MAX_HEAD_BYTES)
    status = _STATUS.match(block)
    if end is None or status is None:
        return None
    return Head(int(status[1]), _headers(block[: end.start()]), end.end())


def target_of(record: Record) -> str | None:
    """The address that a record is about; ``None`` if that is no http(s) URL."""
    return resolve((record.headers.get("WARC-Target-URI") or "").strip().strip("<>"))


def _page(body: bytes, headers: Headers, record: Record, origin: _Origin, following: int) -> Page | Skipped:
    if _CONTENT.search(body) is None:
        return Skipped("empty")
    if body.startswith(_BINARY_MAGIC) or not (_type(headers) in _HTML_TYPES or _HTML_START.match(body)):
        return Skipped("not_html")
    url = target_of(record)
    if url is None:
        return Skipped("no_url")
    source = Source(
        crawl=origin.crawl,
        warc_filename=origin.filename,
        warc_record_id=record.headers.get("WARC-Record-ID"),
        warc_offset=None if record.shared else record.offset,
        warc_length=following - record.offset if following > record.offset and not record.shared else None,
        timestamp=milliseconds(record.headers.get("WARC-Date") or ""),
    )
    return Page(url=url, body=body, headers=headers, source=source)


def _headers(head: bytes) -> Headers:
    """Names lower-cased; folded lines are joined, and lines that are no header left out."""
    headers: list[tuple[str, str]] = []
    for line in head.decode("latin-1").split("\n")[1:]:
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}".strip())
        elif colon and name.strip():
            headers.append((name.strip().lower(), value.strip()))
    return tuple(headers)


def _type(headers: Headers) -> str:
    declared = next((value for name, value in headers if name == "content-type"), "")
    return declared.partition(";")[0].strip().lower()


def _may_be_html(headers: Headers, warc_headers: HeaderMap) -> bool:
    """HTML by its header, or without one; never if the archive found out that it is something else."""
    identified = (warc_headers.get("WARC-Identified-Payload-Type") or "").lower()
    declared = _type(headers)
    return (declared in _HTML_TYPES or declared in _UNKNOWN_TYPES) and not identified.startswith(_NEVER_HTML)


def milliseconds(date: str) -> int | None:
    """A WARC-Date, which may stop at any part from the year on, as milliseconds since 1970."""
    match = _DATE.fullmatch(date.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "")[:3].ljust(3, "0"))
