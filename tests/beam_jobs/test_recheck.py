"""What opted out since is gone from a finished dataset, with a tombstone; all else is as it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from beam_jobs.cli import main


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, archive: Path, config_file: Path) -> Path:
    output = tmp_path_factory.mktemp("recheck")
    arguments = ["--config", str(config_file), "--input", str(archive), "--output", str(output)]
    assert main(["build", *arguments]) == 0
    return output / "dataset"


def registry(folder: Path, *entries: tuple[str, str]) -> str:
    """A compiled registry of (kind, value)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "value"])
        writer.writerows(entries)
    compiled = folder / "compiled"
    assert main(["registry", "compile", str(folder / "list.csv"), "--output", str(compiled)]) == 0
    return str(compiled)


def rows(dataset: Path) -> dict[str, dict[str, Any]]:
    files = sorted(dataset.glob("data/*.parquet"))
    return {row["id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def recheck(dataset: Path, output: Path, *registries: str) -> dict[str, Any]:
    named = [argument for path in registries for argument in ("--registry", path)]
    assert main(["recheck", str(dataset), *named, "--output", str(output)]) == 0
    found: dict[str, Any] = json.loads((output / "recheck.json").read_bytes())
    return found


def test_a_page_takes_its_document_along_and_nothing_else_changes(built: Path, tmp_path: Path) -> None:
    before = rows(built)
    gone = next(row for row in before.values() if row["host"] == "site1.example")
    found = recheck(built, tmp_path / "out", registry(tmp_path, ("url", gone["url"])))
    after = rows(tmp_path / "out")
    assert after == {id: row for id, row in before.items() if id != gone["id"]}
    assert (found["documents_gone"], found["images_gone"], found["shards_written"]) == (1, 0, 1)
    (stone,) = pq.read_table(tmp_path / "out/tombstones.parquet").to_pylist()
    assert (stone["id"], stone["level"], stone["index"], stone["kind"]) == (
        gone["id"],
        "document",
        None,
        "url",
    )


def test_a_domain_takes_all_its_documents(built: Path, tmp_path: Path) -> None:
    before = rows(built)
    found = recheck(built, tmp_path / "out", registry(tmp_path, ("domain", "site0.example")))
    after = rows(tmp_path / "out")
    assert {row["host"] for row in before.values()} - {row["host"] for row in after.values()} >= {
        "site0.example"
    }
    assert not any(row["domain"] == "site0.example" for row in after.values())
    assert found["documents_gone"] == len(before) - len(after) > 1


@pytest.mark.parametrize("kind", ["url", "sha256"])
def test_an_image_leaves_an_empty_slot_that_says_why(built: Path, tmp_path: Path, kind: str) -> None:
    before = rows(built)
    row = next(row for row in before.values() if row["num_images"] > 1)
    slot = next(index for index, image in enumerate(row["images"]) if image is not None)
    found = recheck(built, tmp_path / "out", registry(tmp_path, (kind, row["image_info"][slot][kind])))
    after = rows(tmp_path / "out")
    assert after.keys() == before.keys()
    info = after[row["id"]]["image_info"][slot]
    assert after[row["id"]]["images"][slot] is None
    assert info["status"] == "optout"
    assert info["sha256"] == row["image_info"][slot]["sha256"]
    assert after[row["id"]]["num_images"] == row["num_images"] - 1
    assert found["images_gone"] >= 1
    left = sum(r["num_images"] for r in after.values())
    assert left == sum(r["num_images"] for r in before.values()) - found["images_gone"]
    opened = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(opened) == len(before)


def test_without_a_hit_every_shard_is_the_same_file(built: Path, tmp_path: Path) -> None:
    found = recheck(built, tmp_path / "out", registry(tmp_path, ("domain", "elsewhere.example")))
    assert (found["shards_written"], found["documents_gone"], found["images_gone"]) == (0, 0, 0)
    for shard in built.glob("data/*.parquet"):
        assert (tmp_path / "out/data" / shard.name).read_bytes() == shard.read_bytes()


def test_checking_twice_finds_nothing_new(built: Path, tmp_path: Path) -> None:
    lists = registry(tmp_path, ("domain", "site0.example"), ("url", "http://img.example/300x200-7.png"))
    assert recheck(built, tmp_path / "once", lists)["shards_written"] > 0
    again = recheck(tmp_path / "once", tmp_path / "twice", lists)
    assert (again["documents_gone"], again["images_gone"], again["shards_written"]) == (0, 0, 0)


def test_mistakes(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = registry(tmp_path, ("domain", "site0.example"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    cases = {
        (str(tmp_path / "none"), lists, str(tmp_path / "o")): "no dataset",
        (str(built), str(tmp_path / "no-registry"), str(tmp_path / "o")): "no-registry",
        (str(built), lists, str(full)): "is not empty",
    }
    capsys.readouterr()
    for (dataset, listed, output), message in cases.items():
        assert main(["recheck", dataset, "--registry", listed, "--output", output]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o/data").exists()
