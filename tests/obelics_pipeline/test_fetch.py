"""Downloads against a server that misbehaves; nothing but 127.0.0.1 is ever dialled."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import threading
import time
from collections import Counter
from functools import partial
from itertools import count
from typing import Any

import aiohttp
import pytest
from faultserver import CASES, GIF, JPEG, PNG, WEBP, FaultServer, raw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obelics_pipeline.decoder import decoder
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images

pytestmark = pytest.mark.usefixtures("dialled")

DEADLINE = 1.0
"""Seconds: long enough for the honest on a busy machine, and what the stuck cost each test."""
LOCAL = partial(
    FetchOptions,
    allow_private=True,
    ports=(),
    total_timeout=DEADLINE,
    max_bytes=200_000,
    max_pixels=10_000_000,
    retry_wait=0,
    robots=False,
)


@pytest.fixture(scope="module", autouse=True)
def started() -> None:
    """The process that decodes, which a busy machine may need seconds to start."""
    with decoder() as child:
        child.inspect(PNG, 1)


def fetch_one(url: str, options: FetchOptions) -> FetchResult:
    (result,) = fetch_images([url], options)
    return result


STATUSES = {
    FetchStatus.OK: "png jpeg webp gif image-as-html gzip brotli gzip-in-name-only brotli-in-name-only "
    "cookie slow until-close relative see-other temporary permanent absolute to-bytes hops/5 "
    "avif jpeg-and-zip cmyk turned animated deep",
    FetchStatus.HTTP_4XX: "401 403 404 404-with-image 410",
    FetchStatus.HOST_BUSY: "429 429-date",
    FetchStatus.OPTOUT: "noai noai-on-the-way tdm",
    FetchStatus.HTTP_5XX: "500 503",
    FetchStatus.HTTP_OTHER: "204 206 304 999 nowhere",
    FetchStatus.EMPTY: "empty",
    FetchStatus.NOT_IMAGE: "html-as-image svg",
    FetchStatus.UNDECODABLE: "half-jpeg jpeg-without-end",
    FetchStatus.TOO_MANY_PIXELS: "bomb lying-header",
    FetchStatus.TOO_LARGE: "big endless announced-too-large gzip-bomb brotli-bomb",
    FetchStatus.TRUNCATED: "short reset-in-body open-chunks",
    FetchStatus.TIMEOUT: "never stall stall-in-body drip drip-headers",
    FetchStatus.REDIRECT: "loop hops/6 hops/10 to-file to-ftp to-data to-nonsense",
    FetchStatus.BLOCKED_ADDRESS: "to-metadata to-mapped-metadata",
    FetchStatus.CONNECT: "hang-up reset",
    FetchStatus.PROTOCOL: "negative-length two-lengths length-and-chunks long bad-chunk not-http "
    "header-flood long-header",
}
EXPECTED = {name: status for status, names in STATUSES.items() for name in names.split()}
ELSEWHERE = {"to-ssh", "hops", "robots.txt"}  # tested with other options, or above with a number


def test_every_case_of_the_server_is_tested() -> None:
    assert {name.split("/")[0] for name in EXPECTED} | ELSEWHERE == set(CASES)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_answer_has_its_status_in_time(name: str, server: FaultServer) -> None:
    begun = time.monotonic()
    result = fetch_one(server.url(name), LOCAL())
    assert time.monotonic() - begun < DEADLINE + 1
    assert result.status is EXPECTED[name], result.detail
    assert (result.body is not None) is (result.status is FetchStatus.OK)


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("png", PNG, "png"),
        ("jpeg", JPEG, "jpeg"),
        ("webp", WEBP, "webp"),
        ("gif", GIF, "gif"),
        ("gzip", PNG, "png"),
        ("brotli", PNG, "png"),
    ],
)
def test_an_image_keeps_its_bytes(name: str, body: bytes, kind: str, server: FaultServer) -> None:
    before = time.time_ns() // 1_000_000
    result = fetch_one(server.url(name), LOCAL())
    assert before <= result.fetched_at <= time.time_ns() // 1_000_000
    assert result == FetchResult(
        url=server.url(name),
        status=FetchStatus.OK,
        http_status=200,
        final_url=server.url(name),
        body=body,
        md5=hashlib.md5(body).hexdigest(),
        sha1=hashlib.sha1(body).hexdigest(),
        sha256=hashlib.sha256(body).hexdigest(),
        num_bytes=len(body),
        format=kind,
        width=64,
        height=48,
        content_type=f"image/{kind}",
        fetched_at=result.fetched_at,
    )


def test_every_url_ends_once_and_none_waits_for_the_stuck(server: FaultServer) -> None:
    names = list(EXPECTED) * 5
    random.Random(0).shuffle(names)
    urls = [
        f"{server.url(name)}?{i}" if "/" not in name else server.url(name) for i, name in enumerate(names)
    ]
    begun = time.monotonic()
    results = list(fetch_images(urls, LOCAL(per_host=64)))
    stuck = 5 * len(STATUSES[FetchStatus.TIMEOUT].split())
    assert time.monotonic() - begun < DEADLINE * stuck / 4
    assert Counter(result.url for result in results) == Counter(urls)
    assert Counter(result.status for result in results) == Counter(EXPECTED[name] for name in names)


def test_redirects_end_where_they_lead(server: FaultServer) -> None:
    result = fetch_one(server.url("hops/3"), LOCAL())
    assert (result.final_url, result.url) == (server.url("png"), server.url("hops/3"))
    assert result.via == (server.url("hops/2"), server.url("hops/1"))
    assert server.count("hops") == 3


def test_no_redirect_is_followed_when_none_is_allowed(server: FaultServer) -> None:
    assert fetch_one(server.url("relative"), LOCAL(max_redirects=0)).status is FetchStatus.REDIRECT
    assert server.count("png") == 0


# The window


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "fetch-images"]


def test_the_window_bounds_what_is_read_ahead(server: FaultServer) -> None:
    read = []
    urls = (read.append(i) or server.url(f"png?{i}") for i in count())
    results = fetch_images(urls, LOCAL(concurrency=8, per_host=8))
    for taken in range(1, 5):
        next(results)
        time.sleep(0.1)
        assert len(read) == server.count("png") == 8 + taken
    results.close()
    assert threads() == []


def test_a_slow_consumer_makes_no_download_late(server: FaultServer) -> None:
    statuses = Counter[FetchStatus]()
    for result in fetch_images([server.url(f"slow?{i}") for i in range(3)], LOCAL(concurrency=2)):
        statuses[result.status] += 1
        time.sleep(DEADLINE)
    assert statuses == {FetchStatus.OK: 3}


def test_results_come_as_they_complete(server: FaultServer) -> None:
    urls = [server.url("stall"), server.url("slow"), server.url("png")]
    order = [result.url for result in fetch_images(urls, LOCAL())]
    assert order == urls[::-1]


def test_a_host_gets_a_few_requests_at_once_and_waiting_costs_no_time(server: FaultServer) -> None:
    urls = [server.url(f"slow?{i}") for i in range(16)]
    results = list(fetch_images(urls, LOCAL(per_host=2)))  # 1.6 s in turns, with 1 s for each
    assert {result.status for result in results} == {FetchStatus.OK}
    assert server.most_at_once == 2


def test_the_time_of_a_url_includes_its_redirects(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(request: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await CASES["loop"](request, writer)

    monkeypatch.setitem(CASES, "late", late)
    monkeypatch.setitem(
        CASES, "loop", raw(b"HTTP/1.1 302 Found\r\nLocation: /late\r\nContent-Length: 0\r\n\r\n")
    )
    assert fetch_one(server.url("late"), LOCAL(max_redirects=50)).status is FetchStatus.TIMEOUT
    assert 2 <= server.count("late") <= 4


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_stopping_early_leaves_nothing_behind(taken: int, server: FaultServer) -> None:
    results = fetch_images(
        [server.url("stall"), *(server.url(f"png?{i}") for i in range(20))], LOCAL(total_timeout=60)
    )
    for _ in range(taken):
        next(results)
    begun = time.monotonic()
    results.close()
    assert time.monotonic() - begun < 1
    assert threads() == []


def test_nothing_asked_is_nothing_done(dialled: list[str]) -> None:
    assert list(fetch_images([], FetchOptions())) == []
    assert (dialled, threads()) == ([], [])


HEADS = st.sampled_from(
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: "]
)
SCRAPS = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [b"\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked", b"http://", PNG, b"HTTP/1.1 "]
        ),
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(HEADS, SCRAPS)
def test_whatever_bytes_a_server_sends_there_is_one_status(
    server: FaultServer, dialled: list[str], head: bytes, scraps: list[bytes]
) -> None:
    CASES["fuzz"] = raw(head + b"".join(scraps), lambda writer: writer.close())
    try:
        result = fetch_one(server.url("fuzz"), LOCAL())
    finally:
        del CASES["fuzz"]
    assert isinstance(result.status, FetchStatus)


def test_failures_leave_no_garbage_behind(server: FaultServer) -> None:
    """Their connections are let go at once, not when the garbage collector happens to come by."""
    urls = [server.url(f"{name}?{i}") for name in ("hang-up", "reset", "not-http") for i in range(20)]
    gc.collect()
    gc.disable()
    try:
        results = list(fetch_images(urls, LOCAL()))
        alive = sum(
            isinstance(thing, aiohttp.ClientConnectorError | aiohttp.ClientResponse)
            for thing in gc.get_objects()
        )
    finally:
        gc.enable()
    assert (len(results), alive) == (60, 0)
