"""The files of a folder on 127.0.0.1, served by ranges as object stores do; counts what is asked for."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FolderServer(ThreadingHTTPServer):
    """Serves between ``with`` and its end; ``address`` is what the names of files lie below."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.sent: dict[str, int] = {}
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def __enter__(self) -> FolderServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FolderServer

    def do_HEAD(self) -> None:
        path = self.server.folder / self.path.lstrip("/")
        if path.is_file():
            self._head(200, path.stat().st_size)
        else:
            self._head(404, 0)

    def do_GET(self) -> None:
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self._head(404, 0)
            return
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        stop = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        with path.open("rb") as stream:
            stream.seek(start)
            data = stream.read(stop - start)
        with self.server.lock:
            self.server.sent[path.name] = self.server.sent.get(path.name, 0) + len(data)
        self._head(206 if asked else 200, len(data), f"bytes {start}-{stop - 1}/{size}" if asked else None)
        self.wfile.write(data)

    def _head(self, status: int, length: int, part: str | None = None) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(length))
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
