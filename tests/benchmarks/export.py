"""Writing a shard of the dataset: 600 documents with 1,489 images of 96 kB from ``images/``, in one process.

A figure is of the best of the rounds, in processor time, and of the bytes of images. All write in turns, and what was
written is removed before the next begins: a round is not to pay for memory that the system has never touched.
"""

from __future__ import annotations

import hashlib
import io
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _figures import Figure, arguments, report
from msgspec.structs import replace
from PIL import Image

from beam_jobs.config import Config, load
from beam_jobs.parts import PartReport, Workspace, run_part
from beam_jobs.rows import row_groups
from beam_jobs.shard_writer import write_shard
from beam_jobs.splits import Splits
from obelics_pipeline import dataset
from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.document import Document, ImageNode, Node, Source, TextNode
from obelics_pipeline.images_table import IMAGES, IMAGES_OPTIONS, ImageFile
from obelics_pipeline.parquet import ParquetFile

DOCUMENTS, PICTURES = 600, 1489
SIDE = 364
"""Pixels: noise of 364 × 364 is a JPEG of about 96 kB."""
ROUNDS = 5
WORDS = "the of and harbour in is that boat for it as was with be by on not he his but at are this".split()  # noqa: SIM905


def jpeg(seed: int) -> bytes:
    """A picture of noise."""
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG", quality=83)
    return stream.getvalue()


def stored(folder: Path, count: int) -> list[Slot]:
    """Write a file of ``images/`` and say where its images are."""
    slots = []
    with (
        (folder / "images.parquet").open("wb") as stream,
        ParquetFile(stream, IMAGES, IMAGES_OPTIONS, remember=True) as table,
    ):
        images = ImageFile(table)
        for number in range(count):
            body = jpeg(number)
            name = hashlib.sha256(body).hexdigest()
            images.add("", name, body)
            images.flush()
            place = (0, images.offsets[name])
            slots.append(Slot("ok", 200, "jpeg", SIDE, SIDE, len(body), name, "0" * 16, *place))
    return slots


def made(slots: Sequence[Slot], documents: int) -> list[tuple[str, bytes]]:
    """Documents of texts of 100 words, with the images among them, as the stage shuffles them."""
    draw = random.Random(1)
    shown: list[list[Slot]] = [[] for _ in range(documents)]
    for slot in slots:
        shown[draw.randrange(documents)].append(slot)
    return [(f"{number:032x}", record(number, pictures, draw)) for number, pictures in enumerate(shown)]


def record(number: int, pictures: Sequence[Slot], draw: random.Random) -> bytes:
    """One document."""
    nodes: list[Node] = []
    slots: list[Slot | None] = []
    for place, slot in enumerate([*pictures, None]):
        nodes.append(TextNode("paragraph", " ".join(draw.choices(WORDS, k=100)), f"html/body/p[{place}]"))
        slots.append(None)
        if slot is not None:
            nodes.append(ImageNode(f"https://a.example/{number}/{place}.jpg", f"{place}.jpg", "a boat"))
            slots.append(slot)
    source = Source("crawl", "a.warc.gz", "<urn:uuid:1>", 1, 2, 3)
    document = Document(
        f"{number:032x}", "https://a.example/", "a.example", "a.example", tuple(nodes), source
    )
    return msgspec.msgpack.encode(Assembled(document, tuple(slots)))


def write(folder: Path, records: list[tuple[str, bytes]], images: list[str], config: Config) -> PartReport:
    """Write the shard into ``folder``."""
    work = partial(write_shard, splits=Splits(1, 1, 0), images=images, config=config)
    return run_part(Workspace(str(folder), "export", "0" * 32), 0, lambda part: work(part, "", records))


def seconds(ways: Mapping[str, Callable[[Path], object]], rounds: int) -> dict[str, float]:
    """The processor time of the best of ``rounds`` of each way to write into a folder; the first does not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + rounds):
        for name, write in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                started = time.process_time()
                write(Path(folder))
                found[name].append(time.process_time() - started)
    return {name: min(times[1:]) for name, times in found.items()}


def figures(quick: bool) -> list[Figure]:
    """The writer of a shard as it is and without taking metadata off, and pyarrow with the same table and options."""
    config = load("default")
    keep = replace(config, export=replace(config.export, image_metadata="keep"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slots = stored(folder, 60 if quick else PICTURES)
        records = made(slots, 24 if quick else DOCUMENTS)
        images = [str(folder / "images.parquet")]
        size = sum(slot.num_bytes or 0 for slot in slots)
        sums = set()

        def written(config: Config, folder: Path) -> None:
            done = write(folder, records, images, config)
            assert done.tally.levels["images"].kept == len(slots)
            sums.add(done.files[0].sha256)

        written(keep, folder)
        tables = list(row_groups(str(next(folder.glob("dataset/data/*")))))
        ways = {
            "sink": partial(written, keep),
            "strip": partial(written, config),
            "pyarrow": partial(plainly, tables),
        }
        rates = {name: size / taken / 1e6 for name, taken in seconds(ways, 1 if quick else ROUNDS).items()}
    mean = f"images of {size / len(slots) / 1e3:.0f} kB"
    return [
        Figure("sink", rates["sink"], "MB/s", at_least=200, how=mean),
        Figure("sink, documents", rates["sink"] * 1e6 / size * len(records), "/s"),
        Figure("with metadata taken off", rates["strip"], "MB/s"),
        Figure("pyarrow alone", rates["pyarrow"], "MB/s", how="the finished table, without hashes"),
        Figure("sink / pyarrow", rates["sink"] / rates["pyarrow"], "×"),
        Figure("different files", len(sums), "", at_most=1),
    ]


def plainly(tables: list[pa.Table], folder: Path) -> None:
    """Write the row groups with nothing but pyarrow."""
    options = {"write_page_index": True, **dataset.writer_options()}
    with pq.ParquetWriter(folder / "plain.parquet", tables[0].schema, **options) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=table.num_rows)


if __name__ == "__main__":
    options = arguments(__doc__.splitlines()[0])
    sys.exit(report(partial(figures, options.quick), as_json=options.json))
