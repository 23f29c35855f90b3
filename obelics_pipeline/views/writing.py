"""The views by name, and how the files of each are written from the documents of a shard of the dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import msgspec
import pyarrow as pa

from obelics_pipeline.dataset import described_schema, writer_options
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.views import dense, energon, mds, mmc4, obelics, pairs, webdataset
from obelics_pipeline.views.document import Document, Missing, document_of

Groups: TypeAlias = Iterator[list[Document]]
"""Documents in order, some in memory at a time."""

TAR_BYTES: Final = 512_000_000
"""Of a tar file: those who read them by range want hundreds of megabytes."""
PARQUET_INFO: Final = "parquet_info.json"

DOCUMENTS: Final = "data"
PAIRS: Final = "pairs"
"""Folders of a dataset."""


class ViewOptions(msgspec.Struct, frozen=True):
    """What is asked for: a view by name, empty slots, bytes of a tar file or an MDS shard (the view's own, if None).

    Without ``inline``, mmc4 has no bytes of images.
    """

    view: str
    missing: Missing = "drop"
    shard_bytes: int | None = None
    inline: bool = True

    def __post_init__(self) -> None:
        if self.shard_bytes is not None and VIEWS[self.view].shard_bytes is None:
            raise ConfigError(
                f"{self.view} has a file for each shard of the dataset; leave out --shard-bytes"
            )
        if not (self.inline or VIEWS[self.view].inlines):
            raise ConfigError(f"{self.view} has no bytes of images in its lines; leave out --no-image-bytes")

    @property
    def limit(self) -> int:
        """Bytes of a shard, for views that have shards of their own."""
        return self.shard_bytes or VIEWS[self.view].shard_bytes or 0

    @property
    def needs_bytes(self) -> bool:
        """Whether the view is of no use without the bytes of images."""
        return self.view != "obelics" and self.inline


class ViewFile(msgspec.Struct, frozen=True):
    """A file of a view: its path below the folder, and what it holds."""

    path: str
    bytes: int
    documents: int = 0
    row_groups: int = 0


class Target(msgspec.Struct, frozen=True):
    """Where the documents of a shard of the dataset go: names begin with ``stem`` in the folder of the view."""

    folder: Path
    split: str
    stem: str

    def open(self, name: str) -> BinaryIO:
        """A new file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")

    def file(self, name: str, documents: int = 0, row_groups: int = 0) -> ViewFile:
        """The finished file."""
        return ViewFile(name, (self.folder / name).stat().st_size, documents, row_groups)


class _Numbered:
    """Opens one file after the other."""

    def __init__(self, target: Target, form: str) -> None:
        self._target, self._form = target, form
        self.names: list[str] = []

    def __call__(self) -> BinaryIO:
        self.names.append(self._form.format(number=len(self.names)))
        return self._target.open(self.names[-1])


class View(msgspec.Struct, frozen=True):
    """How a view is written; ``finish`` gives further files by path, from all that were written.

    ``folder`` has the tables of the dataset that are shown, ``read`` makes what is written of a row. ``needs_text``: a
    document without a text has no place in it. ``inlines``: bytes of images are written as text, if wanted.
    ``shard_bytes``: about how many its own shards have, if it has any.
    """

    what: str
    write: Callable[[Groups, Target, ViewOptions], list[ViewFile]]
    finish: Callable[[list[ViewFile], ViewOptions], dict[str, bytes]] = lambda files, options: {}
    needs_text: bool = False
    inlines: bool = False
    shard_bytes: int | None = None
    folder: str = DOCUMENTS
    read: Callable[[dict[str, Any], Missing], Document] = document_of


def _write_table(
    schema: pa.Schema, record: Callable[[Document], dict[str, Any]]
) -> Callable[[Groups, Target, ViewOptions], list[ViewFile]]:
    described, settings = described_schema(schema), writer_options(schema)

    def write(groups: Groups, target: Target, options: ViewOptions) -> list[ViewFile]:
        filled = (group for group in groups if group)
        first = next(filled, None)
        if first is None:
            return []
        name, written = f"data/{target.stem}.parquet", 0
        with target.open(name) as stream, ParquetFile(stream, described, settings) as file:
            for group in chain([first], filled):
                written += 1
                file.write(pa.Table.from_pylist([record(document) for document in group], described))
        return [target.file(name, file.rows, written)]

    return write


def _parquet_info(files: list[ViewFile], options: ViewOptions) -> dict[str, bytes]:
    told = {file.path: {"num_row_groups": file.row_groups, "num_rows": file.documents} for file in files}
    return {PARQUET_INFO: json.dumps(told, indent=1, sort_keys=True).encode() + b"\n"}


def _write_tars(
    record: Callable[[Document], dict[str, bytes]],
) -> Callable[[Groups, Target, ViewOptions], list[ViewFile]]:
    def write(groups: Groups, target: Target, options: ViewOptions) -> list[ViewFile]:
        shards = _Numbered(target, f"{target.stem}-{{number:03d}}.tar")
        webdataset.write(chain.from_iterable(groups), shards, options.limit, record)
        return [target.file(name) for name in shards.names]

    return write


def _write_lines(groups: Groups, target: Target, options: ViewOptions) -> list[ViewFile]:
    opened = _Numbered(target, f"{target.stem}.jsonl.zip")
    mmc4.write(chain.from_iterable(groups), opened, f"{target.stem}.jsonl", options.inline)
    return [target.file(name) for name in opened.names]


def _write_mds(groups: Groups, target: Target, options: ViewOptions) -> list[ViewFile]:
    shards = _Numbered(target, f"{target.split}/{target.stem}-{{number:03d}}.mds")
    samples = mds.write(chain.from_iterable(groups), shards, options.limit)
    return [target.file(name, count) for name, count in zip(shards.names, samples, strict=True)]


def _mds_index(files: list[ViewFile], options: ViewOptions) -> dict[str, bytes]:
    found: dict[str, list[tuple[str, int, int]]] = {}
    for file in files:
        split, _, name = file.path.partition("/")
        found.setdefault(split, []).append((name, file.bytes, file.documents))
    return {f"{split}/index.json": mds.index(shards, options.limit) for split, shards in found.items()}


VIEWS: Final = {
    "obelics": View(
        "the four columns OBELICS has", _write_table(obelics.SCHEMA, obelics.record), _parquet_info
    ),
    "dense": View("text with <image>, and images", _write_table(dense.SCHEMA, dense.record), _parquet_info),
    "webdataset": View("tar files", _write_tars(webdataset.record), shard_bytes=TAR_BYTES),
    "webdataset-pairs": View(
        "tar files of the config pairs",
        _write_tars(pairs.record),
        shard_bytes=TAR_BYTES,
        folder=PAIRS,
        read=pairs.pair_of,
    ),
    "energon": View(
        "tar files and .nv-meta",
        _write_tars(webdataset.record),
        lambda files, options: energon.FILES,
        shard_bytes=TAR_BYTES,
    ),
    "mmc4": View("JSON lines", _write_lines, needs_text=True, inlines=True),
    "mds": View("MosaicML's shards", _write_mds, _mds_index, shard_bytes=1 << 26),
}
"""By the name that ``--as`` takes."""


def finish(folder: Path, files: Iterable[ViewFile], options: ViewOptions) -> None:
    """Write what a view has beside the files of its shards."""
    for name, data in VIEWS[options.view].finish(list(files), options).items():
        with Target(folder, "", "").open(name) as stream:
            stream.write(data)
