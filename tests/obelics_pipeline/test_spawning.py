"""The client of Spawning's registry: nothing is allowed that the service has not allowed in so many words."""

from __future__ import annotations

import importlib
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spawning_stub import FAULTS, KEY, SpawningStub, listing, slow, status

from obelics_pipeline.config import convert
from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.spawning import (
    KEY_VARIABLE,
    Answer,
    Reason,
    Spawning,
    SpawningFailed,
    evenly,
    pauses,
    read_answer,
    require_verdicts,
    retry_after,
    sendable,
)
from obelics_pipeline.spawning_options import SpawningOptions
from obelics_pipeline.verdict_cache import DAY, Verdict, VerdictCache, now_ms

PAGE, IMAGE, ART = "http://news.example/a", "https://cdn.example/a.jpg", "https://art.example/b.png"
URLS = [PAGE, IMAGE, ART]


@pytest.fixture
def stub() -> Iterator[SpawningStub]:
    with SpawningStub(ART) as stub:
        yield stub


def client(stub: SpawningStub, key: str = KEY, **options: Any) -> Spawning:
    given = {"attempts": 2, "backoff": 0.01, "timeout": 5.0, "deadline": 20.0, **options}
    return Spawning(SpawningOptions(stub.endpoint, **given), key)


def told(answers: dict[str, Answer]) -> list[str]:
    """The reason for each URL that is unknown, the verdict on the others."""
    return [str(answer.reason or answer.verdict) for answer in answers.values()]


def test_a_verdict_for_every_url_of_pages_and_images(stub: SpawningStub) -> None:
    answers = client(stub).query([*URLS, PAGE])
    assert list(answers) == URLS
    assert [answer.verdict for answer in answers.values()] == ["allowed", "allowed", "opted_out"]
    assert all(abs(now_ms() - (answer.at or 0)) < 60_000 for answer in answers.values())
    [request] = stub.requests
    assert request.body == "\n".join(URLS).encode()
    assert request.headers["authorization"] == f"API {KEY}"
    assert request.headers["content-type"] == "text/plain"


def test_nothing_asked_is_nothing_sent(stub: SpawningStub) -> None:
    assert client(stub).query([]) == {}
    assert stub.requests == []


@pytest.mark.parametrize(
    ("fault", "expected", "requests"),
    [
        ("short", ["missing", "allowed", "opted_out"], 1),
        ("reordered", ["allowed", "allowed", "opted_out"], 1),
        ("duplicated", ["missing", "allowed", "duplicated"], 1),
        ("contradicted", ["duplicated", "allowed", "opted_out"], 1),
        ("others", ["missing"] * 3, 1),
        ("more", ["allowed", "allowed", "opted_out"], 1),
        ("empty list", ["missing"] * 3, 1),
        ("error", ["bad_answer"] * 3, 2),
        ("null", ["bad_answer"] * 3, 2),
        ("list", ["bad_answer"] * 3, 2),
        ("urls is no list", ["bad_answer"] * 3, 2),
        ("bare urls", ["missing"] * 3, 1),
        ("words", ["bad_verdict"] * 3, 1),
        ("numbers", ["bad_verdict"] * 3, 1),
        ("nulls", ["bad_verdict"] * 3, 1),
        ("no verdicts", ["bad_verdict"] * 3, 1),
        ("number as url", ["missing"] * 3, 1),
        ("html", ["bad_answer"] * 3, 2),
        ("no bytes", ["bad_answer"] * 3, 2),
        ("cut", ["bad_answer"] * 3, 2),
        ("no utf-8", ["bad_answer"] * 3, 2),
        ("deep", ["bad_answer"] * 3, 2),
        ("flood", ["bad_answer"] * 3, 2),
        ("hang up", ["unreachable"] * 3, 2),
        ("redirect", ["http_error"] * 3, 1),
        ("204", ["http_error"] * 3, 1),
        ("400", ["http_error"] * 3, 1),
        ("401", ["key_refused"] * 3, 1),
        ("404", ["http_error"] * 3, 1),
        ("408", ["http_error"] * 3, 2),
        ("429", ["rate_limited"] * 3, 2),
        ("500", ["http_error"] * 3, 2),
        ("503", ["http_error"] * 3, 2),
    ],
)
def test_what_goes_wrong_is_never_allowed(fault: str, expected: list[str], requests: int) -> None:
    with SpawningStub(ART, always=FAULTS[fault]) as stub:
        answers = client(stub).query(URLS)
    assert told(answers) == expected
    assert len(stub.requests) == requests
    assert all((answer.at is None) == (answer.verdict == "unknown") for answer in answers.values())


