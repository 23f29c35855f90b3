"""Archives on a web server: by ranges, whatever becomes of connections."""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import http_file, inputs, io, ranged
from beam_jobs.cli import main
from beam_jobs.http_file import Manners
from obelics_pipeline.errors import InputError, RunFailed
from obelics_pipeline.manifest import InputEntry
from tests import rangeserver
from tests.faultserver import CASES, FaultServer, Request, reply
from tests.rangeserver import cut, drip, etag, reset, says, sends_on, serve, stall, states_more

DATA = bytes(range(256)) * 4_000


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(autouse=True, scope="module")
def _no_waiting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranged, "FIRST_WAIT", 0.001)
        patch.setattr(ranged, "LONGEST_WAIT", 0.002)
        yield


def read(server: FaultServer, name: str = "file") -> bytes:
    with io.open_read(server.url(name)) as stream:
        return stream.read()


@given(
    cuts=st.lists(st.tuples(st.integers(0, len(DATA)), st.booleans()), max_size=9),
    place=st.tuples(st.integers(0, len(DATA)), st.integers(0, len(DATA))),
)
@settings(max_examples=40, deadline=None)
def test_cut_connections_cost_no_byte_and_add_none(
    server: FaultServer, cuts: list[tuple[int, bool]], place: tuple[int, int]
) -> None:
    faults = [cut(after, reset) if hard else cut(after) for after, hard in cuts]
    serve("file", DATA, faults)
    assert read(server) == DATA
    serve("file", DATA, faults)
    start, stop = sorted(place)
    assert io.read_range(server.url("file"), start, stop) == DATA[start:stop]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_a_server_that_often_has_no_time_is_read_to_the_end(server: FaultServer, seed: int) -> None:
    chance = random.Random(seed)
    busy = (says(503, b"<Code>SlowDown</Code>") if chance.random() < 0.2 else cut(50_000) for _ in count())
    serve("file", DATA, busy)
    assert read(server) == DATA


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(says(403, b"<Error><Code>SlowDown</Code></Error>"), id="403 that is about the rate"),
        pytest.param(says(429), id="429"),
        pytest.param(says(500), id="500"),
        pytest.param(says(529), id="a status of a server's own"),
        pytest.param(says(503, Retry_After="soon"), id="503 with a Retry-After that is none"),
        pytest.param(rangeserver.another_range, id="another range"),
        pytest.param(says(206, b"abc"), id="a range that is not stated"),
        pytest.param(stall(1000), id="a body that stalls"),
    ],
)
def test_faults_that_pass(
    server: FaultServer, fault: rangeserver.Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_file, "TIMEOUT", 0.3)
    serve("file", DATA, [fault, cut(1000), fault])
    assert read(server) == DATA


@pytest.mark.parametrize(
    ("fault", "says_"),
    [
        pytest.param(rangeserver.ignores_ranges, "serves no ranges; copy the file", id="no ranges"),
        pytest.param(rangeserver.another_length, "changed while it was read", id="another length"),
        pytest.param(
            says(206, b"a", Content_Range=f"bytes 1000-1000/{len(DATA)}", ETag='"2"'), "other ETag", id="ETag"
        ),
        pytest.param(says(401), "HTTP 401: it asks who we are", id="401"),
        pytest.param(says(403, b"AccessDenied"), "HTTP 403: it is not for everybody", id="403"),
        pytest.param(says(501), "HTTP 501", id="501, which will be so tomorrow"),
        pytest.param(says(404), "HTTP 404: there is no such file", id="404"),
        pytest.param(says(302, Location="/loop"), "Exceeded 5 redirects", id="a loop of redirects"),
        pytest.param(says(302), "HTTP 302 instead of a range", id="a redirect to nowhere"),
    ],
)
def test_what_no_patience_mends_is_told_at_once(
    server: FaultServer, fault: rangeserver.Fault, says_: str
) -> None:
    asked = serve("file", DATA, [cut(1000), fault])
    with pytest.raises((InputError, RunFailed), match=says_):
        read(server)
    assert len(asked) == 2


def test_patience_ends(server: FaultServer) -> None:
    asked = serve("file", DATA, (says(503) for _ in count()))
    with pytest.raises(
        RunFailed, match=r"file at 0: given up after 12 attempts \(HTTP 503\); run the command again"
    ):
        read(server)
    assert len(asked) == ranged.ATTEMPTS


