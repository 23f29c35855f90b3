"""Copies of an archive that are no duplicates: other hosts, and other words of the same kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecordType
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

_TEXT = re.compile(rb">[^<]+<")
_WORD = re.compile(rb"\b[a-z]{6,}\b")
_HOST = re.compile(rb"(?<=//)(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
VOCABULARY = 20_000
"""Words that take each other's place, the most frequent ones."""


class Response(msgspec.Struct, frozen=True):
    """A page as it is stored: its address, date, content type and body."""

    url: str
    date: str
    type: str
    body: bytes


def responses(archive: Path, most: int) -> Iterator[Response]:
    """The first ``most`` pages."""
    with archive.open("rb") as stream:
        records = ArchiveIterator(stream, record_types=WarcRecordType.response)
        for _, record in zip(range(most), records, strict=False):
            headers = record.http_headers
            kind = headers.get("Content-Type") or "text/html"
            date = record.headers.get("WARC-Date") or "2024-01-01T00:00:00Z"
            yield Response(record.headers["WARC-Target-URI"], date, kind, record.reader.read())


def vocabulary(pages: list[Response]) -> list[bytes]:
    """The words that are exchanged."""
    counts = Counter(
        word for page in pages for text in _TEXT.findall(page.body) for word in _WORD.findall(text)
    )
    return sorted(word for word, _ in counts.most_common(VOCABULARY))


def write_copy(pages: list[Response], words: list[bytes], number: int, path: Path) -> int:
    """Write copy ``number`` of the pages to ``path``; its length in bytes."""
    step = 1 + 7919 * number
    other = {word: words[(place + step) % len(words)] for place, word in enumerate(words)}

    def exchange(match: re.Match[bytes]) -> bytes:
        return _WORD.sub(lambda word: other.get(word[0], word[0]), match[0])

    def host(match: re.Match[bytes]) -> bytes:
        return match[0].lower().replace(b".", b"-") + f"-{number}.test".encode()

    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for page in pages:
            body = _HOST.sub(host, _TEXT.sub(exchange, page.body))
            url = _HOST.sub(host, page.url.encode()).decode()
            headers = StatusAndHeaders("200 OK", [("Content-Type", page.type)], protocol="HTTP/1.1")
            fields = {"WARC-Date": page.date}
            made = writer.create_warc_record(
                url, "response", payload=BytesIO(body), http_headers=headers, warc_headers_dict=fields
            )
            writer.write_record(made)
    return path.stat().st_size
