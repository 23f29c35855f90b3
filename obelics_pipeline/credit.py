"""What a picture keeps of its metadata: which way is up, whose it is, and what may be done with it.

All else is left behind by building anew: an EXIF directory of at most three tags and an XMP packet of at most seven
properties. Pure; hostile bytes give less, never an error.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final
from xml.sax.saxutils import escape

import msgspec

from obelics_pipeline.embedded import embedded, xmp_of

MAX_PACKET: Final = 65_000
"""Bytes of a packet: what has room in a segment of a JPEG."""
MAX_TEXT: Final = 1_000
"""Characters of a credit that are kept."""
_MAX_RAW: Final = 6 * MAX_TEXT
"""Bytes that so many characters take at most, escaped, in their containers."""
MAX_VALUES: Final = 10
"""Values of ``plus:DataMining`` and of ``Iptc4xmpExt:DigitalSourceType`` that are kept; honest files have one."""

_ORIENTATION, _ARTIST, _COPYRIGHT = 0x0112, 0x013B, 0x8298  # tags of EXIF 2.32, table 4
_WIDTHS: Final = {1: 1, 3: 2, 4: 4}  # bytes of an unsigned integer, by its type
_ASCII: Final = 2
_SHORT: Final = 3
MAX_TAGS: Final = 1_000
"""Tags of a directory, or datasets of IPTC, that are looked at."""

_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([1-8])")

RIGHTS: Final = "dc:rights"
CREATOR: Final = "dc:creator"
CREDIT: Final = "photoshop:Credit"
_TEXTS: Final = {
    RIGHTS: "Alt",
    CREDIT: "",
    CREATOR: "Seq",
    "xmpRights:UsageTerms": "Alt",
    "xmpRights:WebStatement": "",
}
"""Credits, the most important first, and the containers that XMP (ISO 16684-1) wants around some."""
_ADDRESSES: Final = {
    "data-mining": ("plus:DataMining", "http://ns.useplus.org/ldf/vocab/"),
    "digital-source": ("Iptc4xmpExt:DigitalSourceType", "http://cv.iptc.org/newscodes/digitalsourcetype/"),
}
_NAMESPACES: Final = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
_TAG = re.compile(rb"<[^<>]*>")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd-\uffff]")

_IIM = re.compile(rb"\x1c\x02([\x50\x6e\x74])(..)", re.DOTALL)
_IIM_NAMES: Final = {0x50: CREATOR, 0x6E: CREDIT, 0x74: RIGHTS}
"""Datasets of record 2 of IPTC's Information Interchange Model 4.2: by-line, credit, copyright notice."""


class Credit(msgspec.Struct, frozen=True):
    """What is kept: ``exif``, a TIFF directory, and ``xmp``, a packet; empty if there is nothing to say."""

    exif: bytes
    xmp: bytes


def credit_of(
    body: bytes, exif: bytes = b"", texts: Mapping[str, bytes] | None = None, room: int = MAX_PACKET
) -> Credit:
    """What the image ``body`` keeps.

    ``exif`` is the TIFF in it, ``texts`` what else names a property of XMP, ``room`` the bytes that a packet may take.
    """
    xmp = xmp_of(body)
    tags = _tags(exif.removeprefix(b"Exif\0\0"))
    if _ORIENTATION not in tags and (found := _XMP_ORIENTATION.search(xmp)):
        tags[_ORIENTATION] = found[1][0] - ord("0")  # as Pillow reads it
    return Credit(_directory(tags), _packet(body, xmp, texts or {}, room))


def iptc_texts(segment: bytes) -> dict[str, bytes]:
    """The credits in a segment of Photoshop's image resources, by their property of XMP."""
    return {
        _IIM_NAMES[found[1][0]]: segment[found.end() : found.end() + min(int.from_bytes(found[2]), MAX_TEXT)]
        for found in islice(_IIM.finditer(segment), MAX_TAGS)
    }


