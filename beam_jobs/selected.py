"""Reading only the records that a selection table names, near ones together, several requests at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from beam_jobs import io
from beam_jobs.config import ExtractSection
from beam_jobs.http_file import Manners
from obelics_pipeline import warc
from obelics_pipeline.errors import NoSuchFile
from obelics_pipeline.page import Page
from obelics_pipeline.selection import Selection, open_selection

UNWANTED: Final = 0.2
"""Of the bytes of the selected records, what may be read between them: so no more than 1.2 × is read."""

GROUP_BYTES: Final = 4_000_000
"""Of one request, unless a single record has more: a process holds twice as many as it has connections."""

HEAD_BYTES: Final = 1 << 16
"""Of an archive whose name does not tell its crawl: its first record does."""

OFFSET: Final = "warc_record_offset"
LENGTH: Final = "warc_record_length"

Item: TypeAlias = Page | warc.Skipped | warc.Damaged


class Capture(msgspec.Struct, frozen=True):
    """A row of the selection: a record, where it lies, and the address of its page."""

    filename: str
    offset: int
    length: int
    url: str | None


class Group(msgspec.Struct, frozen=True):
    """Captures of one archive that are read at once: the bytes ``[start, stop)``."""

    start: int
    stop: int
    captures: tuple[Capture, ...]


def cut(path: str, range_bytes: int, manners: Manners) -> list[tuple[int, int]]:
    """The rows of the selection at ``path`` in parts ``[first, stop)`` of about ``range_bytes`` of records."""
    with io.open_read(path, manners) as stream:
        selection = open_selection(stream, path)
        read, parts = 0, [np.zeros(0, np.int64)]
        for batch in selection.file.iter_batches(columns=[LENGTH]):
            lengths = batch.column(0).to_numpy()
            ends = read + np.cumsum(lengths)
            parts.append((ends - lengths) // range_bytes)
            read = int(ends[-1]) if len(ends) else read
    part = np.concatenate(parts)
    borders = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(part)]
    return [(first, stop) for first, stop in pairwise(borders) if first < stop]


def read_selected(
    path: str, rows: tuple[int, int], section: ExtractSection, manners: Manners
) -> Iterator[tuple[Item, str]]:
    """One item, and the path of its archive, for each of the ``rows`` of the selection at ``path``, in their order."""

    @lru_cache(maxsize=1)
    def crawl(archive: str) -> str | None:
        return warc.crawl_of(io.name_of(archive), lambda: io.read_range(archive, 0, HEAD_BYTES, manners))

    for archive, capture, record in read_records(path, rows, section, manners):
        item: Item
        if isinstance(record, NoSuchFile):
            item = warc.Damaged("not_there", str(record), capture.offset)
        else:
            place = warc.Place(io.name_of(archive), capture.offset, capture.url, crawl(archive))
            item = warc.read_one(record, place, max_page_bytes=section.max_page_bytes)
        yield item, archive


def read_records(
    path: str, rows: tuple[int, int], section: ExtractSection, manners: Manners
) -> Iterator[tuple[str, Capture, bytes | NoSuchFile]]:
    """The path of its archive, and the bytes, of each record of the ``rows`` of the selection at ``path``, in order."""
    with io.open_read(path, manners) as stream:
        selection = open_selection(stream, path)
        captures = list(_captures(selection, *rows))

    def read(archive: str, start: int, stop: int) -> bytes:
        return io.read_range(archive, start, stop, manners)

    groups = (
        (io.join(selection.archives, name), group)
        for name, found in groupby(captures, key=attrgetter("filename"))
        for group in merge(found, section.gap_bytes)
    )
    for (archive, group), data in _ahead(groups, read, section.connections):
        for capture in group.captures:
            if isinstance(data, NoSuchFile):
                yield archive, capture, data
            else:
                yield archive, capture, data[capture.offset - group.start :][: capture.length]


def merge(captures: Iterable[Capture], gap_bytes: int) -> Iterator[Group]:
    """Captures of one archive, in order of their offsets, in groups: those that follow within ``gap_bytes``.

    What lies between them is at most ``UNWANTED`` of them, and a group of several has at most ``GROUP_BYTES``.
    """
    held: list[Capture] = []
    wanted = 0
    for capture in captures:
        stop = capture.offset + capture.length
        if held:
            gap = capture.offset - held[-1].offset - held[-1].length
            whole = stop - held[0].offset
            near = 0 <= gap <= gap_bytes and whole <= GROUP_BYTES
            if not near or whole > (1 + UNWANTED) * (wanted + capture.length):
                yield _group(held)
                held, wanted = [], 0
        held.append(capture)
        wanted += capture.length
    if held:
        yield _group(held)


def _group(captures: list[Capture]) -> Group:
    return Group(captures[0].offset, captures[-1].offset + captures[-1].length, tuple(captures))


def _captures(selection: Selection, first: int, stop: int) -> Iterator[Capture]:
    """The rows ``[first, stop)``, of which no others than their row groups are read."""
    columns = ["warc_filename", OFFSET, LENGTH, "url"]
    start = 0
    for index in range(selection.file.num_row_groups):
        rows = selection.file.metadata.row_group(index).num_rows
        if start < stop and first < start + rows:
            table: pa.Table = selection.file.read_row_group(index, columns=columns).select(columns)
            chosen = table.slice(max(first - start, 0), stop - max(first, start))
            for row in zip(*(column.to_pylist() for column in chosen.columns), strict=True):
                yield Capture(*row)
        start += rows


Place: TypeAlias = tuple[str, Group]


def _ahead(
    groups: Iterable[Place], read: Callable[[str, int, int], bytes], connections: int
) -> Iterator[tuple[Place, bytes | NoSuchFile]]:
    """The bytes of each group, in order, while the next ones are on their way."""

    def fetch(place: Place) -> bytes | NoSuchFile:
        archive, group = place
        try:
            return read(archive, group.start, group.stop)
        except NoSuchFile as error:
            return error

    waiting: deque[tuple[Place, Future[bytes | NoSuchFile]]] = deque()
    with ThreadPoolExecutor(connections) as pool:
        try:
            for place in groups:
                waiting.append((place, pool.submit(fetch, place)))
                if len(waiting) > 2 * connections:
                    oldest, future = waiting.popleft()
                    yield oldest, future.result()
            while waiting:
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
