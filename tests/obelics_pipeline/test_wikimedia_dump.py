"""Reading Wikimedia's dumps: every line is an item, whatever state the file is in, and memory stays bounded."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import tracemalloc
import zlib
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import wikimedia_dump as dumps
from hypothesis import example, given
from hypothesis import strategies as st

from obelics_pipeline.document import Source
from obelics_pipeline.errors import InputError
from obelics_pipeline.page import Page
from obelics_pipeline.records import Damaged
from obelics_pipeline.warc import Skipped
from obelics_pipeline.wikimedia import stream
from obelics_pipeline.wikimedia.dump import DAMAGES, SKIPPED, is_dump, ranges, read_articles

NAME = "enwiki-NS0-20240601-ENTERPRISE-HTML.json.tar.gz"
TAR = dumps.tar(dumps.members())
LINES = b"\n".join(
    [*dumps.lines(range(6)), *(line for _, line in dumps.OTHERS), b"", *dumps.lines(range(6, 9))]
)
BY_SA = dumps.LICENSE["url"]
Item = Page | Skipped | Damaged


def items(data: bytes, name: str = NAME, **options: Any) -> list[Item]:
    return list(read_articles(io.BytesIO(data), name, **options))


def told(found: list[Item]) -> list[str]:
    """The word for each item."""
    return [
        "page" if isinstance(item, Page) else item.kind if isinstance(item, Skipped) else item.error
        for item in found
    ]


def pages_of(found: list[Item]) -> list[Page]:
    return [item for item in found if isinstance(item, Page)]


def test_every_line_is_an_item() -> None:
    found = told(items(gzip.compress(TAR)))
    others = [outcome for outcome, _ in dumps.OTHERS]
    assert found == ["page"] * 10 + ["not_ndjson"] + ["page"] * 14 + others
    assert set(found) - {"page"} <= {*SKIPPED, *DAMAGES}


def test_a_page_is_what_the_line_says() -> None:
    line = dumps.article(7)
    (page,) = items(json.dumps(line).encode(), "enwiki-NS0.ndjson")
    assert page == Page(
        "https://en.wikipedia.org/wiki/Light_7",
        dumps.html(7).encode(),
        (("content-type", "text/html; charset=utf-8"),),
        Source(
            "enwiki-NS0", "enwiki-NS0.ndjson", "revision:70007", 0, len(json.dumps(line)), 1_715_163_630_000
        ),
        BY_SA,
        "en",
        parsoid=True,
    )


@pytest.mark.parametrize(
    ("given_license", "license"),
    [
        pytest.param([dumps.LICENSE], BY_SA, id="one"),
        pytest.param(dumps.LICENSE, BY_SA, id="not in a list"),
        pytest.param(
            [{"identifier": "CC-BY-SA-3.0"}, {"identifier": "GFDL"}],
            "https://creativecommons.org/licenses/by-sa/3.0/, GFDL",
            id="two",
        ),
        pytest.param([dumps.LICENSE] * 2, BY_SA, id="twice the same"),
        pytest.param(
            [{"name": "Free", "url": "https://x.example/"}], "https://x.example/", id="no identifier"
        ),
        pytest.param([{"name": "Free"}], "Free", id="only a name"),
        pytest.param([], None, id="none"),
        pytest.param(None, None, id="null"),
    ],
)
def test_licences(given_license: Any, license: str | None) -> None:
    (page,) = items(json.dumps(dumps.article(1, license=given_license)).encode())
    assert isinstance(page, Page)
    assert page.license == license


def test_an_article_of_few_words_is_a_page_with_an_id() -> None:
    (page,) = items(b'{"name": "A", "url": "https://a.example/wiki/A", "article_body": {"html": "<p>A"}}')
    assert isinstance(page, Page)
    assert (page.license, page.language, page.source.timestamp, page.source.warc_record_id) == (None,) * 4
    assert len(page.id) == 32


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param("a.tar.gz", gzip.compress(TAR), id="tar, gzipped"),
        pytest.param("a.tar", TAR, id="tar"),
        pytest.param(
            "a.tgz", gzip.compress(TAR[:9999]) + gzip.compress(TAR[9999:]) + bytes(99), id="two gzip members"
        ),
        pytest.param("a.tar", dumps.tar(dumps.members(), tarfile.PAX_FORMAT), id="tar of POSIX"),
        pytest.param(
            "a.tar", dumps.tar({"é" * 200 + k: v for k, v in dumps.members().items()}), id="long names"
        ),
        pytest.param(
            "a.tar", TAR[: len(TAR) - len(TAR) % 10240 - 10240 + 512].rstrip(b"\0") + bytes(0), id="no end"
        ),
    ],
)
def test_containers(name: str, data: bytes) -> None:
    pages = pages_of(items(data, name))
    assert [page.url for page in pages] == [
        f"https://en.wikipedia.org/wiki/Light_{n}" for n in range(dumps.ARTICLES)
    ]
    assert {page.source.warc_offset for page in pages} == {None}


def test_a_size_may_stand_in_a_pax_header() -> None:
    """As for files of more than 8 GB, for which the usual header has no room."""
    data = b"\n".join(dumps.lines(range(2)))
    member = tarfile.TarInfo("a.ndjson")
    member.pax_headers = {"size": str(len(data))}
    header = member.tobuf(tarfile.PAX_FORMAT)  # whose own size is 0
    assert told(items(header + data + bytes(-len(data) % 512) + TAR, "a.tar"))[:3] == ["page"] * 3


def test_one_task_reads_a_compressed_dump_and_many_read_plain_lines() -> None:
    assert ranges("a.tar.gz", 10, 3) == ranges("a.ndjson.gz", 10, 3) == ranges("a.tar", 10, 3) == [(0, 10)]
    assert ranges("https://a.example/a.ndjson?x=1", 10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert is_dump("s3://b/Enwiki.JSON.tar.gz")
    assert not is_dump("a.warc.gz")


@given(st.sets(st.integers(1, len(LINES) - 1), max_size=6))
@example({LINES.index(b"\n"), LINES.index(b"\n") + 1, LINES.index(b"\n") + 2})
def test_ranges_of_plain_lines_give_each_line_once(cuts: set[int]) -> None:
    borders = [0, *sorted(cuts), len(LINES)]
    parts = [items(LINES, "a.ndjson", start=a, stop=b) for a, b in pairwise(borders)]
    assert [item for part in parts for item in part] == items(LINES, "a.ndjson")
    for page in (item for part in parts for item in part if isinstance(item, Page)):
        start, length = page.source.warc_offset, page.source.warc_length
        assert start is not None
        assert length is not None
        assert json.loads(LINES[start : start + length])["url"] == page.url


PACKED = gzip.compress(TAR, 1)
WHOLE = items(PACKED)


@given(st.integers(20, len(PACKED) - 1))
def test_of_a_truncated_dump_all_whole_lines_are_read(length: int) -> None:
    *before, last = items(PACKED[:length])
    assert told(before) == told(WHOLE)[: len(before)]
    assert pages_of(before) == pages_of(WHOLE)[: len(pages_of(before))]
    if length < len(PACKED) - 8:  # of the last bytes only the checksum is missing
        assert isinstance(last, Damaged)
        assert last.error == "truncated"


@given(st.integers(20, len(PACKED) - 1), st.integers(1, 255))
def test_no_damage_goes_unnoticed(place: int, change: int) -> None:
    broken = bytearray(PACKED)
    broken[place] ^= change
    found = items(bytes(broken))
    assert found == WHOLE or any(isinstance(item, Damaged) and item not in WHOLE for item in found)


@given(st.integers(1, len(TAR) // 512), st.integers(0, 2**32))
def test_whatever_stands_in_a_tar_something_is_said(blocks: int, seed: int) -> None:
    """Random blocks instead of one stretch: nothing raises, and lines before it are read."""
    start = 512 * blocks
    broken = TAR[:start] + random.Random(seed).randbytes(512) + TAR[start + 512 :]
    found = items(broken, "a.tar")
    assert len(pages_of(found)) >= len(pages_of(WHOLE)) - 15
    assert found == items(TAR, "a.tar") or any(isinstance(item, Damaged) for item in found)


def test_all_before_the_damage_is_read() -> None:
    deflate = zlib.compressobj(wbits=31)
    sound = deflate.compress(TAR[: TAR.index(b"Light 12")]) + deflate.flush(zlib.Z_FULL_FLUSH)
    no_block = b"\x07"  # of a kind that is not defined
    found = told(items(sound + no_block * 1000))
    assert found == ["page"] * 10 + ["not_ndjson"] + ["page"] * 2 + ["corrupt_gzip"]


def test_after_a_broken_header_the_next_file_is_read() -> None:
    second = TAR.index(b"README.txt")
    found = items(TAR[:second] + b"X" + TAR[second + 1 :], "a.tar")
    assert Counter(told(found))["corrupt_tar"] == 1
    assert Counter(told(found))["page"] == dumps.ARTICLES


def test_a_tar_that_ends_within_a_file_is_truncated() -> None:
    found = items(TAR[: TAR.index(b"Light 20") - 5], "a.tar")
    assert told(found) == ["page"] * 10 + ["not_ndjson"] + ["page"] * 10 + ["truncated"]


def test_lines_without_measure_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_LINE", 20_000)
    first, second = dumps.lines(range(2))
    for data in (b"%b\n{%b}\n%b", b"%b\n{%b}\n%b\n"):
        found = items(data % (first, b" " * 1_000_000, second), "a.ndjson")
        assert told(found) == ["page", "line_too_long", "page"]
        assert isinstance(found[1], Damaged)
        assert found[1].offset == len(first) + 1
    assert told(items(b"{%b" % (b" " * 1_000_000), "a.ndjson")) == ["line_too_long"]


def test_memory_does_not_grow_with_the_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_LINE", 1_000_000)
    lines = b"\n".join(dumps.lines(range(5)))

    files = {f"{n}.ndjson": lines + b"\n{" + b" " * 3_000_000 for n in range(20)}
    data = gzip.compress(dumps.tar(files), 1)
    tracemalloc.start()
    assert sum(1 for _ in read_articles(io.BytesIO(data), NAME)) == 6 * 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_long_pages_are_cut() -> None:
    (page,) = items(dumps.lines(range(1))[0], max_page_bytes=100)
    assert isinstance(page, Page)
    assert len(page.body) == 101


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        pytest.param(
            "a.tar.gz", gzip.compress(b"WARC/1.0\r\n"), "neither a tar file nor lines", id="a WARC file"
        ),
        pytest.param("a.tar.gz", b"", "neither a tar file nor lines", id="empty"),
        pytest.param("a.ndjson", gzip.compress(b"{}"), r"name it \.ndjson\.gz", id="compressed lines"),
        pytest.param("a.ndjson", TAR, r"name it \.ndjson\.gz", id="a tar"),
    ],
)
def test_what_is_refused(name: str, data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        items(data, name)


def test_errors_of_the_storage_are_not_damage() -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1000:
                raise OSError("connection reset")
            return super().read(size)

    packed = gzip.compress(TAR + random.Random(1).randbytes(stream._CHUNK * 2))
    with pytest.raises(OSError, match="connection reset"):
        list(read_articles(Breaking(packed), NAME))
