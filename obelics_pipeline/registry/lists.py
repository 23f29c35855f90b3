"""The rows of lists of opt-outs: CSV, gzipped or not, and Parquet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from obelics_pipeline.errors import InputError

COLUMNS: Final = ("kind", "value", "scope", "source", "since")
REQUIRED: Final = COLUMNS[:2]
_BATCH: Final = 1 << 14
"""Rows of a Parquet file that are decoded at once."""


class Row(NamedTuple):
    """A row as it stands in a list, and where: the values of ``COLUMNS``, "" for those that it lacks.

    ``wrong`` says why a row has none.
    """

    place: str
    fields: tuple[str, ...]
    wrong: str = ""


def rows(path: Path) -> Iterator[Row]:
    """The rows of a list.

    Raises ``InputError`` naming the file, and the line, from which on nothing can be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name lists in .csv, .csv.gz or .parquet")
    if path.name.endswith(".parquet"):
        return _parquet(path)
    if path.name.endswith((".csv", ".csv.gz")):
        return _csv(path)
    raise InputError(f"{path}: not .csv, .csv.gz or .parquet; rename it if it is one of these")


def _csv(path: Path) -> Iterator[Row]:
    opened: Any = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            order = _order(path, header)
            for fields in reader:
                where = f"line {reader.line_num}"
                if len(fields) == len(header):
                    yield Row(where, tuple(["" if at is None else fields[at] for at in order]))
                elif fields:
                    yield Row(where, (), f"{len(fields)} fields, not {len(header)} as the header")
        except (csv.Error, OSError, EOFError, zlib.error) as error:
            raise InputError(
                f"{path}: line {reader.line_num}: cannot be read on: {error}; repair it"
            ) from None


def _order(path: Path, names: Sequence[str]) -> list[int | None]:
    """The places of ``COLUMNS`` among the names of a list's columns."""
    for name in names:
        if name not in COLUMNS:
            close = get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(COLUMNS)}"
            raise InputError(f"{path}: no column {name!r}; {hint}")
    for name in COLUMNS:
        if names.count(name) != 1 and (name in names or name in REQUIRED):
            raise InputError(
                f"{path}: {names.count(name)} columns {name!r}; the first line must name it once"
            )
    return [names.index(name) if name in names else None for name in COLUMNS]


def _parquet(path: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            order = _order(path, file.schema_arrow.names)
            number = count(1)
            for batch in file.iter_batches(_BATCH):
                given = [_strings(batch, at) for at in order]
                for fields in zip(*given, strict=True):
                    yield Row(f"row {next(number)}", fields)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}; write it again") from None


def _strings(batch: pa.RecordBatch, at: int | None) -> list[str]:
    if at is None:
        return [""] * batch.num_rows
    return ["" if value is None else str(value) for value in batch.column(at).to_pylist()]
