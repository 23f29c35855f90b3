"""A small archive, and a web server for the images in its pages."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from archives import page, write_warc
from PIL import Image
from rich.console import Console

from beam_jobs import s3
from beam_jobs.demo import demo
from beam_jobs.graph import check
from beam_jobs.runner import BeamOptions
from tests.s3server import asking, misbehave, s3_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warcio leaves its temporary files, and Beam its sockets, to the garbage collector."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:apache_beam"))


@pytest.fixture(scope="session", autouse=True)
def every_graph_runs_anywhere() -> Iterator[None]:
    """Hold the graph of every job that a test runs in this process to what every runner can do."""
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    run = FnApiRunner.run_via_runner_api

    def check_and_run(self: Any, graph: Any, options: Any) -> Any:
        check(graph, "a job of the tests")
        return run(self, graph, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FnApiRunner, "run_via_runner_api", check_and_run)
        yield


class ImageHandler(BaseHTTPRequestHandler):
    """``/<width>x<height>-<shade>.png`` is an image, ``/gone.png`` is not there, nor is a ``robots.txt``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.strip("/").removesuffix(".png")
        if name.startswith(("gone", "robots.txt")):
            self._answer(404, b"")
            return
        size, _, shade = name.partition("-")
        width, _, height = size.partition("x")
        body = io.BytesIO()
        Image.new("RGB", (int(width), int(height)), (int(shade), 0, 0)).save(body, "PNG")
        self._answer(200, body.getvalue())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def image_server() -> Iterator[str]:
    """The ``address:port`` of the image server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ImageHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pages: one twice, one empty, one of few words, one whose images are too small or gone."""
    pages = [
        (
            f"http://site{n % 3}.example/page/{n}",
            f"2024-03-01T00:00:{n:02d}Z",
            page(n, [f"120x130-{n}.png", "300x200-7.png"]),
        )
        for n in range(20)
    ]
    pages += [
        (
            "https://www.site0.example/page/0?utm_source=x",
            "2024-03-02T00:00:00Z",
            page(20, ["120x130-20.png"]),
        ),
        (
            "http://site1.example/empty",
            "2024-03-01T00:00:00Z",
            "<html><body><script>1</script></body></html>",
        ),
        (
            "http://site1.example/short",
            "2024-03-01T00:00:00Z",
            "<html><body><p>Too few words.</p></body></html>",
        ),
        ("http://site2.example/gone", "2024-03-01T00:00:00Z", page(23, ["gone.png", "30x30-1.png"])),
    ]
    return write_warc(tmp_path_factory.mktemp("archive") / "small.warc.gz", pages)


@pytest.fixture(scope="session")
def config_file(image_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small parts, so that every stage has several; the images come from the image server."""
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(
        f"""
extract: {{main_content: false, range_bytes: 4000, max_failed_share: 0}}
filter:
  paragraph: {{word_count: {{min: 2}}}}
  document: {{word_count: {{min: 10}}}}
dedup: {{url: {{}}}}
images: {{shard_images: 20, allow_private: true, hosts: {{img.example: "{image_server}"}}}}
assemble:
  image: {{size: {{min: 100}}, format: {{accept: [png]}}}}
  document: {{image_count: {{min: 1}}}}
export: {{shard_bytes: 15000}}
"""
    )
    return path


@pytest.fixture(scope="session")
def two_archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """16 pages in two archives: some again under the same address, some that resemble others, one image on all."""
    words = [f"word{number}" for number in range(400)]
    pages = []
    for n in range(16):
        own = " ".join(words[n % 5 * 60 + n : n % 5 * 60 + 80])
        html = page(n % 12, [f"300x200-{n % 7}.png", "300x200-99.png"])
        html = html.replace("</article>", f"<p>{own}</p></article>")
        pages.append((f"http://site{n % 3}.example/{n % 12}", f"2024-03-01T00:00:{n:02d}Z", html))
    folder = tmp_path_factory.mktemp("two")
    return [write_warc(folder / "a.warc.gz", pages[:8]), write_warc(folder / "b.warc.gz", pages[8:], first=8)]


@pytest.fixture(scope="session")
def demo_built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the demo, and what it printed."""
    folder, console = tmp_path_factory.mktemp("demo"), Console(file=io.StringIO(), width=100)
    demo(str(folder), BeamOptions(), console)
    assert isinstance(console.file, io.StringIO)
    return folder, console.file.getvalue()


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of an S3 server."""
    with s3_server() as url, asking(url):
        yield url


@pytest.fixture
def bucket(object_store: str) -> Iterator[str]:
    """``s3://bucket`` is empty; the address of its server."""
    yield object_store
    misbehave(object_store)
    s3.remove(s3.sizes("s3://bucket/**"))
