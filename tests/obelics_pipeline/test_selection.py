"""The selection table: what is written is read, in order, in the same bytes however it comes."""

from __future__ import annotations

from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.inputs import is_selection
from obelics_pipeline.errors import InputError
from obelics_pipeline.selection import GROUP_ROWS, SCHEMA, open_selection, write_selection

FETCHED = 1_700_000_000_000


def rows(*places: tuple[str, int]) -> pa.RecordBatch:
    """Captures whose records lie at these files and offsets."""
    return pa.RecordBatch.from_pylist(
        [
            {
                "url": f"https://a.example/{offset}",
                "warc_filename": name,
                "warc_record_offset": offset,
                "warc_record_length": 10,
                "content_mime_detected": "text/html",
                "content_languages": "eng,fra",
                "fetch_status": 200,
                "fetch_time": FETCHED + offset,
            }
            for name, offset in places
        ],
        SCHEMA,
    )


def written(*batches: pa.RecordBatch) -> bytes:
    stream = BytesIO()
    assert write_selection(stream, batches, "s3://bucket/", {"limit": 3}) == sum(map(len, batches))
    return stream.getvalue()


def test_what_is_written_is_read() -> None:
    batch = rows(("a.warc.gz", 0), ("a.warc.gz", 70), ("b.warc.gz", 5_000_000_000))
    found = open_selection(BytesIO(written(batch)), "selection.parquet")
    assert (found.archives, found.query, found.rows) == ("s3://bucket/", {"limit": 3}, 3)
    assert pa.Table.from_batches(found.batches(), SCHEMA).to_pylist() == batch.to_pylist()


def test_nothing_selected_is_a_table_without_rows() -> None:
    found = open_selection(BytesIO(written()), "selection.parquet")
    assert (found.rows, list(found.batches())) == (0, [])


def test_bytes_are_those_of_the_rows_however_they_come() -> None:
    many = rows(*(("a.warc.gz", offset) for offset in range(GROUP_ROWS + 100)))
    data = written(many)
    assert data == written(many.slice(0, 70), many.slice(70))
    groups = pq.ParquetFile(BytesIO(data)).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [GROUP_ROWS, 100]


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([rows(("b", 1), ("a", 2))], id="files"),
        pytest.param([rows(("a", 2), ("a", 1))], id="offsets"),
        pytest.param([rows(("a", 1)), rows(("a", 1))], id="a record twice"),
        pytest.param(
            [rows(*(("a", offset) for offset in range(GROUP_ROWS))), rows(("a", 7))], id="between row groups"
        ),
    ],
)
def test_rows_out_of_order_are_refused(batches: list[pa.RecordBatch]) -> None:
    with pytest.raises(ValueError, match="out of order"):
        write_selection(BytesIO(), batches, "", {})


def test_what_is_no_selection_is_refused() -> None:
    other = BytesIO()
    pq.write_table(pa.table({"url": ["https://a.example/"]}), other)
    with pytest.raises(InputError, match=r"x: no selection table \(warc_filename, .*obelics.query is not"):
        open_selection(other, "x")
    with pytest.raises(InputError, match="x: no Parquet file"):
        open_selection(BytesIO(b"WARC/1.0\r\n"), "x")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("selection.parquet", True),
        ("s3://bucket/eng/selection.parquet", True),
        ("english.parquet", True),
        ("selection.parquet/a.warc.gz", False),
    ],
)
def test_selections_are_known_by_their_names(path: str, expected: bool) -> None:
    assert is_selection(path) is expected
