"""Images in Parquet are found and read by their place in the file."""

from __future__ import annotations

import hashlib
import io

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelics_pipeline.errors import RunFailed
from obelics_pipeline.images_table import IMAGES, IMAGES_OPTIONS, ImageFile, read_image
from obelics_pipeline.parquet import ParquetFile

bodies = st.lists(
    st.binary(min_size=1, max_size=40) | st.builds(lambda b: b * 50_000, st.binary(min_size=1, max_size=40))
)


def store(images: list[bytes]) -> tuple[io.BytesIO, dict[str, int]]:
    stream = io.BytesIO()
    with ParquetFile(stream, IMAGES, IMAGES_OPTIONS, remember=True) as file:
        table = ImageFile(file)
        for number, body in enumerate(images):
            table.add(f"https://a.example/{number}", hashlib.sha256(body).hexdigest(), body)
        table.flush()
    return stream, table.offsets


@given(bodies)
@settings(max_examples=60, deadline=None)
def test_every_image_is_where_it_is_said_to_be(images: list[bytes]) -> None:
    stream, offsets = store(images)
    for body in images:
        digest = hashlib.sha256(body).hexdigest()
        assert read_image(stream, offsets[digest], len(body), digest) == body


@given(bodies)
@settings(max_examples=30, deadline=None)
def test_the_file_is_a_table_with_each_image_once(images: list[bytes]) -> None:
    stream, _ = store(images)
    rows = pq.read_table(stream).to_pylist()
    assert [row["bytes"] for row in rows] == list(dict.fromkeys(images))


def test_many_images_make_row_groups_of_bounded_size() -> None:
    stream, offsets = store([bytes([n % 256, n // 256]) for n in range(200)])
    metadata = pq.read_metadata(stream)
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [64, 64, 64, 8]
    assert len(offsets) == 200


def test_bytes_of_another_image_are_an_error() -> None:
    stream, offsets = store([b"one image", b"another"])
    digest = hashlib.sha256(b"one image").hexdigest()
    with pytest.raises(RunFailed, match="are not the image"):
        read_image(stream, offsets[digest] + 1, 9, digest)
