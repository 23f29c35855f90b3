"""Small archives of plain pages."""

from __future__ import annotations

import io
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

SENTENCE = "The harbour wakes slowly, and the boats come home before the town has had its first coffee."


def page(number: int, images: list[str]) -> str:
    """An article of three paragraphs, with the images between them."""
    paragraphs = [f"<p>{SENTENCE} Page {number}, part {part}. {SENTENCE}</p>" for part in range(3)]
    figures = [f'<figure><img src="http://img.example/{name}"></figure>' for name in images]
    body = "".join(a + b for a, b in zip(paragraphs, [*figures, "", "", ""], strict=False))
    head = f"<html lang=en><head><title>Page {number}</title></head>"
    return f"{head}<body><article>{body}</article></body></html>"


def write_warc(path: Path, pages: list[tuple[str, str, str]], first: int = 0) -> Path:
    """Write (url, date, html) as response records numbered from ``first`` on, after a warcinfo record."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warcinfo_record(path.name, {"software": "test"}))
        for number, (url, date, html) in enumerate(pages, first):
            headers = StatusAndHeaders(
                "200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1"
            )
            record = writer.create_warc_record(
                url,
                "response",
                payload=io.BytesIO(html.encode()),
                http_headers=headers,
                warc_headers_dict={"WARC-Date": date},
            )
            record.rec_headers.replace_header(
                "WARC-Record-ID", f"<urn:uuid:00000000-0000-0000-0000-{number:012d}>"
            )
            writer.write_record(record)
    return path


def response(url: str, date: str, answer: bytes) -> bytes:
    """A response record, not compressed, of the bytes that a server answered."""
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    return head.encode() + answer + b"\r\n\r\n"


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """What a server answers."""
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def first_pages(archive: Path, pages: int, target: Path) -> Path:
    """Write the start of an archive, with its first ``pages`` responses, to ``target``."""
    with archive.open("rb") as stream:
        records = ArchiveIterator(stream, record_types=WarcRecordType.response)
        end = next(record.stream_pos for n, record in enumerate(records) if n == pages)
        stream.seek(0)
        target.write_bytes(stream.read(end))
    return target
