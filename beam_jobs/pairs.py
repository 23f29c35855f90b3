"""The config ``pairs`` of a dataset: made of what the writers of its documents left, and of nothing else.

So a document that was refused at last, or an image that could not be cleared, is in no pair. Images that show the same
picture meet in one file, whose writer chooses; what is shuffled are texts and places, never bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa

from beam_jobs.config import Config, ExportSection
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part, Workspace, counting
from beam_jobs.rows import Writer
from beam_jobs.shard_writer import CAPTIONED, OpenImages, published
from beam_jobs.splits import TRAIN, Splits, file_count, file_name
from beam_jobs.spread import shard_of
from beam_jobs.transforms import DoPart, GiveToParts
from filters.lexicon import lexicon
from filters.pairs import LEVEL, PairsOptions, choose
from obelics_pipeline import dataset
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.pairs import SCHEMA, Captioned, pair_row
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.release import Shown

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Captioned)


class PairFiles(msgspec.Struct, frozen=True):
    """The files of pairs of the ``documents``: ``count`` parts of the stage from ``first`` on, behind other tables."""

    documents: Splits
    first: int
    count: int

    @property
    def end(self) -> int:
        """The number of parts with these."""
        return self.first + self.count

    def name(self, number: int) -> str:
        """The name of the file that a part is."""
        return file_name(TRAIN, number - self.first, self.count)


def pair_files(documents: Splits, first: int, size: int, section: ExportSection) -> PairFiles:
    """The files for pairs of documents of ``size`` bytes, parts from ``first`` on; none if there are to be no pairs."""
    if section.pairs == "off":
        return PairFiles(documents, first, 0)
    rows = min(section.pairs.per_picture, len(section.pairs.sources))
    return PairFiles(documents, first, section.shards or file_count(size * rows, section.shard_bytes))


def write_all(
    files: PairFiles, space: Workspace, images: list[str], config: Config, pipeline: beam.Pipeline
) -> None:
    """Wire the pairs of the documents that are written."""
    left, first = PartFiles(space.folder, files.documents.total), files.first
    work = partial(write_pairs, files=files, images=images, config=config)
    _ = (
        pipeline
        | "Documents" >> beam.Create(list(range(files.documents.train)))
        | "ReadCaptioned" >> beam.FlatMap(partial(_captioned, left, files.count))
        | "GiveToFiles" >> GiveToParts([""] * files.count)
        | "Number" >> beam.MapTuple(lambda number, path, rows: (first + number, path, rows))
        | "WritePairs" >> beam.ParDo(DoPart(space, work))
    )


def _captioned(left: PartFiles, count: int, number: int) -> Iterator[tuple[int, bytes]]:
    """The images of a file of documents, each with the number of the file that has all of its picture."""
    for image in left.read(CAPTIONED, number, list[Captioned]):
        yield shard_of(image.picture, count), _ENCODER.encode(image)


def write_pairs(
    part: Part, path: str, records: list[bytes], files: PairFiles, images: list[str], config: Config
) -> Tally:
    """Write a file of pairs in order of their ids, with the bytes of their images as they are published."""
    tally, options = counting(LEVEL), config.export.pairs
    assert isinstance(options, PairsOptions)
    pairs = choose(map(_DECODER.decode, records), options, lexicon(config.text), tally)
    limits = dataset.GROUP_ROWS, dataset.GROUP_BYTES
    file = pair_table(part, files)
    with OpenImages(images) as opened, Writer(file, table_of_pairs, *limits) as rows:
        for image, said in pairs:
            shown = published(opened, config, image.found)
            if isinstance(shown, Shown) and shown.sha256 != image.sha256:
                raise RunFailed(
                    f"{image.url}: is published in two ways ({shown.sha256}, and {image.sha256} in its document); run "
                    "'obelics export' again into a new folder"
                )
            row = pair_row(image, said, shown if isinstance(shown, Shown) else None)
            rows.add(row, len(shown.body) if isinstance(shown, Shown) else 0)
    return tally


def pair_table(part: Part, files: PairFiles) -> ParquetFile:
    """The file of pairs that ``part`` is; the only one is none if it has no rows."""
    schema, options = dataset.described_schema(SCHEMA), dataset.writer_options(SCHEMA)
    return part.table(
        "dataset/pairs", schema, options, name=files.name(part.number), optional=files.count == 1
    )


def table_of_pairs(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """``rows`` as a table."""
    return dataset.table_of_rows(rows, SCHEMA)
