"""The files of a dataset as a list of row groups, from its manifest or, without one, from the files themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import fsspec
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.feed.plain_pages import extent, values

MANIFEST: Final = "manifest.json"

BATCH_ROWS: Final = 5
"""Images that Arrow has to decode are read in batches of so many rows: its arrays double as they grow, and one of all
images of a row group would take half as much again while it does."""


class Unit(msgspec.Struct, frozen=True, array_like=True):
    """A row group: what is read at once. ``path`` is below the folder of the dataset."""

    path: str
    group: int
    rows: int


class _Group(msgspec.Struct, frozen=True):
    rows: int


class _File(msgspec.Struct, frozen=True):
    path: str
    row_groups: list[_Group]
    config: str = "default"
    split: str = "train"


class _Manifest(msgspec.Struct, frozen=True):
    files: list[_File]


class Source:
    """The row groups of one split of the dataset in ``folder``: a path, or a URL that fsspec knows.

    ``InputError`` if there are none.
    """

    def __init__(self, folder: str, split: str = "train") -> None:
        self.folder, self.split = folder.rstrip("/"), split
        self.units = self._listed() or self._found()
        if not self.units:
            raise InputError(
                f"{folder}: no rows in a split {split!r} (no data/{split}-*.parquet); name the folder that 'export' "
                "wrote"
            )

    @cached_property
    def digest(self) -> str:
        """What tells this list of row groups from others: 16 hexadecimal digits."""
        return blake2b(msgspec.json.encode(self.units), digest_size=8).hexdigest()

    def read(self, unit: Unit, columns: list[str], large: str | None) -> tuple[pa.Table, list[memoryview]]:
        """Columns, or leaves of columns, of a row group, and each value of the leaf ``large`` that is not null."""
        with self._file(unit.path) as (file, stream):
            table = file.read_row_group(unit.group, columns=columns, use_threads=False)
            if large is None:
                return table, []
            found = _in_place(file, stream, unit.group, large)
            return table, _decoded(file, unit.group, large) if found is None else found

    def leaves(self) -> list[str]:
        """The paths of all leaves of the columns, as Parquet writes them."""
        with self._file(self.units[0].path) as (file, _):
            return [file.schema.column(index).path for index in range(len(file.schema))]

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns."""
        with self._file(self.units[0].path) as (file, _):
            return file.schema_arrow

    @property
    def _place(self) -> tuple[Any, str]:
        """The file system and the folder in it; asked anew, as those of a network do not outlive a fork."""
        found: tuple[Any, str] = fsspec.core.url_to_fs(self.folder)
        return found

    @contextmanager
    def _file(self, path: str) -> Iterator[tuple[pq.ParquetFile, pa.NativeFile]]:
        files, root = self._place
        whole = f"{root}/{path}"
        local = isinstance(files, LocalFileSystem)
        stream = opened = None
        try:
            stream = pa.memory_map(whole) if local else pa.PythonFile(files.open(whole, "rb"), mode="r")
            opened = pq.ParquetFile(stream, pre_buffer=not local)
            yield opened, stream
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"{self.folder}/{path}: cannot be read ({error}); fetch the dataset again"
            ) from error
        finally:
            if opened is not None:
                opened.close(force=True)
            if stream is not None:
                stream.close()

    def _listed(self) -> list[Unit]:
        files, root = self._place
        path = f"{root}/{MANIFEST}"
        if not files.exists(path):
            return []
        try:
            found = msgspec.json.decode(files.cat_file(path), type=_Manifest)
        except msgspec.DecodeError as error:
            raise InputError(
                f"{self.folder}/{MANIFEST}: {error}; fetch the dataset again, or remove this file"
            ) from error
        return [
            Unit(file.path, number, group.rows)
            for file in sorted(found.files, key=lambda file: file.path)
            if file.config == "default" and file.split == self.split
            for number, group in enumerate(file.row_groups)
        ]

    def _found(self) -> list[Unit]:
        files, root = self._place
        units = []
        for whole in sorted(files.glob(f"{root}/data/{self.split}-*.parquet")):
            path = whole.removeprefix(root).lstrip("/")
            with self._file(path) as (file, _):
                described = file.metadata
                units += [
                    Unit(path, number, described.row_group(number).num_rows)
                    for number in range(described.num_row_groups)
                ]
        return units


def _in_place(file: pq.ParquetFile, stream: pa.NativeFile, group: int, leaf: str) -> list[memoryview] | None:
    """The values of a leaf of a row group as they lie in the file, which is mapped if it is local; None if they are
    stored in another way than ``export`` does."""
    leaves = [file.schema.column(index).path for index in range(len(file.schema))]
    found = extent(file.metadata.row_group(group).column(leaves.index(leaf)))
    if found is None:
        return None
    stream.seek(found[0])
    pages = memoryview(stream.read_buffer(found[1])).cast("B")
    places = values(pages)
    return None if places is None else [pages[start:end] for start, end in places]


def _decoded(file: pq.ParquetFile, group: int, leaf: str) -> list[memoryview]:
    """The same of any file, by Arrow."""
    found = []
    for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=[leaf], use_threads=False):
        array = batch.column(0).flatten().field(0)
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, np.int32)[array.offset :].tolist()
        bodies = memoryview(b"" if data is None else data)
        there = array.is_valid().to_pylist()
        found += [bodies[bounds[place] : bounds[place + 1]] for place, known in enumerate(there) if known]
    return found


def known_columns(source: Source, names: list[str], what: str) -> list[str]:
    """The leaves below ``names``; ``ConfigError`` for a name that the dataset does not have."""
    leaves = source.leaves()
    found = []
    for name in names:
        below = [leaf for leaf in leaves if _plain(leaf) == name or _plain(leaf).startswith(f"{name}.")]
        if not below:
            known = ", ".join(sorted({_plain(leaf).partition(".")[0] for leaf in leaves}))
            raise ConfigError(f"{what}: the dataset has no column {name!r}; there are {known}")
        found += below
    return found


def _plain(leaf: str) -> str:
    """``image_info.list.element.width`` → ``image_info.width``."""
    return leaf.replace(".list.element", "").replace(".list.item", "")
