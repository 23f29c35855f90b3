"""An AVIF image without its metadata. Everything in such a file is found by its place, so nothing is moved.

What is not the picture is overwritten where it stands (ISO/IEC 14496-12, 23008-12): the result is as long as it was.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from obelics_pipeline.credit import Credit, credit_of

MAX_BOXES: Final = 10_000
"""Boxes, and items, of a file that are looked at."""
_WITHIN: Final = {
    b"": frozenset({b"ftyp", b"meta", b"mdat", b"moov"}),
    b"meta": frozenset({b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp", b"iref", b"idat", b"grpl", b"dinf"}),
    b"moov": frozenset({b"mvhd", b"trak", b"mvex"}),
    b"trak": frozenset({b"tkhd", b"tref", b"edts", b"mdia"}),
}
"""What may stand where; all other boxes, such as ``uuid`` (Content Credentials) and ``udta`` (places), are emptied."""
_PICTURE: Final = frozenset({b"av01", b"grid", b"iovl", b"iden", b"tmap"})
"""Items that make the picture."""
_NO_TAGS: Final = b"II*\0\x08\0\0\0" + b"\0" * 6
_XMP_TYPE: Final = b"application/rdf+xml"


class Box(msgspec.Struct, frozen=True):
    """A box: its type, where it starts, where its content starts, and where it ends."""

    kind: bytes
    start: int
    content: int
    end: int


class Item(msgspec.Struct, frozen=True):
    """An item of a file: its type, the type of its content if it is a ``mime`` item, and the places of its bytes."""

    kind: bytes
    mime: bytes
    extents: list[tuple[int, int]]


def stripped_avif(body: bytes) -> bytes:
    """The image without metadata, as long as it was; ``ValueError`` or ``struct.error`` if it cannot be read."""
    made = bytearray(body)
    hidden: list[Item] = []
    for meta in list(_emptied(made, 0, len(body), b"")):
        if meta.kind == b"meta":
            inner = {box.kind: box for box in _emptied(made, meta.content + 4, meta.end, b"meta")}
            hidden += (item for item in _items(body, inner) if item.kind not in _PICTURE)
    if sum(map(_length, hidden)) > len(body):
        raise ValueError("items that share their bytes")
    tiffs = (_bytes_of(item, body) for item in hidden if item.kind == b"Exif")
    exif = b"".join(data[4 + int.from_bytes(data[:4]) :] for data in tiffs)
    packets = [_length(item) for item in hidden if item.mime == _XMP_TYPE]
    kept = credit_of(body, exif, room=min(packets, default=0))
    for item in hidden:
        _blank(made, item, kept)
    return bytes(made)


def _emptied(made: bytearray, at: int, end: int, within: bytes) -> Iterator[Box]:
    """The boxes between two places; those that may not stand here become ``free``, of zeros."""
    for box in _boxes(made, at, end):
        if box.kind not in _WITHIN[within]:
            made[box.start + 4 : box.start + 8] = b"free"
            made[box.content : box.end] = bytes(box.end - box.content)
            continue
        if box.kind in (b"moov", b"trak"):
            for _ in _emptied(made, box.content, box.end, box.kind):
                pass
        yield box


def _boxes(data: bytes | bytearray, at: int, end: int) -> Iterator[Box]:
    for _ in range(MAX_BOXES):
        if at == end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        content = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = end if size == 0 else at + size
        if not content <= stop <= end:
            raise ValueError("a box that is longer than what it is in")
        yield Box(bytes(kind), at, content, stop)
        at = stop
    raise ValueError("too many boxes")


def _items(body: bytes, inner: dict[bytes, Box]) -> Iterator[Item]:
    if b"iinf" not in inner or b"iloc" not in inner:
        return
    places = dict(_places(body, inner[b"iloc"], inner.get(b"idat")))
    iinf = inner[b"iinf"]
    first = iinf.content + (6 if body[iinf.content] == 0 else 8)
    for box in _boxes(body, first, iinf.end):
        version = body[box.content]
        if box.kind != b"infe" or version not in (2, 3):
            raise ValueError("an item of no known kind")
        at = box.content + 4
        number = int.from_bytes(body[at : at + (2 if version == 2 else 4)])
        at += 4 if version == 2 else 6
        names = body[at + 4 : box.end].split(b"\0")
        yield Item(body[at : at + 4], names[1] if len(names) > 1 else b"", places.get(number, []))


def _places(body: bytes, iloc: Box, idat: Box | None) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Where the bytes of each item are, by its number (ISO/IEC 14496-12, 8.11.3)."""
    version = body[iloc.content]
    sizes, more = body[iloc.content + 4], body[iloc.content + 5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    fields = _Fields(body, iloc.content + 6)
    wide = 4 if version == 2 else 2
    count = fields.number(wide)
    if version > 2 or count > MAX_BOXES:
        raise ValueError("places of no known version, or too many")
    for _ in range(count):
        number = fields.number(wide)
        method = fields.number(2) & 15 if version else 0
        fields.number(2)  # the file it is in
        base = fields.number(base_size)
        if method > 1 or (method == 1 and idat is None):
            raise ValueError("an item made of other items")
        start = base + (idat.content if method == 1 and idat else 0)
        extents = []
        for _ in range(min(fields.number(2), MAX_BOXES)):
            fields.number(index_size)
            offset, length = fields.number(offset_size), fields.number(length_size)
            if start + offset + length > len(body):
                raise ValueError("an item that is longer than the file")
            extents.append((start + offset, length))
        yield number, extents


class _Fields:
    """Numbers one after another."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self, width: int) -> int:
        """The next number of ``width`` bytes."""
        self._at += width
        if self._at > len(self._data):
            raise ValueError("numbers that are cut")
        return int.from_bytes(self._data[self._at - width : self._at])


def _bytes_of(item: Item, body: bytes) -> bytes:
    return b"".join(body[start : start + length] for start, length in item.extents)


def _length(item: Item) -> int:
    return sum(length for _, length in item.extents)


def _blank(made: bytearray, item: Item, kept: Credit) -> None:
    """Overwrite an item that is not the picture with what is kept of it, if that has room, or with nothing."""
    if any(length == 0 for _, length in item.extents):
        raise ValueError("an item without a length")
    room = _length(item)
    said, filling = b"", b"\0"
    if item.kind == b"Exif":
        said = next((tiff for tiff in (kept.exif, _NO_TAGS) if tiff and 4 + len(tiff) <= room), b"")
        said = b"\0\0\0\0" + said  # where the TIFF starts: at once
    elif item.mime == _XMP_TYPE:
        said, filling = kept.xmp, b" "
    data, at = said[:room].ljust(room, filling), 0
    for start, length in item.extents:
        made[start : start + length] = data[at : at + length]
        at += length
