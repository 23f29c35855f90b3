"""``obelics select``: the captures of a crawl that are wanted, by its columnar index, as a selection table."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs import io
from beam_jobs.http_file import CONNECTIONS
from beam_jobs.index_files import RangeFiles, find_files
from obelics_pipeline import selection
from obelics_pipeline.columnar_index import SINCE, Subset, Wanted, quoted
from obelics_pipeline.errors import InputError, Misconfigured

BATCH_ROWS: Final = 1 << 16


class SelectOptions(msgspec.Struct, frozen=True):
    """Where to look, and how much of it: ``parts`` files of the index, evenly spread, or all."""

    crawl: str
    subset: Subset
    index: str
    archives: str
    parts: int | None = None


class Selected(msgspec.Struct, frozen=True):
    """``captures`` of so many ``bytes`` in ``archives``; and bytes ``read`` of index ``files``, if these are remote."""

    captures: int
    archives: int
    bytes: int
    files: int
    read: int | None


def select(options: SelectOptions, wanted: Wanted, output: str) -> Selected:
    """Write the selection table to the folder ``output``, which has none yet."""
    target = io.join(output, selection.NAME)
    if io.size(target) is not None:
        raise InputError(f"--output {output}: has a {selection.NAME} already; name a new folder")
    files = spread(find_files(options.index, options.crawl, options.subset), options.parts)
    counts = Counts()
    asked = {name: value for name, value in msgspec.structs.asdict(options).items() if value is not None}
    with Index(files) as index, io.replacing(target) as stream:
        found = counts.of(index.rows(wanted))
        try:
            rows = selection.write_selection(stream, found, options.archives, asked | wanted.told())
        except ValueError as error:
            raise InputError(f"--index {options.index}: {error}; is one of its files there twice?") from None
    return Selected(rows, counts.archives, counts.bytes, len(files), index.read)


def spread(files: Sequence[str], parts: int | None) -> list[str]:
    """``parts`` of ``files``, evenly spread; all if it is None or more than there are."""
    count = len(files) if parts is None else min(parts, len(files))
    return [files[at * len(files) // count] for at in range(count)]


class Counts:
    """What passes by, counted."""

    def __init__(self) -> None:
        self.archives = 0
        self.bytes = 0
        self._last = ""

    def of(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, in order of their archives."""
        for batch in batches:
            names = batch.column("warc_filename").unique().to_pylist()
            self.archives += len(names) - (names[:1] == [self._last])
            self._last = names[-1] if names else self._last
            self.bytes += pc.sum(batch.column("warc_record_length")).as_py() or 0
            yield batch


class Index:
    """Files of an index, open in DuckDB between ``with`` and its end."""

    def __init__(self, files: Sequence[str]) -> None:
        try:
            import duckdb
        except ImportError:
            raise Misconfigured(
                "select: DuckDB, which reads the index, is not installed: pip install 'obelics-builder[select]'"
            ) from None
        self._duckdb = duckdb
        self._files = files
        self._remote = None if io.is_local(files[0]) else RangeFiles()
        self._folder = tempfile.TemporaryDirectory()
        self._connection = duckdb.connect(config={"temp_directory": self._folder.name})
        self._set_up()

    def _set_up(self) -> None:
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute("SET parquet_metadata_cache = true")  # else the first file is asked thrice
        if self._remote:
            self._connection.register_filesystem(self._remote)
            self._connection.execute(f"SET threads = {CONNECTIONS}")

    @property
    def read(self) -> int | None:
        """Bytes that were read of remote files."""
        return self._remote and self._remote.bytes_read

    def rows(self, wanted: Wanted) -> Iterator[pa.RecordBatch]:
        """What is wanted, in the order of a selection; ``InputError`` if the index cannot be read or cannot tell."""
        for column, names in wanted.places.columns.items():
            # not register(), which imports pandas
            self._connection.execute(
                f"CREATE TABLE names_{column} AS SELECT unnest(?::VARCHAR[]) AS name", [list(names)]
            )
        try:
            if self._remote:
                self._remote.fetch_footers(self._files)
            present = self._columns()
            self._check(wanted, present)
            found = self._connection.sql(wanted.sql(self._source(self._files), present))
            for batch in found.to_arrow_reader(BATCH_ROWS):
                yield batch.cast(selection.SCHEMA)
        except (self._duckdb.Error, pa.ArrowException) as error:
            if self._remote and self._remote.error:
                raise self._remote.error from None
            fact = str(error).partition("\n")[0].replace(RangeFiles.name(""), "")
            raise InputError(f"the index cannot be read: {fact}; is the file whole?") from None

    def _columns(self) -> set[str]:
        found = self._connection.execute(f"DESCRIBE SELECT * FROM {self._source(self._files[:1])}").fetchall()
        return {row[0] for row in found}

    def _check(self, wanted: Wanted, present: set[str]) -> None:
        if missing := sorted(wanted.columns() - present):
            since = "".join(f"; {name} came with {SINCE[name]}" for name in missing if name in SINCE)
            raise InputError(
                f"{self._files[0]}: an index without {', '.join(missing)}{since}; ask for what it has, or name another"
            )

    def _source(self, files: Sequence[str]) -> str:
        names = [self._remote.name(path) if self._remote else path for path in files]
        return f"read_parquet([{', '.join(map(quoted, names))}], hive_partitioning = false)"

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
        self._folder.cleanup()
