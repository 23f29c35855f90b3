"""What an earlier run knows is not asked again; nothing is released that today's policy refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
import yaml
from archives import page, write_warc
from faultserver import FaultServer, picture, reply, serving

from beam_jobs.cli import main
from beam_jobs.config import ImagesSection
from beam_jobs.earlier import EarlierRun
from beam_jobs.earlier_images import ReadKnown
from beam_jobs.parts import table_path
from beam_jobs.stages import IMAGES
from filters.consent.policy import Policy
from obelics_pipeline.accounting import Tally
from obelics_pipeline.manifest import FileEntry, Manifest
from obelics_pipeline.registry.compiling import compile_registry

LARGE = picture("PNG", (300, 200)) + b"\0" * 40_000
SERVED: dict[str, Any] = {
    **{f"old-{n}.img": reply(200, picture("PNG", (200 + n, 150))) for n in range(6)},
    "same.img": reply(200, picture("PNG", (200, 150))),
    "noted.img": reply(200, picture("JPEG", (210, 150)), **{"X-Robots-Tag": "noarchive"}),
    "gone.img": reply(410, **{"X-Robots-Tag": "noarchive"}),
    "text.img": reply(200, b"<html>no image</html>"),
    "large.img": reply(200, LARGE),
    "small.img": reply(200, picture("JPEG", (220, 150))),
    "busy.img": reply(503),
    "reserved.img": reply(200, picture("JPEG", (230, 150)), **{"X-Robots-Tag": "noai"}),
    "new.img": reply(200, picture("JPEG", (240, 150))),
}
FAILED = {"busy.img", "reserved.img"}
ASKED_AGAIN = FAILED | {"gone.img"}  # of which it is known what its candidate ended with
FIRST = sorted(set(SERVED) - {"new.img", "small.img"})


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with serving(SERVED) as running:
        yield running


def archive(folder: Path, names: list[str]) -> Path:
    """Pages of two images each; one more shows ``gone.img`` and, as its candidate, ``small.img``."""
    pairs = [names[n : n + 2] for n in range(0, len(names), 2)]
    pages = [
        (f"http://site.example/{n}", f"2026-01-01T00:00:{n:02d}Z", page(n, pair))
        for n, pair in enumerate(pairs)
    ]
    html = page(50, ["gone.img"]).replace(
        'gone.img"', 'gone.img" srcset="http://img.example/gone.img 2x, http://img.example/small.img 1x"'
    )
    return write_warc(
        folder / "pages.warc.gz", [*pages, ("http://site.example/c", "2026-01-01T00:01:00Z", html)]
    )


Options = dict[str, Any]


def write_config(folder: Path, server: FaultServer, images: Options, consent: Options) -> Path:
    section = {
        "shard_images": 4,
        "max_bytes": 20_000,
        "retry_wait": 0,
        "allow_private": True,
        "hosts": {"img.example": server.endpoint},
    }
    data = {
        "extract": {"main_content": False},
        "dedup": {"url": {}},
        "images": section | images,
        "consent": consent,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.fixture(scope="module")
def first(server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    config = write_config(folder, server, {}, {})
    arguments = ["--input", str(archive(folder, FIRST)), "--output", str(folder / "out")]
    assert main(["build", "--config", str(config), *arguments]) == 0
    return folder / "out"


class Again:
    """The stage ``images`` once more, for the documents of a run, with ``earlier`` runs."""

    def __init__(self, server: FaultServer, folder: Path, source: Path) -> None:
        self.server, self.folder, self.source = server, folder, source
        self.code = -1

    def run(
        self, earlier: list[Path], images: Options | None = None, consent: Options | None = None
    ) -> set[str]:
        """What was asked for."""
        section = {"earlier": [str(path) for path in earlier], **(images or {})}
        config = write_config(self.folder, self.server, section, consent or {})
        self.server.requests.clear()
        arguments = ["--input", str(self.source), "--output", str(self.output)]
        self.code = main(["images", "--config", str(config), *arguments])
        return {request.case for request in self.server.requests} - {"robots.txt"}

    @property
    def output(self) -> Path:
        return self.folder / "out"

    def statuses(self) -> dict[str, str]:
        return {name_of(row): row["status"] for row in rows(self.output, "image_results")}

    def notes(self) -> dict[str, int]:
        notes: dict[str, int] = json.loads((self.output / "images/_MANIFEST.json").read_bytes())["tally"][
            "notes"
        ]
        return notes


@pytest.fixture
def again(server: FaultServer, first: Path, tmp_path: Path) -> Again:
    return Again(server, tmp_path, first)


def rows(output: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((output / folder).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def name_of(row: dict[str, Any]) -> str:
    return str(row["url"].rpartition("/")[2])


def files(output: Path, folder: str) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (output / folder).glob("part-*")
    }


def known(name: str) -> bool:
    return name not in FAILED


def test_what_is_known_is_not_asked_and_the_tables_are_the_same(again: Again, first: Path) -> None:
    assert again.run([first]) == ASKED_AGAIN
    assert again.code == 0
    for folder in ("images", "image_results", "image_urls"):
        assert files(again.output, folder) == files(first, folder), folder
    assert again.notes() == {"known_from_earlier_runs": len(FIRST) - len(ASKED_AGAIN) + 1}  # and small.img
    log = {name_of(row): row for row in rows(again.output, "fetch_log")}
    before = {name_of(row): row for row in rows(first, "fetch_log")}
    for name, row in log.items():
        assert (row["detail"] == f"known from {first}") == known(name)
        assert (row["fetched_at"] == before[name]["fetched_at"]) == known(name)


def test_shards_may_be_others_and_what_is_new_is_asked(
    server: FaultServer, first: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, server, {"earlier": [str(first)], "shard_images": 100}, {})
    server.requests.clear()
    arguments = ["--input", str(archive(tmp_path, [*FIRST, "new.img"])), "--output", str(tmp_path / "out")]
    assert main(["build", "--config", str(config), *arguments]) == 0
    assert {request.case for request in server.requests} - {"robots.txt"} == ASKED_AGAIN | {"new.img"}
    assert len(files(tmp_path / "out", "images")) == 1 < len(files(first, "images"))
    bodies = {row["sha256"]: row["bytes"] for row in rows(tmp_path / "out", "images")}
    assert {row["sha256"]: row["bytes"] for row in rows(first, "images")}.items() <= bodies.items()


def test_a_run_after_that_knows_it_without_the_first(again: Again, first: Path, tmp_path: Path) -> None:
    again.run([first])
    third = Again(again.server, tmp_path / "third", first)
    third.folder.mkdir()
    assert third.run([again.output]) == ASKED_AGAIN
    before = {name_of(row): row["fetched_at"] for row in rows(first, "fetch_log")}
    after = {name_of(row): row["fetched_at"] for row in rows(third.output, "fetch_log")}
    assert all((before[name] == after[name]) == known(name) for name in FIRST)


def test_what_is_too_old_is_asked_again(again: Again, first: Path) -> None:
    assert again.run([first], {"known_days": 0}) == set(SERVED) - {"new.img"}
    assert again.notes() == {}


def test_bounds_are_those_of_today(again: Again, first: Path) -> None:
    assert again.run([first], {"max_bytes": 100_000}) == ASKED_AGAIN | {"large.img"}
    assert again.statuses()["large.img"] == "ok"
    smaller = Again(again.server, again.folder / "smaller", first)
    smaller.folder.mkdir()
    smallest = min(row["num_bytes"] for row in rows(first, "image_results") if row["status"] == "ok")
    assert smaller.run([first], {"max_bytes": smallest}) == ASKED_AGAIN
    assert set(smaller.statuses().values()) >= {"ok", "too_large"}
    assert all(len(row["bytes"]) <= smallest for row in rows(smaller.output, "images"))


def test_policy_and_lists_are_those_of_today(again: Again, first: Path, tmp_path: Path) -> None:
    listed = {}
    for name, image in {"list": "old-1.img", "deny": "old-2.img"}.items():
        listed[image] = hashlib.sha256(body(first, image)).hexdigest()
        (tmp_path / f"{name}.csv").write_text(f"kind,value\nsha256,{listed[image]}\n")
        compile_registry([tmp_path / f"{name}.csv"], tmp_path / name)
    consent = {
        "registries": [str(tmp_path / "list")],
        "deny": [str(tmp_path / "deny")],
        "signals": {"noarchive": "drop_image"},
    }
    assert again.run([first], consent=consent) == ASKED_AGAIN
    found = again.statuses()
    assert (found["noted.img"], found["old-1.img"], found["old-3.img"]) == ("optout", "optout", "ok")
    assert found["gone.img"] == "http_4xx"  # its words, refused today, end the search for another
    assert "old-2.img" not in found
    assert list(found.values()).count("denylist") == len(rows(again.output, "quarantine")) == 1
    stored = {row["sha256"] for row in rows(again.output, "images")}
    assert stored
    assert not stored & set(listed.values())
    later = Again(again.server, tmp_path / "later", first)
    later.folder.mkdir()
    assert later.run([again.output]) == FAILED | {"noted.img", "old-1.img", "small.img"}
    assert list(later.statuses().values()).count("denylist") == 1


@pytest.mark.parametrize(
    ("images", "consent"),
    [({"tdmrep": True}, {}), ({"ai_txt": True}, {}), ({}, {"ai_agents": ["CCBot", "NewBot"]})],
)
def test_hosts_that_were_not_asked_all_of_it_are_asked_again(
    again: Again, first: Path, images: Options, consent: Options
) -> None:
    again.run([first], images, consent)
    assert again.notes() == {}


def test_hosts_that_were_asked_more_are_not_asked_again(again: Again, first: Path) -> None:
    assert again.run([first], {"robots": False}, {"ai_agents": ["ccbot"]}) == ASKED_AGAIN


def test_a_thousand_parts_of_an_earlier_run_are_a_small_graph() -> None:
    folders = ("image_results", "fetch_log", "images")
    files = [
        FileEntry(table_path(folder, part), 1, 1, os.urandom(32).hex())
        for folder in folders
        for part in range(1000)
    ]
    manifest = Manifest("images", "", "", "", (), tuple(files), Tally())
    pipeline = beam.Pipeline("FnApiRunner")
    read = ReadKnown([EarlierRun("s3://bucket/run", IMAGES, manifest)], ImagesSection(), Policy())
    _ = pipeline | beam.Create([(0, ("http://a.example/",))]) | read
    assert pipeline.to_runner_api().ByteSize() < 100_000


def body(run: Path, name: str) -> bytes:
    (row,) = [row for row in rows(run, "images") if name_of(row) == name]
    return bytes(row["bytes"])


def copied(first: Path, folder: Path) -> Path:
    for name in ("images", "image_results", "image_urls", "fetch_log", "consent", "quarantine"):
        shutil.copytree(first / name, folder / name)
    return folder


def test_a_run_that_is_not_whole_is_refused(
    again: Again, first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = copied(first, tmp_path / "cut")
    path = next((cut / "images").glob("part-*"))
    path.write_bytes(path.read_bytes()[:-1])
    empty = tmp_path / "empty"
    empty.mkdir()
    for runs, said in (
        ([cut], "missing or cut"),
        ([empty], "no finished run to read"),
        ([again.output], "is the output of this run"),
        ([first, copied(first, tmp_path / "copy")], "is the same run as"),
    ):
        assert again.run(runs) == set()
        assert again.code == 2
        assert said in capsys.readouterr().err
    assert not (again.output / "image_results").exists()


def test_bytes_that_changed_are_not_taken(
    again: Again, first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copied(first, tmp_path / "copy")
    png = b"\x89PNG\r\n\x1a\n"
    for path in (copy / "images").glob("part-*"):
        path.write_bytes(path.read_bytes().replace(png, png[:-1] + b"\r"))
    again.run([copy])
    assert again.code == 1
    assert "are not the image" in capsys.readouterr().err
    assert rows(again.output, "image_results") == []
