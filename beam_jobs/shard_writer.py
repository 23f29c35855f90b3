"""A file of the config ``default``: its documents in order of their ids, with the bytes of their images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec

from beam_jobs import io
from beam_jobs.config import Config
from beam_jobs.joins import told_lists
from beam_jobs.optouts import ReleaseConsent
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part, counting
from beam_jobs.rows import Writer
from beam_jobs.splits import Splits
from filters.consent.evidence import IMAGE, PAGE
from filters.consent.verdict import OPT_OUT
from filters.decisions import DOCUMENT_REJECTED
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.texts import Texts
from obelics_pipeline import dataset
from obelics_pipeline.accounting import Tally
from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.dataset_rows import laid_out, row_of, shown_images, size_of
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.images_table import read_image
from obelics_pipeline.pairs import Captioned, captioned
from obelics_pipeline.release import Shown, Withheld, release

MAX_OPEN: Final = 32
"""Files of ``images/`` that the writer of a shard keeps open."""

DOCUMENT_BYTES: Final = "document_bytes"
"""The rule that refuses documents whose texts alone are larger than ``export.max_document_bytes``."""

CAPTIONED: Final = "captioned"
"""The file of a part with the images of its documents and what is said of them, for the config ``pairs``."""

_WITHHELD: Final = frozenset(Withheld)

_DECODER = msgspec.msgpack.Decoder(Assembled)


def write_shard(
    part: Part, path: str, records: list[tuple[str, bytes]], splits: Splits, images: list[str], config: Config
) -> Tally:
    """Write the documents of a shard in order of their ids, with the bytes of their images.

    Whether their pages and images opt out is asked once more, of registries and services as they are now.
    """
    tally = counting("documents", "images")
    described: list[Captioned] = []
    consent = _consent(part, records, config)
    file = part.table(
        "dataset/data",
        dataset.described_schema(),
        dataset.writer_options(),
        name=splits.name(part.number),
        optional=splits.may_be_absent(part.number),
    )
    limits = dataset.GROUP_ROWS, dataset.GROUP_BYTES
    with OpenImages(images) as opened, Writer(file, dataset.table_of_rows, *limits) as writer:
        for _, record in sorted(records):
            before = _DECODER.decode(record)
            assembled = consent.released(before)
            if assembled is None:
                _reject(before, OPT_OUT, tally)
                continue
            if reserved := _images(before) - _images(assembled):
                tally.enter("images", reserved)
                tally.miss("images", FetchStatus.OPTOUT.value, reserved)
            row = released(assembled, opened, config)
            if row is None:
                _reject(assembled, DOCUMENT_BYTES, tally)
                continue
            _count(row, tally)
            described += captioned(assembled, row)
            writer.add(row | {"optout": consent.column()}, size_of(row))
    if config.export.pairs != "off":
        PartFiles(part.space.folder, splits.total).write(CAPTIONED, part.number, described)
    return tally


def _consent(part: Part, records: Iterable[tuple[str, bytes]], config: Config) -> ReleaseConsent:
    """What is known by now of the pages and images of a shard."""
    pages: set[str] = set()
    images: set[str] = set()  # what services are asked about: redirects are judged by lists
    addresses: set[str] = set()
    for _, record in records:
        assembled = _DECODER.decode(record)
        pages.add(assembled.document.url)
        for _, node, slot in assembled.fetched:
            images |= {node.url, slot.fetched_url or node.url}
            addresses.update(slot.addresses(node.url))
    policy = config.consent
    return ReleaseConsent(
        policy,
        config.export.timestamps,
        sorted(pages),
        sorted(images),
        told_lists(part, policy, PAGE, pages),
        told_lists(part, policy, IMAGE, addresses),
    )


def released(assembled: Assembled, images: OpenImages, config: Config) -> dict[str, Any] | None:
    """The row of a document with the images as they are published; None if its texts alone are too large."""
    section = config.export
    layout = laid_out(assembled, section.text)
    room = section.max_document_bytes - layout.text_bytes
    if room < 0:
        return None
    words = partial(count_words, options=config.text)
    shown = shown_images(layout, partial(published, images, config), room)
    return row_of(assembled.document, layout, shown, words, config.unsafe_labels)


def published(images: OpenImages, config: Config, slot: Slot) -> Shown | Withheld:
    """What the dataset has of the image in a slot that is ``ok``."""
    if config.export.images == "none":
        return Withheld.LEFT_OUT
    return release(images.read(slot), slot, config.images.max_pixels, config.export)


def count_words(texts: Sequence[str], options: TextOptions) -> int:
    """Words of all texts, as the filters count them."""
    return sum(map(len, Texts(texts, lexicon(options)).words))


def _count(row: dict[str, Any], tally: Tally) -> None:
    for level, n in (("documents", 1), ("images", row["num_images"])):
        tally.enter(level, n)
        tally.keep(level, n)
    for info in row["image_info"]:
        if info is not None and info["status"] in _WITHHELD:
            tally.enter("images")
            tally.miss("images", info["status"])


def _images(assembled: Assembled) -> int:
    return sum(1 for _ in assembled.fetched)


def _reject(assembled: Assembled, why: str, tally: Tally) -> None:
    for level, rule, n in (("documents", why, 1), ("images", DOCUMENT_REJECTED, _images(assembled))):
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
