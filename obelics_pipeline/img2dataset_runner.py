"""Runs img2dataset by the Python that has it, between walls that it does not have itself.

``python -I img2dataset_runner.py JOB.json`` imports nothing of this project but ``netguard``, by its file: the
environment is another one. img2dataset asks by ``urllib``, so all that it asks goes through an opener of ours, in each
of its processes. What the opener met is written to the log that the job names, a line of JSON for every request:
the number of the URL, the address asked, the HTTP status, the headers, what went wrong, the time in ms.
"""

from __future__ import annotations

import http.client
import importlib
import importlib.util
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib import request as urllib_request
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request
from urllib.response import addinfourl
from weakref import WeakKeyDictionary

HEADER: Final = 4097
"""Characters of a header that are written: one more than ``consent.MAX_VALUE``, which is all that is read."""
TICK: Final = 0.25
"""Seconds between two looks for connections whose time is over."""

_GUARDED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Audit events (https://docs.python.org/3/library/audit_events.html) of what may leave the machine."""


class TooLarge(Exception):
    """More than ``max_bytes``, announced or sent."""


class NotAsked(Exception):
    """A redirect to a port that is not asked."""


class Spared(Exception):
    """A host that is not asked any more; the fault says why."""


_FAULTS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TooLarge, "too_large"),
    (http.client.IncompleteRead, "truncated"),
    (TimeoutError, "timeout"),
    (socket.gaierror, "dns"),
    (UnicodeError, "dns"),  # a name that the name service cannot even be asked for
    (ssl.SSLError, "tls"),
    (OSError, "connect"),
    (Exception, "protocol"),
)
"""Statuses of ``FetchStatus`` by kind of error; the first that fits decides."""

_PASSING: Final = frozenset({"timeout", "dns", "connect"})
"""Failures that speak of a host."""


class Walls:
    """What a process may reach, and how long, how much and how often it may ask; ``job`` says so."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._netguard = _beside("netguard")
        reach = self._netguard.Reach
        self._allowed = {reach.PUBLIC, reach.PRIVATE} if job["allow_private"] else {reach.PUBLIC}
        self._tls = ssl.create_default_context()  # one for all: to load the certificates costs 20 ms
        self._log = os.open(job["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._asking = threading.local()
        self._lock = threading.Lock()  # for the tables that follow
        self._failures: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._open: WeakKeyDictionary[socket.socket, float] = WeakKeyDictionary()
        self._places: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(job["per_host"])
        )

    def raise_them(self) -> None:
        """From here on this process asks through the opener or not at all."""
        Redirects.max_redirections = self._job["max_redirects"]
        opener = urllib_request.OpenerDirector()  # none that knows files, ftp, data or proxies
        opener.addheaders = []
        for handler in (
            Asking(self),
            Redirects(self._job["ports"]),
            urllib_request.HTTPErrorProcessor(),
            urllib_request.HTTPDefaultErrorHandler(),
            urllib_request.UnknownHandler(),
        ):
            opener.add_handler(handler)
        urllib_request.install_opener(opener)
        sys.addaudithook(self._watch)
        threading.Thread(target=self._end_the_late, daemon=True).start()

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Let nothing out that the opener does not dial, and nothing to an address that is not to be dialled."""
        if event in _GUARDED and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
            dialled = getattr(self._asking, "until", None) is not None
            if not dialled or self._netguard.reach(arguments[1][0]) not in self._allowed:
                raise self._netguard.BlockedAddress

    def _end_the_late(self) -> None:
        while True:
            time.sleep(TICK)
            with self._lock:
                connections = list(self._open.items())
            for connection, until in connections:
                if time.monotonic() > until:
                    _shut(connection)

    def ask(self, request: Request, send: Callable[[], HTTPResponse]) -> addinfourl:
        """The answer to ``request``, read within the bounds, after a wait for a place at its host."""
        known = vars(request)
        number = known.setdefault("number", request.full_url.rpartition("#")[2])
        left = known.setdefault("left", self._job["total_timeout"])
        request.add_header("User-agent", self._job["signature"])
        request.add_header("Accept", "image/*")
        asked: list[Any] = [number, request.full_url.partition("#")[0], None, [], "", 0]
        with self._lock:
            place = self._places[request.host]
        with place:
            begun = time.monotonic()
            self._asking.until = begun + left
            try:
                self._spare(request.host)
                with send() as response:
                    asked[2:4] = response.status, _headers(response)
                    body = self._body(response) if response.status in (200, 203) else b""
                    if time.monotonic() > self._asking.until:  # then it was cut, whatever it looks like
                        raise TimeoutError("not complete in time")
                    answer = addinfourl(BytesIO(body), response.headers, request.full_url, response.status)
                    answer.msg = response.reason  # type: ignore[attr-defined]  # what urllib's own answers have
                    return answer
            except Exception as error:
                fault = self._fault(error)
                asked[4] = "truncated" if fault == "connect" and asked[2] is not None else fault
                raise
            finally:
                known["left"] = left - (time.monotonic() - begun)
                self._asking.until = None
                asked[5] = time.time_ns() // 1_000_000
                self._learn(request.host, asked[2], asked[4])
                os.write(
                    self._log, json.dumps(asked).encode() + b"\n"
                )  # one call: lines of processes do not mix

    def dial(self, host: str, port: int) -> socket.socket:
        """A connection that is open no longer than the request may last."""
        endpoint = self._netguard.redialled(host.rstrip("."), self._job["hosts"]) or (host, port)
        left = max(self._asking.until - time.monotonic(), TICK)
        connection = socket.create_connection(endpoint, min(self._job["connect_timeout"], left))
        self.watch(connection)
        return connection

    def dial_encrypted(self, host: str, port: int) -> socket.socket:
        """The same with TLS, whose handshake is watched, too."""
        connection = self._tls.wrap_socket(
            self.dial(host, port), server_hostname=host, do_handshake_on_connect=False
        )
        self.watch(connection)
        connection.do_handshake()
        return connection

    def watch(self, connection: socket.socket) -> None:
        """End ``connection`` when the time of this thread's request is over."""
        connection.settimeout(self._job["total_timeout"])
        with self._lock:
            self._open[connection] = self._asking.until

    def _body(self, response: HTTPResponse) -> bytes:
        most: int = self._job["max_bytes"]
        if (response.length or 0) > most:
            raise TooLarge(f"announces {response.length} bytes")
        body = response.read(most + 1)
        if len(body) > most:
            raise TooLarge(f"sends more than {most} bytes")
        if response.length:  # read(n) does not tell
            raise http.client.IncompleteRead(body, response.length)
        return body

    def _spare(self, host: str) -> None:
        with self._lock:
            if host in self._busy:
                raise Spared("host_busy")
            if self._failures[host] >= self._job["host_failures"]:
                raise Spared("host_down")

    def _learn(self, host: str, code: int | None, fault: str) -> None:
        """A host that asks for patience gets it for good, as does one that failed so often in a row."""
        with self._lock:
            if code == 429:
                self._busy.add(host)
            elif fault in _PASSING or code in range(500, 600):
                self._failures[host] += 1
            elif fault != "host_down":
                self._failures.pop(host, None)

    def _fault(self, error: BaseException) -> str:
        if isinstance(error, URLError) and isinstance(error.reason, Exception):
            error = error.reason
        if isinstance(error, Spared):
            return str(error)
        if isinstance(error, self._netguard.BlockedAddress):
            return "blocked_address"
        if time.monotonic() > self._asking.until:
            return "timeout"
        return next(fault for kind, fault in _FAULTS if isinstance(error, kind))


