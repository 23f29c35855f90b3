"""An S3 server on loopback, in a process of its own: moto's, which may be made to misbehave.

``python tests/s3server.py`` prints its port. After a request for ``/_faults?busy=0.2&cut=0.1`` a fifth of all
requests is answered 503 SlowDown, and a tenth is cut: an answer in its body, anything else before it is answered.
After ``refusal=400-ExpiredToken`` every request is answered so; after ``kept=KEY`` the next removal says that this
object was not removed, as the store is busy; after ``drip=0.03`` bodies come in bytes, so many seconds apart.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>It is so.</Message></Error>"
KEPT = (
    "<?xml version='1.0'?><DeleteResult><Error><Key>{}</Key><Code>SlowDown</Code><Message>It is so.</Message></Error>"
    "</DeleteResult>"
)


class Faulty:
    """``app`` as a client sees it on a bad day."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._behave("")

    def _behave(self, query: str) -> None:
        """Begin anew, with the shares that the ``query`` of a request for ``/_faults`` names."""
        shares = dict(part.split("=") for part in query.split("&") if part)
        self._busy, self._cut = float(shares.get("busy", 0)), float(shares.get("cut", 0))
        self._refusal, self._kept = shares.get("refusal", ""), shares.get("kept", "")
        self._drip = float(shares.get("drip", 0))
        self._chance = random.Random(7)

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_faults":
            self._behave(environ["QUERY_STRING"])
            start("204 No Content", [])
            return []
        if self._refusal:
            status, _, code = self._refusal.partition("-")
            return _says(environ, start, f"{status} Refused", ERROR.format(code))
        if self._kept and environ["QUERY_STRING"].startswith("delete"):
            key, self._kept = self._kept, ""
            return _says(environ, start, "200 OK", KEPT.format(key))
        with self._lock:
            fate, share = self._chance.random(), self._chance.random()
        if fate < self._busy:
            return _says(environ, start, "503 Slow Down", ERROR.format("SlowDown"))
        if fate < self._busy + self._cut:
            if environ["REQUEST_METHOD"] == "GET":
                return _half(b"".join(self._app(environ, start)), share)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        answer = self._app(environ, start)
        return _dripping(b"".join(answer), self._drip) if self._drip else answer


def _says(environ: Environ, start: Callable[..., Any], status: str, text: str) -> list[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _dripping(body: bytes, seconds: float) -> Iterator[bytes]:
    for at in range(len(body)):
        time.sleep(seconds)
        yield body[at : at + 1]


def _half(body: bytes, share: float) -> Iterator[bytes]:
    yield body[: int(share * len(body))]
    raise ConnectionAbortedError


def main() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *arguments: object) -> None:
            pass

    app = Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # ends with who started it


def s3_server() -> AbstractContextManager[str]:
    """A server between ``with`` and its end; its address."""
    return serving(str(Path(__file__)))


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address of a server that Python runs with the ``arguments``: it tells its port, and ends with its input."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.stdin.close()
            server.wait(10)


@contextmanager
def asking(url: str) -> Iterator[None]:
    """Within ``with`` boto3 asks the server at ``url``, which has a bucket ``bucket``."""
    from beam_jobs import s3  # not needed, and slow to import, by the server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3._client.cache_clear()
        s3._client().create_bucket(Bucket="bucket")
        yield
    s3._client.cache_clear()


def misbehave(url: str, **faults: object) -> None:
    """From now on the server answers so; without ``faults`` as it should."""
    query = "&".join(f"{name}={value}" for name, value in faults.items())
    requests.get(f"{url}/_faults?{query}", timeout=60).raise_for_status()


if __name__ == "__main__":
    main()
