"""Reading pages from WARC files: what a page is, byte ranges, damage, offsets."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelics_pipeline.errors import InputError
from obelics_pipeline.page import Page
from obelics_pipeline.warc import DAMAGES, SKIPPED, Damaged, Skipped, page_at, read_pages, split

Item = Page | Skipped | Damaged
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


def record(block: bytes, kind: str = "response", **fields: str | None) -> bytes:
    """A WARC record; fields by name with underscores for dashes, None leaves one out."""
    values = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:x:{zlib.crc32(block)}>",
        "WARC-Date": "2024-02-20T21:10:55Z",
        "WARC-Target-URI": "https://example.org/",
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(block)),
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{name}: {value}\r\n" for name, value in values.items() if value is not None]
    return b"WARC/1.0\r\n" + "".join(lines).encode() + b"\r\n" + block + b"\r\n\r\n"


def html(text: str = "hello", head: bytes = OK, **fields: str | None) -> bytes:
    return record(head + b"\r\n<p>" + text.encode(), **fields)


def gzipped(*records: bytes) -> bytes:
    return b"".join(gzip.compress(each, mtime=0) for each in records)


def read(data: bytes, name: str = "x.warc.gz", **options: int | None) -> list[Item]:
    return list(read_pages(io.BytesIO(data), name, **options))


def words(items: Sequence[Item]) -> list[str]:
    """A page as its text, anything else as its reason."""
    return [
        item.body.decode(errors="replace").removeprefix("<p>") if isinstance(item, Page)
        else item.kind if isinstance(item, Skipped) else item.error
        for item in items
    ]  # fmt: skip


def test_a_page_has_everything() -> None:
    head = OK + b"X-Robots-Tag: noai\r\nX-ROBOTS-TAG:\r\n noml\r\nX-Name: caf\xe9\r\nnonsense\r\n"
    data = gzipped(record(b"software: x", "warcinfo"), html(head=head), html("next"))
    name = "crawl-data/CC-MAIN-2024-10/segments/1.2/warc/CC-MAIN-20240220211055-20240221001055-00000.warc.gz"
    skipped, page, following = read(data, name)
    assert skipped == Skipped("warcinfo")
    assert isinstance(page, Page)
    assert isinstance(following, Page)
    assert page.headers == (
        ("content-type", "text/html"),
        ("x-robots-tag", "noai"),
        ("x-robots-tag", "noml"),
        ("x-name", "café"),
    )
    source = page.source
    assert (page.url, page.body, source.crawl) == ("https://example.org/", b"<p>hello", "CC-MAIN-2024-10")
    assert source.warc_record_id is not None
    assert source.warc_record_id.startswith("<urn:x:")
    assert (source.warc_filename, source.timestamp) == (name, 1708463455000)
    assert source.warc_offset is not None
    assert source.warc_length is not None
    member = data[source.warc_offset : source.warc_offset + source.warc_length]
    assert zlib.decompress(member, 31) == html(head=head)
    assert source.warc_offset + source.warc_length == following.source.warc_offset
    assert page_at(io.BytesIO(data), name, source.warc_offset) == page


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        *(pytest.param(record(b"x", kind), kind, id=kind) for kind in SKIPPED[:7]),
        pytest.param(record(b"x", "opinion"), "unknown", id="a type of its own"),
        pytest.param(html(WARC_Type=None), "unknown", id="no type"),
        pytest.param(record(b"20240220 1.2.3.4", Content_Type="text/dns"), "not_http", id="DNS"),
        pytest.param(record(b""), "not_http", id="no block"),
        pytest.param(record(b"<html><p>hello</html>"), "not_http", id="no HTTP headers"),
        pytest.param(record(b"ICY 200 OK\r\nA: b\r\n\r\n<p>"), "not_http", id="another protocol"),
        pytest.param(
            record(b"HTTP/1.1 200 OK\r\nContent-Type: text/html"), "not_http", id="headers without end"
        ),
        pytest.param(html(head=OK.replace(b"200", b"404")), "not_ok", id="404"),
        pytest.param(html(head=OK.replace(b"200", b"206")), "not_ok", id="206"),
        pytest.param(html(head=OK.replace(b"html", b"plain")), "not_html", id="text"),
        pytest.param(
            record(OK + b"\r\n\x89PNG\r\n\x1a\n"), "not_html", id="a picture that claims to be HTML"
        ),
        pytest.param(html(WARC_Identified_Payload_Type="image/gif"), "not_html", id="known to be a picture"),
        pytest.param(record(b"HTTP/1.1 200 OK\r\n\r\nhello"), "not_html", id="no type, no HTML"),
        pytest.param(record(OK + b"\r\n"), "empty", id="no body"),
        pytest.param(record(OK + b"\r\n \0\n "), "empty", id="blank body"),
        pytest.param(html(WARC_Target_URI="ftp://e.org/"), "no_url", id="not of the web"),
        pytest.param(html(WARC_Target_URI=None), "no_url", id="no URL"),
    ],
)
def test_what_is_no_page(data: bytes, kind: str) -> None:
    assert kind in SKIPPED
    assert words(read(gzipped(data, html("after")))) == [kind, "after"]
    assert words(read(data + html("after"))) == [kind, "after"]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", id="version twice"),
        pytest.param(b"HTTP/1.0 200\r\nContent-Type: TEXT/HTML; charset=x\r\n", id="no reason"),
        pytest.param(b"HTTP/2 200 \r\nContent-Type: application/xhtml+xml\r\n", id="XHTML"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Type: text/html\n", id="bare newlines"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="no type"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: unknown/unknown\r\n", id="unknown type"),
    ],
)
def test_what_is_a_page(head: bytes) -> None:
    block = head + head[-head.endswith(b"\r\n") - 1 :] + b"<p>hello"
    assert words(read(gzipped(record(block)))) == ["hello"]


@pytest.mark.parametrize(
    ("target", "url"),
    [
        pytest.param("<https://e.org/x>", "https://e.org/x", id="in angle brackets, as Wget does"),
        pytest.param("https://e.org/a b#c", "https://e.org/a%20b", id="with a space and a fragment"),
        pytest.param(" https://me@E.org ", "https://e.org/", id="in another spelling"),
    ],
)
def test_the_url_of_a_page(target: str, url: str) -> None:
    (page,) = read(html(WARC_Target_URI=target))
    assert isinstance(page, Page)
    assert page.url == url


@pytest.mark.parametrize(
    ("date", "timestamp"),
    [
        pytest.param("1970-01-01T00:00:01Z", 1000, id="second"),
        pytest.param("1970-01-01T00:00:01.25Z", 1250, id="fraction"),
        pytest.param("1970-01-01T00:00:00.123456789Z", 123, id="nanoseconds"),
        pytest.param("1970-01-01T00:01Z", 60_000, id="minute"),
        pytest.param("1970-01-02", 86_400_000, id="day"),
        pytest.param("1970-02", 31 * 86_400_000, id="month"),
        pytest.param("1971", 365 * 86_400_000, id="year"),
        pytest.param("19700101000001", 1000, id="fourteen digits"),
        pytest.param("1970-13-01T00:00:00Z", None, id="month 13"),
        pytest.param("yesterday", None, id="no date"),
        pytest.param(None, None, id="missing"),
    ],
)
def test_the_date_of_a_page(date: str | None, timestamp: int | None) -> None:
    (page,) = read(html(WARC_Date=date))
    assert isinstance(page, Page)
    assert page.source.timestamp == timestamp


def test_the_crawl_of_a_page_may_stand_in_the_first_record() -> None:
    data = gzipped(record(b"software: x\r\nisPartOf: my crawl\r\n", "warcinfo"), html(), html())
    assert {page.source.crawl for page in read(data)[1:] if isinstance(page, Page)} == {"my crawl"}
    later = read(data, start=200, stop=len(data))
    assert {page.source.crawl for page in later if isinstance(page, Page)} == {"my crawl"}


def test_encodings_are_undone_and_large_pages_cut() -> None:
    head = OK + b"Content-Encoding: gzip\r\n\r\n"
    bomb = record(head + gzip.compress(b"<p>" + b"x" * 1_000_000))
    for item in (*read(bomb, max_page_bytes=100), *read(html("x" * 1000), max_page_bytes=100)):
        assert isinstance(item, Page)
        assert item.body == b"<p>" + b"x" * 98


def test_a_huge_record_is_not_kept_in_memory() -> None:
    big = record(OK + b"\r\n<p>" + bytes(40 << 20))
    items = read(gzipped(big, html("after")), max_page_bytes=1000)
    assert [len(item.body) for item in items if isinstance(item, Page)] == [1001, 8]


# --- Files that are no WARC files


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"filedesc://x.arc 0.0.0.0 2010 text/plain 0\n1 0 X\n", "ARC", id="ARC"),
        pytest.param(gzip.compress(b"filedesc://x.arc 0.0.0.0 2010\n"), "ARC", id="ARC, gzipped"),
        pytest.param(b"BZh91AY&SY", "bzip2", id="bzip2"),
        pytest.param(b"\x28\xb5\x2f\xfd" + bytes(10), "zstd", id="zstd"),
        pytest.param(b"<html>", "no WARC record", id="HTML"),
    ],
)
def test_other_files_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=rf"some\.file: .*{says}"):
        read(data, "some.file")


def test_an_empty_file_holds_nothing() -> None:
    assert read(b"") == []
    assert split(0, 100) == [(0, 0)]


def test_a_connection_that_breaks_is_no_damage() -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 100_000:
                raise ConnectionResetError("reset")
            return super().read(min(size or 0, 50_000))

    data = html("x" * 200_000)
    with pytest.raises(ConnectionResetError):
        list(read_pages(Breaking(data), "x.warc"))


# --- Damage


A, B, C = html("a" * 500), html("b" * 500), html("c" * 500)


BARE = A.replace(b"\r\n", b"\n", 7) + b"\n"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(
            gzipped(A) + flipped(gzipped(B), 60) + gzipped(C), "a corrupt_gzip c", id="bit in a member"
        ),
        pytest.param(
            gzipped(A) + flipped(gzipped(B), 0) + gzipped(C), "a corrupt_gzip c", id="bit in its magic"
        ),
        pytest.param(
            gzipped(A) + flipped(gzipped(B), -6) + gzipped(C), "a corrupt_gzip c", id="bit in its checksum"
        ),
        pytest.param(flipped(gzipped(A), 60) + gzipped(B, C), "corrupt_gzip b c", id="first member"),
        pytest.param(gzipped(A, B) + flipped(gzipped(C), 60), "a b corrupt_gzip", id="last member"),
        pytest.param(
            gzipped(A) + gzipped(B)[:150] + gzipped(C), "a corrupt_gzip c", id="member cut in the middle"
        ),
        pytest.param(gzipped(A, B) + gzipped(C)[:-12], "a b truncated", id="last member cut"),
        pytest.param(
            gzipped(A, B) + gzipped(C)[:150], "a b corrupt_header", id="last member cut in its headers"
        ),
        pytest.param(gzipped(A, B) + gzipped(C)[:5], "a b truncated", id="last member cut in its magic"),
        pytest.param(gzipped(A) + b"garbage" * 20 + gzipped(B), "a corrupt_gzip b", id="garbage"),
        pytest.param(gzipped(A) + bytes(600) + gzipped(B), "a corrupt_gzip b", id="zeros"),
        pytest.param(gzipped(A, b"", B), "a b", id="empty member"),
        pytest.param(gzipped(A, b"no record", B), "a corrupt_header b", id="member that is no record"),
        pytest.param(gzipped(A, B[:300], C), "a corrupt_header c", id="record cut inside its member"),
        pytest.param(
            gzipped(A, html(Content_Length="99999999"), C),
            "a corrupt_header c",
            id="length beyond the member",
        ),
        pytest.param(
            gzipped(A, html(Content_Length="many"), C), "a corrupt_header c", id="length that is no number"
        ),
        pytest.param(gzip.compress(A + B + C), "a b c", id="one member for all"),
        pytest.param(gzip.compress(A + B) + gzip.compress(C), "a b c", id="two records in a member"),
        pytest.param(gzip.compress(A + B + C)[:-12], "a b truncated", id="one member for all, cut"),
        pytest.param(A + b"garbage\r\n" * 9 + B, "a corrupt_header b", id="plain, garbage"),
        pytest.param(A + B[:-300] + C, "a truncated c", id="plain, block cut"),
        pytest.param(A + B + C[:-100], "a b truncated", id="plain, file cut"),
        pytest.param(A + B + C[:30], "a b corrupt_header", id="plain, file cut in a header"),
        pytest.param(A + html(Content_Length="-1") + C, "a corrupt_header c", id="plain, negative length"),
        pytest.param(
            A + html(Content_Length="9999999") + C, "a truncated c", id="plain, length beyond the file"
        ),
        pytest.param(b"\r\n\r\n" + A + b"\r\n\r\n" + B, "a b", id="plain, blank lines"),
        pytest.param(BARE + BARE, "a a", id="plain, bare newlines"),
    ],
)
def test_damage_costs_what_is_damaged(data: bytes, found: str) -> None:
    assert [word[0] if word[1:] == word[:-1] else word for word in words(read(data))] == found.split()


def test_damage_tells_where() -> None:
    good, bad = gzipped(A), flipped(gzipped(B), 60)
    _, damaged, _ = read(good + bad + gzipped(C))
    assert isinstance(damaged, Damaged)
    assert (damaged.error, damaged.offset) == ("corrupt_gzip", len(good))
    assert damaged.error in DAMAGES
    assert damaged.message


@pytest.mark.parametrize("compress", [gzipped, lambda *records: b"".join(records)], ids=["gzip", "plain"])
def test_a_page_is_found_again(compress: Callable[..., bytes]) -> None:
    data = compress(record(b"x", "warcinfo"), A, record(b"x", "request"), B)
    pages = [item for item in read(data) if isinstance(item, Page)]
    assert len(pages) == 2
    for page in pages:
        assert page.source.warc_offset is not None
        assert page_at(io.BytesIO(data), "x.warc.gz", page.source.warc_offset) == page
    for offset in (0, 5, len(data)):
        with pytest.raises(InputError, match=f"x#{offset}: "):
            page_at(io.BytesIO(data), "x", offset)


def test_no_offset_leads_to_a_record_inside_a_member() -> None:
    first, second = (page.source for page in read(gzip.compress(A + B)) if isinstance(page, Page))
    assert (first.warc_offset, second.warc_offset, second.warc_length) == (0, None, None)


# --- Ranges


def by_ranges(data: bytes, borders: Sequence[int]) -> list[Item]:
    edges = [0, *sorted(border % (len(data) + 1) for border in borders), len(data)]
    return [
        item
        for start, stop in pairwise(edges)
        for item in read(data, start=start, stop=stop)
    ]  # fmt: skip


PARTS = [
    *(html(letter * size) for letter, size in zip("abcde", (1, 50, 700, 5000, 90_000), strict=True)),
    record(b"GET / HTTP/1.1\r\n\r\n", "request"),
    html("text about\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\nContent-Length: 5\r\n\r\nhello"),
    html(Content_Length="7"),
    html(Content_Length="77777"),
    html(Content_Length="-"),
]
PLAIN_PARTS = [*PARTS, A + html("x" * 300) + B, b"garbage\r\n" * 9, b"\r\n", A[:200], b"\0" * 100]
GZIP_PARTS = [
    *map(gzipped, PARTS),
    gzip.compress(A + B),
    b"garbage" * 9,
    gzipped(b""),
    gzipped(b"no record"),
    flipped(gzipped(A), 60),
    flipped(gzipped(A), 0),
    flipped(gzipped(A), -6),
    gzipped(A)[:100],
    bytes(100),
]
BORDERS = st.lists(st.integers(0, 10**6), max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(GZIP_PARTS), max_size=8), BORDERS)
def test_ranges_of_a_gzipped_file_are_the_file(parts: list[bytes], borders: list[int]) -> None:
    data = gzipped(record(b"x", "warcinfo")) + b"".join(parts)
    assert by_ranges(data, borders) == read(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PLAIN_PARTS), max_size=8), BORDERS)
def test_ranges_of_a_plain_file_are_the_file(parts: list[bytes], borders: list[int]) -> None:
    data = record(b"x", "warcinfo") + b"".join(parts)
    assert by_ranges(data, borders) == read(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300), BORDERS)
def test_any_bytes_can_follow(junk: bytes, cut: int, borders: list[int]) -> None:
    for data in (gzipped(A) + junk + gzipped(B)[cut:], A + junk + B[cut:]):
        items = read(data)
        assert words(items)[0] == "a" * 500
        assert by_ranges(data, borders) == items


def test_an_archived_archive_is_noticed() -> None:
    inner = gzipped(*(html(str(n) * 100) for n in range(5)))
    stored = zlib.compressobj(level=0, wbits=31)
    block = record(OK + b"\r\n<p>" + bytes(3000) + inner + bytes(3000))
    data = gzipped(A) + stored.compress(block) + stored.flush() + gzipped(B)
    inside = data.index(inner) + 10
    assert [word[:1] for word in words(read(data))] == ["a", "\0", "b"]
    assert "border_in_record" in words(read(data, start=0, stop=inside))
    assert words(read(data, start=0, stop=len(data) - 10))[-1][:1] == "b"


def test_split_covers_the_file() -> None:
    assert split(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert split(8, 4) == [(0, 4), (4, 8)]


@pytest.mark.parametrize("count", [2, 7, 64])
def test_ranges_of_real_pages(test_data: Path, count: int) -> None:
    with (test_data / "data/realcrawl.warc.gz").open("rb") as stream:
        whole = list(read_pages(stream, "x"))
        size = stream.seek(0, io.SEEK_END)
        parts = [
            item
            for start, stop in split(size, size // count + 1)
            for item in read_pages(stream, "x", start=start, stop=stop)
        ]
    assert sum(isinstance(item, Page) for item in whole) > 300
    assert parts == whole
