"""Faults that take more than an answer: servers that do not accept, certificates, large files, many bodies at once."""

from __future__ import annotations

import asyncio
import datetime
import io
import socket
import ssl
import time
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trustme
from faultserver import CASES, JPEG, PNG, FaultServer, Request, png_of, reply

from obelics_pipeline import download
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images

pytestmark = pytest.mark.usefixtures("dialled")

LOCAL = partial(FetchOptions, allow_private=True, ports=(), total_timeout=10, retry_wait=0, robots=False)


def fetch_one(url: str, **options: Any) -> FetchResult:
    (result,) = fetch_images([url], LOCAL(**options))
    return result


@pytest.fixture
def full() -> Iterator[str]:
    """A port that somebody listens on and never accepts, with its queue full: further attempts hear nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        for one in waiting:
            one.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_accepts_is_given_up(scheme: str, full: str) -> None:
    begun = time.monotonic()
    result = fetch_one(f"{scheme}://{full}/image.png", connect_timeout=0.5)
    assert (result.status, result.http_status) == (FetchStatus.TIMEOUT, None)
    assert 0.5 <= time.monotonic() - begun < 1.5


def test_an_accepted_connection_that_never_speaks_tls_is_given_up(server: FaultServer) -> None:
    begun = time.monotonic()
    result = fetch_one(server.url("png").replace("http:", "https:"), total_timeout=1)
    assert result.status is FetchStatus.TIMEOUT
    assert time.monotonic() - begun < 2


def test_an_expired_certificate_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    authority, yesterday = trustme.CA(), datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("old.example", not_after=yesterday).configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(download, "_tls", lambda: trusting)
    with FaultServer(context) as server:
        result = fetch_one("https://old.example/png", hosts={"*.example": server.endpoint})
    assert result.status is FetchStatus.TLS


def test_a_picture_with_an_archive_behind_it_stays_as_it_was_served(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are the server's: what is cut off could not be held against its hash any more."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.bin", bytes(1_000_000))
    body = JPEG + file.getvalue()
    monkeypatch.setitem(CASES, "polyglot", reply(200, body, "image/jpeg"))
    result = fetch_one(server.url("polyglot"))
    assert (result.status, result.format, result.body == body) == (FetchStatus.OK, "jpeg", True)


@pytest.mark.parametrize(
    ("most", "status"), [(64_000_000, FetchStatus.OK), (15_999_999, FetchStatus.TOO_MANY_PIXELS)]
)
def test_a_large_transparent_picture_takes_its_time_and_no_more(
    most: int, status: FetchStatus, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CASES, "wide", reply(200, png_of(4000, 4000, bits=8, colour=6)))
    assert fetch_one(server.url("wide"), max_pixels=most).status is status


# Many bodies at once

BODY, BODIES, AT_ONCE, ROOM = 4_000_000, 40, 16, 8_000_000


async def _pieces(request: Request, writer: asyncio.StreamWriter) -> None:
    """A picture with much behind it, in pieces: the server itself holds little. ``/pieces/announced`` says how much."""
    announced = "announced" in request.path
    writer.write(
        _HEAD + (b"Content-Length: %d\r\n\r\n" % BODY if announced else b"Connection: close\r\n\r\n")
    )
    for start in range(0, BODY, 50_000):
        writer.write((PNG if start == 0 else b"").ljust(50_000, b"\0"))
        await writer.drain()
    if not announced:
        writer.close()


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


@pytest.mark.parametrize("path", ["announced", "not-told"])
def test_bodies_that_are_held_at_once_have_bounds_and_none_is_late(
    path: str, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen are on their way at a time; the taker needs longer for all than each of them has."""
    monkeypatch.setitem(CASES, "pieces", _pieces)
    options = LOCAL(
        total_timeout=2, max_bytes=BODY, max_bytes_in_flight=ROOM, concurrency=AT_ONCE, per_host=AT_ONCE
    )
    statuses, most = Counter[FetchStatus](), 0
    tracemalloc.start()
    try:
        for result in fetch_images((server.url(f"pieces/{path}?{n}") for n in range(BODIES)), options):
            statuses[result.status] += 1
            assert result.num_bytes == BODY
            time.sleep(0.06)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert statuses == {FetchStatus.OK: BODIES}
    copies, buffers = (
        3 * BODY,
        AT_ONCE * 1_000_000,
    )  # of the one that is checked; of the connections, on both sides
    assert most < ROOM + copies + buffers < AT_ONCE * BODY * 3 / 4


@pytest.mark.parametrize("stuck", ["stall", "stall-in-body", "drip"])
def test_bodies_that_never_come_give_their_room_back(stuck: str, server: FaultServer) -> None:
    urls = [server.url(f"{stuck}?{n}") for n in range(6)] + [server.url(f"until-close?{n}") for n in range(6)]
    options = LOCAL(total_timeout=0.3, max_bytes=1000, max_bytes_in_flight=1000, per_host=20)
    statuses = Counter(result.status for result in fetch_images(urls, options))
    assert statuses == {FetchStatus.TIMEOUT: 6, FetchStatus.OK: 6}


def test_stopping_early_leaves_nobody_waiting_for_room(server: FaultServer) -> None:
    urls = [server.url(f"until-close?{n}") for n in range(20)]
    results = fetch_images(urls, LOCAL(max_bytes=1000, max_bytes_in_flight=1000, per_host=20))
    next(results)
    begun = time.monotonic()
    results.close()
    assert time.monotonic() - begun < 1
