"""Downloads of real images from a server that makes a fifth of them fail, held against a manifest."""

from __future__ import annotations

import hashlib
import importlib.util
import tarfile
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images

FAULTS = 0.2
STATUS_OF = {
    "404": FetchStatus.HTTP_4XX,
    "403": FetchStatus.HTTP_4XX,
    "500": FetchStatus.HTTP_5XX,
    "loop": FetchStatus.REDIRECT,
    "empty": FetchStatus.EMPTY,
    "noai": FetchStatus.OPTOUT,
    "truncated": FetchStatus.TRUNCATED,
    "html_as_png": FetchStatus.NOT_IMAGE,
    "stall": FetchStatus.TIMEOUT,
}
"""What the server's faults come to; with the others (a redirect, a wrong type …) the image still arrives."""


class Known(msgspec.Struct, frozen=True):
    """What the manifest says of an image."""

    url: str
    status: int
    bytes: int | None = None
    w: int | None = None
    h: int | None = None
    fmt: str | None = None


class Entry(msgspec.Struct):
    images: list[Known]


@pytest.fixture(scope="module")
def site(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with tarfile.open(test_data / "data" / "debdocs_mini.tar") as tar:
        tar.extractall(folder, filter="data")
    return folder / "debdocs_mini"


@pytest.fixture(scope="module")
def tool(test_data: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve", test_data / "tools" / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def endpoint(site: Path, tool: ModuleType) -> Iterator[str]:
    handler = tool.make(str(site / "site"), FAULTS, 0, None)
    ThreadingHTTPServer.daemon_threads = True
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def expected(known: Known, fault: str | None) -> FetchStatus:
    if known.status == 404:
        return FetchStatus.HTTP_4XX
    return STATUS_OF.get(fault or "", FetchStatus.OK)


def facts(result: FetchResult) -> tuple[object, ...]:
    return (result.status, result.num_bytes, result.format, result.width, result.height)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the server's, which runs in this process
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_image_is_what_the_manifest_says(site: Path, tool: ModuleType, endpoint: str) -> None:
    lines = (site / "manifest.jsonl").read_bytes().splitlines()
    known = {
        image.url.replace("127.0.0.1:8765", endpoint): image
        for line in lines
        for image in msgspec.json.decode(line, type=Entry).images
    }
    options = FetchOptions(allow_private=True, ports=(), total_timeout=3, per_host=32, retry_wait=0)
    results = list(fetch_images(known, options))
    assert sorted(result.url for result in results) == sorted(known)
    assert len(known) == 175
    for result in results:
        path, image = unquote(urlsplit(result.url).path), known[result.url]
        status = expected(image, tool.fault_of(path, FAULTS))
        assert result.status is status, (result.url, result.detail)
        if status is FetchStatus.OK:
            assert facts(result) == (status, image.bytes, (image.fmt or "").lower(), image.w, image.h)
            assert (
                result.sha256 == hashlib.sha256((site / "site" / path.lstrip("/")).read_bytes()).hexdigest()
            )
