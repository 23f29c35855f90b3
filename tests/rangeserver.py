"""Files that a web server serves by ranges, with one fault after the other."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator

from tests.faultserver import CASES, Case, Request, close, reply, reset

Fault = Callable[[bytes, int, int, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request for the bytes ``[start, stop)`` of a file, in its own way."""


def etag(data: bytes) -> str:
    return f'"{zlib.crc32(data)}"'


def head(status: int, data: bytes, start: int, stop: int, total: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {stop - start}", f"ETag: {etag(data)}"]
    lines += [f"Content-Range: bytes {start}-{stop - 1}/{total or len(data)}"] if status == 206 else []
    return "\r\n".join([*lines, "", ""]).encode()


async def whole(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
    """No fault."""
    writer.write(head(206, data, start, stop) + data[start:stop])


def cut(after: int, end: Callable[[asyncio.StreamWriter], None] = close) -> Fault:
    """Ends the connection after so many bytes of the body; ``reset`` lets the client read an error."""

    async def answer(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(206, data, start, stop) + data[start : min(start + after, stop)])
        await writer.drain()
        end(writer)

    return answer


def stall(after: int) -> Fault:
    """Sends so many bytes of the body, and nothing more."""

    async def answer(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(206, data, start, stop) + data[start : start + after])

    return answer


def says(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Another answer than the bytes."""

    async def answer(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
        await reply(status, body, "text/plain", **headers)(Request("", {}), writer)

    return answer


async def ignores_ranges(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, data, 0, len(data)) + data)


async def another_range(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
    other = max(start - 1, 0) if start else 1
    writer.write(head(206, data, other, stop) + data[other:stop])


async def sends_on(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
    """States what was asked for, and does not end there."""
    writer.write(head(206, data, start, stop).replace(b"Content-Length", b"X-Length") + data[start:])
    writer.write_eof()


async def states_more(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
    """Begins where it was asked to, and ends at the end of the file."""
    writer.write(head(206, data, start, len(data)) + data[start:])


def drip(pause: float) -> Fault:
    """Sends a byte, and another after so many seconds, and so on."""

    async def answer(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(206, data, start, stop))
        for at in range(start, stop):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


async def another_length(data: bytes, start: int, stop: int, writer: asyncio.StreamWriter) -> None:
    writer.write(head(206, data, start, stop, total=len(data) + 1) + data[start:stop])


def serve(name: str, data: bytes, faults: Iterable[Fault] = ()) -> list[int]:
    """Let ``FaultServer`` serve ``data`` at ``/name``: the first GET requests meet ``faults``, the others none.

    The list that is returned grows by the number of bytes of each range that is asked for.
    """
    asked: list[int] = []
    CASES[name] = _serving(data, iter(faults), asked)
    return asked


def _serving(data: bytes, faults: Iterator[Fault], asked: list[int]) -> Case:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "HEAD":
            writer.write(head(200, data, 0, len(data)))
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers["range"])
        assert found is not None
        start, stop = int(found[1]), min(int(found[2] or len(data)) + 1, len(data))
        if start >= len(data):
            await reply(416, Content_Range=f"bytes */{len(data)}")(request, writer)
            return
        asked.append(stop - start)
        await next(faults, whole)(data, start, stop, writer)

    return answer


__all__ = [
    "another_length",
    "another_range",
    "cut",
    "drip",
    "etag",
    "ignores_ranges",
    "reset",
    "says",
    "sends_on",
    "serve",
    "stall",
    "states_more",
    "whole",
]
