"""The values of a column that Parquet holds plain and uncompressed, found where they lie in the file.

The layout is that of Parquet's specification: pages one after the other, each with a header in Thrift's compact
protocol, levels, and values. ``export`` writes the bytes of images so; all that is otherwise is left to Arrow.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow.parquet as pq

_KIND, _SIZE, _ABOUT = 1, 3, 5
"""Fields of the header of a page: its kind, its bytes without the header, and what only data pages have."""
_ENCODING: Final = 2
"""A field of what data pages have."""
_DATA_PAGE: Final = 0
_PLAIN: Final = 0

_INTEGERS: Final = frozenset({4, 5, 6})
_TRUE, _FALSE, _BINARY, _STRUCT = 1, 2, 8, 12
"""Types of Thrift's compact protocol; headers of data pages have no others."""


def extent(chunk: pq.ColumnChunkMetaData) -> tuple[int, int] | None:
    """The offset and length of the pages of a column of a row group; None if Arrow has to decode them."""
    if chunk.compression != "UNCOMPRESSED" or not {"PLAIN", "RLE"}.issuperset(chunk.encodings):
        return None
    return chunk.data_page_offset, chunk.total_compressed_size


def values(pages: memoryview) -> list[tuple[int, int]] | None:
    """Where each value that is not null begins and ends in the ``pages`` of a column below a list.

    None if they are not as expected: Arrow can tell what is wrong with them, or read them.
    """
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(pages):
        try:
            header, at = _fields(pages, at)
            end = at + header[_SIZE]
            plain = header[_KIND] == _DATA_PAGE and header[_ABOUT][_ENCODING] == _PLAIN
            if not (plain and at <= end <= len(pages)):
                return None
        except (IndexError, KeyError, ValueError, TypeError, RecursionError):  # no header
            return None
        for _ in ("repetition", "definition"):  # the levels
            at += 4 + int.from_bytes(pages[at : at + 4], "little")
        while at < end:
            start = at + 4
            at = start + int.from_bytes(pages[at:start], "little")
            found.append((start, at))
        if at != end:
            return None
    return found


def _fields(data: memoryview, at: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct at a place by their numbers, and the place behind it."""
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        step, kind = head >> 4, head & 15
        if step:
            number += step
        else:
            number, at = _integer(data, at)
        if kind in _INTEGERS:
            fields[number], at = _integer(data, at)
        elif kind == _STRUCT:
            fields[number], at = _fields(data, at)
        elif kind == _BINARY:
            length, at = _varint(data, at)
            at += length
        elif kind not in (_TRUE, _FALSE):
            raise ValueError("a field that headers of pages do not have")
    return fields, at + 1


def _integer(data: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return value >> 1 ^ -(value & 1), at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at
