"""A web server that misbehaves on request: ``/drip`` drips, ``/endless`` never ends, ``/png`` is an image.

Deterministic and on 127.0.0.1 only. It keeps a list of the requests it got and the most it had at once.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from io import BytesIO
from threading import Thread

import brotli
import msgspec
from PIL import Image


class Request(msgspec.Struct, frozen=True):
    """What a client asked for; header names are in lower case."""

    path: str
    headers: dict[str, str]
    method: str = "GET"

    @property
    def case(self) -> str:
        return self.path.strip("/").split("/")[0].split("?")[0]


Case = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES[name] = function
        return function

    return register


class FaultServer:
    """Runs in a thread between ``with`` and its end; ``url("png")`` is the address of a case."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._tls = tls

    def url(self, path: str, host: str = "") -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self.endpoint}/{path}"

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def count(self, name: str) -> int:
        return sum(request.case == name for request in self.requests)

    def __enter__(self) -> FaultServer:
        started: Future[int] = Future()
        self._stop = asyncio.Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        self.port = started.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self, started: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # clients that hang up are no news
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls, backlog=512)
        started.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                await self._answer(_parsed(await reader.readuntil(b"\r\n\r\n")), writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await CASES[request.case](request, writer)
            await writer.drain()
        finally:
            self._at_once -= 1


@contextmanager
def serving(cases: dict[str, Case]) -> Iterator[FaultServer]:
    """A server that has these cases, too, which are gone afterwards."""
    CASES.update(cases)
    with FaultServer() as running:
        yield running
    for name in cases:
        del CASES[name]


def _parsed(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    method, path, _ = first.split(" ")
    return Request(path, {name.lower(): value for name, value in headers.items()}, method)


# Bodies


def picture(kind: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """A gradient as an image file of Pillow's format ``kind``."""
    image = Image.linear_gradient("L").resize(size).convert(str(options.pop("mode", "RGB")))
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_of(width: int, height: int, bits: int = 1, colour: int = 0) -> bytes:
    """A black PNG written line by line, so that a bomb costs its maker nothing."""
    samples = {0: 1, 2: 3, 6: 4}[colour]
    packer, line = zlib.compressobj(9), bytes(1 + (width * bits * samples + 7) // 8)
    data = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _claiming(png: bytes, side: int) -> bytes:
    """A PNG whose header says that it is ``side`` × ``side``."""
    header = png[12:16] + struct.pack(">II", side, side) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


PNG, JPEG, WEBP, GIF = (picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF"))
HTML = b"<!doctype html><title>Not found</title><p>No image here."


# Answers that are complete


def reply(status: int, body: bytes = b"", content_type: str = "image/png", **headers: str) -> Case:
    """A well-formed answer; underscores in the names of ``headers`` stand for hyphens."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    message = f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + body
    return raw(message)


def raw(message: bytes, then: Callable[[asyncio.StreamWriter], object] = lambda writer: None) -> Case:
    """These bytes, and what to do ``then`` (closing, say)."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(message)
        await writer.drain()
        then(writer)

    return answer


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side reads an error and no end (RST)."""
    writer.transport.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0
    writer.transport.abort()


def _head(length: object, *lines: str) -> bytes:
    announced = f"Content-Length: {length}\r\n" if length is not None else ""
    return f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n{announced}{''.join(lines)}\r\n".encode()


CASES |= {
    "png": reply(200, PNG, "image/png"),
    "jpeg": reply(200, JPEG, "image/jpeg"),
    "webp": reply(200, WEBP, "image/webp"),
    "gif": reply(200, GIF, "image/gif"),
    "avif": reply(200, picture("AVIF"), "image/avif"),
    "jpeg-and-zip": reply(200, JPEG + b"PK\x03\x04" * 30_000, "image/jpeg"),
    "cmyk": reply(200, picture("JPEG", mode="CMYK"), "image/jpeg"),
    "deep": reply(200, png_of(64, 48, bits=16, colour=2)),
    "turned": reply(
        200, picture("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    ),
    "animated": reply(
        200, picture("GIF", save_all=True, append_images=[Image.new("L", (64, 48))]), "image/gif"
    ),
    "image-as-html": reply(200, PNG, "text/html"),
    "html-as-image": reply(200, HTML, "image/png"),
    "svg": reply(200, b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "empty": reply(200),
    "half-jpeg": reply(200, picture("JPEG", (640, 480))[:3000], "image/jpeg"),
    "jpeg-without-end": reply(200, JPEG[:-3], "image/jpeg"),
    "lying-header": reply(200, _claiming(PNG, 30000)),
    "bomb": reply(200, png_of(12000, 12000)),
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "206": reply(206, PNG[:50], Content_Range=f"bytes 0-49/{len(PNG)}"),
    "401": reply(401, PNG, WWW_Authenticate="Basic"),
    "403": reply(403, PNG),
    "404-with-image": reply(404, PNG),
    "410": reply(410, HTML, "text/html"),
    "503": reply(503, HTML, "text/html", Retry_After="1"),
    "404": reply(404, HTML, "text/html"),
    "429": reply(429, Retry_After="3600"),
    "429-date": reply(429, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT"),
    "500": reply(500, HTML, "text/html"),
    "999": reply(999),
    "big": reply(200, PNG + bytes(300_000)),
    "gzip": reply(200, gzip.compress(PNG, mtime=0), Content_Encoding="gzip"),
    "brotli": reply(200, brotli.compress(PNG), Content_Encoding="br"),
    "gzip-in-name-only": reply(200, PNG, Content_Encoding="gzip"),
    "brotli-in-name-only": reply(200, JPEG, Content_Encoding="br"),
    "gzip-bomb": reply(200, gzip.compress(bytes(50_000_000), mtime=0), Content_Encoding="gzip"),
    "brotli-bomb": reply(200, brotli.compress(bytes(50_000_000), quality=1), Content_Encoding="br"),
    "cookie": reply(200, PNG, Set_Cookie="id=1; Path=/"),
    # Images that are reserved
    "noai": reply(200, PNG, X_Robots_Tag="NoAI, noindex"),
    "noai-on-the-way": reply(302, Location="/png", X_Robots_Tag="noimageai"),
    "tdm": reply(200, PNG, tdm_reservation="1"),
    # Redirects
    "relative": reply(301, Location="/png"),
    "loop": reply(302, Location="/loop"),
    "to-metadata": reply(302, Location="http://169.254.169.254/latest/meta-data/"),
    "to-mapped-metadata": reply(302, Location="http://[::ffff:a9fe:a9fe]/latest/meta-data/"),
    "see-other": reply(303, Location="/png"),
    "temporary": reply(307, Location="/png"),
    "permanent": reply(308, Location="/png"),
    "to-file": reply(302, Location="file:///etc/hostname"),
    "to-ftp": reply(302, Location="ftp://127.0.0.1/image.png"),
    "to-data": reply(302, Location="data:image/gif;base64,R0lGODlhAQABAAAAACw="),
    "to-ssh": reply(302, Location="http://127.0.0.1:22/"),
    "to-nonsense": reply(302, Location="http://[:::/"),
    "nowhere": reply(302),
    "to-bytes": raw(b"HTTP/1.1 302 Found\r\nLocation: /png/\xe4\r\nContent-Length: 0\r\n\r\n"),
    # Answers that are not complete, or never will be
    "never": raw(b""),
    "stall": raw(_head(100)),
    "stall-in-body": raw(_head(len(PNG)) + PNG[:50]),
    "short": raw(_head(len(PNG) + 1000) + PNG, close),
    "long": raw(_head(50) + PNG, close),
    "until-close": raw(_head(None, "Connection: close\r\n") + PNG, close),
    "announced-too-large": raw(_head(10**12)),
    "negative-length": raw(_head(-1) + PNG, close),
    "two-lengths": raw(_head(10, f"Content-Length: {len(PNG)}\r\n") + PNG, close),
    "length-and-chunks": raw(
        _head(10, "Transfer-Encoding: chunked\r\n") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(PNG), PNG), close
    ),
    "bad-chunk": raw(_head(None, "Transfer-Encoding: chunked\r\n") + b"zz\r\n" + PNG, close),
    "open-chunks": raw(_head(None, "Transfer-Encoding: chunked\r\n") + b"4\r\n" + PNG[:4] + b"\r\n", close),
    "hang-up": raw(b"", close),
    "reset": raw(b"", reset),
    "reset-in-body": raw(_head(len(PNG)) + PNG[:50], reset),
    "not-http": raw(b"220 mail.example ESMTP\r\n\r\n", close),
    "header-flood": raw(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: x\r\n" * 5000 + b"\r\n", close),
    "long-header": raw(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 1_000_000 + b"\r\n\r\n", close),
}


# What hosts say of themselves: the first label of the host's name decides


def text(*lines: str) -> Case:
    return reply(200, "\n".join(lines).encode(), "text/plain")


_FILLER = "# filler\n" * 60_000
"""More than the 500 kibibytes of a robots.txt that are read."""

ROBOTS: dict[str, Case] = {
    "allow": text("User-agent: *", "Allow: /"),
    "disallow": text("User-agent: *", "Disallow: /"),
    "disallow-part": text("User-agent: *", "Disallow: /png/private"),
    "disallow-us": text("User-agent: obelics-builder", "Disallow: /", "User-agent: *", "Allow: /"),
    "disallow-gptbot": text("User-agent: GPTBot", "Disallow: /"),
    "disallow-other": text("User-agent: otherbot", "Disallow: /"),
    "usage": text("User-agent: *", "Content-Usage: /png/private train-ai=n"),
    "usage-other": text("User-agent: *", "Content-Usage: search=n"),
    "signal": text("User-agent: *", "Content-Signal: search=yes, ai-train=no", "Allow: /"),
    "license": text("License: https://license.example/rsl.xml"),
    "html": reply(200, HTML, "text/html"),
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "huge-before": text("User-agent: *", "Disallow: /", _FILLER),
    "huge-after": text(_FILLER, "User-agent: *", "Disallow: /"),
    "gzip": reply(200, gzip.compress(b"User-agent: *\nDisallow: /", mtime=0), Content_Encoding="gzip"),
    "moved": reply(301, Location="http://disallow.example/robots.txt"),
    "moved-to-none": reply(302, Location="/404"),
    "moved-to-dead": reply(302, Location="http://dead.invalid/robots.txt"),
    "moved-inside": reply(302, Location="http://169.254.169.254/robots.txt"),
    "moved-forever": reply(302, Location="/loop"),
    **{name: CASES[name] for name in ("401", "403", "404", "410", "429", "500", "503", "206", "304", "999")},
    **{name: CASES[name] for name in ("short", "never", "stall", "hang-up", "not-http", "header-flood")},
}


@case("robots.txt")
async def robots(request: Request, writer: asyncio.StreamWriter) -> None:
    await ROBOTS.get(request.headers["host"].partition(".")[0], ROBOTS["404"])(request, writer)


@case("absolute")
async def absolute(request: Request, writer: asyncio.StreamWriter) -> None:
    await reply(301, Location=f"http://{request.headers['host']}/jpeg")(request, writer)


@case("hops")
async def hops(request: Request, writer: asyncio.StreamWriter) -> None:
    """``/hops/3`` is three redirects away from an image."""
    left = int(request.path.rsplit("/", 1)[1])
    await reply(308, Location=f"/hops/{left - 1}" if left > 1 else "/png")(request, writer)


@case("drip")
async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
    await _drip(_head(len(PNG)), PNG, writer)


@case("drip-headers")
async def drip_headers(request: Request, writer: asyncio.StreamWriter) -> None:
    await _drip(b"HTTP/1.1 200 OK\r\n", b"X-Filler: x\r\n" * 100, writer)


async def _drip(at_once: bytes, slowly: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(at_once)
    for byte in slowly:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


@case("endless")
async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(None, "Transfer-Encoding: chunked\r\n"))
    while not writer.is_closing():
        writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
        await writer.drain()


@case("slow")
async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
    """An image after a fifth of a second."""
    await asyncio.sleep(0.2)
    await CASES["png"](request, writer)
