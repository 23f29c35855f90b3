"""Writing Parquet files whose bytes are a function of their rows alone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

ZSTD: Final = {"compression": "zstd", "compression_level": 3}


class HashingStream(io.RawIOBase):
    """A stream to write to that knows the length and the sha256 of what went through it.

    ``recent`` is what was written since it was last cleared, kept only if ``remember`` is set: it tells where
    in the file a value lies. Closing leaves the stream below open.
    """

    def __init__(self, stream: BinaryIO, *, remember: bool = False) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._remember = remember
        self.recent = bytearray()
        self.length = 0

    def write(self, data: Any) -> int:
        """Pass ``data`` on."""
        self._stream.write(data)
        self._hash.update(data)
        self.length += len(data)
        if self._remember:
            self.recent += data
        return len(data)

    def forget(self) -> None:
        """From now on what is written goes nowhere."""
        self._stream = io.BytesIO()

    def tell(self) -> int:
        """The number of bytes written so far."""
        return self.length

    def writable(self) -> bool:
        """Yes: that is all it is for."""
        return True

    @property
    def sha256(self) -> str:
        """The hash of all that was written, in hexadecimal digits."""
        return self._hash.hexdigest()


class ParquetFile:
    """A Parquet file being written to ``stream``: one row group for each batch given to ``write``.

    ``options`` are those of ``pyarrow.parquet.ParquetWriter`` (zstd for every column
    unless they say otherwise). The stream stays the caller's to close; ``rows``, ``length`` (bytes) and
    ``sha256`` are final after ``close``.
    """

    def __init__(
        self,
        stream: BinaryIO,
        schema: pa.Schema,
        options: Mapping[str, Any] = ZSTD,
        *,
        remember: bool = False,
    ) -> None:
        self.stream = HashingStream(stream, remember=remember)
        self._writer = pq.ParquetWriter(self.stream, schema, **{"write_page_index": True, **options})
        self.rows = 0

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Write ``batch`` as one row group; an empty batch writes nothing."""
        if not batch.num_rows:
            return
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def abandon(self) -> None:
        """Close without writing anything more, be the stream open, closed or out of room."""
        self.stream.forget()
        self.close()

    @property
    def length(self) -> int:
        """Bytes written so far."""
        return self.stream.length

    @property
    def sha256(self) -> str:
        """The hash of the file, in hexadecimal digits."""
        return self.stream.sha256

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
