"""The stage ``export``: documents and the bytes of their images, in shards that any writer writes alike.

Documents are shuffled once, as compact records without images; the writer of a shard reads the images
it needs from ``images/``, each by its place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import sha256
from typing import Any, BinaryIO, Final

import apache_beam as beam
import msgspec

from beam_jobs import io, stages
from beam_jobs.config import Config
from beam_jobs.images import shard_of
from beam_jobs.joins import join_lists, told_lists
from beam_jobs.optouts import PageConsent
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part, counting
from beam_jobs.rows import row_groups
from beam_jobs.stages import ASSEMBLE, EXPORT, IMAGES, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts
from filters.consent.evidence import PAGE
from filters.consent.verdict import OPT_OUT
from filters.decisions import DOCUMENT_REJECTED
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.texts import Texts
from obelics_pipeline import dataset
from obelics_pipeline.accounting import Tally
from obelics_pipeline.assembled import Assembled, Slot, assembled_of
from obelics_pipeline.images_table import read_image
from obelics_pipeline.manifest import FileEntry
from obelics_pipeline.release import Shown, Withheld, release

MAX_OPEN: Final = 32
"""Files of ``images/`` that the writer of a shard keeps open."""

_WITHHELD: Final = frozenset(Withheld)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Assembled)


def plan(session: Session) -> Plan:
    """Hash the documents into as many shards as their images and texts fill."""
    found = stages.read_manifest(session.source, ASSEMBLE)
    fetched = stages.read_manifest(session.source, IMAGES)
    paths = [io.join(session.source, entry.path) for entry in found.under("assembled")]
    section = session.config.export
    size = found.tally.notes.get("image_bytes", 0) + sum(entry.bytes for entry in found.under("assembled"))
    shards = max(1, -(-size // section.shard_bytes))
    inputs = [stages.input_of(found, ASSEMBLE), stages.input_of(fetched, IMAGES)]
    made = stages.plan(session, EXPORT, session.config.result_of("export"), inputs, shards)
    images = [io.join(session.source, entry.path) for entry in fetched.under("images")]
    files = PartFiles(made.space.folder, shards)
    work = partial(write_shard, shards=shards, images=images, config=session.config)

    def first(run: stages.Run) -> None:
        join_lists(files, session.config.consent, PAGE, paths, partial(_asked_pages, shards), run)

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> beam.Create(paths)
            | "ReadDocuments" >> beam.FlatMap(records_of, shards)
            | "GiveToShards" >> GiveToParts([""] * shards)
            | "WriteShards" >> beam.ParDo(DoPart(made.space, work))
        )

    return msgspec.structs.replace(made, first=first, build=build, seal=partial(_write_card, session))


def records_of(path: str, shards: int) -> Iterator[tuple[int, tuple[str, bytes]]]:
    """The documents of a part of ``assembled/`` as compact records, each with its shard and its id."""
    for table in row_groups(path):
        for assembled in assembled_of(table):
            id = assembled.document.id
            yield shard_of(id, shards), (id, _ENCODER.encode(assembled))


def _asked_pages(shards: int, number: int, path: str) -> Iterator[tuple[int, str]]:
    """For ``join_lists``: the pages of a part of ``assembled/``, each with its shard."""
    for table in row_groups(path, ("id", "url")):
        for id, url in zip(*(table.column(name).to_pylist() for name in ("id", "url")), strict=True):
            yield shard_of(id, shards), url


def write_shard(
    part: Part,
    path: str,
    records: list[tuple[str, bytes]],
    shards: int,
    images: list[str],
    config: Config,
) -> Tally:
    """Write the documents of a shard in order of their ids, with the bytes of their images.

    Whether their pages opt out is asked once more, by the registries as they are now.
    """
    tally = counting("documents", "images")
    words = partial(count_words, options=config.text)
    urls = (_DECODER.decode(record).document.url for _, record in records)
    listed = told_lists(part, config.consent, PAGE, urls)
    consent = PageConsent(config.consent, config.export.timestamps, listed)
    labels = config.unsafe_labels
    name = f"train-{part.number:05d}-of-{shards:05d}.parquet"
    schema, options = dataset.described_schema(), dataset.writer_options()
    file = part.table("dataset/data", schema, options, name=name)
    with OpenImages(images) as opened:

        def released(slot: Slot) -> Shown | Withheld:
            return release(opened.read(slot), slot, config.images.max_pixels, config.export)

        waiting, size = [], 0
        for _, record in sorted(records):
            assembled = _DECODER.decode(record)
            if consent.opts_out(assembled.document):
                _reject(assembled, tally)
                continue
            row = dataset.row_of(assembled, released, words, labels) | {"optout": consent.column()}
            _count(row, tally)
            waiting.append(row)
            size += dataset.size_of(row)
            if len(waiting) >= dataset.GROUP_ROWS or size >= dataset.GROUP_BYTES:
                file.write(dataset.table_of_rows(waiting))
                waiting, size = [], 0
        file.write(dataset.table_of_rows(waiting))
    return tally


def count_words(text: str, options: TextOptions) -> int:
    """Words as the filters count them."""
    return Texts([text], lexicon(options)).word_counts[0]


def _count(row: dict[str, Any], tally: Tally) -> None:
    for level, n in (("documents", 1), ("images", row["num_images"])):
        tally.enter(level, n)
        tally.keep(level, n)
    for info in row["image_info"]:
        if info is not None and info["status"] in _WITHHELD:
            tally.enter("images")
            tally.miss("images", info["status"])


def _reject(assembled: Assembled, tally: Tally) -> None:
    images = sum(slot is not None and slot.status == dataset.OK for slot in assembled.slots)
    for level, rule, n in (("documents", OPT_OUT, 1), ("images", DOCUMENT_REJECTED, images)):
        tally.enter(level, n)
        tally.reject(level, rule, n)


class OpenImages:
    """The files of ``images/`` for reading single images; the ones used last stay open."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(paths)
        self._streams: OrderedDict[int, BinaryIO] = OrderedDict()

    def read(self, slot: Slot) -> bytes:
        """The bytes of an image whose slot is ``ok``."""
        assert slot.part is not None
        assert slot.offset is not None
        assert slot.num_bytes is not None
        assert slot.sha256 is not None
        return read_image(self._stream(slot.part), slot.offset, slot.num_bytes, slot.sha256)

    def _stream(self, part: int) -> BinaryIO:
        if part not in self._streams:
            if len(self._streams) >= MAX_OPEN:
                self._streams.popitem(last=False)[1].close()
            self._streams[part] = io.open_read(self._paths[part])
        self._streams.move_to_end(part)
        return self._streams[part]

    def __enter__(self) -> OpenImages:
        return self

    def __exit__(self, *error: object) -> None:
        for stream in self._streams.values():
            stream.close()


def _write_card(session: Session, tally: Tally) -> list[FileEntry]:
    documents, images = (tally.level(name).kept for name in ("documents", "images"))
    text = dataset.card(documents, images, session.config.export).encode()
    path = "dataset/README.md"
    io.write_atomically(io.join(session.output, path), text)
    return [FileEntry(path, 0, len(text), sha256(text).hexdigest())]
