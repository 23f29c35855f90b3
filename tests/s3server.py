"""An S3 server on loopback, in a process of its own: moto's, which may be made to misbehave.

``python tests/s3server.py`` prints its port. After a request for ``/_faults?busy=0.2&cut=0.1`` a fifth of all
requests is answered 503 SlowDown, and a tenth is cut: an answer in its body, anything else before it is answered.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
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
        self._chance = random.Random(7)

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_faults":
            self._behave(environ["QUERY_STRING"])
            start("204 No Content", [])
            return []
        with self._lock:
            fate, share = self._chance.random(), self._chance.random()
        if fate < self._busy:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(SLOW_DOWN)))]
            start("503 Slow Down", headers)
            return [SLOW_DOWN]
        if fate < self._busy + self._cut:
            if environ["REQUEST_METHOD"] == "GET":
                return _half(b"".join(self._app(environ, start)), share)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return self._app(environ, start)


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


@contextmanager
def s3_server() -> Iterator[str]:
    """A server between ``with`` and its end; its address."""
    command = [sys.executable, str(Path(__file__))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
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


def misbehave(url: str, busy: float = 0, cut: float = 0) -> None:
    """From now on the server answers so."""
    requests.get(f"{url}/_faults?busy={busy}&cut={cut}", timeout=60).raise_for_status()


if __name__ == "__main__":
    main()
