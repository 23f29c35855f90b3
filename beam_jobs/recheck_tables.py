"""The other tables of a dataset after a recheck: pairs without what went, decisions that do not quote it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from obelics_pipeline.dataset import writer_options
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.recheck import Tombstone


def trim_pairs(
    source: Path, target: Path, stones: Sequence[Tombstone], moved: Mapping[str, Mapping[int, int]]
) -> None:
    """Write ``pairs/`` without pairs of documents and images that have tombstones; slots of documents are ``moved``.

    Where documents shared a picture only one has its pair, so that nothing of the picture may be left.
    """
    left = pairs_without(stones)

    def kept(table: pa.Table) -> pa.Table:
        return _renumbered(left(table), moved)

    for path in sorted(source.glob("pairs/*.parquet")):
        _rewrite(path, target / "pairs" / path.name, ["doc_id", "slot"], kept)


def pairs_without(stones: Iterable[Tombstone]) -> Callable[[pa.Table], pa.Table]:
    """What leaves of a table of pairs those of documents and images without ``stones``."""
    places = {(stone.id, stone.index) for stone in stones}
    gone = {id for id, index in places if index is None}

    def left(table: pa.Table) -> pa.Table:
        rows = zip(*(table.column(name).to_pylist() for name in ("doc_id", "slot")), strict=True)
        return table.filter(pa.array([row[0] not in gone and row not in places for row in rows], pa.bool_()))

    return left


def _renumbered(table: pa.Table, moved: Mapping[str, Mapping[int, int]]) -> pa.Table:
    names = ("doc_id", "slot")
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    slots = [moved.get(id, {}).get(slot, slot) for id, slot in rows]
    index = table.schema.get_field_index("slot")
    return table.set_column(index, table.schema.field(index), pa.array(slots, pa.int32()))


def trim_decisions(
    source: Path, target: Path, silent: Callable[[Sequence[str]], Collection[str]], *, denied: bool
) -> None:
    """Write ``decisions/`` with nothing quoted of pages that are ``silent``, nor of images if any may be ``denied``."""

    def kept(table: pa.Table) -> pa.Table:
        pages = table.column("url").to_pylist()
        objecting = silent(list(dict.fromkeys(pages)))
        quoted = zip(pages, table.column("level").to_pylist(), strict=True)
        hidden = [page in objecting or (denied and level == "image") for page, level in quoted]
        index = table.schema.get_field_index("excerpt")
        nulls = pa.nulls(table.num_rows, pa.string())
        excerpts = pc.if_else(pa.array(hidden, pa.bool_()), nulls, table.column("excerpt"))
        return table.set_column(index, table.schema.field(index), excerpts)

    for path in sorted(source.glob("decisions/*.parquet")):
        _rewrite(path, target / "decisions" / path.name, ["url", "level", "excerpt"], kept)


def _rewrite(source: Path, target: Path, columns: list[str], kept: Callable[[pa.Table], pa.Table]) -> None:
    """What ``kept`` leaves of each row group; the same file if ``columns``, on which that depends, stay as they are."""
    file = pq.ParquetFile(source)
    target.parent.mkdir(exist_ok=True)
    groups = range(file.num_row_groups)
    looked = (file.read_row_group(group, columns=columns) for group in groups)
    if all(kept(table).equals(table) for table in looked):
        link(source, target)
        return
    schema = file.schema_arrow
    with target.open("wb") as stream, ParquetFile(stream, schema, writer_options(schema)) as writer:
        for group in groups:
            writer.write(kept(file.read_row_group(group)).cast(schema))


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
