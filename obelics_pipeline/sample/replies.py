"""What the sample server answers: pages in their codings, drawn pictures, and everything that goes wrong."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable
from typing import Final

import brotli  # type: ignore[import-untyped]
import msgspec
import zstandard

from obelics_pipeline.sample.drawing import FORMATS, draw

DRAWN: Final = re.compile(r"/(?P<name>[a-z]+(?:-[a-z0-9]+)*)-(?P<width>\d+)x(?P<height>\d+)\.(?P<as>\w+)$")
TYPES: Final = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
HTML: Final = "text/html; charset=utf-8"

CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}
"""Content codings by their names in HTTP."""

HEAVY_BYTES: Final = 12_000_000
"""The size of the picture that is too large to fetch: above ``max_bytes`` of the shipped configurations."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A response; ``pace`` is how it is sent: at once (""), ``chunked``, ``drip``, ``silent`` or ``cut``."""

    status: int = 200
    content_type: str = HTML
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    pace: str = ""


def coded(reply: Reply, coding: str) -> Reply:
    """The reply in the codings that ``coding`` names (``gzip chunked``, say)."""
    for name in coding.split():
        if name == "chunked":
            reply = msgspec.structs.replace(reply, pace="chunked")
        else:
            headers = (*reply.headers, ("Content-Encoding", name))
            reply = msgspec.structs.replace(reply, body=CODINGS[name](reply.body), headers=headers)
    return reply


def picture(path: str) -> Reply | None:
    """The drawn picture whose name ``path`` ends with, or ``None`` if it names none."""
    match = DRAWN.search(path)
    if not match or match["as"] not in FORMATS:
        return None
    body = draw(match["name"], int(match["width"]), int(match["height"]), match["as"])
    return Reply(content_type=TYPES[match["as"]], body=body, headers=(("Cache-Control", "max-age=86400"),))


def redirect(to: str, status: int = 302) -> Reply:
    """A redirect."""
    return Reply(status=status, headers=(("Location", to),), body=b"<p>Moved.</p>")


def jpeg(name: str) -> bytes:
    """A picture for those that go wrong on the way."""
    return draw(name, 640, 480, "jpg")


def wall() -> bytes:
    """A PNG of 20,000 x 12,000 black pixels in a few kilobytes."""
    width, height = 20_000, 12_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _jpeg_reply(body: bytes, pace: str = "", **headers: str) -> Reply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(content_type="image/jpeg", body=body, pace=pace, headers=named)


TROUBLE: Final[dict[str, Callable[[], Reply]]] = {
    "/media/taken-down.jpg": lambda: Reply(status=410, body=b"<h1>Gone</h1>"),
    "/media/members-only.jpg": lambda: Reply(status=403, body=b"<h1>Members only</h1>"),
    "/media/out-of-order.jpg": lambda: Reply(status=500, body=b"<h1>Something broke</h1>"),
    "/media/poster-wall.png": lambda: Reply(content_type="image/png", body=wall()),
    "/media/raw-scan.jpg": lambda: _jpeg_reply(jpeg("stars-raw").ljust(HEAVY_BYTES, b"\0"), "chunked"),
    "/media/pixel.gif": lambda: Reply(content_type="image/gif", body=draw("pixel", 1, 1, "gif")),
    "/media/torn.jpg": lambda: _jpeg_reply(jpeg("bridge-torn")[:-6000]),
    "/media/cut-short.jpg": lambda: _jpeg_reply(jpeg("plan-cut"), "cut"),
    "/media/nothing.jpg": lambda: _jpeg_reply(b""),
    "/media/sorry.jpg": lambda: Reply(body=b"<html><body><h1>Hotlinking is not allowed</h1></body></html>"),
    "/media/drip.jpg": lambda: _jpeg_reply(jpeg("harbour-drip"), "drip"),
    "/media/silent.jpg": lambda: _jpeg_reply(jpeg("harbour-silent"), "silent"),
    "/media/moved.jpg": lambda: redirect("/img/harbour-new-address-720x480.jpg", 301),
    "/media/roundabout.jpg": lambda: redirect("/media/second-exit.jpg"),
    "/media/second-exit.jpg": lambda: redirect("/media/roundabout.jpg"),
    "/media/inside.jpg": lambda: redirect("http://169.254.169.254/latest/meta-data/"),
    "/media/emblem.svg": lambda: Reply(
        content_type="image/svg+xml",
        body=b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><circle r="90"/></svg>',
    ),
    "/media/reserved.jpg": lambda: _jpeg_reply(jpeg("pool-reserved"), X_Robots_Tag="noai, noimageai"),
    "/media/wrong-label.jpg": lambda: _jpeg_reply(draw("wheel-label", 640, 480, "png")),
}
"""Pictures that go wrong, the same on every host; any other address without an answer is a 404."""
