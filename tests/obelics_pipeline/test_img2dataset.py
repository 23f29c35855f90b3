"""img2dataset and our own engine come to the same; where it is not installed, the tests of its runs skip."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from faultserver import FaultServer
from test_fetch import EXPECTED, LOCAL

from obelics_pipeline import img2dataset
from obelics_pipeline.engine import Engine
from obelics_pipeline.errors import ConfigError, RunFailed
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus
from obelics_pipeline.fetch import fetch_images as fetch_ours
from obelics_pipeline.img2dataset import fetch_images, require, seconds_of

OPEN = FetchOptions(allow_private=True, robots=False)


@pytest.mark.parametrize(
    ("engine", "options", "told"),
    [
        pytest.param(
            Engine(), FetchOptions(), "egress_is_guarded: not set", id="a network that nobody guards"
        ),
        pytest.param(Engine("/no/python"), OPEN, "/no/python: No such file", id="no such Python"),
        pytest.param(
            Engine(sys.executable), OPEN, "has no img2dataset; run scripts/setup", id="not installed"
        ),
        pytest.param(
            Engine(egress_is_guarded=True), FetchOptions(), "has no img2dataset", id="guarded, not installed"
        ),
    ],
)
def test_what_is_missing_is_told_before_anything_runs(
    engine: Engine, options: FetchOptions, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        require(engine, options)


def test_an_engine_that_ends_with_an_error_stops_the_run() -> None:
    with pytest.raises(RunFailed, match=r"(?s)ended with exit code 1.*No module named 'img2dataset'"):
        list(fetch_images(["http://127.0.0.1:8080/"], OPEN, engine=Engine(sys.executable)))


def test_what_is_no_url_needs_no_engine() -> None:
    urls = ["file:///etc/hostname", "http://127.0.0.1:22/", "data:,a"]
    results = fetch_images(urls, OPEN, engine=Engine("/no/python"))
    assert {result.url: result.status for result in results} == dict.fromkeys(urls, FetchStatus.BAD_URL)
    assert list(fetch_images([], OPEN, engine=Engine("/no/python"))) == []


def running(folder: Path) -> list[int]:
    """The processes whose arguments name ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_an_engine_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it has started; what it has not answered is late."""
    stuck = tmp_path / "python"
    stuck.write_text(f"#!/bin/sh\nsleep 100 # {tmp_path}\n")
    stuck.chmod(0o755)
    monkeypatch.setattr(img2dataset, "seconds_of", lambda options, count: 0.5)
    begun = time.monotonic()
    results = list(fetch_images(["http://127.0.0.1:8080/", "ftp://a/"], OPEN, engine=Engine(str(stuck))))
    assert Counter(result.status for result in results) == {FetchStatus.TIMEOUT: 1, FetchStatus.BAD_URL: 1}
    assert time.monotonic() - begun < 10
    assert running(tmp_path) == []


def test_the_time_for_all_follows_from_the_time_for_one() -> None:
    options = FetchOptions(concurrency=10, total_timeout=30)
    assert seconds_of(options, 1) == img2dataset.STARTING + img2dataset.SLOWEST + 30
    assert seconds_of(options, 100) == img2dataset.STARTING + 100 * img2dataset.SLOWEST + 10 * 30


DIFFERENT = {
    "negative-length": FetchStatus.OK,  # urllib reads on to the end of the connection
    "two-lengths": FetchStatus.UNDECODABLE,  # and believes the first
    "length-and-chunks": FetchStatus.OK,  # and the chunks rather than the length, which RFC 9112 permits
    "long": FetchStatus.UNDECODABLE,  # and reads no more than was announced
    "bad-chunk": FetchStatus.TRUNCATED,
}
"""What comes of answers that are no HTTP, which our engine refuses as ``protocol``."""


@pytest.fixture
def hosted(server: FaultServer) -> tuple[dict[str, str], FetchOptions]:
    """Addresses and the cases that they ask for, each at a host of its own, all at one server; many of them images."""
    names = [*EXPECTED, *["png", "jpeg", "webp", "gif", "avif"] * 40]
    urls = {f"http://n{n}.example/{name}": name for n, name in enumerate(names)}
    return urls, LOCAL(total_timeout=4, hosts={"*.example": server.endpoint})


def test_both_engines_bring_the_same(
    hosted: tuple[dict[str, str], FetchOptions], img2dataset_python: str
) -> None:
    urls, options = hosted
    ours = {result.url: result for result in fetch_ours(urls, options)}
    theirs = {result.url: result for result in fetch_images(urls, options, engine=Engine(img2dataset_python))}
    assert len(theirs) == len(urls) > 250
    assert {url: result.status for url, result in theirs.items()} == {
        url: DIFFERENT.get(name, EXPECTED[name]) for url, name in urls.items()
    }
    for url, name in urls.items():
        if name not in DIFFERENT and ours[url].status is FetchStatus.OK:
            assert comparable(theirs[url]) == comparable(ours[url]), name
    assert all(result.fetched_at > 0 for result in theirs.values())


def comparable(result: FetchResult) -> FetchResult:
    """Without the time, and the spelling of bytes in an address that are no text."""
    final = (result.final_url or "").replace("%EF%BF%BD", "%E4")
    return msgspec.structs.replace(result, fetched_at=0, final_url=final)


def test_an_address_that_comes_twice_is_answered_twice(server: FaultServer, img2dataset_python: str) -> None:
    urls = [server.url("png"), server.url("404"), server.url("png")]
    results = list(fetch_images(urls, LOCAL(concurrency=2), engine=Engine(img2dataset_python, processes=2)))
    assert sorted((result.url, result.status) for result in results) == sorted(
        zip(urls, [FetchStatus.OK, FetchStatus.HTTP_4XX, FetchStatus.OK], strict=True)
    )


def test_it_ends_with_who_started_it(server: FaultServer, img2dataset_python: str, tmp_path: Path) -> None:
    program = (
        "import sys; from obelics_pipeline.engine import Engine;"
        "from obelics_pipeline.img2dataset import FetchOptions, fetch_images;"
        "list(fetch_images([sys.argv[1]], FetchOptions(allow_private=True, ports=(), total_timeout=200, robots=False),"
        "engine=Engine(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, server.url("never"), img2dataset_python]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment) as process:
        until = time.monotonic() + 100
        while not server.count("never") and time.monotonic() < until:
            time.sleep(0.1)
        assert running(tmp_path)
        process.send_signal(signal.SIGKILL)
    while running(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert running(tmp_path) == []
