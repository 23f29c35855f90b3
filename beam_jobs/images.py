"""The stage ``images``: every image URL of the documents once, to its bytes or to why there are none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from typing import IO

import apache_beam as beam
import msgspec

from beam_jobs import io, stages
from beam_jobs.parts import Part, counting
from beam_jobs.rows import flat_writer, row_groups
from beam_jobs.stages import DEDUP, IMAGES, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts
from obelics_pipeline import images_table as tables
from obelics_pipeline.accounting import Tally
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images
from obelics_pipeline.images_table import FetchLog, ImageFile, ImageResult


class UrlSlots(msgspec.Struct, frozen=True):
    """A row of ``image_urls``."""

    url: str
    slots: int


def plan(session: Session) -> Plan:
    """Hash the image URLs into shards whose number depends on the documents and the configuration alone."""
    found = stages.read_manifest(session.source, DEDUP)
    paths = [io.join(session.source, entry.path) for entry in found.under("deduplicated")]
    section = session.config.images
    shards = max(1, -(-found.tally.level("images").kept // section.shard_images))
    result = session.config.result_of("images")
    made = stages.plan(session, IMAGES, result, [stages.input_of(found, DEDUP)], shards)

    def build(pipeline: beam.Pipeline) -> None:
        urls = (
            pipeline
            | "Parts" >> beam.Create(paths)
            | "ReadImageUrls" >> beam.FlatMap(image_urls)
            | "CountSlots" >> beam.CombinePerKey(sum)
            | "ByShard" >> beam.Map(_with_shard, shards)
        )
        _ = (
            urls
            | "GiveToShards" >> GiveToParts([""] * shards)
            | "FetchImages" >> beam.ParDo(DoPart(made.space, partial(fetch_part, options=section)))
        )

    return msgspec.structs.replace(made, build=build)


def image_urls(path: str) -> Iterator[tuple[str, int]]:
    """The image URLs of a part, with the number of slots that show them."""
    for table in row_groups(path, ("nodes",)):
        images = table.column("nodes").combine_chunks().flatten().field("image").drop_null()
        for entry in images.field("url").value_counts():
            yield entry["values"].as_py(), entry["counts"].as_py()


def shard_of(key: str, shards: int) -> int:
    """The shard of a URL or an id: a hash, so that it is the same in every build."""
    return int.from_bytes(_digest(key)) % shards


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()


def _with_shard(row: tuple[str, int], shards: int) -> tuple[int, tuple[str, int]]:
    return shard_of(row[0], shards), row


def fetch_part(part: Part, path: str, rows: list[tuple[str, int]], options: FetchOptions) -> Tally:
    """Fetch the URLs of a shard; four tables tell what came of it, each sorted by URL."""
    rows.sort()
    urls = part.table("image_urls", tables.IMAGE_URLS)
    with flat_writer(urls, tables.IMAGE_URLS) as writer:
        for url, slots in rows:
            writer.add(UrlSlots(url, slots))
    with tempfile.TemporaryFile() as spool:
        mixed = sorted((url for url, _ in rows), key=_digest)  # else the URLs of one host come together
        fetched = _fetch(mixed, options, spool)
        stored = _store(part, fetched, spool)
    tally = counting("image_urls")
    with (
        flat_writer(part.table("image_results", tables.IMAGE_RESULTS), tables.IMAGE_RESULTS) as results,
        flat_writer(part.table("fetch_log", tables.FETCH_LOG), tables.FETCH_LOG) as log,
    ):
        for result, _ in fetched:
            _count(result, tally)
            results.add(_row(result, part.number, stored))
            log.add(FetchLog(result.url, result.fetched_at or None, result.detail))
    return tally


def _fetch(urls: list[str], options: FetchOptions, spool: IO[bytes]) -> list[tuple[FetchResult, int]]:
    """The results by URL, without bodies: those go to ``spool``, at the positions returned.

    Downloads end in any order; the tables are in one.
    """
    fetched = []
    for result in fetch_images(urls, options):
        position = spool.tell()
        if result.body is not None:
            spool.write(result.body)
        fetched.append((msgspec.structs.replace(result, body=None), position))
    return sorted(fetched, key=lambda pair: pair[0].url)


def _store(part: Part, fetched: Iterable[tuple[FetchResult, int]], spool: IO[bytes]) -> dict[str, int]:
    """Write the bodies to ``images/``; where each hash went."""
    images = ImageFile(part.table("images", tables.IMAGES, tables.IMAGES_OPTIONS, remember=True))
    for result, position in fetched:
        if result.status == FetchStatus.OK:
            assert result.sha256 is not None
            spool.seek(position)
            images.add(result.url, result.sha256, spool.read(result.num_bytes or 0))
    images.flush()
    return images.offsets


def _count(result: FetchResult, tally: Tally) -> None:
    tally.enter("image_urls")
    if result.status == FetchStatus.OK:
        tally.keep("image_urls")
    else:
        tally.miss("image_urls", result.status.value)


def _row(result: FetchResult, part: int, stored: dict[str, int]) -> ImageResult:
    ok = result.status == FetchStatus.OK
    return ImageResult(
        url=result.url,
        status=result.status.value,
        final_url=result.final_url,
        http_status=result.http_status,
        content_type=result.content_type,
        format=result.format,
        width=result.width,
        height=result.height,
        num_bytes=result.num_bytes,
        sha256=result.sha256,
        phash=result.phash,
        part=part if ok else None,
        offset=stored[result.sha256] if ok and result.sha256 else None,
    )
