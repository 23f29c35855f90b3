"""Rows in and out of the tables of a part, a bounded batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from filters.rules import DOCUMENT_MEASURES
from obelics_pipeline.document import Document, TextNode
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.tables import documents_of, documents_schema, documents_to_batch, table_of

DOCUMENTS: Final = documents_schema(DOCUMENT_MEASURES)

MAX_ROWS: Final = 200
MAX_WEIGHT: Final = 16_000_000
"""Characters of text in a row group: it is what a reader has to hold in memory at once."""


class Writer:
    """Collects rows and writes them as row groups of at most ``rows`` that weigh no more than ``weight``; one row that
    weighs more stands alone. The last is written when the block ends without an error.
    """

    def __init__(
        self,
        file: ParquetFile,
        to_batch: Callable[[Sequence[Any]], pa.RecordBatch | pa.Table],
        rows: int = MAX_ROWS,
        weight: int = MAX_WEIGHT,
    ) -> None:
        self._file = file
        self._to_batch = to_batch
        self._max_rows, self._max_weight = rows, weight
        self._rows: list[Any] = []
        self._weight = 0

    def add(self, row: Any, weight: int = 0) -> None:
        """Write ``row``, soon; ``weight`` is its size in about characters or bytes."""
        if len(self._rows) >= self._max_rows or self._weight + weight > self._max_weight:
            self.flush()
        self._rows.append(row)
        self._weight += weight

    def flush(self) -> None:
        """Write what has been collected as a row group."""
        if self._rows:
            self._file.write(self._to_batch(self._rows))
        self._rows, self._weight = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()


def flat_writer(file: ParquetFile, schema: pa.Schema) -> Writer:
    """A writer of flat rows: structs whose attributes are the columns of ``schema``."""
    return Writer(file, lambda rows: table_of(rows, schema))


def document_writer(file: ParquetFile) -> Writer:
    """A writer of documents (schema ``DOCUMENTS``)."""
    return Writer(file, lambda rows: documents_to_batch(rows, DOCUMENTS))


def weight(document: Document) -> int:
    """Characters of text in a document."""
    return sum(len(node.text) for node in document.nodes if type(node) is TextNode)


def row_groups(path: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a Parquet file in order, one in memory at a time.

    Arrow's threads do not help: one of them may still let go of ``stream`` when the program ends, for which it
    needs the interpreter, and a program that has done its work would abort.
    """
    with io.open_read(path) as stream:
        file = pq.ParquetFile(stream)
        for index in range(file.num_row_groups):
            yield file.read_row_group(index, columns=list(columns) if columns else None, use_threads=False)


def documents(path: str) -> Iterator[Document]:
    """The documents of a Parquet file in order."""
    for table in row_groups(path):
        yield from documents_of(table)
