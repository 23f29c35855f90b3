"""The sample web over loopback: what a crawler and a downloader find, and the same WARC every time."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from warcio.archiveiterator import ArchiveIterator

from obelics_pipeline import warc
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images
from obelics_pipeline.page import Page
from obelics_pipeline.sample.capture import capture
from obelics_pipeline.sample.drawing import FORMATS, SCENES, draw
from obelics_pipeline.sample.replies import TROUBLE, coded, wall
from obelics_pipeline.sample.server import SampleServer, serve
from obelics_pipeline.sample.web import pages, visits


@pytest.fixture(scope="module")
def sample() -> Iterator[SampleServer]:
    with serve() as server:
        yield server


def fetch(server: SampleServer, paths: list[str]) -> dict[str, FetchResult]:
    options = FetchOptions(
        hosts={"*.example": server.address}, allow_private=True, total_timeout=1.5, per_host=len(paths)
    )
    urls = [f"http://halflight.example{path}" for path in paths]
    return {
        result.url.removeprefix("http://halflight.example"): result for result in fetch_images(urls, options)
    }


STATUSES = {
    FetchStatus.OK: "wrong-label.jpg pixel.gif moved.jpg",
    FetchStatus.OPTOUT: "reserved.jpg",
    FetchStatus.HTTP_4XX: "taken-down.jpg members-only.jpg lost-negative.jpg",
    FetchStatus.HTTP_5XX: "out-of-order.jpg",
    FetchStatus.TOO_MANY_PIXELS: "poster-wall.png",
    FetchStatus.TOO_LARGE: "raw-scan.jpg",
    FetchStatus.UNDECODABLE: "torn.jpg",
    FetchStatus.TRUNCATED: "cut-short.jpg",
    FetchStatus.EMPTY: "nothing.jpg",
    FetchStatus.NOT_IMAGE: "sorry.jpg emblem.svg",
    FetchStatus.TIMEOUT: "drip.jpg silent.jpg",
    FetchStatus.REDIRECT: "roundabout.jpg second-exit.jpg",
    FetchStatus.BLOCKED_ADDRESS: "inside.jpg",
}


def test_pictures_go_wrong_in_the_way_they_are_meant_to(sample: SampleServer, dialled: list[str]) -> None:
    expected = {f"/media/{name}": status for status, names in STATUSES.items() for name in names.split()}
    found = fetch(sample, list(expected))
    assert {path: result.status for path, result in found.items()} == expected
    assert set(TROUBLE) <= set(expected)
    assert set(dialled) == {"127.0.0.1"}


def test_a_drawn_picture_arrives_as_it_was_drawn(sample: SampleServer) -> None:
    (result,) = fetch(sample, ["/frames/stars-two-hours-1200x800.jpg"]).values()
    assert (result.width, result.height, result.format) == (1200, 800, "jpeg")
    assert result.body == draw("stars-two-hours", 1200, 800, "jpg")


def test_the_capture_is_read_whole_and_is_the_same_every_time(sample: SampleServer, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "sample.warc.gz", tmp_path / "b" / "sample.warc.gz"
    for path in (first, second):
        path.parent.mkdir()
        assert capture(sample, path) == 85
    assert first.read_bytes() == second.read_bytes()
    assert b"127.0.0.1" not in first.read_bytes()
    with first.open("rb") as stream:
        records = [
            (
                record.rec_type,
                record.rec_headers.get_header("WARC-Target-URI"),
                record.rec_headers.get_header("WARC-Date"),
            )
            for record in ArchiveIterator(stream)
        ]
    assert Counter(kind for kind, *_ in records) == {"warcinfo": 1, "request": 85, "response": 85}
    wanted = [(visit.url, f"{visit.when:%Y-%m-%dT%H:%M:%SZ}") for visit in visits()]
    assert [(url, when) for kind, url, when in records if kind == "response"] == wanted


def test_a_capture_that_is_there_already_is_left_alone(sample: SampleServer, tmp_path: Path) -> None:
    path = tmp_path / "sample.warc.gz"
    capture(sample, path)
    whole = path.read_bytes()
    os.utime(path, (1, 1))
    capture(sample, path)
    assert path.stat().st_mtime == 1
    path.write_bytes(whole[:1000])
    capture(sample, path)
    assert path.read_bytes() == whole


def test_our_reader_finds_every_page_of_the_capture(sample: SampleServer, tmp_path: Path) -> None:
    capture(sample, tmp_path / "sample.warc.gz")
    with (tmp_path / "sample.warc.gz").open("rb") as stream:
        records = list(warc.read_pages(stream, "sample.warc.gz"))
    found = [record for record in records if isinstance(record, Page)]
    skipped = Counter(record.kind for record in records if isinstance(record, warc.Skipped))
    assert len(found) == 77
    assert sum(skipped.values()) == len(records) - len(found)
    coded_pages = [page for page in found if page.header("content-encoding")]
    assert len(coded_pages) == 12
    assert all(page.body.lstrip().lower().startswith(b"<!doctype") for page in coded_pages)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("scene", [*SCENES, "banner"])
def test_a_scene_is_drawn_the_same_at_every_time(scene: str, extension: str) -> None:
    once = draw(f"{scene}-test", 320, 240, extension)
    draw.cache_clear()
    assert draw(f"{scene}-test", 320, 240, extension) == once
    image = Image.open(io.BytesIO(once))
    assert (image.size, image.format) == ((320, 240), FORMATS[extension])
    assert len(image.convert("RGB").getcolors(1 << 17) or ()) > 20


def test_a_picture_is_the_same_scene_at_every_size_and_another_under_another_name() -> None:
    def small(name: str, width: int, height: int) -> list[int]:
        image = Image.open(io.BytesIO(draw(name, width, height, "png"))).convert("L").resize((8, 6))
        return list(image.tobytes())

    def distance(one: list[int], other: list[int]) -> int:
        return max(abs(a - b) for a, b in zip(one, other, strict=True))

    full = small("harbour-one", 800, 600)
    assert distance(full, small("harbour-one", 400, 300)) < 20
    assert distance(full, small("harbour-two", 800, 600)) > 40


def test_the_wall_is_small_in_bytes_and_huge_in_pixels() -> None:
    body = wall()
    assert len(body) < 100_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(body))


def test_a_coding_that_is_unknown_is_refused() -> None:
    with pytest.raises(KeyError, match="lzma"):
        coded(next(iter(pages().values())), "lzma")
