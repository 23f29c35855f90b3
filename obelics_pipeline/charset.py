"""From the bytes of a page to UTF-8, as the HTML standard says: BOM, HTTP header, meta tag, detection.

Encodings and labels are those of the WHATWG Encoding standard (https://encoding.spec.whatwg.org). Where a
declaration is plainly impossible the text is preferred to the letter of the standard: see ``to_utf8``.
"""

from __future__ import annotations

import codecs
import re
import struct
import threading
from functools import cache, lru_cache
from typing import Final

import cchardet
import pyarrow as pa
import webencodings

PRESCAN_BYTES: Final = 1024
"""How far the HTML standard looks for a meta declaration before it parses."""

LATE_PRESCAN_BYTES: Final = 65_536
"""How far a later declaration is looked for; a browser meets it while parsing and starts over."""

DETECTION_BYTES: Final = 65_536
"""How much non-ASCII text detection is given; more does not change its mind."""

MIN_EVIDENCE: Final = 12
"""With fewer bytes beyond ASCII it has nothing to go by: windows-1252, as in Western browsers."""

MIN_CONFIDENCE: Final = 0.5
"""Below it, and for encodings that the web never used, the guess is the same."""

MAX_REPAIRS: Final = 10_000
"""Characters that are looked up one by one because a codec lacks them; with more the page is no text."""

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_NOT_ASCII_COMPATIBLE = frozenset({"utf-16be", "utf-16le", "iso-2022-jp"})
_DETECTOR_NAMES = {"uhc": "euc-kr"}
_HEADER_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^\s;,"']+)""", re.IGNORECASE)
_ASCII = bytes(range(128))
_FAR_FROM_TEXT = re.compile(rb"[\x00-\x7f]{24,}")


def to_utf8(body: bytes, content_type: str | None) -> tuple[bytes, str]:
    """The page as valid UTF-8 without BOM, and the name of the encoding it was in. Never raises.

    ``content_type`` is the HTTP header. Text that is UTF-8 already is returned as it is. The standard is left
    in three cases, where it would only destroy text: UTF-8 that is declared but wrong more often than right,
    UTF-16 that is declared for bytes without a single NUL, and the encodings that the standard replaces by
    nothing, are treated as if nothing were declared.
    """
    for bom, name in _BOMS:
        if body.startswith(bom):
            return _decoded(body[len(bom) :], name)
    declared = _header_encoding(content_type) or _meta_encoding(body[:PRESCAN_BYTES])
    if declared and declared.startswith("utf-16") and b"\0" not in body[:PRESCAN_BYTES]:
        declared = None
    return _decoded(body, declared)


def is_utf8(body: bytes) -> bool:
    """Whether bytes are valid UTF-8: asked of Arrow, which need not make a string of a whole page to know."""
    offsets = pa.py_buffer(struct.pack("=ii", 0, len(body)))
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(body)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decoded(body: bytes, encoding: str | None) -> tuple[bytes, str]:
    if encoding not in _NOT_ASCII_COMPATIBLE and body.isascii():
        return body, encoding or "utf-8"
    if encoding is None or encoding == "utf-8":
        if is_utf8(body):
            if not body.startswith(codecs.BOM_UTF8):
                return body, "utf-8"
            text = body.decode()
        else:
            text, encoding = _repaired(body)
    else:
        text = _decode(body, encoding)
    return text.lstrip("\ufeff").encode("utf-8", "replace"), encoding or "utf-8"


def _repaired(body: bytes) -> tuple[str, str]:
    """The text of bytes that are no valid UTF-8, and nothing else is known of them."""
    text = body.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = len(text) - wrong - len(text.encode("ascii", "ignore"))
    if right > wrong:
        return text, "utf-8"
    encoding = _meta_encoding(body[:LATE_PRESCAN_BYTES])
    if encoding is None or encoding == "utf-8":
        encoding = _detected(body)
    return _decode(body, encoding), encoding


def _detected(body: bytes) -> str:
    letters = _FAR_FROM_TEXT.sub(b" ", body[: 16 * DETECTION_BYTES])[:DETECTION_BYTES]
    if len(letters.translate(None, _ASCII)) < MIN_EVIDENCE:
        return "windows-1252"
    guess = cchardet.detect(letters)
    name = (guess["encoding"] or "").lower()
    encoding = _encoding(_DETECTOR_NAMES.get(name, name))
    if encoding is None or encoding.startswith("utf-") or (guess["confidence"] or 0) < MIN_CONFIDENCE:
        return "windows-1252"
    return encoding


def _encoding(label: str) -> str | None:
    """The name of the encoding that a label means, or None if it means none that holds text."""
    found = webencodings.lookup(label)
    return found.name if found and found.name != "replacement" else None


@lru_cache(maxsize=1024)
def _header_encoding(content_type: str | None) -> str | None:
    match = _HEADER_CHARSET.search(content_type) if content_type else None
    return _encoding(match[1]) if match else None


# --- Decoding as the Encoding standard does, where the codecs of Python differ

_CODECS = {
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "iso-2022-jp": "iso2022_jp_ext",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
}
_MULTI_BYTE = _NOT_ASCII_COMPATIBLE | {"gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"}
_EXTENDED = frozenset({"gbk", "gb18030", "euc-jp"})
_CORRECTIONS = {"koi8-u": {0xAE: "ў", 0xBE: "Ў"}, "windows-1255": {0xCA: "\u05ba"}}


