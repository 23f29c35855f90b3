"""HTTP payloads as they were sent, back to what was meant: encodings undone, within a bound.

Archives hold what servers really send: headers that promise an encoding which the body does not have,
bodies cut in the middle, and a few kilobytes that expand to gigabytes. None of it raises here.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Final

import brotli  # type: ignore[import-untyped]
import zstandard

MAX_CODINGS: Final = 4
"""How many encodings are undone, one inside the other; servers use one, rarely two."""

ZSTD_WINDOW: Final = 8 << 20
"""Bytes of memory a zstd body may ask for: what RFC 9659 allows on the web."""

MAX_MEMBERS: Final = 1000
"""How many gzip members of a body are read; a server sends one, a log file dozens."""

MAX_CHUNKS: Final = 200_000
"""How many chunks of a body are read; of one byte each they would take seconds."""

_PIECE = 1 << 16
_CHUNK_SIZE = re.compile(rb"[\t ]*([0-9A-Fa-f]{1,12})[\t ]*(?:;[^\n]*)?\r?\n")

Headers = Iterable[tuple[str, str]]


def undo_encodings(payload: bytes, headers: Headers, limit: int) -> bytes:
    """At most ``limit`` bytes of the body that ``payload`` was made of; never raises.

    ``headers`` are those of the response, names lower-cased. A coding that is declared but not there is
    passed over; where an encoded body breaks off or breaks down, what came before is the body.
    """
    encoded = [(name, value) for name, value in headers if name in ("transfer-encoding", "content-encoding")]
    if not encoded:
        return payload[:limit]
    codings = [*_codings(encoded, "content-encoding"), *_codings(encoded, "transfer-encoding")]
    for coding in reversed(codings[-MAX_CODINGS:]):
        decode = _DECODERS.get(coding)
        body = decode(payload, limit) if decode else None
        payload = payload if body is None else body
    return payload[:limit]


def _codings(headers: Headers, wanted: str) -> list[str]:
    values = ",".join(value for name, value in headers if name == wanted)
    return [coding.strip().lower() for coding in values.split(",")]


# Every decoder gives None for bytes that are not encoded at all.


def _dechunk(data: bytes, limit: int) -> bytes | None:
    match = _CHUNK_SIZE.match(data)
    if match is None:
        return None
    parts: list[bytes] = []
    while match and int(match[1], 16) and limit > 0 and len(parts) < MAX_CHUNKS:
        end = match.end() + int(match[1], 16)
        parts.append(data[match.end() : min(end, match.end() + limit)])
        limit -= len(parts[-1])
        end += 2 if data.startswith(b"\r\n", end) else data.startswith(b"\n", end)
        match = _CHUNK_SIZE.match(data, end)
    return b"".join(parts)


def _gunzip(data: bytes, limit: int) -> bytes | None:
    return _inflate(data, limit, 31)


def _undeflate(data: bytes, limit: int) -> bytes | None:
    """``deflate`` as RFC 9110 means it (a zlib stream) or as some servers send it (raw)."""
    body = _inflate(data, limit, 15)
    return _inflate(data, limit, -15) if body is None else body


def _inflate(data: bytes, limit: int, wbits: int) -> bytes | None:
    body = bytearray()
    members = 0
    decoder = zlib.decompressobj(wbits)
    rest = memoryview(data)
    try:
        while rest and len(body) < limit:
            body += decoder.decompress(rest[:_PIECE], limit - len(body))
            left = len(decoder.unconsumed_tail) + len(decoder.unused_data)
            rest = rest[min(_PIECE, len(rest)) - left :]
            if decoder.eof:
                members += 1
                if wbits != 31 or members == MAX_MEMBERS:
                    break
                decoder = zlib.decompressobj(wbits)
    except zlib.error:
        return bytes(body) or None
    return bytes(body)


def _unbrotli(data: bytes, limit: int) -> bytes | None:
    body = bytearray()
    decoder = brotli.Decompressor()
    try:
        for start in range(0, len(data), _PIECE):
            more = decoder.process(data[start : start + _PIECE], output_buffer_limit=limit)
            while more and len(body) < limit and not decoder.is_finished():
                body += more
                more = decoder.process(b"", output_buffer_limit=limit)
            body += more
            if len(body) >= limit or decoder.is_finished():
                break
    except brotli.error:
        return None if _is_markup(data) else bytes(body) or None
    return bytes(body)


def _is_markup(data: bytes) -> bool:
    """Brotli has no magic number, and may make a few bytes of anything before it notices."""
    return data[:64].lstrip().startswith((b"<", b"\xef\xbb\xbf<"))


def _unzstd(data: bytes, limit: int) -> bytes | None:
    body = bytearray()
    decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    try:
        with decoder.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
            while len(body) < limit and (piece := reader.read(min(_PIECE, limit - len(body)))):
                body += piece
    except zstandard.ZstdError:
        return bytes(body) or None
    return bytes(body)


_DECODERS: dict[str, Callable[[bytes, int], bytes | None]] = {
    "chunked": _dechunk,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
