"""We read what warcio, the reference, reads; every difference is listed with its cause."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.recordloader import ArcWarcRecord

from obelics_pipeline.errors import InputError
from obelics_pipeline.page import Page
from obelics_pipeline.records import Damaged, Record, is_gzipped, walk
from obelics_pipeline.warc import DAMAGES, SKIPPED, Skipped, read_pages, split

Content: TypeAlias = tuple[str | None, str, bytes]
"""Identifier and type of a record; of a response also the whole block."""


def each(pattern: str, names: str) -> list[str]:
    return [pattern.format(name) for name in names.split()]


DIFFERENCES = {
    "several records share a gzip member: warcio refuses them, FastWARC reads them": [
        "apache+stormcrawler/unparsable-date.warc.gz",
        "internetarchive+gowarc/skip-non-open.warc.gz",
        "slyrz+warc/test.warc.gz",
        "webrecorder+warcio/example-bad-non-chunked.warc.gz",
    ],
    "the file ends inside a record: warcio yields what is left as if it were all, we count it as truncated": [
        "chatnoir-eu+chatnoir-resiliparse/clipped.warc.gz",
        "netarchivesuite+solrwayback/Evil-Warc-Headers.warc",
        "netarchivesuite+solrwayback/transfer_compression_none_truncated.warc.gz",
        "oduwsdl+ipwb/redirect.warc",
        *each("openpreserve+jhove/invalid-warcheaderfieldpolicy-{}.warc", "11 12 13 14 15 16 17 3 4 5 6 7 8"),
        *each(
            "toimik+WarcProtocol/{}.warc",
            "2-resource 2-response 2-revisit_unmodified 2-warcinfo 3-resource 3-response "
            "3-revisit_unmodified 4-resource 4-response 4-revisit_unmodified request_gemini_w_payload "
            "resource response response_gemini_w_payload revisit_unmodified short_content_block "
            "warcinfo",
        ),
        *each("unt-libraries+warc-metadata-sidecar/{}.warc", "digest_multiples dns gif revisit text"),
    ],
    "no usable Content-Length: warcio takes it for 0, we count it as corrupt_header": [
        *each(
            "netarchivesuite+jwat/invalid-warcfile-{}.warc",
            "fields-empty fields-invalidformat fields-missing lonely-continuation lonely-monkeys "
            "lonely-request-response-resource-conversion lonely-revisit lonely-warcinfo-metadata",
        ),
        "openpreserve+jhove/invalid-warcheaderfieldpolicy-1.warc",
        *each("openpreserve+jhove/invalid-warcheaderversion-{}.warc", "2 21 22 23 24 25 3 6 7"),
        "toimik+WarcProtocol/missing_header_field.warc",
    ],
    "Content-Length stands twice: FastWARC reads no block, and we count it as truncated": [
        "netarchivesuite+jwat/invalid-warcfile-duplicate-fields.warc",
    ],
    "Content-Length is folded into a second line: FastWARC reads no block, and we count it as truncated": [
        "netarchivesuite+jwat/test-utf8.warc",
        *each(
            "netarchivesuite+jwat/valid-warcfile-{}.warc",
            "fields-continuation fields-metainfo fields-warcinfo",
        ),
    ],
    "names of headers in unusual case: FastWARC reads no block, and we count it as damaged": [
        "netarchivesuite+jwat/valid-warcfile-upper-lower-case.warc",
        "openpreserve+jhove/valid-warcfile-upper-lower-case.warc.gz",
    ],
    "lines end with two carriage returns: FastWARC reads no block, and we count it as truncated": [
        "webrecorder+pywb/missing-status-text.warc",
    ],
    "a version that FastWARC refuses and warcio does not look at: counted as corrupt_header": [
        *each("openpreserve+jhove/invalid-warcheaderversion-{}.warc", "10 11"),
    ],
    "damage in the middle: warcio stops there, we go on after it": [
        "iipc+webarchive-commons/link-extraction-test.warc",
        *each("openpreserve+jhove/{}.warc", "invalid-warcrecord-1 invalid-warcrecord-3"),
        "toimik+WarcProtocol/incorrect_content_length.warc",
    ],
    "the record goes on in the next gzip member: warcio yields the first part, we count it as damaged": [
        "webrecorder+warcio/example-wrong-chunks.warc.gz",
    ],
}

REFUSED = {
    "is an ARC file": [
        "archivesunleashed+aut/badexample.arc.gz",
        *each(
            "netarchivesuite+jwat/{}.arc", "small_BNF test-arc-1.0-dashed-fields test-arc-1.0-invalid-fields"
        ),
        "ukwa+webarchive-discovery/IAH-20080430204825-00000-blackbook-truncated.arc",
        "ukwa+webarchive-discovery/IAH-20080430204825-00000-blackbook-truncated.arc.gz",
        "unt-libraries+warc-metadata-sidecar/text.arc",
        *each("webrecorder+warcio/{}.arc", "bad example-space-in-url example"),
        "webrecorder+warcio/example.arc.gz",
    ],
    "is compressed with bzip2": [
        *each("slyrz+warc/{}.warc.bz2", "bench test"),
    ],
    "no WARC record in it": [
        "netarchivesuite+jwat/invalid-arcfile-record-then-garbage.arc",
        *each("openpreserve+jhove/invalid-warcheaderversion-{}.warc", "16 17 18 19 20"),
        "openpreserve+jhove/invalid-warcreader-diagnosis-1.warc",
        *each("toimik+WarcProtocol/{}.warc", "malformed_header multiline_header_values"),
    ],
}


def odd_files(test_data: Path) -> Iterator[tuple[str, Path]]:
    folder = test_data / "data/odd_warcs"
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "manifest.jsonl":
            yield str(path.relative_to(folder)), path


def ours(path: Path) -> list[Content]:
    with path.open("rb") as stream:
        events = walk(stream, is_gzipped(stream, path.name), 0, 1 << 30)
        return [
            (event.headers.get("WARC-Record-ID"), event.type, event.block)
            for event in events
            if isinstance(event, Record)
        ]


def of_warcio(path: Path) -> list[Content]:
    """The records up to where warcio stops."""
    contents: list[Content] = []
    # Errors of many types: the reference has no opinion on what follows.
    with path.open("rb") as stream, contextlib.suppress(Exception):
        for record in ArchiveIterator(stream, no_record_parse=True):
            contents.append(content(record))
    return contents


def content(record: ArcWarcRecord) -> Content:
    kind = (record.rec_type or "unknown").lower()
    block = record.raw_stream.read() if kind == "response" else b""
    return record.rec_headers.get_header("WARC-Record-ID"), kind, block


def test_odd_files_hold_the_same_records_and_blocks(test_data: Path) -> None:
    refused = {name: cause for cause, names in REFUSED.items() for name in names}
    differences = set()
    read = 0
    for name, path in odd_files(test_data):
        if name not in refused:
            read += 1
            if ours(path) != of_warcio(path):
                differences.add(name)
    assert differences == {name for names in DIFFERENCES.values() for name in names}
    assert read + len(refused) == 266


def test_odd_files_that_are_refused(test_data: Path) -> None:
    folder = test_data / "data/odd_warcs"
    for cause, names in REFUSED.items():
        for name in names:
            with pytest.raises(InputError, match=cause):
                ours(folder / name)


def test_odd_files_are_read_without_a_crash_in_no_time_and_by_ranges(test_data: Path) -> None:
    refused = {name for names in REFUSED.values() for name in names}
    for name, path in odd_files(test_data):
        if name in refused:
            continue
        began = time.perf_counter()
        with path.open("rb") as stream:
            whole = list(read_pages(stream, name))
            assert time.perf_counter() - began < 2, name
            for item in whole:
                match item:
                    case Skipped(kind=kind):
                        assert kind in SKIPPED
                    case Damaged(error=error):
                        assert error in DAMAGES
            size = path.stat().st_size
            ranges = split(size, size // 5 + 1)
            parts = [item for a, b in ranges for item in read_pages(stream, name, start=a, stop=b)]
        assert parts == whole, name


@pytest.mark.parametrize(
    ("file", "pages"),
    [
        pytest.param("pages/pages.warc.gz", 1607, id="pages"),
        pytest.param("realcrawl.warc.gz", 427, id="real crawls"),  # the 428th is a PNG that claims to be HTML
    ],
)
def test_pages_have_the_same_bodies(test_data: Path, file: str, pages: int) -> None:
    with (test_data / "data" / file).open("rb") as stream:
        items = read_pages(stream, file)
        bodies = {item.source.warc_offset: item.body for item in items if isinstance(item, Page)}
    assert len(bodies) == pages
    with (test_data / "data" / file).open("rb") as stream:
        records = ArchiveIterator(stream)
        for record in records:
            body = record.content_stream().read()
            offset = records.get_record_offset()  # known once the record is read
            if offset in bodies:
                assert body == bodies.pop(offset), offset
    assert not bodies
