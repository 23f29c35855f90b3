"""A columnar index as Common Crawl publishes it: the columns of its table ``cc-index`` over any captures.

The files of a subset follow one another in order of ``url_surtkey``, and so do the rows of each; ``crawl`` and
``subset`` stand in the names of the folders alone.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from publicsuffixlist import PublicSuffixList

from obelics_pipeline.records import Record, walk
from obelics_pipeline.warc import head_of, milliseconds

HOST = (
    "url_host_name",
    "url_host_tld",
    "url_host_2nd_last_part",
    "url_host_3rd_last_part",
    "url_host_4th_last_part",
    "url_host_5th_last_part",
    "url_host_registry_suffix",
    "url_host_registered_domain",
    "url_host_private_suffix",
    "url_host_private_domain",
    "url_host_name_reversed",
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("url_surtkey", "url", *HOST, "url_protocol")),
        ("url_port", pa.int32()),
        ("url_path", pa.string()),
        ("url_query", pa.string()),
        ("fetch_time", pa.timestamp("ms", "UTC")),
        ("fetch_status", pa.int16()),
        ("fetch_redirect", pa.string()),
        ("content_digest", pa.string()),
        ("content_mime_type", pa.string()),
        ("content_mime_detected", pa.string()),
        ("content_charset", pa.string()),
        ("content_languages", pa.string()),
        ("content_truncated", pa.string()),
        ("warc_record_id", pa.binary()),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int32()),
        ("warc_record_length", pa.int32()),
        ("warc_segment", pa.string()),
    ]
)
"""The flat schema since CC-MAIN-2026-30, as Spark writes it."""

ICANN, PRIVATE = PublicSuffixList(only_icann=True), PublicSuffixList()


class Capture(msgspec.Struct, frozen=True):
    """What the crawler knows of one capture; ``fetch_time`` is in ms."""

    url: str
    warc_filename: str
    warc_record_offset: int
    warc_record_length: int
    fetch_time: int
    fetch_status: int = 200
    content_mime_type: str | None = "text/html"
    content_mime_detected: str | None = "text/html"
    content_languages: str | None = "eng"
    content_truncated: str | None = None
    content_digest: str | None = None


@lru_cache(1 << 16)
def host_columns(host: str) -> dict[str, str | None]:
    """The columns that follow from the name of a host; of an address only the name."""
    if re.fullmatch(r"[\d.]+|\[.*", host):
        return dict.fromkeys(HOST) | {"url_host_name": host}
    parts = host.split(".")[::-1]
    suffixes = (names(host) for psl in (ICANN, PRIVATE) for names in (psl.publicsuffix, psl.privatesuffix))
    return dict(zip(HOST, [host, *(parts + [None] * 5)[:5], *suffixes, ".".join(parts)], strict=True))


def surt_host(host: str) -> str:
    return ",".join(reversed(re.sub(r"^www\d*\.", "", host).split(".")))


@lru_cache(1 << 16)
def _place(netloc: str) -> tuple[str, str, int | None]:
    """The beginning of the key, the host and the port."""
    host, _, port = (
        netloc.lower().rpartition(":") if netloc[-1].isdigit() and ":" in netloc else (netloc, "", "")
    )
    return f"{surt_host(host)}{port and f':{port}'})", host, int(port) if port else None


def table(captures: Iterable[Capture]) -> pa.Table:
    """The rows of ``captures`` in the order of the index; columns of which nothing is known are null."""
    rows = []
    for capture in captures:
        url = urlsplit(capture.url)
        query = "&".join(sorted(url.query.split("&")))
        key = f"{_place(url.netloc)[0]}{url.path or '/'}{query and '?' + query}".lower()
        rows.append((key, capture.fetch_time, url, capture))
    rows.sort(key=itemgetter(0, 1))
    places = [_place(url.netloc) for _, _, url, _ in rows]
    hosts = {host: number for number, host in enumerate(dict.fromkeys(host for _, host, _ in places))}
    by_host = pa.Table.from_pylist([host_columns(host) for host in hosts])
    told = {name: [getattr(capture, name) for *_, capture in rows] for name in Capture.__struct_fields__}
    columns: dict[str, Any] = {
        **dict(zip(HOST, by_host.select(HOST).take([hosts[host] for _, host, _ in places]), strict=True)),
        **told,
        "url_surtkey": [key for key, *_ in rows],
        "url_protocol": [url.scheme for _, _, url, _ in rows],
        "url_port": [port for *_, port in places],
        "url_path": [url.path for _, _, url, _ in rows],
        "url_query": [url.query or None for _, _, url, _ in rows],
        "content_charset": ["UTF-8" if languages else None for languages in told["content_languages"]],
        "warc_segment": [name.split("/")[3] for name in told["warc_filename"]],
    }
    arrays = [columns.get(name, [None] * len(rows)) for name in SCHEMA.names]
    return pa.table(arrays, SCHEMA)


def folder(crawl: str, subset: str) -> str:
    """Where the files of a subset lie below the prefix of all that is published."""
    return f"cc-index/table/cc-main/warc/crawl={crawl}/subset={subset}"


def write(
    prefix: Path,
    crawl: str,
    subset: str,
    rows: pa.Table,
    files: int = 3,
    group_rows: int = 1 << 20,
    **options: Any,
) -> list[Path]:
    """Write ``rows`` into some files, and name them in the list that is published with them; the files."""
    place = prefix / folder(crawl, subset)
    place.mkdir(parents=True)
    each = -(-rows.num_rows // files)
    given = {"compression": "zstd", "write_page_index": True, "row_group_size": group_rows} | options
    written = []
    for number in range(files):
        written.append(place / f"part-{number:05}-2f7c6f0e.c000.zstd.parquet")
        pq.write_table(rows.slice(number * each, each), written[-1], **given)
    _publish(prefix, crawl, written)
    return written


def _publish(prefix: Path, crawl: str, written: Sequence[Path]) -> None:
    """Name files in ``cc-index-table.paths.gz``, beside those that are named there already."""
    listing = prefix / "crawl-data" / crawl / "cc-index-table.paths.gz"
    listing.parent.mkdir(parents=True, exist_ok=True)
    before = gzip.decompress(listing.read_bytes()) if listing.exists() else b""
    lines = "".join(f"{path.relative_to(prefix)}\n" for path in written)
    listing.write_bytes(gzip.compress(before + lines.encode(), mtime=0))


def captures_of(archive: Path, warc_filename: str) -> Iterator[Capture]:
    """The responses of an archive with their true places, as if ``warc_filename`` was its name."""
    with archive.open("rb") as stream:
        records = [record for record in walk(stream, True, 0, 1 << 20) if isinstance(record, Record)]
    ends = [record.offset for record in records[1:]] + [archive.stat().st_size]
    for record, end in zip(records, ends, strict=True):
        head = head_of(record.block) if record.type == "response" else None
        if head is None:
            continue
        mime = dict(head.headers).get("content-type", "").partition(";")[0].strip().lower() or None
        yield Capture(
            url=record.headers["WARC-Target-URI"],
            warc_filename=warc_filename,
            warc_record_offset=record.offset,
            warc_record_length=end - record.offset,
            fetch_time=milliseconds(record.headers["WARC-Date"]) or 0,
            fetch_status=head.status,
            content_mime_type=mime,
            content_mime_detected=mime,
            content_languages="eng" if mime == "text/html" else None,
        )
