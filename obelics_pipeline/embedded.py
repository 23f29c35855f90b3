"""Consent signals inside an image file: what its metadata ask, before anything is stripped. Never raises.

Signals are strings as those of ``consent``: ``data-mining:DMI-PROHIBITED…`` (PLUS and IPTC, in XMP),
``digital-source:…`` (IPTC, in XMP: how the picture came about) and ``c2pa:…`` (the assertions
``c2pa.training-mining`` and ``cawg.training-mining`` of Content Credentials). Nothing is verified: an objection
needs no signature.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

MAX_PACKET: Final = 1_000_000
"""Bytes of metadata that are read of one segment or chunk, also unpacked; no honest packet comes near."""

MAX_XMP: Final = 4_000_000
"""Bytes of all packets together after which no further one is unpacked: a small file can hold thousands of them."""

MAX_PARTS: Final = 10_000
"""Segments or chunks that are looked at."""

_MINING = re.compile(rb"DMI-PROHIBITED(?:-[A-Z]+)*")
"""Values of plus:DataMining (https://ns.useplus.org/LDF/ldf-XMPSpecification), however the property is written."""
_ORIGIN = re.compile(rb"newscodes/digitalsourcetype/([A-Za-z]{1,60})")
"""Values of Iptc4xmpExt:DigitalSourceType (https://cv.iptc.org/newscodes/digitalsourcetype/)."""

_ASSERTION: Final = b"training-mining"
_USES = re.compile(
    rb"(ai_generative_training|ai_training|data_mining)(?:(?!ai_|data_mining).){0,64}?(notAllowed|constrained)",
    re.DOTALL,
)
"""Uses and their permission, in CBOR and JSON alike: texts stand in both as they are."""

_JPEG_XMP: Final = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_EXTENSION_HEAD: Final = 40  # GUID, length and offset of a piece of extended XMP
_PNG_XMP: Final = b"XML:com.adobe.xmp\0"
_PACKET = re.compile(rb"<x:xmpmeta|<\?xpacket begin|<rdf:RDF")


def embedded(body: bytes) -> tuple[str, ...]:
    """The signals in the bytes of an image, sorted, each once. Damaged files are read as far as they go."""
    xmp = xmp_of(body)
    found = {f"data-mining:{value.decode()}" for value in _MINING.findall(xmp)}
    found |= {f"digital-source:{value.decode()}" for value in _ORIGIN.findall(xmp)}
    found |= set(_credentials(body))
    return tuple(sorted(found))


def xmp_of(body: bytes) -> bytes:
    """All XMP in the bytes of an image, UTF-8 or what reads like it: UTF-16 loses its zeros."""
    packets, size = [], 0
    for packet in _xmp(body):
        packets.append(packet)
        size += len(packet)
        if size > MAX_XMP:
            break
    return b"".join(packets).replace(b"\0", b"")


def _xmp(body: bytes) -> Iterator[bytes]:
    if body.startswith(b"\xff\xd8"):
        return _of_jpeg(body)
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return _of_png(body)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _of_webp(body)
    return _of_others(body)


def _of_jpeg(body: bytes) -> Iterator[bytes]:
    at = 2
    for _ in range(MAX_PARTS):
        while body[at : at + 2] == b"\xff\xff":  # padding
            at += 1
        if len(body) < at + 4 or body[at] != 0xFF or body[at + 1] in (0xD9, 0xDA):
            return
        length = int.from_bytes(body[at + 2 : at + 4])
        if body[at + 1] == 0xE1:
            segment = body[at + 4 : at + 2 + length]
            if segment.startswith(_JPEG_XMP[0]):
                yield segment[len(_JPEG_XMP[0]) :]
            elif segment.startswith(_JPEG_XMP[1]):
                yield segment[len(_JPEG_XMP[1]) + _EXTENSION_HEAD :]
        at += 2 + length


def _of_png(body: bytes) -> Iterator[bytes]:
    at = 8
    for _ in range(MAX_PARTS):
        if len(body) < at + 8:
            return
        length, kind = struct.unpack_from(">I4s", body, at)
        if kind == b"iTXt" and body.startswith(_PNG_XMP, at + 8):
            yield _text_of(body[at + 8 + len(_PNG_XMP) : at + 8 + length])
        at += 12 + length


def _text_of(chunk: bytes) -> bytes:
    """The text of an iTXt chunk after its keyword: flag, method, language and translated keyword come before it."""
    packed = chunk[:1] == b"\1"
    text = chunk[2:].split(b"\0", 2)[-1]
    if not packed:
        return text[:MAX_PACKET]
    try:
        return zlib.decompressobj().decompress(text, MAX_PACKET)
    except zlib.error:
        return b""


def _of_webp(body: bytes) -> Iterator[bytes]:
    at = 12
    for _ in range(MAX_PARTS):
        if len(body) < at + 8:
            return
        kind, length = struct.unpack_from("<4sI", body, at)
        if kind == b"XMP ":
            yield body[at + 8 : at + 8 + min(length, MAX_PACKET)]
        at += 8 + length + length % 2


def _of_others(body: bytes) -> Iterator[bytes]:
    """GIF, AVIF and the like hold the packet as it is; XMP is made to be found so."""
    packet = _PACKET.search(body)
    if packet:
        yield body[packet.start() : packet.start() + MAX_PACKET]


def _credentials(body: bytes) -> Iterator[str]:
    at = body.find(_ASSERTION)
    for _ in range(MAX_PARTS):
        if at < 0:
            return
        for use, permission in _USES.findall(body, at, at + 4096):
            yield f"c2pa:{use.decode()}={permission.decode()}"
        at = body.find(_ASSERTION, at + 1)
