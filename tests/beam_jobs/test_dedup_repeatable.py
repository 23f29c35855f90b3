"""What ``dedup`` leaves depends on the documents alone: not on order or workers, or on how often it was killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from dedup_corpus import corpus, write_run
from dedup_runs import Found, config_of, deduplicate, run_on

from beam_jobs.dedup import stage
from obelics_pipeline.document import Document

SECTION: dict[str, Any] = {
    "url": {},
    "same_text": {},
    "near_text": {},
    "shared_passage": {},
    "repeated_paragraph": {"scope": "domain", "keep": "one"},
    "image_frequency": {},
    "repeated_image": {},
    "image_set": {"similarity": 0.5},
}
LIMITS = {"word_count": {"min": 50}, "image_count": {"min": 2}}
CONFIG = config_of(SECTION, LIMITS)
PARTS = 4


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return corpus(2000, seed=6).documents


@pytest.fixture(scope="module")
def source(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    write_run(folder, documents, PARTS)
    return folder


@pytest.fixture(scope="module")
def found(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return deduplicate(source, tmp_path_factory.mktemp("found"), CONFIG)


def rows(found: Found) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in found.decisions), key=str)


def test_the_order_of_documents_does_not_matter(
    documents: list[Document], found: Found, tmp_path: Path
) -> None:
    shuffled = random.Random(1).sample(documents, len(documents))
    other = run_on(shuffled, tmp_path, CONFIG, parts=PARTS + 1)
    assert other.kept == found.kept
    assert rows(other) == rows(found)
    assert other.manifest.tally.levels == found.manifest.tally.levels


def test_the_number_of_workers_does_not_matter(source: Path, found: Found, tmp_path: Path) -> None:
    assert deduplicate(source, tmp_path, CONFIG, workers=2).files == found.files


def test_nor_does_it_if_passes_have_several_too(
    documents: list[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of({"near_text": {"threshold": 0.6}})
    found = run_on(documents[:400], tmp_path, config, parts=2)
    monkeypatch.setattr(stage, "LIGHT", 0)
    assert deduplicate(tmp_path, tmp_path / "2", config, workers=2).files.items() <= found.files.items()
    assert found.clusters


@pytest.mark.timeout(600)
def test_killed_again_and_again_it_goes_on_to_the_same_bytes(
    source: Path, found: Found, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"dedup": SECTION, "filter": {"document": LIMITS}}, sort_keys=False))
    output = tmp_path / "killed"
    command = [sys.executable, "-m", "beam_jobs.cli", "dedup", "--config", str(config)]
    command += ["--input", str(source), "--output", str(output)]
    chance = random.Random(os.environ.get("OBELICS_TEST_SEED", "7"))
    lasting: dict[Path, int] = {}
    for _ in range(4):  # of about 70 files that the stage leaves on its way
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        wait_for_progress(output, process, chance.randint(4, 12))
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path, written in lasting.items():
            assert path.stat().st_mtime_ns == written, "a pass that was done was done again"
        lasting = {path: path.stat().st_mtime_ns for path in done(output)}
    assert lasting, "it was killed before it had done anything"
    subprocess.run(command, check=True, timeout=250, stdout=subprocess.DEVNULL)
    assert Found(output).files == found.files
    assert not (output / "_work").exists()


def wait_for_progress(output: Path, process: subprocess.Popen[bytes], files: int) -> None:
    """Wait until there are ``files`` more files of finished work than before, or the process ends."""
    before, deadline = len(working(output)), time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and len(working(output)) < before + files:
        time.sleep(0.005)


def working(output: Path) -> set[Path]:
    return {path for suffix in ("json", "msgpack", "digest") for path in output.glob(f"_work/**/*.{suffix}")}


def done(output: Path) -> set[Path]:
    """The files of passes that are complete: no part of them is missing."""
    folders = {path.parent for path in output.glob("_work/*/passes/*/part-*.msgpack")}
    complete = (set(folder.glob("part-*.msgpack")) for folder in folders)
    return {path for files in complete if len(files) == PARTS for path in files}
