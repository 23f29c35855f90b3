"""Images found where they lie in a file, of every form that a writer may give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import feed_data
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.dataset import IMAGE, described_schema, table_of_rows, writer_options
from obelics_pipeline.errors import InputError
from obelics_pipeline.feed import Feed
from obelics_pipeline.feed.plain_pages import extent, values
from obelics_pipeline.feed.source import Source

LEAF = "images.list.element.bytes"
PLAIN = writer_options()
FORMS: dict[str, tuple[dict[str, Any], bool]] = {
    "as export writes": (PLAIN, True),
    "small pages, each with a checksum": (
        PLAIN | {"data_page_size": 1, "write_batch_size": 1, "write_page_checksum": True},
        True,
    ),
    "statistics of bytes": (PLAIN | {"write_statistics": True}, True),
    "pages of the second version": (PLAIN | {"data_page_version": "2.0"}, False),
    "a dictionary": (PLAIN | {"use_dictionary": True}, False),
    "compressed": ({}, False),
    "another encoding": (
        {
            "compression": "none",
            "use_dictionary": False,
            "column_encoding": {LEAF: "DELTA_LENGTH_BYTE_ARRAY"},
        },
        False,
    ),
}


def chunk_of(path: Path) -> tuple[pq.ColumnChunkMetaData, bytes]:
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return next(column for column in columns if column.path_in_schema == LEAF), path.read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_images_are_those_that_were_written(tmp_path: Path, form: str) -> None:
    options, in_place = FORMS[form]
    rows = feed_data.rows(40, 3000)
    (tmp_path / "data").mkdir()
    path = tmp_path / "data/train-00000-of-00001.parquet"
    with pq.ParquetWriter(path, described_schema(), **options) as writer:
        writer.write_table(table_of_rows(rows))
    chunk, file = chunk_of(path)
    found = extent(chunk)
    assert (found is not None and values(memoryview(file)[found[0] : sum(found)]) is not None) == in_place
    _, images = Source(str(tmp_path)).read(Source(str(tmp_path)).units[0], ["id"], LEAF)
    assert [bytes(image) for image in images] == [
        image["bytes"] for row in rows for image in row["images"] if image is not None
    ]
    given = {sample.id: [part.bytes for part in sample.images if part] for sample in Feed(str(tmp_path))}
    assert given == {
        row["id"]: [image["bytes"] for image in row["images"] if image is not None] for row in rows
    }


@given(st.lists(st.none() | st.lists(st.none() | st.binary(max_size=300)), min_size=1))
def test_every_shape_of_lists_is_found(lists: list[list[bytes | None] | None]) -> None:
    images = [
        row and [body if body is None else {"bytes": body, "path": "x"} for body in row] for row in lists
    ]
    table = pa.table({"images": pa.array(images, pa.list_(IMAGE))})
    stream = pa.BufferOutputStream()
    options = {"compression": "none", "use_dictionary": False, "data_page_size": 200, "write_batch_size": 3}
    pq.write_table(table, stream, **options)
    file = stream.getvalue()
    found = extent(pq.read_metadata(pa.BufferReader(file)).row_group(0).column(0))
    assert found is not None
    pages = memoryview(file).cast("B")[found[0] : sum(found)]
    places = values(pages)
    assert places is not None
    assert [bytes(pages[start:end]) for start, end in places] == [
        body for row in lists for body in row or () if body is not None
    ]


@given(st.binary(max_size=60), st.integers(0, 2000))
def test_damage_is_no_value_outside_of_the_pages(noise: bytes, at: int) -> None:
    table = pa.table({"images": pa.array([[{"bytes": bytes(500), "path": "x"}]] * 3, pa.list_(IMAGE))})
    stream = pa.BufferOutputStream()
    pq.write_table(table, stream, compression="none", use_dictionary=False)
    file = bytearray(stream.getvalue())
    found = extent(pq.read_metadata(pa.BufferReader(bytes(file))).row_group(0).column(0))
    assert found is not None
    pages = file[found[0] : sum(found)]
    pages[at : at + len(noise)] = noise
    places = values(memoryview(pages))
    assert places is None or all(0 <= start <= end <= len(pages) for start, end in places)


def test_an_image_without_bytes_is_told(tmp_path: Path) -> None:
    rows = feed_data.rows(5)
    shown = next(image for row in rows for image in row["images"] if image is not None)
    shown["bytes"] = None
    feed_data.write(tmp_path, rows, shards=1)
    with pytest.raises(InputError, match="obelics verify"):
        list(Feed(str(tmp_path)))
