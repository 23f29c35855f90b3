"""One table of a dataset, proved against what the manifest and its rows say: the work of a process of ``verify``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from beam_jobs.splits import VALIDATION, Splits, file_name
from beam_jobs.spread import shard_of
from obelics_pipeline import dataset
from obelics_pipeline.dataset_files import DataFile, Place, place_of
from obelics_pipeline.decoder import decoder
from obelics_pipeline.survey import DEFAULT, PAIRS, Group
from obelics_pipeline.verify import (
    Gone,
    Inspect,
    decision_faults,
    document_faults,
    pair_faults,
    pair_tombstone_faults,
    tombstone_faults,
)

ROWS: Final = 20
"""Rows that are Python objects at once."""

PIECE: Final = 1 << 20
"""Bytes of a file that are read at once."""

_UNREADABLE: Final = (OSError, pa.ArrowException, UnicodeDecodeError)
"""What pyarrow raises of files that are damaged."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong, and where: as far as it is a row group, a row of it, the id of the row."""

    file: str
    what: str
    row_group: int | None = None
    row: int | None = None
    id: str | None = None

    def __str__(self) -> str:
        places = (("row group", self.row_group), ("row", self.row), ("id", self.id))
        where = [self.file, *(f"{name} {value}" for name, value in places if value is not None)]
        return f"{', '.join(where)}: {self.what}"


class Expected(msgspec.Struct, frozen=True):
    """What the tables are held against.

    ``files`` is what the manifest says of each; ``quick`` looks at no bytes of images and at no checksums of tables.
    """

    folder: str
    files: Mapping[str, DataFile]
    validation: float | None
    tombstones: Mapping[str, Gone]
    quick: bool

    def home(self, place: Place, row: Mapping[str, Any]) -> str:
        """The name of the file in which a document has to be."""
        if self.validation is None:
            return file_name(place.split, shard_of(row["id"], place.shards), place.shards)
        shards = {}
        for path in self.files:
            other = place_of(path)
            if other is not None and other.config == DEFAULT:
                shards[other.split] = other.shards
        splits = Splits(shards.get("train", 1), shards.get(VALIDATION, 1), self.validation)
        cluster = row["dedup"] and row["dedup"]["cluster"]
        return splits.name(splits.of(row["id"], cluster))


class Checked(msgspec.Struct):
    """What was found in a file."""

    faults: list[Fault] = []
    rows: int = 0
    images: int = 0


def check_file(path: str, expected: Expected) -> Checked:
    """Prove the table at ``path`` below the folder, a row group in memory at a time."""
    found, place = Checked(), place_of(path)
    whole = io.join(expected.folder, path)
    told = expected.files.get(path)
    if told is not None and not expected.quick:
        sha256 = _sha256(whole)
        if sha256 != told.sha256:
            found.faults.append(Fault(path, f"sha256 is {sha256}, the manifest's is {told.sha256}"))
    try:
        with io.open_read(whole) as stream:
            file = pq.ParquetFile(stream)
            if told is not None:
                found.faults += _footer_faults(path, file.metadata, told)
            if place is not None:
                found.faults += _schema_faults(path, file.schema_arrow, place)
                _Rows(path, place, file, expected, found).check()
    except _UNREADABLE as error:
        found.faults.append(Fault(path, f"cannot be read as Parquet: {' '.join(str(error).split())}"))
    return found


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with io.open_read(path) as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _footer_faults(path: str, metadata: pq.FileMetaData, told: DataFile) -> Iterator[Fault]:
    if metadata.num_rows != told.rows:
        yield Fault(path, f"has {metadata.num_rows} rows, the manifest says {told.rows}")
    if metadata.num_row_groups != len(told.row_groups):
        yield Fault(
            path, f"has {metadata.num_row_groups} row groups, the manifest says {len(told.row_groups)}"
        )


def _schema_faults(path: str, schema: pa.Schema, place: Place) -> Iterator[Fault]:
    if place.config == DEFAULT and not schema.equals(dataset.SCHEMA):
        wrong = [
            name for name in dataset.SCHEMA.names if _type(schema, name) != dataset.SCHEMA.field(name).type
        ]
        yield Fault(path, f"the columns are not those of the dataset: {', '.join(wrong) or 'their order'}")
    if b"huggingface" not in (schema.metadata or {}):
        yield Fault(path, "the schema lacks the key 'huggingface': readers will not see images")