def test_the_table_has_every_fault_of_the_stub() -> None:
    [mark] = [m for m in test_what_goes_wrong_is_never_allowed.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == set(FAULTS)


def test_without_a_key_nothing_is_sent_and_nothing_allowed(
    stub: SpawningStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    answers = Spawning(SpawningOptions(stub.endpoint)).query(URLS)
    assert told(answers) == ["no_key"] * 3
    assert stub.requests == []
    with pytest.raises(SpawningFailed, match=rf"any of 3 URLs \(no_key 3; .*set {KEY_VARIABLE}"):
        require_verdicts(answers)


def test_the_key_is_read_from_the_environment(stub: SpawningStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\n")
    assert told(Spawning(SpawningOptions(stub.endpoint)).query([ART])) == ["opted_out"]


def test_a_wrong_key_is_told_and_not_tried_again(stub: SpawningStub) -> None:
    answers = client(stub, "wrong", batch=1, concurrency=1).query(URLS)
    assert told(answers) == ["key_refused", "circuit_open", "circuit_open"]
    assert len(stub.requests) == 1


def test_a_key_that_is_no_header_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE} has characters"):
        Spawning(SpawningOptions(), "two\r\nlines")


def test_nobody_listens() -> None:
    with SpawningStub() as stub:
        asks = client(stub)
    answers = asks.query(URLS)
    assert told(answers) == ["unreachable"] * 3
    with pytest.raises(SpawningFailed, match=r"unreachable 3; ClientConnectorError.*may be released"):
        require_verdicts(answers)


@pytest.mark.parametrize(
    "url", ["", "http://a.example/\nb", "http://a.example/\r", "\x85", "a\u2028b", "\ud800", " a"]
)
def test_lines_that_are_none_are_not_sent(stub: SpawningStub, url: str) -> None:
    answers = client(stub).query([url, PAGE])
    assert told(answers) == ["bad_url", "allowed"]
    assert stub.asked == [PAGE]


def test_urls_beyond_ascii_are_sent_as_utf_8(stub: SpawningStub) -> None:
    assert told(client(stub).query(["https://bücher.example/ü"])) == ["allowed"]
    assert stub.requests[0].body == "https://bücher.example/ü".encode()


# How it asks


def test_a_passing_failure_is_tried_again(stub: SpawningStub) -> None:
    stub.faults = [FAULTS["500"], FAULTS["429"], FAULTS["hang up"], FAULTS["html"]]
    assert told(client(stub, attempts=5).query(URLS)) == ["allowed", "allowed", "opted_out"]
    assert len(stub.requests) == 5


def test_retry_after_is_respected_by_all_requests(stub: SpawningStub) -> None:
    stub.faults = [status(429, Retry_After="1")]
    answers = client(stub, batch=1, concurrency=1).query(URLS)
    assert told(answers) == ["allowed", "allowed", "opted_out"]
    first, *others = (request.at for request in stub.requests)
    assert min(others) - first >= 1


def test_a_pause_that_would_pass_the_deadline_is_not_waited_for(stub: SpawningStub) -> None:
    stub.faults = [status(503, Retry_After="3600")]
    begun = time.monotonic()
    answers = client(stub, batch=1, concurrency=1).query(URLS)
    assert told(answers) == ["http_error", "deadline", "deadline"]
    assert time.monotonic() - begun < 5
    assert len(stub.requests) == 1


def test_a_slow_answer_is_not_waited_for() -> None:
    with SpawningStub(always=slow(1)) as stub:
        assert told(client(stub, timeout=0.1, attempts=1).query(URLS)) == ["timeout"] * 3


def test_the_deadline_is_that_of_all_requests() -> None:
    with SpawningStub(ART, always=slow(0.5)) as stub:
        begun = time.monotonic()
        answers = client(stub, batch=1, concurrency=1, deadline=0.75).query(URLS)
        took = time.monotonic() - begun
    assert told(answers) == ["allowed", "timeout", "deadline"]
    assert took < 2


def test_a_dead_service_is_left_alone_and_tried_again_later(stub: SpawningStub) -> None:
    stub.always = FAULTS["500"]
    asks = client(stub, batch=1, concurrency=1, max_failures=3, cooldown=0.5)
    assert told(asks.query(URLS)) == ["http_error", "circuit_open", "circuit_open"]
    assert told(asks.query(URLS)) == ["circuit_open"] * 3
    assert len(stub.requests) == 3
    stub.always = listing
    time.sleep(0.6)
    assert told(asks.query(URLS)) == ["allowed", "allowed", "opted_out"]


def test_failures_between_answers_are_no_dead_service(stub: SpawningStub) -> None:
    stub.faults = [FAULTS["500"], listing] * 3
    asks = client(stub, batch=1, concurrency=1, max_failures=2)
    assert told(asks.query(URLS)) == ["allowed", "allowed", "opted_out"]
    assert len(stub.requests) == 6


def test_more_than_an_answer_can_be_is_not_read(stub: SpawningStub) -> None:
    stub.always = FAULTS["flood"]
    assert client(stub).query(URLS)[PAGE].detail.startswith("more than ")


@pytest.mark.parametrize("backoff", [0.5, 1.0, 100.0])
def test_pauses_are_random_and_grow_to_a_limit(backoff: float) -> None:
    tries = [list(islice(pauses(backoff), 10)) for _ in range(1000)]
    for i, column in enumerate(zip(*tries, strict=True)):
        longest = min(backoff * 2**i, 60)
        assert 0 <= min(column) < longest / 10
        assert 0.9 * longest < max(column) <= longest


def test_batches_are_even_and_so_many_at_once() -> None:
    urls = [f"http://a.example/{i}" for i in range(25)]
    with SpawningStub(*urls[::2], always=slow(0.05)) as stub:
        answers = client(stub, batch=4, concurrency=3).query(urls)
    assert [answer.verdict for answer in answers.values()] == ["opted_out", "allowed"] * 12 + ["opted_out"]
    assert sorted(len(request.urls) for request in stub.requests) == [3, 3, 3, 4, 4, 4, 4]
    assert sorted(stub.asked) == sorted(urls)
    assert stub.most_at_once == 3


@given(st.integers(1, 200), st.integers(1, 50))
def test_batches_hold_every_url_once(count: int, most: int) -> None:
    urls = list(map(str, range(count)))
    batches = list(evenly(urls, most))
    assert [url for batch in batches for url in batch] == urls
    assert max(map(len, batches)) <= most
    assert max(map(len, batches)) - min(map(len, batches)) <= 1


@given(st.binary())
def test_no_bytes_allow_anything(content: bytes) -> None:
    found = read_answer(content, URLS, 0)
    assert not isinstance(found, dict) or all(answer.verdict == "unknown" for answer in found.values())


@given(st.text())
def test_what_is_sent_is_one_line_for_everybody(url: str) -> None:
    if sendable(url):
        assert url.splitlines() == url.split("\n") == [url]
        assert url.encode().decode() == url


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param("", 0, id="none"),
        pytest.param("soon", 0, id="no date"),
        pytest.param("-5", 0, id="before"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0, id="a date that is over"),
        pytest.param("9" * 4000, 999_999_999, id="for ever"),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_retry_after_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < retry_after(moment) <= 90


# The whole run


def test_one_verdict_is_enough_to_go_on() -> None:
    require_verdicts({PAGE: Answer("allowed", at=1), IMAGE: Answer("unknown", Reason.MISSING)})
    require_verdicts({"\n": Answer("unknown", Reason.BAD_URL)})
    require_verdicts({})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"batch": 10_001}, "batch is 10001"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"endpoint": "api.example"}, "has to be a URL"),
        ({"endpoint": "http://api.example/"}, "use https"),
        ({"keys": "x"}, "no key 'keys'"),
    ],
)
def test_unusable_options_are_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert(data, SpawningOptions, "my.yaml", "consent.spawning")


