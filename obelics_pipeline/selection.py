"""The selection table: which captures of a crawl are wanted, and where their records lie.

Columns have the names of Common Crawl's columnar index. The key-value metadata of the file tells where the archives are
and what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from obelics_pipeline.errors import InputError
from obelics_pipeline.parquet import ParquetFile

NAME: Final = "selection.parquet"
"""The name of the file in the folder that ``obelics select`` writes."""

ARCHIVES: Final = "https://data.commoncrawl.org/"
"""The prefix of ``warc_filename`` where Common Crawl publishes its archives."""

SCHEMA: Final = pa.schema(
    [
        ("url", pa.string()),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int64()),
        ("warc_record_length", pa.int64()),
        ("content_mime_detected", pa.string()),
        ("content_languages", pa.string()),
        ("fetch_status", pa.int16()),
        ("fetch_time", pa.timestamp("ms")),
    ]
)
"""One row for every capture, in order of ``warc_filename`` and ``warc_record_offset``, none twice; offset and length
(bytes) are those of the gzip member."""

GROUP_ROWS: Final = 1 << 16

_NOTHING: Final = pa.Table.from_batches([], SCHEMA)  # empty_table() imports pandas
_ARCHIVES_KEY: Final = b"obelics.archives"
_QUERY_KEY: Final = b"obelics.query"


class Selection(msgspec.Struct, frozen=True):
    """An open selection table: ``archives`` is the prefix of every ``warc_filename``, ``query`` what was asked for."""

    archives: str
    query: dict[str, Any]
    rows: int
    file: pq.ParquetFile

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in their order, as they lie in the file."""
        yield from self.file.iter_batches()


def open_selection(stream: BinaryIO, path: str) -> Selection:
    """The selection table in ``stream``, whose ``path`` is for messages.

    ``InputError`` if it is none. The stream stays open, for the rows.
    """
    try:
        file = pq.ParquetFile(stream)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: no Parquet file ({error}); write one with 'obelics select'") from None
    metadata = file.schema_arrow.metadata or {}
    missing = [name for name in SCHEMA.names if name not in file.schema_arrow.names]
    missing += [key.decode() for key in (_ARCHIVES_KEY, _QUERY_KEY) if key not in metadata]
    if missing:
        raise InputError(
            f"{path}: no selection table ({', '.join(missing)} is not there); write one with 'obelics select'"
        )
    archives, query = metadata[_ARCHIVES_KEY].decode(), msgspec.json.decode(metadata[_QUERY_KEY])
    return Selection(archives, query, file.metadata.num_rows, file)


def write_selection(
    stream: BinaryIO, batches: Iterable[pa.RecordBatch], archives: str, query: dict[str, Any]
) -> int:
    """Write the rows of ``batches``, which have ``SCHEMA`` and are in its order; their number.

    The bytes are a function of the rows, not of how they come. ``ValueError`` if a row is out of order or there twice.
    """
    metadata = {_ARCHIVES_KEY: archives.encode(), _QUERY_KEY: msgspec.json.encode(query, order="sorted")}
    with ParquetFile(stream, SCHEMA.with_metadata(metadata)) as file:
        last = _NOTHING
        for group in _groups(batches):
            _check_order(pa.concat_tables([last, group]))
            last = group.slice(group.num_rows - 1)
            file.write(group.replace_schema_metadata(metadata))
    return file.rows


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in tables of ``GROUP_ROWS``, the last one shorter."""
    held = _NOTHING
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch], SCHEMA)])
        while held.num_rows >= GROUP_ROWS:
            yield held.slice(0, GROUP_ROWS).combine_chunks()
            held = held.slice(GROUP_ROWS)
    if held.num_rows:
        yield held.combine_chunks()


def _check_order(rows: pa.Table) -> None:
    before, after = rows.slice(0, max(rows.num_rows - 1, 0)), rows.slice(1)
    file, offset = "warc_filename", "warc_record_offset"
    later = pc.greater(after[file], before[file])
    further = pc.and_(pc.equal(after[file], before[file]), pc.greater(after[offset], before[offset]))
    if not pc.all(pc.or_(later, further), min_count=0).as_py():
        raise ValueError("rows out of order, or a record twice")
