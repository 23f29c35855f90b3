"""robots.txt and its like, asked for once and before any image: of whoever refuses, no image is asked for."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import Any

import pytest
from faultserver import CASES, ROBOTS, Case, FaultServer, reply, text

from obelics_pipeline import hosts
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images, said_by_hosts

pytestmark = pytest.mark.usefixtures("dialled")

DEADLINE = 1.0
LOCAL = partial(FetchOptions, allow_private=True, ports=(), total_timeout=DEADLINE, retry_wait=0)
AI = ("CCBot", "GPTBot")
PRIVATE, PUBLIC = "png/private", "png"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    hosts._known.cache_clear()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a case of the server, or what a host says of itself, for one test."""

    def put(name: str, answer: Case, table: dict[str, Case] = CASES) -> None:
        monkeypatch.setitem(table, name, answer)

    return put


def fetch(server: FaultServer, urls: list[str], **options: Any) -> list[FetchResult]:
    """The results in the order of ``urls``; the hosts ``*.example`` are at ``server``."""
    made = LOCAL(hosts={"*.example": server.endpoint}, **options)
    results = {result.url: result for result in fetch_images(urls, made, ai_agents=AI)}
    return [results[url] for url in urls]


def url(host: str, path: str = PRIVATE) -> str:
    return f"http://{host}.example/{path}"


OK, OPTOUT = FetchStatus.OK, FetchStatus.OPTOUT
US, UNREACHABLE = "robots:obelics-builder", "robots:unreachable"

MATRIX: dict[str, tuple[FetchStatus, FetchStatus, tuple[str, ...]]] = {
    "none": (OK, OK, ()),
    "allow": (OK, OK, ()),
    "disallow": (OPTOUT, OPTOUT, (US,)),
    "disallow-part": (OPTOUT, OK, (US,)),
    "disallow-us": (OPTOUT, OPTOUT, (US,)),
    "disallow-gptbot": (OPTOUT, OPTOUT, ("robots-ai-agents:gptbot",)),
    "disallow-other": (OK, OK, ()),
    "usage": (OPTOUT, OK, ("content-usage:train-ai=n",)),
    "usage-other": (OK, OK, ("content-usage:search=n",)),
    "signal": (OPTOUT, OPTOUT, ("content-signal:ai-train=no",)),
    "license": (OK, OK, ("license:https://license.example/rsl.xml",)),
    "html": (OK, OK, ()),
    "204": (OK, OK, ()),
    "401": (OK, OK, ()),
    "403": (OK, OK, ()),
    "404": (OK, OK, ()),
    "410": (OK, OK, ()),
    "huge-before": (OPTOUT, OPTOUT, (US,)),
    "huge-after": (OK, OK, ()),
    "gzip": (OPTOUT, OPTOUT, (US,)),
    "moved": (OPTOUT, OPTOUT, (US,)),
    "moved-to-none": (OK, OK, ()),
    **dict.fromkeys(
        ("500", "503", "206", "304", "999", "short", "moved-to-dead", "moved-inside", "moved-forever"),
        (OPTOUT, OPTOUT, (UNREACHABLE,)),
    ),
    # Nobody could be asked, and the image would have ended so, too:
    "429": (FetchStatus.HOST_BUSY, FetchStatus.HOST_BUSY, ()),
    "never": (FetchStatus.TIMEOUT, FetchStatus.TIMEOUT, ()),
    "stall": (FetchStatus.TIMEOUT, FetchStatus.TIMEOUT, ()),
    "hang-up": (FetchStatus.CONNECT, FetchStatus.CONNECT, ()),
    "not-http": (FetchStatus.PROTOCOL, FetchStatus.PROTOCOL, ()),
    "header-flood": (FetchStatus.PROTOCOL, FetchStatus.PROTOCOL, ()),
}
"""What a robots.txt leads to: for a private and a public image of the host, and the signals of the private one."""


def test_every_case_is_in_the_matrix() -> None:
    assert set(ROBOTS) | {"none"} == set(MATRIX)


@pytest.mark.parametrize("host", MATRIX)
def test_what_a_host_says_is_heard(host: str, server: FaultServer) -> None:
    private, public, signals = MATRIX[host]
    urls = [url(host), url(host, PUBLIC)]
    begun = time.monotonic()
    results = fetch(server, urls)
    assert time.monotonic() - begun < DEADLINE + 1
    assert [result.status for result in results] == [private, public], results[0].detail
    assert results[0].signals == signals
    if private is OPTOUT:
        assert results[0].detail == signals[0]
    asked = [request.path for request in server.requests if request.case == "png"]
    assert sorted(asked) == [f"/{path}" for path in (PUBLIC, PRIVATE) if MATRIX[host][path == PUBLIC] is OK]
    assert server.count("robots.txt") == (
        2 if host in ("moved", "hang-up") else 1
    )  # aiohttp asks again if hung up on


