"""``obelics verify``: a finished dataset proved, file by file and row by row; every fault is told."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io, runner
from beam_jobs.finished import no_dataset
from beam_jobs.progress import LINE_EVERY
from beam_jobs.rows import row_groups
from beam_jobs.verify_files import Checked, Expected, Fault, check_file
from beam_jobs.verify_listing import listing_faults
from obelics_pipeline.dataset_files import (
    MANIFEST,
    Build,
    DatasetManifest,
    decode_manifest,
    place_of,
)
from obelics_pipeline.errors import InputError, RunFailed
from obelics_pipeline.survey import CONFIGS, DEFAULT, PAIRS
from obelics_pipeline.verify import Gone

STONES: Final = "tombstones.parquet"
MAX_IDS: Final = 4_000_000
"""Ids that are in memory at once, at 32 bytes; of more, the files are read several times."""


class VerifyOptions(msgspec.Struct, frozen=True):
    """What is proved. ``quick`` leaves out the bytes of images and the checksums of tables.

    Without ``workers`` this process does it all, and a table that kills its reader kills it."""

    dataset: str
    quick: bool = False
    tombstones: str | None = None
    workers: int = 1


def verify(options: VerifyOptions, say: Callable[[str], None] = print) -> None:
    """Tell every fault of a dataset through ``say``; ``RunFailed`` with their number if there is any.

    ``InputError`` if the folder holds no dataset, or the list of tombstones cannot be read.
    """
    folder = options.dataset.rstrip("/")
    tables = _tables(folder)
    total, faults = Checked(), 0

    def tell(found: Iterable[Fault]) -> None:
        nonlocal faults
        for fault in found:
            faults += 1
            say(str(fault))

    manifest, unread = _manifest(folder)
    tell(unread)
    tell(listing_faults(folder, tables, manifest))
    files = {file.path: file for file in manifest.files}
    stones = _tombstones(folder, options.tombstones)
    expected = Expected(folder, files, manifest.build.validation, stones, options.quick)
    for checked in _checked([path for path in tables if place_of(path)], expected, options.workers):
        tell(checked.faults)
        total.rows += checked.rows
        total.images += checked.images
    tell(_reference_faults(folder, tables, manifest))
    how = "without the bytes of images" if options.quick else "with every image decoded"
    told = f"{folder}: {len(tables)} tables, {total.rows:,} rows with {total.images:,} images looked at {how}"
    if faults:
        count = "1 fault" if faults == 1 else f"{faults:,} faults"
        raise RunFailed(f"{told}: {count}; fetch the files that are named again, or build them again")
    say(f"{told}: no fault")


def _tables(folder: str) -> dict[str, int]:
    """The tables that are there, with their lengths."""
    found = {}
    for name in CONFIGS:
        for path, size in io.sizes_below(folder, f"{name}/*.parquet").items():
            found["/".join(path.rsplit("/", 2)[1:])] = size
    if not found and io.size(io.join(folder, MANIFEST)) is None:
        raise no_dataset(folder)
    return found


def _manifest(folder: str) -> tuple[DatasetManifest, list[Fault]]:
    place = io.join(folder, MANIFEST)
    if io.size(place) is None:
        return DatasetManifest("", (), Build()), [Fault(MANIFEST, "is not there")]
    try:
        return decode_manifest(io.read_bytes(place), MANIFEST), []
    except InputError as error:
        return DatasetManifest("", (), Build()), [Fault(MANIFEST, str(error).removeprefix(f"{MANIFEST}: "))]


def _tombstones(folder: str, named: str | None) -> dict[str, Gone]:
    """What of each document has tombstones."""
    path = named or io.join(folder, STONES)
    if io.size(path) is None:
        if named:
            raise InputError(f"--tombstones {named}: no such file; name the one that 'recheck' wrote")
        return {}
    found: dict[str, dict[int | None, tuple[str | None, str | None]]] = {}
    try:
        for table in row_groups(path, ("id", "index", "url", "sha256")):
            for row in table.to_pylist():
                found.setdefault(row["id"], {})[row["index"]] = row["url"], row["sha256"]
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: no list of tombstones ({error}); name the one that 'recheck' wrote"
        ) from error
    return {**found}


def _checked(paths: Sequence[str], expected: Expected, workers: int) -> Iterator[Checked]:
    """What is found in each file, as the processes get done; a file that ends its reader is a fault."""
    told, left = time.monotonic(), list(paths)
    while left:
        here = ((path, check_file(path, expected)) for path in tuple(left))
        for path, found in _in_processes(tuple(left), expected, workers) if workers else here:
            yield found
            left.remove(path)
            if time.monotonic() - told >= LINE_EVERY:
                told = time.monotonic()
                print(f"verify: {len(paths) - len(left)} of {len(paths)} files", file=sys.stderr, flush=True)
        if left and workers == 1:  # it was with the first that is not done
            yield Checked([Fault(left.pop(0), "whoever reads it dies: it is damaged")])
        workers = min(workers, 1)


def _in_processes(paths: Sequence[str], expected: Expected, workers: int) -> Iterator[tuple[str, Checked]]:
    """What is found in each file until a process dies; one alone takes them in order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(paths)), context, runner.quiet) as pool:
        jobs = {pool.submit(check_file, path, expected): path for path in paths}
        for job in as_completed(jobs):
            with contextlib.suppress(BrokenProcessPool):
                yield jobs[job], job.result()


