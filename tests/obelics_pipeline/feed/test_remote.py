"""A dataset behind fsspec: in memory, and on a server, which processes that part from another one read, too."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from obelics_pipeline.feed import Feed

Rows = list[dict[str, Any]]


class Files(BaseHTTPRequestHandler):
    """The files below ``root``, or a range of one."""

    root: Path
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.give(body=True)

    def do_HEAD(self) -> None:
        self.give(body=False)

    def give(self, *, body: bool) -> None:
        path = self.root / self.path.lstrip("/")
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data, status = path.read_bytes(), 200
        asked = self.headers["Range"]
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            end = min(int(last), len(data) - 1)
            shown = f"bytes {first}-{end}/{len(data)}"
            data, status = data[int(first) : end + 1], 206
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data)))
        if asked:
            self.send_header("Content-Range", shown)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *told: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address(dataset: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dataset with a manifest, as servers do not list what they have."""
    units = Feed(dataset).source.units
    files: dict[str, list[dict[str, int]]] = {}
    for unit in units:
        files.setdefault(unit.path, []).append({"rows": unit.rows})
    root = tmp_path_factory.mktemp("served")
    (root / "data").symlink_to(Path(dataset) / "data")
    described = [{"path": path, "row_groups": groups} for path, groups in files.items()]
    (root / "manifest.json").write_text(json.dumps({"files": described}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Files,), {"root": root}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_in_memory(dataset: str, documents: Rows) -> None:
    files = fsspec.filesystem("memory")
    for path in (Path(dataset) / "data").iterdir():
        files.pipe(f"/shelf/data/{path.name}", path.read_bytes())
    feed = Feed("memory://shelf")
    assert list(feed) == list(Feed(dataset))
    assert feed.order == Feed(dataset).order


def read(feed: Feed, found: Any) -> None:
    found.put([sample.id for sample in feed])


def test_on_a_server(dataset: str, documents: Rows, address: str) -> None:
    feed = Feed(address, lanes=4)
    assert list(feed) == list(Feed(dataset, lanes=4))
    fork = multiprocessing.get_context("fork")
    found = fork.Queue()
    readers = [
        fork.Process(target=read, args=(Feed(address, lanes=4).share(rank, 2), found)) for rank in (0, 1)
    ]
    for reader in readers:
        reader.start()
    ids = found.get(timeout=60) + found.get(timeout=60)
    for reader in readers:
        reader.join()
    assert sorted(ids) == sorted(row["id"] for row in documents)