def test_a_server_that_asks_for_time_gets_it_within_bounds(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("file", DATA, [says(503, Retry_After="1")])
    before = time.monotonic()
    assert read(server) == DATA
    assert 1 <= time.monotonic() - before < 3
    serve("file", DATA, [says(503, Retry_After="3600")])
    monkeypatch.setattr(ranged, "PATIENCE", 200)
    with pytest.raises(RunFailed, match="given up after 1 attempts"):
        read(server)


def test_a_server_that_drips_is_left_and_asked_again(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged, "SLOWEST", 0.2)
    serve("file", DATA, [drip(0.03), drip(0.03)])
    assert read(server) == DATA
    asked = serve("file", DATA, (drip(0.03) for _ in count()))
    with pytest.raises(
        RunFailed, match=r"given up after 12 attempts \(fewer than 16384 bytes in 0 seconds\)"
    ):
        read(server)
    assert len(asked) == ranged.ATTEMPTS


@pytest.mark.parametrize("fault", [sends_on, states_more])
def test_no_byte_beyond_the_range_is_taken(server: FaultServer, fault: rangeserver.Fault) -> None:
    serve("file", DATA, [fault])
    assert io.read_range(server.url("file"), 5, 15) == DATA[5:15]


@pytest.mark.parametrize(
    ("stated", "length"),
    [
        pytest.param("bytes 10-19/100", 100, id="all that was asked for"),
        pytest.param("bytes 10-12/100", 100, id="a part of it"),
        pytest.param("bytes 10-14/15", 15, id="up to the end of the file"),
        pytest.param("bytes 10-20/100", None, id="more than that"),
        pytest.param("bytes 10-19/15", None, id="beyond the end"),
        pytest.param("bytes 11-19/100", None, id="from elsewhere"),
        pytest.param("bytes 10-9/100", None, id="nothing"),
        pytest.param("bytes 10-19/*", None, id="of no length"),
        pytest.param("", None, id="nothing stated"),
    ],
)
def test_what_an_answer_states_is_checked(stated: str, length: int | None) -> None:
    if length is not None:
        assert ranged.length_stated(stated, 10, 20) == length
        return
    with pytest.raises(ranged.Broken, match="asked for bytes from 10"):
        ranged.length_stated(stated, 10, 20)


def test_a_server_that_is_not_there_is_told_soon_in_the_first_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "ATTEMPTS", 3)
    with FaultServer() as gone:
        url = gone.url("file")
    with pytest.raises(RunFailed, match=r"given up after 3 attempts .*refused"):  # as in a worker
        io.size(url)
    ranged.FIRST_CHECKS.set()
    try:
        with pytest.raises(InputError, match=r"cannot be reached: .*refused"):
            inputs.find_archives([url])
    finally:
        ranged.FIRST_CHECKS.clear()


def test_a_server_that_was_there_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "ATTEMPTS", 3)
    with FaultServer() as gone:
        url = gone.url("file")
        assert io.size(url) == len(DATA)
    with pytest.raises(RunFailed, match=r"given up after 3 attempts .*refused"):
        io.size(url)


@pytest.mark.parametrize(
    ("offset", "whence", "position"),
    [
        pytest.param(0, 0, 0, id="the beginning"),
        pytest.param(500_001, 0, 500_001, id="the middle"),
        pytest.param(-7, 2, len(DATA) - 7, id="from the end"),
        pytest.param(0, 2, len(DATA), id="the end"),
    ],
)
def test_a_seek_leads_to_its_place(server: FaultServer, offset: int, whence: int, position: int) -> None:
    serve("file", DATA)
    with io.open_read(server.url("file")) as stream:
        stream.read(1000)
        assert stream.seek(offset, whence) == position
        assert stream.read(300) == DATA[position : position + 300]


def test_a_range_asks_for_its_bytes_alone(server: FaultServer) -> None:
    asked = serve("file", DATA)
    url = server.url("file")
    assert io.read_range(url, 100_000, 100_010) == DATA[100_000:100_010]
    assert io.read_range(url, len(DATA) - 5, len(DATA) + 5) == DATA[-5:]
    assert io.read_range(url, len(DATA), len(DATA) + 5) == b""
    assert asked == [10, 5]