def _readable(path: str) -> bool:
    try:
        with io.open_read(path) as stream:
            return bool(pq.read_schema(stream))
    except (OSError, pa.ArrowException):
        return False


def _reference_faults(folder: str, tables: Iterable[str], manifest: DatasetManifest) -> Iterator[Fault]:
    """Ids that are in two files, pairs of documents that are not there, and rejected documents that are.

    While a table of documents is missing or damaged, which is a fault that was told, nobody knows of a pair whether
    its document is there: nothing is said of pairs then.
    """
    by_config: dict[str, list[str]] = {}
    unread = {_config(file.path) for file in manifest.files if file.path not in tables}
    for path in tables:
        if _readable(io.join(folder, path)):
            by_config.setdefault(_config(path), []).append(path)
        else:
            unread.add(_config(path))
    documents = by_config.get(DEFAULT, [])
    pairs = by_config.get(PAIRS, []) if DEFAULT not in unread else []
    count = sum(_rows(io.join(folder, path)) for path in documents)
    passes = max(1, -(-count // MAX_IDS))
    for number in range(passes):
        held: npt.NDArray[np.bytes_] = np.array([], "S32")
        for path in documents:
            ids = np.unique(_ids(folder, path, "id", number, passes))
            for id in ids[np.isin(ids, held)]:
                yield Fault(path, "id is in another file, too", id=id.decode())
            held = np.union1d(held, ids)
        for path in pairs:
            ids = np.unique(_ids(folder, path, "doc_id", number, passes))
            for id in ids[~np.isin(ids, held)]:
                yield Fault(path, f"doc_id {id.decode()} is no document of the dataset")
        for path in by_config.get("decisions", []):
            ids = np.unique(_ids(folder, path, "id", number, passes))
            for id in ids[np.isin(ids, held)]:
                yield Fault(path, "the document was rejected and is in the dataset", id=id.decode())


def _config(path: str) -> str:
    """The config of a table; "" of one that is not named as tables are."""
    place = place_of(path)
    return place.config if place is not None else ""


def _rows(path: str) -> int:
    with io.open_read(path) as stream:
        return int(pq.read_metadata(stream).num_rows)


def _ids(folder: str, path: str, column: str, number: int, passes: int) -> npt.NDArray[np.bytes_]:
    """The ids of a column that belong to a pass; of decisions those of documents that were rejected."""
    found: list[bytes] = []
    rejected = path.startswith("decisions/")
    columns = (column, "level", "kept") if rejected else (column,)
    for table in row_groups(io.join(folder, path), columns):
        for row in table.to_pylist():
            if rejected and (row["level"] != "document" or row["kept"] is not False):
                continue
            id = (row[column] or "").encode("ascii", "replace")
            if sum(id[:8]) % passes == number:
                found.append(id)
    return np.array(found, "S32")
