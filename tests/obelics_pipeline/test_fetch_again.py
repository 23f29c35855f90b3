"""What is tried a second time, which hosts are spared, and which headers end a download."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest
from faultserver import CASES, PNG, Case, FaultServer, Request, raw, reply

from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images, reserved

pytestmark = pytest.mark.usefixtures("dialled")

LOCAL = partial(
    FetchOptions,
    allow_private=True,
    ports=(),
    total_timeout=1,
    hosts={"*.example": "127.0.0.1:1"},
    retry_wait=0.3,
    robots=False,
)


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a case on the server for one test."""
    return lambda name, answer: monkeypatch.setitem(CASES, name, answer)


def at_first(*answers: Case) -> Case:
    """These answers, one after the other; then the image."""
    left = list(answers)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if left else CASES["png"])(request, writer)

    return answer


def fetch(urls: list[str], **options: Any) -> dict[str, FetchResult]:
    results = list(fetch_images(urls, LOCAL(**options)))
    assert Counter(result.url for result in results) == Counter(urls)
    return {result.url: result for result in results}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("hang-up", FetchStatus.OK, id="no connection"),
        pytest.param("500", FetchStatus.OK, id="error of the server"),
        pytest.param("stall-once", FetchStatus.OK, id="no answer in time"),
        pytest.param("429-soon", FetchStatus.OK, id="asked for patience"),
        pytest.param("503-soon", FetchStatus.OK, id="asked for patience with an error"),
        pytest.param("404", FetchStatus.HTTP_4XX, id="gone"),
        pytest.param("half-jpeg", FetchStatus.UNDECODABLE, id="broken image"),
        pytest.param("short", FetchStatus.TRUNCATED, id="broken off"),
        pytest.param("429", FetchStatus.HOST_BUSY, id="asked for an hour"),
    ],
)
def test_what_may_pass_is_tried_once_more(
    first: str, second: FetchStatus, server: FaultServer, case: Any
) -> None:
    case("429-soon", reply(429, Retry_After="0"))
    case("503-soon", reply(503, Retry_After="0"))
    case("stall-once", CASES["never"])
    case("first", at_first(CASES[first]))
    url = server.url("first")
    assert fetch([url])[url].status is second
    assert server.count("first") == (2 if second is FetchStatus.OK else 1)


def test_what_fails_twice_is_not_tried_a_third_time(server: FaultServer) -> None:
    urls = [server.url("500"), "http://dead.example/", server.url("png")]
    statuses = [
        result.status for url, result in sorted(fetch(urls).items(), key=lambda row: urls.index(row[0]))
    ]
    assert statuses == [FetchStatus.HTTP_5XX, FetchStatus.CONNECT, FetchStatus.OK]
    assert [server.count(name) for name in ("500", "png")] == [2, 1]


def test_second_attempts_come_after_all_others(server: FaultServer) -> None:
    urls = [server.url("500"), *(server.url(f"slow?{n}") for n in range(3))]
    fetch(urls)
    assert [request.case for request in server.requests][-1] == "500"
    assert server.count("500") == 2


def test_nothing_is_tried_twice_when_there_is_no_time(server: FaultServer) -> None:
    url = server.url("500")
    assert fetch([url], retry_wait=0)[url].status is FetchStatus.HTTP_5XX
    assert server.count("500") == 1


