"""An image without its metadata: places, devices, owners, previews and comments go, the picture stays as it is.

Nothing is decoded or encoded again. A file is built anew of the segments, chunks or blocks that make the picture;
what is not known to do so is left behind, and so is what follows the end of the picture. Colours (ICC profiles), the
orientation, credits and reservations stay (``credit.py``). Pure, linear, and never raises.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from obelics_pipeline.avif_metadata import stripped_avif
from obelics_pipeline.credit import CREATOR, RIGHTS, credit_of, iptc_texts

MAX_PARTS: Final = 100_000
"""Segments, chunks or blocks of a file; of an honest 10 MB there are a few thousand."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment
_JPEG_PICTURE: Final = frozenset({*range(0xC0, 0xD0), _SOS, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF})
"""Tables, frames, scans (ISO/IEC 10918-1, table B.1)."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JFIF: Final = b"JFIF\0"
_ICC: Final = b"ICC_PROFILE\0"
_ADOBE: Final = b"Adobe"
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_PICTURE: Final = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs hIST acTL fcTL fdAT".split()
)
"""Picture and colours (PNG, third edition, §11); ``sPLT``, ``tIME`` and all texts go."""
_PNG_TEXTS: Final = {b"Copyright": RIGHTS, b"Author": CREATOR}
_RAW_PROFILE: Final = b"Raw profile type exif"

_WEBP_PICTURE: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04  # flags of VP8X

_GIF_BLOCK = re.compile(rb"[!,;]")
_GIF_PICTURE: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
"""Application extensions that stay: how often an animation is shown, and its colours."""


def stripped(body: bytes) -> bytes | None:
    """The image without metadata, equal in all pixels; ``body`` itself if there are none; None if it is not clear.

    None is an image of no known format, or built in a way that nobody can say what is in it.
    """
    try:
        made = _builder(body)(body)
    except (ValueError, struct.error, IndexError):
        return None
    return body if made == body else made


def _builder(body: bytes) -> Callable[[bytes], bytes]:
    if body.startswith(b"\xff\xd8"):
        return _jpeg
    if body.startswith(_PNG_SIGNATURE):
        return _png
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _webp
    if body.startswith((b"GIF87a", b"GIF89a")):
        return _gif
    if body[4:8] == b"ftyp":
        return stripped_avif
    raise ValueError("no known format")


def _jpeg(body: bytes) -> bytes:
    head, rest = [b"\xff\xd8"], []
    exif, iptc = b"", b""
    for marker, content, coded in _segments(body):
        if marker == 0xE0 and content.startswith(_JFIF) and len(content) >= 14:
            head.append(_segment(marker, content[:12] + b"\0\0"))  # without its thumbnail
        elif marker == 0xE1 and content.startswith(_EXIF):
            exif += content[len(_EXIF) :]
        elif marker == 0xED and content.startswith(_PHOTOSHOP):
            iptc += content[len(_PHOTOSHOP) :]
        elif marker == 0xEE and content.startswith(_ADOBE):
            rest.append(_segment(marker, content[:12]))  # how colours are to be turned back
        elif marker in _JPEG_PICTURE or (marker == 0xE2 and content.startswith(_ICC)):
            rest += [_segment(marker, content), coded]
        elif marker == _EOI:
            rest.append(b"\xff\xd9")
    kept = credit_of(body, exif, iptc_texts(iptc))
    for prefix, said in ((_EXIF, kept.exif), (_XMP, kept.xmp)):
        if said:
            head.append(_segment(0xE1, prefix + said))
    return b"".join(head + rest)


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2) + content


def _segments(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, content, and the coded data behind it, up to the end of the first image.

    What stands between segments is skipped, as decoders do.
    """
    at = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(body, at)
        if found is None:
            return
        marker, at = body[found.end() - 1], found.end()
        if marker == _EOI:
            yield marker, b"", b""
            return
        if marker in _ALONE:
            continue
        end = at + int.from_bytes(body[at : at + 2])
        if not at + 2 <= end <= len(body):
            raise ValueError("a segment that is longer than the file, or has no length")
        content, at = body[at + 2 : end], end
        if marker == _SOS:
            behind = _AFTER_SCAN.search(body, at)
            at = behind.start() if behind else len(body)
        yield marker, content, body[end:at]
    raise ValueError("too many segments")