def _tags(tiff: bytes) -> dict[int, int | bytes]:
    """The tags of the first directory that are kept, as far as they can be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return {}
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    if len(tiff) < start + 2:
        return {}
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    tags: dict[int, int | bytes] = {}
    for at in range(start + 2, min(start + 2 + 12 * min(count, MAX_TAGS), len(tiff) - 11), 12):
        tag, kind, number, place = struct.unpack_from(f"{order}HHII", tiff, at)
        if tag == _ORIENTATION and kind in _WIDTHS and number == 1:
            width = _WIDTHS[kind]
            value = int.from_bytes(tiff[at + 8 : at + 8 + width], "little" if order == "<" else "big")
            tags[tag] = value
        elif tag in (_ARTIST, _COPYRIGHT) and kind == _ASCII:
            begin = at + 8 if number <= 4 else place
            tags[tag] = tiff[begin : begin + min(number, MAX_TEXT)].split(b"\0\0")[0].strip(b"\0 ")
    return tags


def _directory(tags: Mapping[int, int | bytes]) -> bytes:
    """A TIFF of these tags, little-endian; nothing if an image without it is shown and credited alike."""
    entries: list[tuple[int, int, int, bytes]] = []
    orientation = tags.get(_ORIENTATION)
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        entries.append((_ORIENTATION, _SHORT, 1, struct.pack("<HH", orientation, 0)))
    for tag in (_ARTIST, _COPYRIGHT):
        text = tags.get(tag)
        if isinstance(text, bytes) and text:
            entries.append((tag, _ASCII, len(text) + 1, text + b"\0"))
    if not entries:
        return b""
    made, behind = [struct.pack("<H", len(entries))], b""
    start = 8 + 2 + 12 * len(entries) + 4
    for tag, kind, number, data in entries:
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            value = struct.pack("<I", start + len(behind))
            behind += data + b"\0" * (len(data) % 2)
        made.append(struct.pack("<HHI", tag, kind, number) + value)
    return b"II*\0\x08\0\0\0" + b"".join(made) + b"\0\0\0\0" + behind


def _packet(body: bytes, xmp: bytes, texts: Mapping[str, bytes], room: int) -> bytes:
    """A packet of as many statements and credits as have ``room``; nothing if there are none."""
    found = [*_statements(body), *_credits(xmp, texts)]
    while found and len(made := _written(found)) > room:
        found.pop()
    return made if found else b""


def _statements(body: bytes) -> Iterator[tuple[str, str]]:
    signals = [signal.partition(":") for signal in embedded(body)]
    for kind, (name, vocabulary) in _ADDRESSES.items():
        values = (value for source, _, value in signals if source == kind and len(value) <= 100)
        yield from ((name, vocabulary + value) for value in islice(values, MAX_VALUES))


def _credits(xmp: bytes, texts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for name, container in _TEXTS.items():
        text = _plain(_property(xmp, name.encode()) or texts.get(name, b""))
        if text and container:
            language = ' xml:lang="x-default"' * (container == "Alt")
            text = f"<rdf:{container}><rdf:li{language}>{text}</rdf:li></rdf:{container}>"
        if text:
            yield name, text


def _written(properties: Sequence[tuple[str, str]]) -> bytes:
    used = {name.partition(":")[0] for name, _ in properties}
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items() if prefix in used)
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in properties)
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{spaces}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def _property(xmp: bytes, name: bytes) -> bytes:
    """The first value of a property, written as an element or as an attribute under its usual prefix."""
    start = xmp.find(b"<" + name)
    if start >= 0:
        opened = xmp.find(b">", start) + 1
        closed = xmp.find(b"</" + name, opened)
        if 0 < opened <= closed:
            return _TAG.sub(b" ", xmp[opened : min(closed, opened + _MAX_RAW)])
    start = xmp.find(name + b'="')
    if start < 0:
        return b""
    start += len(name) + 2
    return xmp[start : min(max(start, xmp.find(b'"', start)), start + _MAX_RAW)]


def _plain(text: bytes) -> str:
    """Text fit for XML, from XML or from another place."""
    words = _CONTROLS.sub(" ", html.unescape(text.decode("utf-8", "ignore")))
    return escape(" ".join(words.split())[:MAX_TEXT].strip())
