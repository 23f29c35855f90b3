"""The records of a WARC file in the order of the file, whatever state the file is in.

FastWARC reads; this module knows what it does at damage, where the next sound record is, and where each
record lies. An offset is that of the gzip member, or of the record itself in a file that is not compressed.
"""

from __future__ import annotations

import os
import re
import sys
import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO, Final, TypeAlias

import msgspec
from fastwarc.stream_io import GzipReader
from fastwarc.warc import ArchiveIterator, HeaderMap, WarcRecord

from obelics_pipeline.errors import InputError

DAMAGES: Final = ("corrupt_gzip", "corrupt_header", "truncated", "border_in_record", "not_there")
"""What can be wrong with a stretch of a file: the words of ``Damaged.error``."""

_PROBE = 1 << 16
_HEADER_SLACK = 256
GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_PLAIN_START = re.compile(rb"WARC/\d\.\d[ \t]*\r?\n[A-Za-z][A-Za-z-]*[ \t]*:")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_BARE_NEWLINE = re.compile(rb"\s*WARC/[^\r\n]*\n")
_CONTENT_LENGTH = re.compile(rb"\nContent-Length[ \t]*:[ \t]*(\d+)", re.IGNORECASE)
_FOREIGN = {
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x50\x2a\x4d\x18": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
}


class Record(msgspec.Struct, frozen=True):
    """One sound record; ``block`` is the beginning of its content, if it was asked for."""

    offset: int
    type: str
    headers: HeaderMap
    block: bytes
    shared: bool
    """The record is not the first of its gzip member, so that no offset leads to it."""


class Damaged(msgspec.Struct, frozen=True):
    """A stretch of the file that holds no sound record. ``error`` is one of ``DAMAGES``."""

    error: str
    message: str
    offset: int


def is_gzipped(stream: BinaryIO, filename: str) -> bool:
    """Whether a WARC file is compressed. Raises InputError for anything that is not a WARC file."""
    stream.seek(0)
    head = stream.read(_PROBE)
    if head.startswith(GZIP_MAGIC[:2]):
        _refuse_arc(_beginning(head, 64), filename)
        return True
    _refuse_arc(head, filename)
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise InputError(f"{filename}: is compressed with {name}; please convert it to .warc.gz or .warc")
    size = stream.seek(0, os.SEEK_END)
    if head and head.lstrip()[:5] != b"WARC/" and next_header(stream, 0, size) == size:
        raise InputError(f"{filename}: no WARC record in it; expected a .warc or .warc.gz file")
    return False


def _refuse_arc(head: bytes, filename: str) -> None:
    if head.startswith(b"filedesc:"):
        raise InputError(f"{filename}: is an ARC file; please convert it to WARC, with warcio recompress say")


def _beginning(member: bytes, n: int) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(member, n)
    except zlib.error:
        return b""


def next_member(stream: BinaryIO, start: int, size: int) -> int:
    """The offset of the first gzip member from ``start`` on that begins with a WARC record, or ``size``."""
    while start < size:
        stream.seek(start)
        buffer = stream.read(_PROBE + 4096)
        at = buffer.find(GZIP_MAGIC)
        while 0 <= at < _PROBE:
            if _beginning(buffer[at : at + 4096], 16).startswith(b"WARC/"):
                return start + at
            at = buffer.find(GZIP_MAGIC, at + 1)
        start += _PROBE
    return size


def next_header(stream: BinaryIO, start: int, size: int) -> int:
    """The first offset from ``start`` on that looks like the head of a record, or the size.

    It need not begin a line: a writer that was killed leaves half a line, and the next goes on from there.
    """
    while start < size:
        stream.seek(start)
        buffer = stream.read(_PROBE)
        match = _PLAIN_START.search(buffer)
        if match:
            return start + match.start()
        start += max(len(buffer) - _HEADER_SLACK, 1)
    return size


def walk(stream: BinaryIO, gzipped: bool, position: int, block_bytes: int) -> Iterator[Record | Damaged]:
    """Everything from ``position`` (where a record begins) to the end of the file, in order.

    Of the block of a response the first ``block_bytes`` are kept, of other records nothing.
    """
    size = stream.seek(0, os.SEEK_END)
    read = _Reading(stream, size, block_bytes, quirks=_has_bare_newlines(stream, gzipped))
    stretch = _gzip_stretch if gzipped else _plain_stretch
    while position < size:
        position = yield from stretch(read, position)


class _Reading(msgspec.Struct, frozen=True):
    stream: BinaryIO
    size: int
    block_bytes: int
    quirks: bool

    def records(self, reader: BinaryIO | GzipReader) -> Iterator[WarcRecord]:
        return iter(ArchiveIterator(reader, parse_http=False, quirks_mode=self.quirks, stream_detect=False))


def _has_bare_newlines(stream: BinaryIO, gzipped: bool) -> bool:
    """Whether the lines of the headers end without carriage return; FastWARC wants to know.

    It is not told otherwise, for with its quirks it passes over garbage in silence.
    """
    stream.seek(0)
    head = stream.read(_PROBE)
    return _BARE_NEWLINE.match(_beginning(head, 64) if gzipped else head) is not None


Stretch: TypeAlias = Generator[Record | Damaged, None, int]
"""What lies between two damages; returns the offset of the next record after the second."""


