"""Which fetched images show the same picture, and on how many documents: the same bytes, or much the same sight.

A picture is known by the hash of its bytes or, where ``same_picture`` allows for ``bits`` that differ, by the least of
the perceptual hashes that such steps connect. What is shuffled are hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import apache_beam as beam
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from beam_jobs.components import components
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part
from beam_jobs.rows import flat_writer, row_groups
from beam_jobs.shards import ReadShards, Shards, WriteShards
from beam_jobs.shared_keys import Answer, Held, SharedKeys, Source
from beam_jobs.transforms import GiveToParts, Run
from filters.apply import OK, AssembleOptions
from filters.dedup.hamming import band_keys, near_pairs
from obelics_pipeline.assembled import Slot

_EQUAL: Final = 2
"""Pieces of two hashes that must be equal for a comparison: more keys a hash, but far fewer hashes a key."""
_PICTURE: Final = b"p"


TOLD: Final = "told"
"""The file of a part that says what became of its images: the fields of a ``Slot``, by URL."""

PICTURES: Final = pa.schema([("url", pa.string()), ("picture", pa.string()), ("documents", pa.int32())])
"""The table ``pictures/``: by what hash the picture of each URL of a part is known, and how many documents show it."""


_COMPARED: Final = b"obelics:compared"


class PictureRow(msgspec.Struct, frozen=True):
    """A row of ``pictures/``."""

    url: str
    picture: str
    documents: int


class Pictures(msgspec.Struct, frozen=True):
    """The images of a part: which picture each URL shows, and on how many documents it is if those are several."""

    of: dict[str, bytes] = {}
    documents: dict[bytes, int] = {}


def compared_as(options: AssembleOptions) -> str:
    """By what images are compared, in words."""
    if not options.image.compares:
        return "nothing"
    return f"sight, {options.same_picture.bits} bits" if options.same_picture else "bytes"


def write_pictures(part: Part, options: AssembleOptions, found: Pictures) -> None:
    """Write the part's file of ``pictures/``."""
    schema = PICTURES.with_metadata({_COMPARED: compared_as(options)})
    with flat_writer(part.table("pictures", schema), PICTURES) as rows:
        for url, picture in found.of.items():
            rows.add(PictureRow(url, picture.hex(), found.documents.get(picture, 1)))


def compared_in(path: str) -> str:
    """By what the images in a file of ``pictures/`` were compared."""
    with io.open_read(path) as stream:
        return str(pq.read_schema(stream).metadata[_COMPARED], "utf-8")


def rows_of(path: str) -> Iterator[tuple[str, bytes, int]]:
    """URL, picture and number of documents that show it, from a file of ``pictures/``."""
    for table in row_groups(path):
        for url, picture, documents in zip(*(column.to_pylist() for column in table.columns), strict=True):
            yield url, bytes.fromhex(picture), documents


def told(files: PartFiles, number: int) -> dict[str, Slot]:
    """What is known of the images of a part, by URL."""
    return files.read(TOLD, number, dict[str, Slot])


def find_pictures(files: PartFiles, paths: Iterable[str], bits: int | None, run: Run) -> None:
    """Leave ``Pictures`` for each of the parts of documents at ``paths``; what each was ``told`` must be there.

    ``bits`` is None if only the same bytes are the same picture.
    """
    sources = [Source(number, path) for number, path in enumerate(paths)]
    if files.finished("pictures"):
        return
    if bits is not None and not files.finished("near"):
        run(partial(_give_least, files, _near_hashes(files, bits, run)))
    run(partial(_count_documents, files, sources, bits is not None))


def _near_hashes(files: PartFiles, bits: int, run: Run) -> Shards:
    """An edge from each perceptual hash to the least that it is connected with."""
    folder = io.join(files.folder, "near")
    pairs = Shards(io.join(folder, "pairs"), files.parts)
    if not pairs.finished:
        run(partial(_find_pairs, files, bits, pairs))
    return components(pairs, folder, run)


