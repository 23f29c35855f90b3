"""Archives on a web server: by ranges, across broken connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from beam_jobs import http_file, inputs
from beam_jobs.http_file import open_http
from obelics_pipeline.errors import InputError

DATA = bytes(range(256)) * 40_000


class RangeHandler(BaseHTTPRequestHandler):
    """``/file`` serves ranges, ``/broken`` ends each answer after 3 MB, ``/whole`` ignores ranges."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._head(404 if self.path == "/none" else 200, len(DATA))

    def do_GET(self) -> None:
        start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
        body = DATA[start:]
        self._head(200 if self.path == "/whole" else 206, len(body))
        if self.path == "/broken" and len(body) > 3_000_000:
            self.wfile.write(body[:3_000_000])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closes early is no news."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = QuietServer(("127.0.0.1", 0), RangeHandler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_file.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("path", ["file", "broken"])
def test_all_bytes_arrive(server: str, path: str) -> None:
    with open_http(f"{server}/{path}") as stream:
        assert stream.read() == DATA


@pytest.mark.parametrize(
    ("offset", "whence", "position"),
    [
        pytest.param(0, 0, 0, id="the beginning"),
        pytest.param(5_000_001, 0, 5_000_001, id="the middle"),
        pytest.param(-7, 2, len(DATA) - 7, id="from the end"),
        pytest.param(0, 2, len(DATA), id="the end"),
    ],
)
def test_a_seek_leads_to_its_place(server: str, offset: int, whence: int, position: int) -> None:
    with open_http(f"{server}/file") as stream:
        stream.read(1000)
        assert stream.seek(offset, whence) == position
        assert stream.read(300) == DATA[position : position + 300]


def test_a_server_without_ranges_is_an_error(server: str) -> None:
    with (
        open_http(f"{server}/whole") as stream,
        pytest.raises(OSError, match="no bytes at 0 after 5 attempts"),
    ):
        stream.read(10)


def test_a_missing_file_is_the_callers_mistake(server: str) -> None:
    with pytest.raises(InputError, match="/none: HTTP 404"):
        inputs.find_archives([f"{server}/none"])


def test_a_url_is_an_input_with_its_length(server: str) -> None:
    (entry,) = inputs.find_archives([f"{server}/file"])
    assert entry.bytes == len(DATA)