def test_a_host_that_asks_for_patience_is_left_alone(server: FaultServer) -> None:
    urls = [server.url("429"), *(server.url(f"png?{n}") for n in range(5))]
    results = fetch(urls, concurrency=1)
    assert {result.status for result in results.values()} == {FetchStatus.HOST_BUSY}
    assert (results[urls[0]].http_status, results[urls[1]].http_status) == (429, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("robots", [False, True])
def test_it_is_left_alone_by_those_who_are_redirected_to_it(
    robots: bool, server: FaultServer, case: Any
) -> None:
    case("robots.txt", reply(404))
    case("away", reply(302, Location="http://busy.example/429"))
    urls = [f"http://host-{n}.example/away" for n in range(40)]
    results = fetch(urls, hosts={"*.example": server.endpoint}, concurrency=32, per_host=2, robots=robots)
    assert {result.status for result in results.values()} == {FetchStatus.HOST_BUSY}
    assert {result.final_url for result in results.values()} == {"http://busy.example/429"}
    asked = Counter(request.case for request in server.requests)
    assert asked.pop("429") <= 2  # no more than may be under way at once
    assert asked == Counter({"away": 40, "robots.txt": 41 * robots})


def test_a_host_whose_robots_txt_is_elsewhere_leaves_that_host_alone(server: FaultServer, case: Any) -> None:
    async def robots(request: Request, writer: asyncio.StreamWriter) -> None:
        there = reply(429, Retry_After="600")
        away = reply(301, Location="http://busy.example/robots.txt")
        await (there if request.headers["host"] == "busy.example" else away)(request, writer)

    case("robots.txt", robots)
    urls = [f"http://host-{n}.example/png" for n in range(20)]
    results = fetch(urls, hosts={"*.example": server.endpoint}, concurrency=8, per_host=2, robots=True)
    assert {result.status for result in results.values()} == {FetchStatus.HOST_BUSY}
    hosts = Counter(request.headers["host"] for request in server.requests)
    assert hosts.pop("busy.example") <= 2
    assert set(hosts.values()) == {1}


@pytest.mark.parametrize("broken", [30, 5])
def test_redirects_to_a_host_that_fails_are_followed_no_further(
    broken: int, server: FaultServer, case: Any
) -> None:
    case("there", at_first(*[CASES["500"]] * broken))
    case("away", reply(302, Location="http://broken.example/there"))
    urls = [f"http://host-{n}.example/away" for n in range(30)]
    options = {"concurrency": 1, "host_failures": 5, "hosts": {"*.example": server.endpoint}}
    results = fetch(urls, **options)
    statuses = Counter(result.status for result in results.values())
    if broken == 5:
        assert statuses == {FetchStatus.OK: 30}
    else:
        assert statuses == {FetchStatus.HTTP_5XX: 5, FetchStatus.HOST_DOWN: 25}
        assert server.count("there") == 5 + 1


def test_a_host_that_fails_is_spared_but_others_are_asked(server: FaultServer, dialled: list[str]) -> None:
    dead = [f"http://dead.example/{n}" for n in range(20)]
    results = fetch([*dead, server.url("png")], concurrency=1, host_failures=4)
    assert results[server.url("png")].status is FetchStatus.OK
    statuses = Counter(results[url].status for url in dead)
    assert statuses == {FetchStatus.CONNECT: 4, FetchStatus.HOST_DOWN: 16}
    assert len(dialled) == 4 + 1 + 1  # in a row, the image, one attempt later


def test_a_host_that_comes_back_is_asked_again(server: FaultServer, case: Any) -> None:
    case("first", at_first(*[CASES["hang-up"]] * 4))
    urls = [server.url(f"first?{n}") for n in range(20)]
    results = fetch(urls, concurrency=1, host_failures=4)
    assert {result.status for result in results.values()} == {FetchStatus.OK}


HEADERS = [
    pytest.param({"X-Robots-Tag": "noai"}, True, id="noai"),
    pytest.param({"X-Robots-Tag": "index, NoImageAI"}, True, id="noimageai among others"),
    pytest.param({"X-Robots-Tag": "noml"}, True, id="noml"),
    pytest.param({"X-Robots-Tag": "*: noai"}, True, id="for all by a star"),
    pytest.param({"X-Robots-Tag": "obelics-builder: noai"}, True, id="for us"),
    pytest.param({"X-Robots-Tag": "otherbot: noai"}, False, id="for another"),
    pytest.param(
        {"X-Robots-Tag": "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"}, True, id="behind a date"
    ),
    pytest.param({"X-Robots-Tag": "noindex, nofollow"}, False, id="not to be found"),
    pytest.param({"tdm-reservation": "1"}, True, id="reserved"),
    pytest.param({"tdm-reservation": "0"}, False, id="not reserved"),
    pytest.param({"Content-Usage": "train-ai=n"}, True, id="no training"),
    pytest.param({"Content-Usage": "train-ai=y"}, False, id="training"),
]


@pytest.mark.parametrize(("headers", "refused"), HEADERS)
@pytest.mark.parametrize("hop", [False, True], ids=["image", "redirect"])
def test_headers_reserve_an_image(
    headers: dict[str, str], refused: bool, hop: bool, server: FaultServer, case: Any
) -> None:
    case("asked", reply(302, Location="/png", **headers) if hop else reply(200, PNG, **headers))
    result = fetch([server.url("asked")])[server.url("asked")]
    assert result.status is (FetchStatus.OPTOUT if refused else FetchStatus.OK)
    assert (result.body is None, result.sha256 is None) == (refused, refused)
    assert (result.detail in result.signals) is refused
    assert server.count("png") == (hop and not refused)


def test_signals_of_all_answers_on_the_way_are_kept(server: FaultServer, case: Any) -> None:
    case("asked", reply(302, Location="/there", X_Robots_Tag="noindex"))
    case("there", reply(200, PNG, X_Robots_Tag="noarchive"))
    result = fetch([server.url("asked")])[server.url("asked")]
    assert result.status is FetchStatus.OK
    assert result.signals == ("x-robots-tag:noarchive", "x-robots-tag:noindex")


def test_the_body_of_a_reserved_image_is_not_read(server: FaultServer, case: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Robots-Tag: x\r\nX-Robots-Tag: noai\r\nContent-Length: 99\r\n\r\n"
    case("asked", raw(head))  # the body never comes
    result = fetch([server.url("asked")])[server.url("asked")]
    assert result.status is FetchStatus.OPTOUT


def test_a_policy_of_ones_own_decides(server: FaultServer) -> None:
    url = server.url("noai")
    (result,) = fetch_images([url], LOCAL(), refuse=lambda signals: None)
    assert (result.status, result.signals) == (
        FetchStatus.OK,
        ("x-robots-tag:noai", "x-robots-tag:noindex"),
    )


def test_reserved_names_the_signal() -> None:
    refuse = reserved("Our-Bot/1.0 (+https://example.org)")
    assert refuse(("x-robots-tag:noindex", "x-robots-tag:our-bot:noai")) == "x-robots-tag:our-bot:noai"
    assert refuse(()) is None


def test_a_body_that_drips_is_given_up(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from obelics_pipeline import download

    monkeypatch.setattr(download, "RATE_SECONDS", 0.2)
    url = server.url("drip")
    result = fetch([url], total_timeout=60, min_rate=1000)[url]
    assert (result.status, result.http_status) == (FetchStatus.TIMEOUT, 200)
    assert "bytes in" in result.detail
    assert server.count("drip") == 1