# The cache


def test_verdicts_are_kept_and_unknown_ones_are_not(stub: SpawningStub, tmp_path: Path) -> None:
    stub.faults = [FAULTS["short"]]
    cache = str(tmp_path / "verdicts.sqlite")
    assert told(client(stub, cache=cache).query(URLS)) == ["missing", "allowed", "opted_out"]
    again = client(stub, cache=cache).query(URLS)
    assert told(again) == ["allowed", "allowed", "opted_out"]
    assert [request.urls for request in stub.requests] == [URLS, [PAGE]]
    assert told(client(stub, key="", cache=cache).query([*URLS, "http://new.example/"]))[2:] == [
        "opted_out",
        "no_key",
    ]


def test_the_cache_holds_no_urls(stub: SpawningStub, tmp_path: Path) -> None:
    cache = tmp_path / "verdicts.sqlite"
    client(stub, cache=str(cache)).query(URLS)
    assert b"example" not in cache.read_bytes()


def test_verdicts_get_old(tmp_path: Path) -> None:
    cache = VerdictCache(str(tmp_path / "verdicts.sqlite"), "https://api.example/", 30 * DAY)
    now = now_ms()
    ages = {"fresh": 0, "nearly": 30 * DAY - 60_000, "old": 30 * DAY + 1, "of the future": -60_000}
    cache.put({name: Verdict(False, now - age) for name, age in ages.items()})
    assert set(cache.get(ages)) == {"fresh", "nearly"}
    cache.put({"old": Verdict(True, now)})
    assert cache.get(["old"]) == {"old": Verdict(True, now)}