def _gzip_stretch(reading: _Reading, position: int) -> Stretch:
    stream, size = reading.stream, reading.size
    stream.seek(position)
    reader = GzipReader(stream)
    held: Record | None = None  # whether a member is sound is only known when the next one is read
    last = -1
    try:
        for record in reading.records(reader):
            offset = reader.frame_start_position() or 0
            if held:
                yield held
                held = None
            event, last = _read_member(reader, record, reading.block_bytes, offset == last), offset
            if isinstance(event, Damaged):
                yield event
                return next_member(stream, offset + 1, size)
            held = event
    except OSError as error:
        damage = _gzip_damage(error, reader, _end_of_record(stream, last) if last >= 0 else position)
        if held and (held.shared or held.offset != damage.offset):
            yield held
        yield damage
        return next_member(stream, damage.offset + 1, size)
    if held:
        yield held
    opened, end = reader.frame_start_position() or position, reader.inner_tell()
    if opened > last and _member(stream, opened)[0] is None:
        yield Damaged("truncated", "the file ends inside a gzip member", opened)
        return next_member(stream, opened + 1, size)
    return next_member(stream, end, size) if end > position else size


def _read_member(reader: GzipReader, record: WarcRecord, block_bytes: int, shared: bool) -> Record | Damaged:
    offset = reader.frame_start_position() or 0
    try:
        event = _read(record, offset, block_bytes, shared)
    except OSError as error:
        raise_unless_damage(error)
        event = Damaged("corrupt_gzip", str(error), offset)
    if (reader.frame_start_position() or 0) > offset:
        return Damaged("corrupt_header", "Content-Length leads beyond the gzip member", offset)
    return event


def _gzip_damage(error: OSError, reader: GzipReader, after_last: int) -> Damaged:
    raise_unless_damage(error)
    if "decompression" in str(error):
        return Damaged("corrupt_gzip", str(error), reader.frame_start_position() or after_last)
    return Damaged("corrupt_header", str(error), after_last)


def _end_of_record(stream: BinaryIO, offset: int) -> int:
    """Where the gzip member at ``offset`` ends; ``offset`` itself if the fault is in it."""
    end, has_more = _member(stream, offset)
    return offset if end is None or has_more else end


def _member(stream: BinaryIO, offset: int) -> tuple[int | None, bool]:
    """Where a gzip member ends, None if it is not whole, and whether more than one record is in it."""
    stream.seek(offset)
    block_end = _block_end(_beginning(stream.read(_PROBE), _PROBE)) or sys.maxsize
    stream.seek(offset)
    decoder = zlib.decompressobj(31)
    end, length, has_more = offset, 0, False
    try:
        while not decoder.eof and (raw := stream.read(_PROBE)):
            end += len(raw)
            while raw and not decoder.eof:
                piece = decoder.decompress(raw, _PROBE)
                raw = decoder.unconsumed_tail
                has_more |= bool(piece[max(block_end - length, 0) :].strip())
                length += len(piece)
    except zlib.error:
        return None, has_more
    return end - len(decoder.unused_data) if decoder.eof else None, has_more


def _plain_stretch(reading: _Reading, position: int) -> Stretch:
    stream, size = reading.stream, reading.size
    stream.seek(position)
    held: Record | None = None  # whether its length was right is only known when the next one is read
    try:
        for record in reading.records(stream):
            if held:
                yield held
                held = None
            event = _read(record, record.stream_pos, reading.block_bytes, False)
            if isinstance(event, Damaged):
                yield event
                return next_header(stream, event.offset + 1, size)
            held = event
    except OSError as error:
        raise_unless_damage(error)
        return (yield from _plain_damage(stream, size, held or position, str(error)))
    if held:
        yield held
    return size


def _plain_damage(stream: BinaryIO, size: int, last: Record | int, message: str) -> Stretch:
    """No header where there should be one: after a record, or at an offset."""
    if isinstance(last, int):
        yield Damaged("corrupt_header", message, last)
        return next_header(stream, last + 1, size)
    stream.seek(last.offset)
    damaged = min(last.offset + (_block_end(stream.read(_PROBE)) or 0), size - 1)
    following = next_header(stream, last.offset + 1, size)
    if following < damaged:
        yield Damaged("truncated", "a record begins inside the block of another", last.offset)
        return following
    yield last
    yield Damaged("corrupt_header", message, damaged)
    return next_header(stream, damaged + 1, size)


def raise_unless_damage(error: OSError) -> None:
    """Connections that break are OSErrors too, and no fault of the file."""
    if type(error) is not OSError or error.errno is not None:
        raise error


def _read(record: WarcRecord, offset: int, block_bytes: int, shared: bool) -> Record | Damaged:
    declared = (record.headers.get("Content-Length") or "").strip()
    if not declared.isdecimal():
        return Damaged("corrupt_header", f"Content-Length is {declared[:40]!r}", offset)
    kind = (record.headers.get("WARC-Type") or "unknown").strip().lower()
    wanted = min(int(declared), block_bytes) if kind == "response" else 0
    block = record.reader.read(wanted) if wanted else b""
    length = len(block) + record.reader.consume()
    if length < int(declared):
        return Damaged("truncated", f"{length} of {declared} bytes of a record", offset)
    return Record(offset, kind, record.headers, block, shared)


def _block_end(head: bytes) -> int | None:
    """The length of a record without the newlines after it, by its own headers."""
    end, length = _END_OF_HEADERS.search(head), _CONTENT_LENGTH.search(head)
    if end is None or length is None or length.start() > end.start():
        return None
    return end.end() + int(length[1])
