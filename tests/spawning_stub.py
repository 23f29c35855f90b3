"""A stand-in for Spawning's registry of opt-outs, on 127.0.0.1: it answers, or misbehaves as it is told.

``faults`` are used up one a request, then it answers well, or misbehaves as ``always`` says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import msgspec

KEY = "key-of-the-stub"
Items = list[dict[str, Any]]


class Reply(msgspec.Struct, frozen=True):
    """An answer; ``seconds`` pass before it. Without a status the connection is closed."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    seconds: float = 0


class Request(msgspec.Struct, frozen=True):
    """What a client sent; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def urls(self) -> list[str]:
        return self.body.decode().split("\n")


Fault = Callable[[Items], Reply]


def listing(items: object, **more: object) -> Reply:
    return Reply(body=json.dumps({"urls": items, **more}).encode())


def slow(seconds: float) -> Fault:
    return lambda items: msgspec.structs.replace(listing(items), seconds=seconds)


def status(code: int, **headers: str) -> Fault:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda items: Reply(code, b'{"error": "so it is"}', headers)


FAULTS: dict[str, Fault] = {
    "short": lambda items: listing(items[1:]),
    "reordered": lambda items: listing(items[::-1]),
    "duplicated": lambda items: listing([items[-1], *items[1:], items[-1]]),
    "contradicted": lambda items: listing([*items, {**items[0], "optOut": not items[0]["optOut"]}]),
    "others": lambda items: listing([{**item, "url": item["url"] + "/"} for item in items]),
    "more": lambda items: listing([*items, {"url": "http://other.example/", "optOut": False}]),
    "empty list": lambda items: listing([]),
    "error": lambda items: Reply(body=b'{"error": "maintenance"}'),
    "null": lambda items: Reply(body=b"null"),
    "list": lambda items: Reply(body=json.dumps(items).encode()),
    "urls is no list": lambda items: listing({item["url"]: item["optOut"] for item in items}),
    "bare urls": lambda items: listing([item["url"] for item in items]),
    "words": lambda items: listing([{**item, "optOut": str(item["optOut"]).lower()} for item in items]),
    "numbers": lambda items: listing([{**item, "optOut": int(item["optOut"])} for item in items]),
    "nulls": lambda items: listing([{**item, "optOut": None} for item in items]),
    "no verdicts": lambda items: listing([{"url": item["url"]} for item in items]),
    "number as url": lambda items: listing([{"url": 7, "optOut": False} for _ in items]),
    "html": lambda items: Reply(body=b"<!doctype html><title>Maintenance</title>"),
    "no bytes": lambda items: Reply(),
    "cut": lambda items: Reply(body=listing(items).body[:-9]),
    "no utf-8": lambda items: Reply(body=listing(items).body.replace(b"http", b"\xff\xfe")),
    "deep": lambda items: Reply(body=b"[" * 100_000),
    "flood": lambda items: Reply(body=b" " * 10_000_000 + listing(items).body),
    "hang up": lambda items: Reply(0),
    "redirect": status(307, Location="/elsewhere"),
    "204": lambda items: Reply(204),
    "400": status(400),
    "401": status(401),
    "404": status(404),
    "408": status(408),
    "429": status(429),
    "500": status(500),
    "503": status(503),
}


class SpawningStub:
    """Runs in threads between ``with`` and its end; ``opted_out`` are the URLs that did, the key is ``KEY``."""

    def __init__(self, *opted_out: str, always: Fault = listing) -> None:
        self.opted_out = frozenset(opted_out)
        self.always = always
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/v2/query/urls/"

    @property
    def asked(self) -> list[str]:
        """The URLs of all requests, in order."""
        return [url for request in self.requests for url in request.urls]

    def __enter__(self) -> SpawningStub:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self.faults.pop(0) if self.faults else self.always
        items = [{"url": url, "optOut": url in self.opted_out} for url in request.urls]
        right = request.headers.get("authorization") == f"API {KEY}"
        reply = fault(items) if right else FAULTS["401"](items)
        time.sleep(reply.seconds)
        with self._lock:
            self._at_once -= 1
        return reply


def _handler(stub: SpawningStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = stub.answer(Request(self.path, headers, body, time.monotonic()))
            if not reply.status:
                return
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except ConnectionError:  # the client has gone
                pass

        def log_message(self, *_: object) -> None:
            pass

    return Handler
