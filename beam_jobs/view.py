"""``obelics view``: a dataset in the format of another library.

Each shard of the dataset becomes files of its own, so it does not matter how many processes write them.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
from rich.console import Console

from beam_jobs.finished import no_dataset
from beam_jobs.recheck_tables import pairs_without
from beam_jobs.rows import row_groups
from obelics_pipeline.errors import InputError, RunFailed
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.recheck import STONES, Tombstone, stones_by_document, trimmed
from obelics_pipeline.sealed import local, new_folder, not_yet
from obelics_pipeline.views.document import Document
from obelics_pipeline.views.writing import PAIRS, VIEWS, Target, ViewFile, ViewOptions, finish

TOMBSTONE: Final = "tombstone"
EMPTY: Final = "empty"
NO_TEXT: Final = "no_text"
"""Why a document is not in a view."""


class Written(msgspec.Struct):
    """What was read, what of it is in the view, and why the other documents are not."""

    documents: int = 0
    images: int = 0
    slots: int = 0
    left_out: dict[str, int] = {}
    files: list[ViewFile] = []

    def add(self, other: Written) -> None:
        """Count what another shard gave."""
        self.documents += other.documents
        self.images += other.images
        self.slots += other.slots
        self.left_out = dict(Counter(self.left_out) + Counter(other.left_out))
        self.files = self.files + other.files

    def count(self, document: Document) -> None:
        """Count a document, or a pair, that is in the view."""
        self.documents += 1
        self.slots += document.slots
        self.images += sum(picture.status == FetchStatus.OK for picture in document.pictures)


def view(
    dataset: str,
    output: str,
    options: ViewOptions,
    splits: Iterable[str] = (),
    tombstones: str | None = None,
    workers: int = 1,
    console: Console | None = None,
) -> Written:
    """Write ``splits`` (all, if none is named) of ``dataset`` into the folder ``output``.

    ``tombstones`` is a table of what must not be shown; without it, the one beside the dataset is taken, if there is
    one. ``InputError`` if there is no dataset, no such split, or the output is not empty; after an error there is no
    output.
    """
    shards = _shards(local(dataset, "DATASET"), VIEWS[options.view].folder, tuple(splits))
    beside = Path(dataset) / STONES
    stones = tombstones or (str(beside) if beside.exists() else None)
    if stones is not None:
        stones_by_document(stones)
    found = Written()
    with new_folder(not_yet(output)) as working:
        for one in _each(
            partial(write_shard, folder=working, options=options, stones=stones), shards, workers
        ):
            found.add(one)
        finish(working, found.files, options)
    _show(found, output, options, console or Console())
    return found


def _shards(dataset: Path, folder: str, splits: tuple[str, ...]) -> list[Path]:
    """The shards of some splits, or of all, in one of the folders of a dataset."""
    if not any(dataset.glob("data/*-*.parquet")):
        raise no_dataset(str(dataset))
    there = sorted(dataset.glob(f"{folder}/*-*.parquet"))
    if not there:
        raise InputError(f"{dataset}: has no table of pairs; export again without 'export: {{pairs: off}}'")
    known = sorted({_split(path) for path in there})
    for split in splits:
        if split not in known:
            raise InputError(f"--split {split}: {dataset} has no such split; it has {', '.join(known)}")
    return [path for path in there if not splits or _split(path) in splits]


def _split(path: Path) -> str:
    return path.name.partition("-")[0]


def _each(work: partial[Written], shards: list[Path], workers: int) -> Iterator[Written]:
    if workers == 1 or len(shards) == 1:
        yield from map(work, shards)
        return
    context = multiprocessing.get_context("spawn")  # threads of Arrow do not survive a fork
    with ProcessPoolExecutor(min(workers, len(shards)), mp_context=context) as pool:
        try:
            yield from pool.map(work, shards)
        except BrokenProcessPool as error:
            raise RunFailed(
                "a process was killed, perhaps for want of memory; name fewer --workers"
            ) from error


def write_shard(shard: Path, folder: Path, options: ViewOptions, stones: str | None) -> Written:
    """Write the view of one shard into ``folder``."""
    buried = stones_by_document(stones) if stones is not None else {}
    found = Written()
    groups = _groups(shard, options, buried, found)
    found.files = VIEWS[options.view].write(groups, Target(folder, _split(shard), shard.stem), options)
    return found


def _groups(
    shard: Path, options: ViewOptions, buried: dict[str, list[Tombstone]], found: Written
) -> Iterator[list[Document]]:
    """The documents of each row group that go into the view; the others are counted."""
    reasons: Counter[str] = Counter()
    left = _left(VIEWS[options.view].folder, buried)
    for table in row_groups(str(shard)):
        rows = left(table).to_pylist()
        reasons[TOMBSTONE] += table.num_rows - len(rows)
        kept = []
        for row in rows:
            document = VIEWS[options.view].read(row, options.missing)
            if why := _unfit(document, options):
                reasons[why] += 1
                continue
            kept.append(document)
            found.count(document)
            if options.needs_bytes and any(
                p.status == FetchStatus.OK and p.body is None for p in document.pictures
            ):
                raise InputError(
                    f"{shard}: has no bytes of images (export: {{images: none}}); documents can be written --as obelics"
                )
        found.left_out = dict(+reasons)
        yield kept


def _left(folder: str, buried: dict[str, list[Tombstone]]) -> Callable[[pa.Table], pa.Table]:
    """What leaves of a table what has no tombstones."""
    if folder == PAIRS:
        return pairs_without(chain.from_iterable(buried.values()))
    return partial(_without, buried=buried)


def _without(table: pa.Table, buried: dict[str, list[Tombstone]]) -> pa.Table:
    stones = [buried.get(id, []) for id in table.column("id").to_pylist()] if buried else []
    return trimmed(table, stones) if any(stones) else table


def _unfit(document: Document, options: ViewOptions) -> str | None:
    if not document.parts:
        return EMPTY
    if VIEWS[options.view].needs_text and not any(document.texts):
        return NO_TEXT
    return None


def _show(found: Written, output: str, options: ViewOptions, console: Console) -> None:
    size = sum(file.bytes for file in found.files)
    items = "pairs" if VIEWS[options.view].folder == PAIRS else "documents"
    told = (
        f"{found.documents:,} {items} with {found.images:,} images as {options.view} in {output}: "
        f"{len(found.files):,} files, {size:,} bytes; {found.slots - found.images:,} images are missing"
    )
    reasons = ", ".join(f"{why} {count:,}" for why, count in sorted(found.left_out.items()))
    console.print(
        f"{told}; {items} left out: {reasons}" if reasons else told, highlight=False, soft_wrap=True
    )
