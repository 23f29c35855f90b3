"""The whole way from an archive to a dataset: exact counts, equal bytes, and what a killed run leaves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from beam_jobs.cli import main

FUNNEL = {
    "extract": {
        "records": (25, 24, {"warcinfo": 1}),
        "pages": (24, 23, {"no_nodes": 1}),
        "paragraphs": (67, 67, {}),
        "images": (43, 43, {}),
    },
    "filter": {
        "documents": (23, 22, {"word_count": 1}),
        "paragraphs": (67, 66, {"document_rejected": 1}),
        "images": (43, 43, {}),
    },
    "dedup": {
        "documents": (22, 21, {"url": 1}),
        "paragraphs": (66, 63, {"document_rejected": 3}),
        "images": (43, 41, {"document_rejected": 2}),
    },
    "images": {"image_urls": (23, 22, {"http_4xx": 1})},
    "assemble": {
        "documents": (21, 20, {"image_count": 1}),
        "paragraphs": (63, 60, {"document_rejected": 3}),
        "images": (41, 39, {"size": 1, "http_4xx": 1}),
    },
    "export": {
        "documents": (20, 20, {}),
        "images": (39, 39, {}),
        "pairs": (39, 22, {"per_picture": 17}),
    },
}
"""What the archive of ``conftest`` comes to, by stage and level: in, kept, lost by reason."""


def run_build(output: Path, archive: Path, config_file: Path) -> int:
    return main(["build", "--config", str(config_file), "--input", str(archive), "--output", str(output)])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, archive: Path, config_file: Path) -> Path:
    output = tmp_path_factory.mktemp("built")
    assert run_build(output, archive, config_file) == 0
    return output


def funnel(output: Path) -> dict[str, dict[str, tuple[int, int, dict[str, int]]]]:
    report = json.loads((output / "report.json").read_bytes())
    return {
        stage["stage"]: {
            name: (level["in"], level["kept"], level["rejected"] | level["unavailable"] | level["failed"])
            for name, level in stage["tally"]["levels"].items()
        }
        for stage in report["stages"]
    }


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(output: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((output / folder).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_every_item_is_accounted_for(built: Path) -> None:
    assert funnel(built) == FUNNEL


def test_several_parts_and_nothing_but_what_the_manifests_name(built: Path) -> None:
    named = set()
    for path in built.glob("*/_MANIFEST.json"):
        manifest = json.loads(path.read_bytes())
        named |= {entry["path"] for entry in manifest["files"]} | {str(path.relative_to(built))}
        for entry in manifest["files"]:
            data = (built / entry["path"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert {path for path in hashes(built) if path != "report.json"} == named
    assert all(
        sum(path.startswith(folder) for path in named) > 2
        for folder in ("documents", "images", "dataset/data")
    )


def test_every_rejection_has_a_row_that_says_why(built: Path) -> None:
    (row,) = rows(built, "decisions/dedup")
    kept = next(row for row in rows(built, "deduplicated") if "utm_source" in row["url"])
    assert row["url"] == "http://site0.example/page/0"
    assert (row["level"], row["rule"], row["kept"]) == ("document", "url", False)
    assert row["excerpt"] == f"duplicate of {kept['id']}"
    refused = [row for row in rows(built, "decisions/assemble") if not row["kept"]]
    assert sorted((row["level"], row["rule"]) for row in refused) == [
        ("document", "image_count"),
        ("image", "size"),
    ]


def test_equal_images_are_stored_once_in_a_part_and_found_by_their_place(built: Path) -> None:
    results = rows(built, "image_results")
    assert len(results) == len({row["url"] for row in results}) == 23
    for row in results:
        if row["status"] == "ok":
            data = (built / f"images/part-{row['part']:05d}.parquet").read_bytes()
            body = data[row["offset"] : row["offset"] + row["num_bytes"]]
            assert hashlib.sha256(body).hexdigest() == row["sha256"]


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "downloaded"])
def test_datasets_opens_it_with_decoded_images(built: Path, streaming: bool, tmp_path: Path) -> None:
    data = datasets.load_dataset(
        str(built / "dataset"), split="train", streaming=streaming, cache_dir=str(tmp_path)
    )
    found = list(data)
    assert len(found) == 20
    for row in found:
        assert len(row["texts"]) == len(row["images"]) == len(row["image_info"]) == len(row["text_dom_paths"])
        for text, image, info in zip(row["texts"], row["images"], row["image_info"], strict=True):
            assert (text is None) != (info is None)
            assert (image is not None) == (info is not None and info["status"] == "ok")
            if image is not None:
                assert image.size == (info["width"], info["height"])
    assert sum(row["num_images"] for row in found) == 39


def test_a_second_run_does_nothing_and_says_so(
    built: Path, archive: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*.parquet")}
    assert run_build(built, archive, config_file) == 0
    assert capsys.readouterr().out.count(": done before") == 6
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*.parquet")} == before


def test_another_configuration_redoes_what_depends_on_it(
    archive: Path, config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out [1]*"  # no pattern, although it looks like one
    assert run_build(output, archive, config_file) == 0
    changed = tmp_path / "changed.yaml"
    changed.write_text(config_file.read_text().replace("size: {min: 100}", "size: {min: 125}"))
    foreign = output / "assembled" / "notes.txt"
    foreign.write_text("mine")
    capsys.readouterr()
    assert run_build(output, archive, changed) == 0
    assert capsys.readouterr().out.count(": done before") == 4
    assert funnel(output)["assemble"]["images"] == (41, 19, {"size": 21, "http_4xx": 1})
    assert foreign.read_text() == "mine"


@pytest.mark.timeout(600)
def test_killed_and_resumed_with_two_workers_gives_the_same_bytes(
    built: Path, archive: Path, config_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "killed"
    command = [sys.executable, "-m", "beam_jobs.cli", "build", "--config", str(config_file)]
    command += ["--input", str(archive), "--output", str(output)]
    chance = random.Random(os.environ.get("OBELICS_TEST_SEED", "7"))
    complete: dict[Path, int] = {}
    for _ in range(2):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        wait_for_progress(output, process, chance.randint(1, 8))
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path, written in complete.items():
            assert path.stat().st_mtime_ns == written, "a complete stage was done again"
        complete = {path: path.stat().st_mtime_ns for path in output.glob("*/_MANIFEST.json")}
    subprocess.run([*command, "--workers", "2"], check=True, timeout=250, stdout=subprocess.DEVNULL)
    assert hashes(output / "dataset") == hashes(built / "dataset")
    assert not (output / "_work").exists()


def wait_for_progress(output: Path, process: subprocess.Popen[bytes], reports: int) -> None:
    """Wait until ``reports`` more parts and stages are done than before, or the process ends."""
    before, seen = finished(output), set()
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and len(seen) < reports:
        seen |= finished(output) - before
        time.sleep(0.01)


def finished(output: Path) -> set[Path]:
    return {*output.glob("_work/*/reports/*.json"), *output.glob("*/_MANIFEST.json")}


DEDUP = """
dedup:
  url: {}
  same_text: {}
  near_text: {threshold: 0.6}
  shared_passage: {words: 60}
  repeated_paragraph: {min_pages: 3, keep: one}
  image_frequency: {max_documents: 4}
  repeated_image: {}
  image_set: {similarity: 0.3}
"""


def test_the_order_of_archives_changes_no_byte_of_the_dataset(
    two_archives: list[Path], config_file: Path, tmp_path: Path
) -> None:
    """What stays of several is decided by the documents alone, though they come in other parts and rows."""
    config = tmp_path / "config.yaml"
    config.write_text(config_file.read_text().replace("dedup: {url: {}}\n", DEDUP))
    found = []
    for order in (two_archives, two_archives[::-1]):
        output = tmp_path / f"out{len(found)}"
        inputs = [str(path) for path in order]
        assert main(["build", "--config", str(config), "--input", *inputs, "--output", str(output)]) == 0
        removed = sorted(map(str, rows(output, "decisions/dedup")))
        found.append((hashes(output / "dataset/data"), funnel(output)["dedup"], removed))
    assert found[0] == found[1]
    counts = found[0][1]
    assert {"url", "near_text"} <= set(counts["documents"][2])
    assert "image_frequency" in counts["images"][2]
