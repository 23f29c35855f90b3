"""The lines of a dump in order: through gzip and tar, in bounded memory, whatever state the file is in."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from tarfile import AREGTYPE, BLOCKSIZE, CONTTYPE, NUL, REGTYPE, XHDTYPE, HeaderError, TarInfo
from typing import BinaryIO, Final, TypeAlias

import msgspec

from obelics_pipeline.records import Damaged

DAMAGES: Final = ("corrupt_gzip", "truncated", "corrupt_tar", "not_ndjson", "line_too_long")
"""What can be wrong with a stretch of a dump: the words of ``Damaged.error`` that are found here."""

MAX_LINE: Final = 64 << 20
"""Bytes; longer lines are passed over. The dumps write ``<`` as six characters, so that a page has twice its bytes."""

_CHUNK = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_RECORD = 1 << 20  # of a pax header, which holds names and numbers
_PAX_SIZE = re.compile(rb"(?:\A|\n)\d+ size=(\d+)\n")
_FILES = (REGTYPE, AREGTYPE, CONTTYPE)


class Line(msgspec.Struct, frozen=True):
    """A line, without its end; ``offset`` counts the bytes before it, decompressed."""

    offset: int
    data: bytes


Item: TypeAlias = Line | Damaged


class Source:
    """The bytes of a file in order, decompressed if it is gzipped. ``damage`` says why they end too early."""

    def __init__(self, stream: BinaryIO, position: int = 0) -> None:
        self.position = position
        self.damage: tuple[str, str] | None = None
        self._stream = stream
        self._ready = stream.read(_CHUNK)
        self._at = 0  # what stands before that in what is ready has been read
        self._inflate = zlib.decompressobj(31) if self._ready.startswith(_GZIP_MAGIC) else None
        self.gzipped = self._inflate is not None
        if self.gzipped:
            self._waiting, self._ready = self._ready, b""  # of the file, not decompressed

    def read(self, most: int) -> bytes:
        """Up to ``most`` bytes, at least one before the end."""
        if self._at == len(self._ready):
            self._ready, self._at = self._more(), 0
        data = self._ready[self._at : self._at + most]
        self._at += len(data)
        self.position += len(data)
        return data

    def take(self, size: int) -> bytes:
        """``size`` bytes; fewer at the end."""
        pieces = []
        while size and (piece := self.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> bool:
        """Pass over ``size`` bytes; whether there were as many."""
        while size and (piece := self.read(min(size, _CHUNK))):
            size -= len(piece)
        return size == 0

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, which stay; fewer at the end."""
        position = self.position
        head = self.take(size)
        self._ready, self._at, self.position = head + self._ready[self._at :], 0, position
        return head

    def _more(self) -> bytes:
        return self._stream.read(_CHUNK) if self._inflate is None else self._inflated(self._inflate)

    def _inflated(self, inflate: zlib._Decompress) -> bytes:
        while self.damage is None:
            before = inflate.copy()
            try:
                data = inflate.decompress(self._waiting, _CHUNK)
            except zlib.error as error:
                self.damage = ("corrupt_gzip", f"cannot be decompressed from here on: {error}")
                return _salvaged(before, self._waiting)
            self._waiting = inflate.unconsumed_tail
            if data:
                return data
            if inflate.eof:
                rest = inflate.unused_data.lstrip(NUL)
                while not rest and (read := self._stream.read(_CHUNK)):
                    rest = read.lstrip(NUL)
                if not rest:
                    return b""
                inflate = self._inflate = zlib.decompressobj(31)
                self._waiting = rest
            elif not self._waiting:
                self._waiting = self._stream.read(_CHUNK)
                if not self._waiting:
                    self.damage = ("truncated", "the compressed file ends in the middle")
        return b""


def _salvaged(inflate: zlib._Decompress, data: bytes) -> bytes:
    """What can be decompressed of ``data`` before the place where it is corrupt."""
    pieces = []
    with suppress(zlib.error):
        for place in range(len(data)):
            pieces.append(inflate.decompress(data[place : place + 1]))
    return b"".join(pieces)


def is_tar(source: Source) -> bool:
    """Whether a file begins with the header of a tar member."""
    try:
        TarInfo.frombuf(source.peek(BLOCKSIZE), "utf-8", "surrogateescape")
    except HeaderError:
        return False
    return True


def is_ndjson(source: Source) -> bool:
    """Whether a file begins with a JSON object."""
    return source.peek(_CHUNK).lstrip().startswith(b"{")


def lines(source: Source, size: int | None = None) -> Iterator[Item]:
    """The lines of the next ``size`` bytes, or of all. What is cut off by damage is no line; blank lines are none."""
    pieces: list[bytes] = []
    held, start = 0, source.position
    while size is None or size > 0:
        chunk = source.read(_CHUNK if size is None else min(_CHUNK, size))
        if not chunk:
            break
        if size is not None:
            size -= len(chunk)
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield from _line(start, pieces, held, piece)
            start += held + len(piece) + 1
            pieces, held = [], 0
        held += len(rest)
        pieces = [*pieces, rest] if held <= MAX_LINE else []
    if size == 0 or (size is None and source.damage is None):
        yield from _line(start, pieces, held, b"")


def _line(start: int, pieces: list[bytes], held: int, last: bytes) -> Iterator[Item]:
    length = held + len(last)
    if length > MAX_LINE:
        yield Damaged("line_too_long", f"a line of {length} bytes; at most {MAX_LINE} are read", start)
    elif data := b"".join([*pieces, last]).strip():
        yield Line(start, data)


def tar_lines(source: Source) -> Iterator[Item]:
    """The lines of all files in a tar that hold NDJSON; one item for each that does not."""
    lost, told = False, None
    while header := source.take(BLOCKSIZE):
        at = source.position - len(header)
        if not header.strip(NUL):
            continue
        try:
            member = TarInfo.frombuf(header, "utf-8", "surrogateescape")
            size = member.size if told is None else told
            if size < 0:
                raise HeaderError("a negative size")
        except HeaderError as error:
            if not lost and source.damage is None:
                yield Damaged("corrupt_tar", f"no header of a file where one should be: {error}", at)
            lost = True
            continue
        lost, told = False, None
        end = source.position + size
        if member.type == XHDTYPE and size <= _MAX_RECORD:
            found = _PAX_SIZE.search(source.take(size))
            told = int(found[1]) if found else None
        elif member.type in _FILES:
            yield from _member_lines(source, member.name, size)
        if not source.skip(end - source.position + -size % BLOCKSIZE) and source.damage is None:
            yield Damaged("truncated", f"the file ends in {member.name!r}", source.position)


def _member_lines(source: Source, name: str, size: int) -> Iterator[Item]:
    head = source.peek(min(size, BLOCKSIZE)).lstrip()
    if head and not head.startswith(b"{"):
        yield Damaged("not_ndjson", f"{name!r} holds no lines of JSON: {head[:20]!r}", source.position)
        return
    yield from lines(source, size)


def lines_of(source: Source) -> Iterator[Item]:
    """The lines of a dump from its beginning; the last item says why the file ends too early, if it does."""
    yield from tar_lines(source) if is_tar(source) else lines(source)
    if source.damage is not None:
        yield Damaged(*source.damage, source.position)
