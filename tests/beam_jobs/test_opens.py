"""The dataset opens with one line in what people use: `datasets`, pyarrow, DuckDB, pandas; each id once, each image."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from datasets.distributed import split_dataset_by_node
from msgspec.structs import replace
from PIL.Image import Image

from beam_jobs import export, stages
from beam_jobs.config import ExportSection
from beam_jobs.demo import demo_config
from beam_jobs.stages import Session
from obelics_pipeline import dataset as format
from obelics_pipeline.parquet import ParquetFile

SECTION = ExportSection(shards=64, validation=0.3)


def exported(demo: Path, output: Path, section: ExportSection = SECTION) -> Path:
    """The dataset of the demo, exported once more in another way."""
    config = replace(demo_config("127.0.0.1:1"), export=section)
    session = Session(config, str(output), str(demo))
    stages.run(export.plan(session), session)
    return output / "dataset"


@pytest.fixture(scope="module")
def folder(demo_built: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(demo_built[0], tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def ids(demo_built: tuple[Path, str]) -> list[str]:
    """The documents that are to be there."""
    return sorted(ds.dataset(demo_built[0] / "dataset/data").to_table(["id"])["id"].to_pylist())


def check_images(rows: Iterable[dict[str, Any]]) -> int:
    """Images stand where ``image_info`` says so, of the size that it says; how many there are."""
    count = 0
    for row in rows:
        for image, info in zip(row["images"], row["image_info"], strict=True):
            assert (image is not None) == (info is not None and info["status"] == "ok")
            if image is not None:
                assert isinstance(image, Image)
                image.load()
                assert image.size == (info["width"], info["height"])
                count += 1
    return count


def test_load_dataset_opens_both_splits_with_images(folder: Path, ids: list[str], tmp_path: Path) -> None:
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert set(opened) == {"train", "validation"}
    assert sorted([*opened["train"]["id"], *opened["validation"]["id"]]) == ids
    assert opened["validation"].num_rows > 5
    for split in opened.values():
        assert split.features["images"] == datasets.List(datasets.Image())
        assert split.features["timestamp"] == datasets.Value("timestamp[ms]")
        assert split.features["image_info"].feature["sha256"] == datasets.Value("string")
        assert check_images(split) == sum(split["num_images"]) > 0


def test_decisions_are_a_config_of_their_own(folder: Path, tmp_path: Path) -> None:
    opened = datasets.load_dataset(str(folder), "decisions", split="train", cache_dir=str(tmp_path))
    assert opened.num_rows == ds.dataset(folder / "decisions").count_rows() > 100
    assert opened.features["threshold"] == datasets.Value("float32")
    assert opened.features["kept"] == datasets.Value("bool")


def streamed(folder: Path) -> Any:
    return datasets.load_dataset(str(folder), split="train", streaming=True)


def test_it_streams_whole_and_in_other_pieces(folder: Path, ids: list[str]) -> None:
    train = [row["id"] for row in streamed(folder).select_columns(["id"])]
    assert len(set(train)) == len(train) > len(ids) / 2
    assert streamed(folder).num_shards == 64
    assert check_images(streamed(folder).take(5)) > 0
    again = [row["id"] for row in streamed(folder).reshard().select_columns(["id"])]
    assert sorted(again) == sorted(train)


def test_64_nodes_read_each_document_once(folder: Path) -> None:
    train = sorted(row["id"] for row in streamed(folder).select_columns(["id"]))
    read = [
        row["id"]
        for rank in range(64)
        for row in split_dataset_by_node(streamed(folder), rank, 64).select_columns(["id"])
    ]
    assert sorted(read) == train


def test_pyarrow_duckdb_and_pandas_read_all_documents(folder: Path, ids: list[str]) -> None:
    assert sorted(ds.dataset(folder / "data").to_table(["id"])["id"].to_pylist()) == ids
    files = f"'{folder}/data/*.parquet'"
    places = f"select unnest(images) as image, unnest(image_info) as info from {files}"
    same = duckdb.sql(f"select count(*) from ({places}) where sha256(image.bytes) = info.sha256").fetchall()[
        0
    ]
    total = duckdb.sql(f"select count(distinct id), sum(num_images) from {files}").fetchall()[0]
    assert (total[0], total[1]) == (len(ids), same[0])
    frame = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("data/*.parquet")))
    assert sorted(frame["id"]) == ids
    assert frame["num_images"].sum() == total[1]


def test_all_files_have_the_same_columns(folder: Path) -> None:
    schemas = {pq.read_schema(path).with_metadata(None).to_string() for path in folder.glob("data/*.parquet")}
    assert len(schemas) == 1
    assert len(list(folder.glob("data/train-*.parquet"))) == 64


def test_without_bytes_places_and_addresses_stay(
    demo_built: tuple[Path, str], folder: Path, tmp_path: Path
) -> None:
    plain = exported(demo_built[0], tmp_path, ExportSection(images="none", decisions=False, validation=0))
    assert not (plain / "decisions").exists()
    [row] = [path.name for path in plain.glob("data/*.parquet")]
    assert row == "train-00000-of-00001.parquet"
    whole = {row["id"]: row for row in ds.dataset(folder / "data").to_table().to_pylist()}
    opened = datasets.load_dataset(str(plain), split="train", cache_dir=str(tmp_path / "cache"))
    for row in opened:
        full = whole[row["id"]]
        assert row["texts"] == full["texts"]
        assert row["images"] == [None] * len(row["texts"])
        assert (row["num_images"], row["num_image_slots"]) == (0, full["num_image_slots"])
        for info, known in zip(row["image_info"], full["image_info"], strict=True):
            if known is not None:
                expected = "left_out" if known["status"] == "ok" else known["status"]
                assert (info["status"], info["url"]) == (expected, known["url"])
                assert info["sha256"] == info["sha256_original"] == known["sha256_original"]


def opened_wrong(path: Path, table: Any, **options: Any) -> Any:
    """What `datasets` makes of a table that is written in another way than ours."""
    with path.open("wb") as stream, ParquetFile(stream, table.schema, options) as file:
        file.write(table)
    return datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(path.parent / "c")
    )


def some(folder: Path) -> Any:
    return next(
        table for path in sorted(folder.glob("data/*.parquet")) if (table := pq.read_table(path)).num_rows
    )


def test_the_key_in_the_schema_is_what_makes_images_of_bytes(folder: Path, tmp_path: Path) -> None:
    table = some(folder)
    assert json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["images"]
    bare = table.replace_schema_metadata(None)
    assert opened_wrong(tmp_path / "bare.parquet", bare).features["images"] != datasets.List(datasets.Image())
    described = bare.cast(format.described_schema())
    opened = opened_wrong(tmp_path / "ours.parquet", described, **format.writer_options())
    assert opened.features["images"] == datasets.List(datasets.Image())


def test_an_empty_place_is_null_and_never_a_struct_of_nulls(folder: Path) -> None:
    """`datasets` dies of ``{bytes: null, path: null}``, and downloads ``{bytes: null, path: "https://…"}``."""
    table = some(folder)
    images = table["images"].combine_chunks().flatten()
    assert images.null_count > 0
    assert images.drop_null().field("bytes").null_count == 0
    assert images.drop_null().field("path").null_count == 0


def test_no_row_group_is_large(folder: Path) -> None:
    for path in folder.glob("data/*.parquet"):
        found = pq.read_metadata(path)
        groups = [found.row_group(number) for number in range(found.num_row_groups)]
        assert all(group.num_rows <= format.GROUP_ROWS for group in groups)
