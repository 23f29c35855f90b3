"""The sample web on 127.0.0.1: one port for all hosts, told apart by the Host header."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from obelics_pipeline.sample.replies import Reply
from obelics_pipeline.sample.web import answer

LOOPBACK: Final = "127.0.0.1"
DRIP_SECONDS: Final = 0.25
SILENT_SECONDS: Final = 30.0
CHUNK: Final = 4096


class SampleServer(ThreadingHTTPServer):
    """The server; ``closing`` wakes the threads that are slow on purpose."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """Where the names of the sample hosts lead: ``127.0.0.1:port``."""
        return f"{LOOPBACK}:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that turns away from a slow reply is part of the sample."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SampleServer
    timeout = 60

    def do_GET(self) -> None:
        reply = answer(self.headers.get("Host", "").partition(":")[0].lower(), self.path)
        if reply.pace == "silent":
            self.server.closing.wait(SILENT_SECONDS)
            self.close_connection = True
            return
        self._send_head(reply)
        self._send_body(reply)

    def _send_head(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.pace == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()

    def _send_body(self, reply: Reply) -> None:
        if reply.pace == "chunked":
            for at in range(0, len(reply.body), CHUNK):
                piece = reply.body[at : at + CHUNK]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif reply.pace == "drip":
            for at in range(len(reply.body)):
                self.wfile.write(reply.body[at : at + 1])
                if self.server.closing.wait(DRIP_SECONDS):
                    return
        elif reply.pace == "cut":
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def serve(port: int = 0) -> Iterator[SampleServer]:
    """Serve the sample web while the block runs; port 0 is any free one. Raises ``OSError`` if taken."""
    with SampleServer(port) as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="sample server", daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