def _decode(body: bytes, encoding: str) -> str:
    if encoding in _MULTI_BYTE:
        text = body.decode(_CODECS.get(encoding, encoding), "replace")
        return _repair(body, encoding, text) if encoding in _EXTENDED and "\ufffd" in text else text
    return codecs.charmap_decode(body, "strict", _table(encoding))[0]


def _repair(body: bytes, encoding: str, text: str) -> str:
    """The text again with what browsers read and Python's codecs do not; as it was if too much is missing."""
    _repairs.left = MAX_REPAIRS
    try:
        return body.decode(_CODECS.get(encoding, encoding), _LENIENT)
    except UnicodeDecodeError:
        return text


@cache
def _table(encoding: str) -> str:
    """The 256 characters of a single-byte encoding; bytes 80 to 9F that mean nothing are C1 controls."""
    if encoding == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF700 + byte) for byte in range(256))
    corrections = _CORRECTIONS.get(encoding, {})
    return "".join(corrections.get(byte) or _character(byte, encoding) for byte in range(256))


def _character(byte: int, encoding: str) -> str:
    try:
        return bytes([byte]).decode(_CODECS.get(encoding, encoding))
    except UnicodeDecodeError:
        return chr(byte) if 0x80 <= byte < 0xA0 else "\ufffd"


def _lenient(error: UnicodeError) -> tuple[str, int]:
    """A character that the codec lacks, or U+FFFD."""
    _repairs.left -= 1
    if not isinstance(error, UnicodeDecodeError) or _repairs.left < 0:
        raise error
    lead, trail = (*error.object[error.start : error.start + 2], 0)[:2]
    if error.encoding == "gb18030" and lead == 0x80:
        return "€", error.start + 1
    if error.encoding == "euc_jp" and min(lead, trail) > 0xA0:
        return _vendor_kanji(lead - 0xA0, trail - 0xA0), error.start + 2
    return "\ufffd", error.end


def _vendor_kanji(row: int, cell: int) -> str:
    """A character of the rows that NEC and IBM added to JIS X 0208 (① ㈱ 髙), by way of Shift_JIS."""
    lead = (row - 1) // 2 + (0x81 if row < 63 else 0xC1)
    trail = cell + 0x9E if row % 2 == 0 else cell + (0x3F if cell < 64 else 0x40)
    return bytes((lead, trail)).decode("cp932", "replace")


_repairs = threading.local()
_LENIENT = "obelics_pipeline.charset"
codecs.register_error(_LENIENT, _lenient)


# --- The prescan of the HTML standard (13.2.3.2)

_SPACE = rb"[\t\n\f\r ]"
_TAG = re.compile(rb"<!--|<meta(?=[\t\n\f\r />])|</?[a-z][^\t\n\f\r />]*|<[!/?][^>]*", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)%b*"
    rb"""(?:=%b*(?:"([^"]*)"|'([^']*)'|(?!["'])([^\t\n\f\r >]*)))?""" % (_SPACE, _SPACE)
)
_CONTENT_CHARSET = re.compile(
    rb"""charset%b*=%b*(?:"([^"]*)"|'([^']*)'|([^"'\t\n\f\r ;][^\t\n\f\r ;]*))""" % (_SPACE, _SPACE)
)
_XML_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding[\0-\x20]*=[\0-\x20]*(["'])([^"'>\0-\x20]*)\1""")


def _meta_encoding(head: bytes) -> str | None:
    if head.startswith((b"<\0?\0x\0", b"\0<\0?\0x")):
        return "utf-16le" if head[0] else "utf-16be"
    head = head.lower()
    if b"charset" not in head and b"encoding" not in head:
        return None
    position = 0
    while tag := _TAG.search(head, position):
        position = tag.end()
        if tag[0] == b"<!--":
            position = head.find(b"-->", tag.start() + 2)
            if position < 0:
                break
        elif tag[0] == b"<meta" or tag[0][1:].lstrip(b"/")[:1].isalpha():
            attributes, position = _attributes(head, position)
            encoding = _encoding_of_meta(attributes) if tag[0] == b"<meta" else None
            if encoding and position < len(head):
                return encoding
    match = _XML_ENCODING.match(head)
    return _ascii_encoding(match[2]) if match else None


def _attributes(head: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """The attributes of the tag whose name ends at ``position``, and where they end."""
    attributes: dict[bytes, bytes] = {}
    while match := _ATTRIBUTE.match(head, position):
        attributes.setdefault(match[1], match[2] or match[3] or match[4] or b"")
        position = match.end()
    return attributes, position


def _encoding_of_meta(attributes: dict[bytes, bytes]) -> str | None:
    if b"charset" in attributes:
        return _ascii_encoding(attributes[b"charset"])
    if attributes.get(b"http-equiv") == b"content-type":
        match = _CONTENT_CHARSET.search(attributes.get(b"content", b""))
        return _ascii_encoding(next(filter(None, match.groups()), b"")) if match else None
    return None


def _ascii_encoding(label: bytes) -> str | None:
    """The encoding of a label that was read as ASCII, which proves that the page is in no UTF-16."""
    encoding = _encoding(label.decode("latin-1"))
    if encoding in ("utf-16le", "utf-16be"):
        return "utf-8"
    return "windows-1252" if encoding == "x-user-defined" else encoding
