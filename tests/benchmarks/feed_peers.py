"""One way through a dataset, measured by itself: the other end of tests/benchmarks/feed.py.

``python feed_peers.py SUBJECT FOLDER PASSES`` reads all documents with the bytes of their images, once to warm up and
then PASSES times, and prints what it saw and the processor seconds of each pass as JSON. It runs where the reader is
installed, so it imports only the standard library until it knows the subject.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

Read = Callable[[Path], Iterator[tuple[int, int]]]
"""Gives for each document how many images it has and how many bytes they are."""

BYTES = "images.list.element.bytes"
INFO = "image_info.list.element."
LEAVES = ("id", "texts", BYTES, INFO + "width", INFO + "height", INFO + "status")
"""What the feed reads."""


def shown(images: list[dict[str, bytes] | None]) -> tuple[int, int]:
    """The images of a row as its dictionaries."""
    sizes = [len(image["bytes"]) for image in images if image is not None]
    return len(sizes), sum(sizes)


def ours(folder: Path, *, images: bool = True) -> Iterator[tuple[int, int]]:
    """``Feed``, in random order."""
    from obelics_pipeline.feed import Feed

    for sample in Feed(str(folder / "dataset"), images=images):
        found = [image.bytes or b"" for image in sample.images if image is not None]
        yield len(found), sum(map(len, found))


def pyarrow(folder: Path, *, images: bool = True) -> Iterator[tuple[int, int]]:
    """Batches of 100 rows as Python objects, of the same columns as ours, in the order of the files."""
    from pyarrow.parquet import ParquetFile

    columns = [leaf for leaf in LEAVES if images or leaf != BYTES]
    for path in sorted((folder / "dataset/data").glob("*.parquet")):
        for batch in ParquetFile(path).iter_batches(100, columns=columns, use_threads=False):
            for row in batch.to_pylist():
                yield shown(row["images"]) if images else (sum(x is not None for x in row["image_info"]), 0)


def datasets(folder: Path, *, columns: list[str] | None = None) -> Iterator[tuple[int, int]]:
    """Streaming as its users open a folder, images not decoded, in the order of the files."""
    from datasets import load_dataset

    chosen = {} if columns is None else {"columns": columns}
    rows = load_dataset(str(folder / "dataset"), split="train", streaming=True, **chosen)
    for row in rows.decode(False):
        yield shown(row["images"])


def webdataset(folder: Path) -> Iterator[tuple[int, int]]:
    """Tar files of a JSON with the texts and the images beside it, bytes as they are, in the order of the files."""
    import webdataset as wds

    for row in wds.WebDataset(sorted(map(str, (folder / "tars").glob("*.tar"))), shardshuffle=False):
        texts = json.loads(row["json"])["texts"]
        found = [row[f"{place}.jpg"] for place, text in enumerate(texts) if text is None]
        yield len(found), sum(map(len, found))


SUBJECTS: dict[str, Read] = {
    "ours": ours,
    "pyarrow": pyarrow,
    "datasets": datasets,
    "datasets, three columns": lambda folder: datasets(folder, columns=["id", "texts", "images"]),
    "webdataset": webdataset,
    "ours, text only": lambda folder: ours(folder, images=False),
    "pyarrow, text only": lambda folder: pyarrow(folder, images=False),
}


def once(read: Read, folder: Path) -> dict[str, float]:
    """One pass."""
    started = time.process_time()
    seen = list(read(folder))
    seconds = time.process_time() - started
    return {
        "documents": len(seen),
        "images": sum(count for count, _ in seen),
        "bytes": sum(size for _, size in seen),
        "cpu": seconds,
    }


def main() -> None:
    """Read all on one core."""
    subject, folder, passes = sys.argv[1:]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    once(SUBJECTS[subject], Path(folder))
    print(json.dumps([once(SUBJECTS[subject], Path(folder)) for _ in range(int(passes))]))


if __name__ == "__main__":
    main()