def test_each_origin_is_asked_once(server: FaultServer) -> None:
    names = ["allow", "disallow", "usage", "never", "500"]
    urls = [url(host, f"png?{n}") for n in range(20) for host in names]
    statuses = Counter(result.status for result in fetch(server, urls, per_host=20))
    assert statuses == {OK: 40, OPTOUT: 40, FetchStatus.TIMEOUT: 20}
    assert Counter(request.headers["host"] for request in server.requests) == {
        "allow.example": 21,
        "usage.example": 21,
        **dict.fromkeys(("disallow.example", "never.example", "500.example"), 1),
    }
    fetch(server, [url("allow"), url("disallow")])
    again = Counter(request.headers["host"] for request in server.requests)
    assert (again["allow.example"], again["disallow.example"]) == (23, 2), "other options are other askers"
    fetch(server, [url("allow"), url("disallow")])
    again = Counter(request.headers["host"] for request in server.requests)
    assert (again["allow.example"], again["disallow.example"]) == (24, 2)


def test_an_answer_is_good_for_a_day(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic
    for hours, asked in ((0, 1), (23, 1), (25, 2), (25, 2)):
        monkeypatch.setattr(hosts.time, "monotonic", lambda hours=hours: clock() + 3600 * hours)
        fetch(server, [url("disallow")])
        assert server.count("robots.txt") == asked


def test_what_a_process_remembers_is_bounded(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MAX_KNOWN", 2)
    for host in ("allow", "404", "usage", "usage", "404", "allow"):
        fetch(server, [url(host)])
    asked = [request.headers["host"] for request in server.requests if request.case == "robots.txt"]
    assert asked == [f"{host}.example" for host in ("allow", "404", "usage", "allow")]
    monkeypatch.setattr(hosts, "MAX_KNOWN_BYTES", 10)
    fetch(server, [url("usage"), url("disallow")])
    fetch(server, [url("disallow")])
    assert server.count("robots.txt") == 6


@pytest.mark.parametrize("host", ["disallow", "500", "429"])
def test_every_hop_is_asked_for(host: str, server: FaultServer, answers: Any) -> None:
    answers("away", reply(302, Location=url(host), X_Robots_Tag="noindex"))
    (result,) = fetch(server, [url("allow", "away")])
    assert (result.status, result.final_url) == (MATRIX[host][0], url(host))
    assert result.signals == tuple(sorted((*MATRIX[host][2], "x-robots-tag:noindex")))
    paths = Counter(request.path for request in server.requests)
    assert paths == {"/robots.txt": 2, "/away": 1}


def test_ports_and_schemes_are_hosts_of_their_own(server: FaultServer) -> None:
    urls = [
        "http://allow.example/png",
        "http://allow.example:8080/png",
        "http://ALLOW.example:80/jpeg",
        "https://allow.example/png",
    ]
    statuses = [result.status for result in fetch(server, urls)]
    assert statuses == [OK, OK, OK, FetchStatus.TIMEOUT]
    assert server.count("robots.txt") == 2


def test_what_a_host_failed_to_say_is_asked_once_more(server: FaultServer, answers: Any) -> None:
    first = [CASES["500"]]

    async def at_first(request: Any, writer: Any) -> None:
        await (first.pop() if first else ROBOTS["usage"])(request, writer)

    answers("late", at_first, ROBOTS)
    urls = [url("late"), url("late", PUBLIC), url("503")]
    results = fetch(server, urls, retry_wait=0.1)
    assert [result.status for result in results] == [OPTOUT, OK, OPTOUT]
    assert [result.detail for result in results] == ["content-usage:train-ai=n", "", UNREACHABLE]
    asked = Counter((request.headers["host"], request.case) for request in server.requests)
    assert asked == {
        ("late.example", "robots.txt"): 2,
        ("late.example", "png"): 1,
        ("503.example", "robots.txt"): 1,  # it asked for more patience than there is
    }


def test_a_host_that_cannot_say_costs_one_request_and_no_other_status(server: FaultServer) -> None:
    urls = [url("500", f"png?{n}") for n in range(50)]
    results = fetch(server, urls, retry_wait=0.1, host_failures=3)
    assert {(result.status, result.detail) for result in results} == {(OPTOUT, UNREACHABLE)}
    assert len(server.requests) == 2


def test_the_time_of_a_url_includes_what_its_host_takes_to_answer(server: FaultServer, answers: Any) -> None:
    answers("slow-host", CASES["slow"], ROBOTS)
    urls = [url("slow-host", "slow"), url("slow-host", "stall")]
    begun = time.monotonic()
    results = fetch(server, urls)
    assert [result.status for result in results] == [OK, FetchStatus.TIMEOUT]
    assert time.monotonic() - begun < DEADLINE + 0.5


def test_to_stop_early_ends_what_is_under_way(server: FaultServer) -> None:
    made = LOCAL(hosts={"*.example": server.endpoint}, total_timeout=30)
    results = fetch_images([url("never"), url("allow")], made)
    assert next(results).url == url("allow")
    begun = time.monotonic()
    results.close()
    assert time.monotonic() - begun < 5


def test_who_asks_no_host_fetches_all(server: FaultServer) -> None:
    results = fetch(server, [url("disallow"), url("500")], robots=False)
    assert [result.status for result in results] == [OK, OK]
    assert server.count("robots.txt") == 0


def test_our_name_is_that_of_the_user_agent(server: FaultServer, answers: Any) -> None:
    answers("ours", text("User-agent: my-bot", "Disallow: /"), ROBOTS)
    (result,) = fetch(server, [url("ours")], user_agent="My-Bot/2.0 (test)")
    assert result.detail == "robots:my-bot"


def test_a_policy_of_ones_own_decides(server: FaultServer) -> None:
    made = LOCAL(hosts={"*.example": server.endpoint})
    urls = [url("disallow"), url("500"), url("disallow-gptbot")]
    refuse = lambda signals: next((signal for signal in signals if "gptbot" in signal), None)  # noqa: E731
    results = {result.url: result for result in fetch_images(urls, made, refuse, ("us",), AI)}
    assert [results[each].status for each in urls] == [OK, OK, OPTOUT]
    assert [results[each].signals for each in urls] == [
        ("robots:us",),
        (UNREACHABLE,),
        ("robots-ai-agents:gptbot",),
    ]


def test_other_engines_are_told_what_not_to_ask_for(server: FaultServer) -> None:
    made = LOCAL(hosts={"*.example": server.endpoint})
    urls = [url(host, path) for host in MATRIX for path in (PRIVATE, PUBLIC)]
    found = said_by_hosts([*urls, "ftp://a.example/"], made, ai_agents=AI)
    expected = {
        url(host, path): MATRIX[host][path == PUBLIC] for host in MATRIX for path in (PRIVATE, PUBLIC)
    }
    assert found.pop("ftp://a.example/").status is FetchStatus.BAD_URL
    assert {each: result.status for each, result in found.items()} == expected
    assert server.count("png") == 0


# The files that are asked for on request

TDMREP = """[{"location": "/png/private", "tdm-reservation": 1, "tdm-policy": "https://a.example/policy"}]"""


@pytest.fixture
def well_known(answers: Any) -> Any:
    """Puts what a host answers for one of its files, beside a robots.txt that allows."""
    return lambda name, answer: answers({"tdmrep": ".well-known", "ai_txt": "ai.txt"}[name], answer)


@pytest.mark.parametrize(
    ("option", "answer", "status", "signals"),
    [
        pytest.param("tdmrep", text(TDMREP), OPTOUT, ("tdm-reservation:1",), id="reserved"),
        pytest.param("tdmrep", text(TDMREP.replace(": 1", ": 0")), OK, (), id="not reserved"),
        pytest.param("tdmrep", CASES["404"], OK, (), id="no tdmrep"),
        pytest.param("tdmrep", CASES["500"], OPTOUT, ("tdm-reservation:unreachable",), id="tdmrep unknown"),
        pytest.param("tdmrep", CASES["html-as-image"], OK, (), id="a page for tdmrep"),
        pytest.param("tdmrep", CASES["hang-up"], FetchStatus.CONNECT, (), id="no answer for tdmrep"),
        pytest.param(
            "ai_txt",
            text("User-Agent: *", "Disallow: /*private$"),
            OPTOUT,
            ("ai-txt:obelics-builder",),
            id="ai",
        ),
        pytest.param(
            "ai_txt", text("User-Agent: *", "Disallow: *.jpg"), OK, (), id="ai.txt of other endings"
        ),
        pytest.param(
            "ai_txt",
            text("User-Agent: CCBot", "Disallow: /"),
            OPTOUT,
            ("ai-txt:ccbot",),
            id="ai.txt to others",
        ),
        pytest.param("ai_txt", CASES["404"], OK, (), id="no ai.txt"),
        pytest.param("ai_txt", CASES["500"], OPTOUT, ("ai-txt:unreachable",), id="ai.txt unknown"),
    ],
)
def test_files_on_request(
    option: str,
    answer: Case,
    status: FetchStatus,
    signals: tuple[str, ...],
    server: FaultServer,
    well_known: Any,
) -> None:
    well_known(option, answer)
    (result,) = fetch(server, [url("allow")], **{option: True})
    assert (result.status, result.signals) == (status, signals)
    path = {"tdmrep": "/.well-known/tdmrep.json", "ai_txt": "/ai.txt"}[option]
    assert [request.path for request in server.requests][:2] == ["/robots.txt", path]
    assert server.count("png") == (status is OK)


def test_nothing_more_is_asked_for_unless_it_is_wanted(server: FaultServer) -> None:
    fetch(server, [url("allow")])
    assert [request.path for request in server.requests] == ["/robots.txt", "/png/private"]