class Asking(urllib_request.AbstractHTTPHandler):
    """The only way to ask for anything."""

    def __init__(self, walls: Walls) -> None:
        super().__init__()
        self._walls = walls

    def http_open(self, request: Request) -> addinfourl:
        """Ask over a plain connection."""
        return self._ask(request, self._walls.dial, http.client.HTTP_PORT)

    def https_open(self, request: Request) -> addinfourl:
        """Ask over an encrypted connection."""
        return self._ask(request, self._walls.dial_encrypted, http.client.HTTPS_PORT)

    def _ask(self, request: Request, dial: Callable[[str, int], socket.socket], default: int) -> addinfourl:
        class Connection(http.client.HTTPConnection):
            default_port = default

            def connect(self) -> None:
                self.sock = dial(self.host, self.port)

        return self._walls.ask(request, lambda: self.do_open(Connection, request))

    http_request = https_request = urllib_request.AbstractHTTPHandler.do_request_


class Redirects(urllib_request.HTTPRedirectHandler):
    """Redirects that keep the number of their URL, the time that is left, and to the ports that are asked."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports

    def redirect_request(  # type: ignore[no-untyped-def]  # as urllib has it, which names no types
        self, req, fp, code, msg, headers, newurl
    ) -> Request | None:
        """The request for where a redirect leads."""
        if self._ports and _port(newurl) not in self._ports:
            raise NotAsked(newurl)
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None:
            vars(new).update(number=req.number, left=req.left)
        return new


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _headers(response: HTTPResponse) -> list[tuple[str, str]]:
    return [(name.lower(), str(value)[:HEADER]) for name, value in response.headers.items()]


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)


def _beside(name: str) -> Any:
    """A module of this package by its file: the folder is not on the path, where its ``http`` would hide Python's."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _end_with_parent() -> None:
    """Whoever started this holds the other end of its input; without them nobody wants the images."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ in ("__main__", "__mp_main__"):  # the latter in the processes that img2dataset starts
    JOB: Final = json.loads(Path(sys.argv[1]).read_text())
    Walls(JOB).raise_them()

if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    importlib.import_module("img2dataset").download(**JOB["download"])