def _png(body: bytes) -> bytes:
    chunks = list(_png_chunks(body))
    exif, raw, texts = b"", b"", {}
    for kind, data in chunks:
        keyword, _, text = data.partition(b"\0")
        if kind == b"eXIf":
            exif = data
        elif kind == b"tEXt" and keyword in _PNG_TEXTS:
            texts[_PNG_TEXTS[keyword]] = text.decode("latin-1").encode()
        elif kind in (b"tEXt", b"zTXt") and keyword == _RAW_PROFILE:
            raw = _profile(text if kind == b"tEXt" else _inflated(text[1:]))
    kept = credit_of(body, exif or raw, texts)
    made = [_png_chunk(kind, data) for kind, data in chunks if kind in _PNG_PICTURE]
    if kept.exif:
        made.insert(1, _png_chunk(b"eXIf", kept.exif))
    if kept.xmp:
        made.insert(1, _png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + kept.xmp))
    return _PNG_SIGNATURE + b"".join(made)


def _png_chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        if len(body) < at + 8:
            return
        length, kind = struct.unpack_from(">I4s", body, at)
        if len(body) < at + 12 + length:
            raise ValueError("a chunk that is longer than the file")
        end = at + 8 + length
        needed = not kind[0] & 0x20  # an upper-case letter: without it the picture is another
        sound = zlib.crc32(body[at + 4 : end]) == int.from_bytes(body[end : end + 4])
        if needed and (kind not in _PNG_PICTURE or not sound):
            raise ValueError("a chunk that nobody knows and that is needed, or a damaged one")
        yield kind, body[at + 8 : at + 8 + length]
        if kind == b"IEND":
            return
        at += 12 + length
    raise ValueError("too many chunks")


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, 1 << 20)
    except zlib.error:
        return b""


def _profile(text: bytes) -> bytes:
    """The bytes of a profile as ImageMagick writes it: three lines of heading, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _webp(body: bytes) -> bytes:
    end = 8 + int.from_bytes(body[4:8], "little")
    chunks = list(_riff_chunks(body, 12, end))
    if not chunks:
        raise ValueError("no picture")
    if chunks[0][0] != b"VP8X":
        return _riff(chunks[:1])  # the simple form: the picture and nothing else
    exif = b"".join(data for kind, data in chunks if kind == b"EXIF")
    kept = credit_of(body, exif)
    made = [
        (kind, _frame(data) if kind == b"ANMF" else data) for kind, data in chunks if kind in _WEBP_PICTURE
    ]
    made += [(kind, said) for kind, said in ((b"EXIF", kept.exif), (b"XMP ", kept.xmp)) if said]
    flags = chunks[0][1][0] & ~(_WEBP_EXIF | _WEBP_XMP)
    flags |= _WEBP_EXIF * bool(kept.exif) | _WEBP_XMP * bool(kept.xmp)
    made[0] = b"VP8X", bytes((flags,)) + chunks[0][1][1:10]
    return _riff(made)


def _frame(data: bytes) -> bytes:
    """A frame of an animation: its place and its picture."""
    inner = _riff_chunks(data, 16, len(data))
    return data[:16] + _joined((kind, part) for kind, part in inner if kind in (b"ALPH", b"VP8 ", b"VP8L"))


def _riff_chunks(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(MAX_PARTS):
        if end < at + 8:
            return
        kind, length = struct.unpack_from("<4sI", body, at)
        if min(end, len(body)) < at + 8 + length:
            raise ValueError("a chunk that is longer than the file")
        yield kind, body[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise ValueError("too many chunks")


def _riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    inner = b"WEBP" + _joined(iter(chunks))
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def _joined(chunks: Iterator[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )


def _gif(body: bytes) -> bytes:
    at = 13 + _palette(body[10])
    made = [body[:at]]
    packet = credit_of(body).xmp
    if (
        packet
    ):  # closed as XMP's part 3 says: whatever byte a reader of sub-blocks lands on leads it to the end
        made.append(b"!\xff\x0bXMP DataXMP" + packet + b"\x01" + bytes(range(255, -1, -1)) + b"\0")
    for _ in range(MAX_PARTS):
        found = _GIF_BLOCK.search(body, at)
        if found is None:
            return b"".join(made)
        start = found.start()
        if body[start] == ord(";"):
            return b"".join([*made, b";"])
        if body[start] == ord(","):
            at = _after_blocks(body, start + 11 + _palette(body[start + 9]))
            keep = True
        else:
            at = _after_blocks(body, start + 2)
            label = body[start + 1]
            keep = label in (0x01, 0xF9) or (label == 0xFF and body[start + 3 : start + 14] in _GIF_PICTURE)
        if keep:
            made.append(body[start:at])
    raise ValueError("too many blocks")


def _palette(flags: int) -> int:
    """Bytes of the palette that the flags of a screen or an image announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(body: bytes, at: int) -> int:
    """The place after a chain of sub-blocks."""
    while body[at]:
        at += 1 + body[at]
    return at + 1