def test_services_do_not_share_verdicts(tmp_path: Path) -> None:
    path = str(tmp_path / "verdicts.sqlite")
    VerdictCache(path, "https://one.example/").put({PAGE: Verdict(False, now_ms())})
    assert VerdictCache(path, "https://two.example/").get([PAGE]) == {}
    assert set(VerdictCache(path, "https://one.example/").get([PAGE])) == {PAGE}


def test_many_verdicts(tmp_path: Path) -> None:
    cache = VerdictCache(str(tmp_path / "verdicts.sqlite"), "https://api.example/")
    now = now_ms()
    verdicts = {f"http://a.example/{i}": Verdict(i % 3 == 0, now) for i in range(2345)}
    cache.put(verdicts)
    assert cache.get([*verdicts, PAGE]) == verdicts


def test_many_may_write_at_once(tmp_path: Path) -> None:
    path, now = str(tmp_path / "verdicts.sqlite"), now_ms()

    def write(part: int) -> None:
        cache = VerdictCache(path, "https://api.example/")
        for i in range(20):
            cache.put({f"http://a.example/{part}/{i}": Verdict(False, now)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    urls = [f"http://a.example/{part}/{i}" for part in range(4) for i in range(20)]
    assert len(VerdictCache(path, "https://api.example/").get(urls)) == 80


def test_a_file_that_is_no_cache_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match=r"no usable cache of verdicts \(file is not a database\)"):
        VerdictCache(str(path), "https://api.example/")
    path.unlink()
    cache = VerdictCache(str(path), "https://api.example/")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE verdicts")
    connection.close()
    with pytest.raises(InputError, match="no such table"):
        cache.get([PAGE])


# The package of the service itself


def test_the_package_of_the_service_speaks_the_same_protocol(
    stub: SpawningStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    pytest.importorskip("datadiligence")
    rules = importlib.import_module("datadiligence.rules.spawning")
    monkeypatch.setattr(rules.SpawningAPI, "SPAWNING_AI_API_URL", stub.endpoint)
    allowed = rules.SpawningAPI(user_agent="test/1.0").is_allowed(urls=URLS)
    answers = client(stub).query(URLS)
    assert allowed == [answer.verdict == "allowed" for answer in answers.values()] == [True, True, False]
    theirs, ours = stub.requests
    assert (theirs.path, theirs.body) == (ours.path, ours.body)
    for name in ("authorization", "content-type"):
        assert theirs.headers[name] == ours.headers[name]
