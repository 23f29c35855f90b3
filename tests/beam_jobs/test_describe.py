"""What a dataset says of itself holds: checksums, row groups, card and Croissant, after a recheck, too."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import datasets
import mlcroissant
import pyarrow.parquet as pq
import pytest
import yaml

from beam_jobs.cli import main
from obelics_pipeline import manifest as manifests
from obelics_pipeline.dataset_files import decode_manifest


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, archive: Path, config_file: Path) -> Path:
    output = tmp_path_factory.mktemp("described")
    arguments = ["--config", str(config_file), "--input", str(archive), "--output", str(output)]
    assert main(["build", *arguments]) == 0
    return output / "dataset"


@pytest.fixture(scope="module")
def rechecked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rechecked")
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("kind", "value"), ("domain", "site0.example")])
    compiled = str(folder / "compiled")
    assert main(["registry", "compile", str(folder / "list.csv"), "--output", compiled]) == 0
    assert main(["recheck", str(built), "--registry", compiled, "--output", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(params=["built", "rechecked"])
def dataset(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def tables(folder: Path) -> dict[str, pq.ParquetFile]:
    return {
        path.relative_to(folder).as_posix(): pq.ParquetFile(path)
        for path in sorted(folder.glob("*/*.parquet"))
    }


def test_the_plain_tool_finds_every_file_whole(dataset: Path) -> None:
    ran = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=dataset, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    named = {line.partition(": ")[0] for line in ran.stdout.splitlines()}
    files = {path.relative_to(dataset).as_posix() for path in dataset.rglob("*") if path.is_file()}
    assert named == files - {"SHA256SUMS", manifests.NAME}
    seal = manifests.decode((dataset / manifests.NAME).read_bytes(), "manifest")
    assert {entry.path.removeprefix("dataset/") for entry in seal.files} == files - {manifests.NAME}


def test_the_manifest_tells_each_row_group(dataset: Path) -> None:
    manifest = decode_manifest((dataset / "manifest.json").read_bytes(), "manifest")
    found = tables(dataset)
    assert [file.path for file in manifest.files] == list(found)
    for file in manifest.files:
        opened = found[file.path]
        assert file.rows == opened.metadata.num_rows
        assert file.bytes == (dataset / file.path).stat().st_size
        assert len(file.row_groups) == opened.num_row_groups
        for number, group in enumerate(file.row_groups):
            table = opened.read_row_group(number)
            assert group.rows == table.num_rows
            if file.config == "default":
                sums = [sum(table.column(name).to_pylist()) for name in ("num_images", "num_tokens_est")]
                assert [group.images, group.tokens] == sums


def test_the_card_opens_the_dataset(dataset: Path, tmp_path: Path) -> None:
    data = yaml.safe_load((dataset / "README.md").read_text().split("---\n")[1])
    for config in data["configs"]:
        splits = datasets.load_dataset(str(dataset), config["config_name"], cache_dir=str(tmp_path))
        assert set(splits) == {files["split"] for files in config["data_files"]}


def test_a_recheck_keeps_what_was_told_and_adds_itself(built: Path, rechecked: Path) -> None:
    before, after = (
        decode_manifest((folder / "manifest.json").read_bytes(), "manifest").build
        for folder in (built, rechecked)
    )
    stages = [stage.stage for stage in before.stages]
    assert stages == ["extract", "filter", "dedup", "images", "assemble", "export"]
    assert after.stages[:-1] == before.stages
    assert after.stages[-1].stage == "recheck"
    assert after.stages[-1].tally.level("documents").rejected["opt_out"] > 0
    assert (before.lists, len(after.lists)) == ((), 1)


@pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated", "ignore:The inplace keyword"
)  # of mlcroissant
def test_croissant_is_valid_and_gives_the_records(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    described = mlcroissant.Dataset(jsonld=str(dataset / "croissant.json"))
    assert described.metadata.issues.errors == set()
    # It has no date if it is to be the same at any time.
    assert [issue for issue in described.metadata.issues.warnings if "datePublished" not in issue] == []
    assert "not standard" not in caplog.text
    found = {record["default/id"].decode(): record for record in described.records("default")}
    rows: dict[str, Any] = {
        row["id"]: row
        for path, file in tables(dataset).items()
        if path.startswith("data/")
        for row in file.read().to_pylist()
    }
    assert found.keys() == rows.keys()
    for id, record in found.items():
        row = rows[id]
        assert [text and text.decode() for text in record["default/texts"]] == row["texts"]
        sizes = [
            image and (info["width"], info["height"])
            for image, info in zip(row["images"], row["image_info"], strict=True)
        ]
        assert [image and image.size for image in record["default/images"]] == sizes
        urls = [info["default/image_info/url"] for info in record["default/image_info"]]
        assert [url and url.decode() for url in urls] == [info and info["url"] for info in row["image_info"]]


def test_croissant_names_every_table_with_its_hash(dataset: Path) -> None:
    data = json.loads((dataset / "croissant.json").read_bytes())
    manifest = decode_manifest((dataset / "manifest.json").read_bytes(), "manifest")
    files = {
        entry["contentUrl"]: entry["sha256"]
        for entry in data["distribution"]
        if entry["@type"] == "cr:FileObject"
    }
    assert files == {file.path: file.sha256 for file in manifest.files}
