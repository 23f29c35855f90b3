"""A further crawl, added to an old dataset by one command: what is known is not kept twice, nor asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from archives import SENTENCE, page, write_warc
from faultserver import FaultServer, picture, reply, serving

from beam_jobs.cli import main

IMAGES = ("old", "shown-again", "noted", "reserved", "gone", "new")
SERVED: dict[str, Any] = {
    **{f"{name}.img": reply(200, picture("PNG", (200 + n, 150))) for n, name in enumerate(IMAGES)},
    "noted.img": reply(200, picture("JPEG", (210, 150)), **{"X-Robots-Tag": "noarchive"}),
    "reserved.img": reply(200, picture("JPEG", (230, 150)), **{"X-Robots-Tag": "noai"}),
    "gone.img": reply(410),
}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with serving(SERVED) as running:
        yield running


def article(topic: str, *images: str) -> str:
    """A page of its own words, so that no two are alike, and two images."""
    words = " ".join(f"{topic}{number}" for number in range(60))
    return page(0, list(images)).replace(SENTENCE, f"Of the {topic} it is said: {words}.")


OLD = [
    ("http://site.example/harbour", article("harbour", "old.img", "shown-again.img")),
    ("http://site.example/market", article("market", "noted.img", "reserved.img")),
    ("http://site.example/station", article("station", "old.img", "gone.img")),
]
NEW = [
    OLD[0],  # the same page, captured again
    ("http://other.example/copy", OLD[1][1]),  # the text of a page that the old run has
    ("http://site.example/tower", article("tower", "shown-again.img", "new.img")),
    ("http://site.example/bridge", article("bridge", "noted.img", "gone.img")),
    ("http://site.example/garden", article("garden", "reserved.img", "new.img")),
]


def crawl(folder: Path, name: str, year: int, pages: list[tuple[str, str]]) -> Path:
    dated = [(url, f"{year}-01-01T00:00:{n:02d}Z", html) for n, (url, html) in enumerate(pages)]
    return write_warc(folder / f"{name}.warc.gz", dated, first=year)


def write_config(folder: Path, server: FaultServer, signals: dict[str, str]) -> Path:
    hosts = {"img.example": server.endpoint}
    path = folder / "config.yaml"
    data = {
        "extract": {"main_content": False},
        "dedup": {"url": {}, "same_text": {}},
        "images": {"retry_wait": 0, "allow_private": True, "hosts": hosts},
        "consent": {"signals": signals},
    }
    path.write_text(yaml.safe_dump(data))
    return path


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def asked(server: FaultServer) -> list[str]:
    """The images that were asked for, each as often as it was."""
    return sorted(request.case for request in server.requests if request.case in SERVED)


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_further_crawl_in_one_command(server: FaultServer, tmp_path: Path) -> None:
    config = write_config(tmp_path, server, {})
    old, new = tmp_path / "old", tmp_path / "new"
    archive = crawl(tmp_path, "old", 2025, OLD)
    assert main(["build", "--config", str(config), "--input", str(archive), "--output", str(old)]) == 0
    assert asked(server) == ["gone.img", "noted.img", "old.img", "reserved.img", "shown-again.img"]
    before = listing(old)

    server.requests.clear()
    archive = crawl(tmp_path, "new", 2026, NEW)
    config = write_config(tmp_path, server, {"noarchive": "drop_image"})  # a policy of today
    command = ["build", "--config", str(config), "--input", str(archive), "--output", str(new)]
    assert main([*command, "--against", str(old), "--earlier", str(old)]) == 0

    # The documents of the old run are not in the new one, which read its signatures alone.
    gone = {row["url"]: row["rule"] for row in rows(new / "decisions/dedup") if row["level"] == "document"}
    assert gone == {"http://site.example/harbour": "url", "http://other.example/copy": "same_text"}
    dataset = rows(new / "dataset/data")
    assert {row["url"] for row in dataset} == {
        f"http://site.example/{name}" for name in ("tower", "bridge", "garden")
    }

    # What is known is not asked for; who reserved an image is asked once more.
    assert asked(server) == ["new.img", "reserved.img"]
    ended = {row["url"].rpartition("/")[2]: row["status"] for row in rows(new / "image_results")}
    assert ended == {
        "shown-again.img": "ok",
        "new.img": "ok",
        "gone.img": "http_4xx",
        "reserved.img": "optout",
        "noted.img": "optout",  # by what its server said to the old run, under the policy of this one
    }
    evidence = {row["url"].rpartition("/")[2]: row["value"] for row in rows(new / "consent/images")}
    assert evidence["noted.img"] == "x-robots-tag:noarchive"
    assert listing(old) == before

    # The new run needs the old one no longer: its images are its own.
    stored = {row["sha256"] for row in rows(new / "images")}
    assert {row["sha256"] for row in rows(new / "image_results") if row["status"] == "ok"} == stored

    server.requests.clear()
    assert main([*command, "--against", str(old), "--earlier", str(old)]) == 0
    assert asked(server) == [], "done before"
