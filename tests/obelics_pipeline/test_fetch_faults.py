"""Faults that take more than an answer: servers that do not accept, certificates, large files, many bodies at once."""

from __future__ import annotations

import datetime
import io
import socket
import ssl
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trustme
from faultserver import CASES, JPEG, FaultServer, png_of, reply

from obelics_pipeline import download
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images

pytestmark = pytest.mark.usefixtures("dialled")

LOCAL = partial(FetchOptions, allow_private=True, ports=(), total_timeout=10, retry_wait=0)


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
