"""``obelics recheck``: a finished dataset held against today's registries, trimmed without building it again.

Shards that lose nothing are linked (or copied) as they are; the others are written again, row group by row group.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from rich.console import Console

from obelics_pipeline.dataset import described_schema, writer_options
from obelics_pipeline.errors import InputError
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.recheck import COLUMNS, TOMBSTONES, Lists, Tombstone, tombstones, trimmed
from obelics_pipeline.registry import Hit, Registry
from obelics_pipeline.tables import table_of


class Summary(msgspec.Struct):
    """What a recheck found: ``recheck.json``."""

    documents: int = 0
    images: int = 0
    documents_gone: int = 0
    images_gone: int = 0
    shards: int = 0
    shards_written: int = 0
    by_registry: dict[str, int] = {}


def recheck(dataset: str, registries: Sequence[str], output: str, console: Console | None = None) -> Summary:
    """Write ``dataset`` without what ``registries`` name into the folder ``output``, with ``tombstones.parquet``.

    ``InputError`` if the folder holds no dataset, if the output is not empty, or if a registry cannot be read.
    """
    source, target = Path(dataset), Path(output)
    shards = sorted(source.glob("data/*.parquet"))
    if not shards:
        raise InputError(
            f"{dataset}: no dataset (no file data/*.parquet); name the folder that 'export' wrote"
        )
    if target.exists() and any(target.iterdir()):
        raise InputError(f"--output {output}: is not empty; name a new folder")
    lists = _lists(registries)
    (target / "data").mkdir(parents=True, exist_ok=True)
    found = Summary(shards=len(shards))
    with (target / "tombstones.parquet").open("wb") as stream, ParquetFile(stream, TOMBSTONES) as table:
        for shard in shards:
            stones = _recheck_shard(shard, target / "data" / shard.name, lists, found)
            table.write(table_of(stones, TOMBSTONES))
    for name in ("README.md",):
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
    (target / "recheck.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    _show(found, output, console or Console())
    return found


def _lists(paths: Sequence[str]) -> Lists:
    opened = [Registry.open(path) for path in paths]

    def first(hits: Iterable[Hit | None]) -> Hit | None:
        return next((hit for hit in hits if hit is not None), None)

    return Lists(
        page=lambda url: first(registry.page(url) for registry in opened),
        image=lambda url: first(registry.image(url) for registry in opened),
        content=lambda sha256: first(registry.content(sha256=sha256) for registry in opened),
    )


def _recheck_shard(shard: Path, target: Path, lists: Lists, found: Summary) -> list[Tombstone]:
    file = pq.ParquetFile(shard)
    groups = [
        tombstones(file.read_row_group(group, columns=list(COLUMNS)), lists)
        for group in range(file.num_row_groups)
    ]
    stones = [stone for group in groups for row in group for stone in row]
    _count(file, stones, found)
    if not stones:
        _link(shard, target)
        return []
    found.shards_written += 1
    with target.open("wb") as stream, ParquetFile(stream, described_schema(), writer_options()) as writer:
        for number, group in enumerate(groups):
            writer.write(trimmed(file.read_row_group(number), group))
    return stones


def _count(file: pq.ParquetFile, stones: Sequence[Tombstone], found: Summary) -> None:
    found.documents += file.metadata.num_rows
    found.images += sum(file.read(columns=["num_images"]).column("num_images").to_pylist())
    levels = Counter(stone.level for stone in stones)
    found.documents_gone += levels["document"]
    found.images_gone += levels["image"]
    for stone in stones:
        name = f"{stone.registry}/{stone.kind}"
        found.by_registry[name] = found.by_registry.get(name, 0) + 1


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _show(found: Summary, output: str, console: Console) -> None:
    console.print(
        f"{found.documents:,} documents with {found.images:,} images: {found.documents_gone:,} documents and "
        f"{found.images_gone:,} further images opted out; {found.shards_written} of {found.shards} shards written "
        f"again into {output}",
        highlight=False,
        soft_wrap=True,
    )
    for name, count in sorted(found.by_registry.items()):
        console.print(f"  {name}: {count:,}", highlight=False)