def test_redirects_are_followed(server: FaultServer) -> None:
    serve("file", DATA)
    CASES["moved"] = reply(302, Location="/file")
    assert read(server, "moved") == DATA


def test_the_server_is_told_who_asks(server: FaultServer) -> None:
    serve("file", DATA)
    assert io.read_range(server.url("file"), 0, 9, Manners("name/1.0 (+https://who.example/)")) == DATA[:9]
    assert server.requests[-1].headers["user-agent"] == "name/1.0 (+https://who.example/)"


@contextmanager
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with authority.cert_pem.tempfile() as path, FaultServer(context) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
        yield running


def test_https_is_read_across_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted(monkeypatch) as server:
        serve("file", DATA, [cut(70_000), says(503), cut(1, reset), cut(200_000)])
        assert read(server) == DATA


def test_a_certificate_of_nobody_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted(monkeypatch) as server:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        serve("file", DATA)
        with pytest.raises(InputError, match="nobody that is trusted vouches"):
            read(server)


def test_a_process_has_no_more_connections_than_it_may() -> None:
    with FaultServer() as server:
        manners = Manners(connections=2)
        threads = [threading.Thread(target=io.size, args=(server.url("slow"), manners)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (server.most_at_once, len(server.requests)) == (2, 6)


def test_a_missing_file_is_the_callers_mistake(server: FaultServer) -> None:
    with pytest.raises(InputError, match="/404: HTTP 404: there is no such file"):
        inputs.find_archives([server.url("404")])


def test_a_url_is_an_input_with_its_length_and_tag(server: FaultServer) -> None:
    serve("file", DATA)
    assert inputs.find_archives([server.url("file")])[0] == InputEntry(
        server.url("file"), len(DATA), etag(DATA)
    )
    serve("file", DATA[::-1])
    assert inputs.find_archives([server.url("file")])[0].digest == etag(DATA[::-1]) != etag(DATA)


def test_lists_are_asked_for_as_archives_are(server: FaultServer) -> None:
    serve("file", DATA)
    serve("list", server.url("file").encode())
    before = len(server.requests)
    inputs.find_archives([f"@{server.url('list')}"], manners=Manners("name/1.0 (+https://who.example/)"))
    asked = server.requests[before:]
    assert {request.headers["user-agent"] for request in asked} == {"name/1.0 (+https://who.example/)"}
    assert len(asked) == 4


def test_a_password_has_no_place_in_an_address(server: FaultServer) -> None:
    with pytest.raises(InputError, match="leave user name and password out") as raised:
        inputs.find_archives([server.url("file").replace("//", "//me:secret@")])
    assert "secret" not in str(raised.value)


def test_a_password_may_stand_in_netrc(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("file", DATA)
    opened = CASES["file"]

    async def closed(request: Request, writer: asyncio.StreamWriter) -> None:
        known = request.headers.get("authorization") == "Basic bWU6c2VjcmV0"
        await (opened if known else reply(401))(request, writer)

    CASES["file"] = closed
    with pytest.raises(
        InputError, match=r"HTTP 401: it asks who we are; write user name and password .*netrc"
    ):
        read(server)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert read(server) == DATA


def test_a_signature_is_told_to_the_server_alone(
    server: FaultServer, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("signed.warc.gz", archive.read_bytes())
    output = str(tmp_path / "out")
    for number in range(2):  # what was done stays so with a new signature
        url = server.url(f"signed.warc.gz?part=1&X-Amz-Signature=secret{number}")
        assert main(["extract", "--input", url, "--output", output]) == 0
        assert server.requests[-1].path.endswith(f"secret{number}")
    assert "extract: done before" in capsys.readouterr().out
    written = [path for path in Path(output).rglob("*") if path.is_file()]
    assert b"signed.warc.gz?part=1" in (Path(output) / "documents/_MANIFEST.json").read_bytes()
    assert not any(b"secret" in path.read_bytes() for path in written)
    CASES["signed.warc.gz"] = CASES["404"]
    assert main(["extract", "--input", url, "--output", output]) == 2
    assert "secret" not in capsys.readouterr().err