def _find_pairs(files: PartFiles, bits: int, pairs: Shards, pipeline: beam.Pipeline) -> None:
    _ = (
        pipeline
        | "Parts" >> beam.Create(list(range(files.parts)))
        | "ReadBands" >> beam.FlatMap(partial(_bands, files, bits)).with_output_types(tuple[bytes, bytes])
        | "ByBand" >> beam.GroupByKey()
        | "Compare" >> beam.FlatMapTuple(partial(_pairs, bits))
        | WriteShards(pairs)
    )


def _hashes(files: PartFiles, number: int) -> set[bytes]:
    return {bytes.fromhex(slot.phash) for slot in told(files, number).values() if slot.phash}


def _bands(files: PartFiles, bits: int, number: int) -> Iterator[tuple[bytes, bytes]]:
    for hashed in _hashes(files, number):
        for key in band_keys(int.from_bytes(hashed), bits, _EQUAL):
            yield key, hashed


def _pairs(bits: int, key: bytes, hashes: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    distinct = sorted(set(hashes))
    if len(distinct) > 1:
        numbers = np.array([int.from_bytes(hashed) for hashed in distinct], np.uint64)
        for one, other in near_pairs(numbers, bits).tolist():
            yield distinct[one], distinct[other]


def _give_least(files: PartFiles, near: Shards, pipeline: beam.Pipeline) -> None:
    """Tell each part which of its hashes are connected to a lesser one."""
    asked = (
        pipeline
        | "Parts" >> beam.Create(list(range(files.parts)))
        | "ReadHashes" >> beam.FlatMap(partial(_asking, files))
    )
    _ = (
        (asked, pipeline | "Near" >> ReadShards(near))
        | "ByHash" >> beam.CoGroupByKey()
        | "Tell" >> beam.FlatMapTuple(_least)
        | "GiveToParts" >> GiveToParts([""] * files.parts)
        | "Write" >> beam.MapTuple(partial(_write_near, files))
    )


def _asking(files: PartFiles, number: int) -> Iterator[tuple[bytes, int]]:
    return ((hashed, number) for hashed in _hashes(files, number))


def _write_near(files: PartFiles, number: int, path: str, rows: list[tuple[bytes, bytes]]) -> None:
    files.write("near", number, dict(rows))


def _least(
    hashed: bytes, told: tuple[Iterable[int], Iterable[bytes]]
) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    parts, least = told
    for found in least:
        for part in parts:
            yield part, (hashed, found)


def _count_documents(
    files: PartFiles, sources: list[Source], by_sight: bool, pipeline: beam.Pipeline
) -> None:
    _ = (
        pipeline
        | SharedKeys(sources, partial(_held, files, by_sight), {_PICTURE: 2})
        | "Write" >> beam.MapTuple(partial(_write, files, by_sight))
    )


def _of(files: PartFiles, by_sight: bool, number: int) -> dict[str, bytes]:
    """By what the picture of each URL of a part is known."""
    near = files.read("near", number, dict[bytes, bytes]) if by_sight else {}
    found = {}
    for url, slot in told(files, number).items():
        if slot.status == OK:
            assert slot.sha256 is not None
            key = bytes.fromhex(slot.phash if by_sight and slot.phash else slot.sha256)
            found[url] = near.get(key, key)
    return found


def _held(files: PartFiles, by_sight: bool, source: Source) -> Held:
    of = _of(files, by_sight, source.number)
    for urls in _image_lists(source.path):
        for picture in {of[url] for url in urls if url in of}:
            yield _PICTURE + picture, b""


def _image_lists(path: str) -> Iterator[list[str]]:
    """The image URLs of each document of a part."""
    for table in row_groups(path, ("nodes",)):
        for nodes in table.column("nodes"):
            yield nodes.values.field("image").drop_null().field("url").to_pylist()


def _write(
    files: PartFiles, by_sight: bool, number: int, path: str, answers: list[tuple[bytes, Answer]]
) -> None:
    documents = {key[1:]: answer.documents for key, answer in answers}
    files.write("pictures", number, Pictures(_of(files, by_sight, number), documents))