def _type(schema: pa.Schema, name: str) -> pa.DataType | None:
    index = schema.get_field_index(name)
    return schema.field(index).type if index >= 0 else None


class _Rows:
    """The rows of a file, each held against all that is known of it."""

    def __init__(
        self, path: str, place: Place, file: pq.ParquetFile, expected: Expected, found: Checked
    ) -> None:
        self._path, self._place, self._file = path, place, file
        self._expected, self._found = expected, found
        self._told = expected.files.get(path)
        self._key = {DEFAULT: "id", PAIRS: "uid"}.get(place.config)
        self._seen: set[str] = set()
        self._last: tuple[str, ...] = ()
        self._bare = False

    def check(self) -> None:
        """Look at all row groups; one that cannot be read is a fault, and the next is tried."""
        columns = self._columns()
        for number in range(self._file.num_row_groups):
            try:
                table = self._file.read_row_group(number, columns=columns, use_threads=False)
                self._check_group(number, table)
            except _UNREADABLE as error:
                self._fault(f"cannot be read: {' '.join(str(error).split())}", number)

    def _columns(self) -> list[str] | None:
        """All, or without the bytes of images."""
        if not self._expected.quick:
            return None
        schema = self._file.schema
        leaves = [schema.column(index).path for index in range(len(schema))]
        return [leaf for leaf in leaves if not leaf.endswith((".element.bytes", "image.bytes"))]

    def _check_group(self, number: int, table: pa.Table) -> None:
        images = tokens = 0
        if self._place.config == PAIRS:  # without bytes of images altogether, or of none
            self._bare = table.column("image").null_count == table.num_rows
        with decoder() as child:
            inspect = None if self._expected.quick else child.inspect
            for start in range(0, table.num_rows, ROWS):
                for offset, row in enumerate(table.slice(start, ROWS).to_pylist()):
                    for what in self._row_faults(row, inspect):
                        self._fault(what, number, start + offset, row.get(self._key or "id"))
                    images += self._place.config == PAIRS or row.get("num_images") or 0
                    tokens += row.get("num_tokens_est") or 0
        self._found.rows += table.num_rows
        self._found.images += images
        if self._told is not None and number < len(self._told.row_groups):
            self._compare(number, table.num_rows, images, tokens, self._told.row_groups[number])

    def _row_faults(self, row: dict[str, Any], inspect: Inspect | None) -> Iterator[str]:
        if self._key is not None:
            if row[self._key] in self._seen:
                yield f"{self._key} is there twice"
            self._seen.add(row[self._key])
        if self._place.config == DEFAULT:
            yield from document_faults(row, inspect)
            yield from tombstone_faults(row, self._expected.tombstones.get(row["id"], {}))
            if row["id"] and (home := self._expected.home(self._place, row)) != self._path.partition("/")[2]:
                yield f"belongs into {home}"
        elif self._place.config == PAIRS:
            yield from pair_faults(row, inspect)
            if row["image"] is None and not self._bare:
                yield "there is no image"
            yield from pair_tombstone_faults(row, self._expected.tombstones.get(row["doc_id"], {}))
        else:
            yield from decision_faults(row)
            key = (row["stage"] or "", row["id"] or "")
            if key < self._last:
                yield "is not in order of stage and id"
            self._last = key

    def _compare(self, number: int, rows: int, images: int, tokens: int, told: Group) -> None:
        described = self._file.metadata.row_group(number)
        stored = sum(described.column(index).total_compressed_size for index in range(described.num_columns))
        true = {"rows": rows, "bytes": stored, "images": images, "tokens": tokens}
        for name, value in true.items():
            said = getattr(told, name)
            if said is not None and said != value:
                self._fault(f"has {value} {name}, the manifest says {said}", number)

    def _fault(self, what: str, group: int, row: int | None = None, id: str | None = None) -> None:
        self._found.faults.append(Fault(self._path, what, group, row, id))
