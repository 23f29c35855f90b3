"""What `datasets` makes of tables that differ from ours in one thing: why the schema is as it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from PIL import Image

from obelics_pipeline.dataset import IMAGE, described_schema, writer_options
from obelics_pipeline.parquet import ParquetFile

IMAGES = datasets.List(datasets.Image())
PLAIN = pa.schema(
    [("id", pa.string()), ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])))]
)


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, "PNG")
    return stream.getvalue()


def table(schema: pa.Schema, image: dict[str, Any] | None) -> pa.Table:
    shown = {"bytes": picture(), "path": "a.png"}
    return pa.Table.from_pylist([{"id": "1", "images": [shown, image]}], schema=schema)


def opened(folder: Path, *tables: pa.Table) -> datasets.Dataset:
    paths = [folder / f"{number}.parquet" for number in range(len(tables))]
    for path, written in zip(paths, tables, strict=True):
        with path.open("wb") as stream, ParquetFile(stream, written.schema, writer_options(PLAIN)) as file:
            file.write(written)
    return datasets.load_dataset(
        "parquet", data_files=list(map(str, paths)), split="train", cache_dir=str(folder / "c")
    )


def with_images(field: pa.Field) -> pa.Schema:
    """Our schema and its key, but for the column of images."""
    ours = described_schema(PLAIN)
    return ours.set(1, field)


LOSSES: dict[str, Callable[[], pa.Schema]] = {
    "a column that cannot be null": lambda: with_images(pa.field("images", pa.list_(IMAGE), nullable=False)),
    "the path before the bytes": lambda: with_images(
        pa.field("images", pa.list_(pa.struct(list(IMAGE)[::-1])))
    ),
    "large bytes": lambda: with_images(
        pa.field("images", pa.list_(pa.struct([("bytes", pa.large_binary()), ("path", pa.string())])))
    ),
    "a large list": lambda: with_images(pa.field("images", pa.large_list(IMAGE))),
    "no key": lambda: PLAIN,
}


@pytest.mark.parametrize("schema", LOSSES.values(), ids=LOSSES)
def test_images_are_lost_by(schema: Callable[[], pa.Schema], tmp_path: Path) -> None:
    assert opened(tmp_path, table(schema(), None)).features["images"] != IMAGES


def test_our_schema_keeps_images_and_empty_places(tmp_path: Path) -> None:
    found = opened(tmp_path, table(described_schema(PLAIN), None))
    assert found.features["images"] == IMAGES
    first, second = found[0]["images"]
    assert first.size == (4, 3)
    assert second is None


NO_IMAGE: dict[str, dict[str, Any]] = {
    "a struct of nulls": {"bytes": None, "path": None},
    "bytes that are no image": {"bytes": b"no image", "path": "b.png"},
}


@pytest.mark.parametrize("image", NO_IMAGE.values(), ids=NO_IMAGE)
def test_one_bad_image_ends_the_reading_of_all(image: dict[str, Any], tmp_path: Path) -> None:
    """So such a place is null, and only what has been decoded is an image."""
    found = opened(tmp_path, table(described_schema(PLAIN), image))
    with pytest.raises(Exception, match="image"):
        list(found)


def test_a_hash_of_64_bits_is_no_number_for_all() -> None:
    """So hashes are hexadecimal digits (and no column of the dataset is unsigned)."""
    with pytest.raises(OverflowError):
        datasets.Dataset.from_list([{"phash": 1 << 63}])
    assert datasets.Dataset.from_list([{"phash": f"{1 << 63:016x}"}])[0] == {"phash": "8000000000000000"}


def test_a_number_of_rows_that_is_not_true_ends_it_as_well(tmp_path: Path) -> None:
    """So the card tells none to `datasets`: recheck takes rows away."""
    ours = table(described_schema(PLAIN), None)
    with (tmp_path / "train.parquet").open("wb") as stream, ParquetFile(stream, ours.schema) as file:
        file.write(ours)
    told = "---\ndataset_info:\n  splits:\n  - name: train\n    num_examples: 2\n---\n"
    (tmp_path / "README.md").write_text(told)
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "c"))


def test_one_file_with_another_column_ends_it_too(tmp_path: Path) -> None:
    ours = table(described_schema(PLAIN), None)
    more = ours.append_column("more", pa.array([1]))
    with pytest.raises(datasets.exceptions.DatasetGenerationError):
        opened(tmp_path, ours, more.replace_schema_metadata(None))
