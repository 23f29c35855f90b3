"""The stage ``export``: documents and the bytes of their images, in shards that any writer writes alike.

Documents are shuffled once, as compact records without images; the writer of a shard reads the images
it needs from ``images/``, each by its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import apache_beam as beam
import msgspec

from beam_jobs import describe, io, stages
from beam_jobs.joins import join_lists
from beam_jobs.pairs import pair_files, write_all
from beam_jobs.part_files import PartFiles
from beam_jobs.rows import row_groups
from beam_jobs.shard_writer import write_shard
from beam_jobs.splits import Splits, splits_for
from beam_jobs.stages import ASSEMBLE, EXPORT, IMAGES, Plan, Session
from beam_jobs.told_decisions import Decisions, found_decisions, write_decisions
from beam_jobs.transforms import DoPart, GiveToParts, Paths
from filters.consent.evidence import IMAGE, PAGE
from obelics_pipeline.assembled import Assembled, assembled_of

_ENCODER = msgspec.msgpack.Encoder()


def plan(session: Session) -> Plan:
    """Hash the documents into as many shards as their images and texts fill."""
    found = stages.read_manifest(session.source, ASSEMBLE)
    fetched = stages.read_manifest(session.source, IMAGES)
    paths = [io.join(session.source, entry.path) for entry in found.under("assembled")]
    section = session.config.export
    texts = sum(entry.bytes for entry in found.under("assembled"))
    shown = found.tally.notes.get("image_bytes", 0) if section.images == "bytes" else 0
    splits = splits_for(texts, shown, section)
    decisions = found_decisions(session, found, splits.total)
    pairs = pair_files(splits, decisions.end, texts + shown, section)
    inputs = [stages.input_of(found, ASSEMBLE), stages.input_of(fetched, IMAGES), *decisions.inputs]
    made = stages.plan(session, EXPORT, session.config.result_of("export"), inputs, pairs.end)
    images = [io.join(session.source, entry.path) for entry in fetched.under("images")]
    files = PartFiles(made.space.folder, decisions.end)
    work = partial(write_shard, splits=splits, images=images, config=session.config)

    def first(run: stages.Run) -> None:
        sources = [*paths, *(table.path for table in decisions.tables)]
        asking = partial(_asked_pages, splits, decisions, len(paths))
        join_lists(files, session.config.consent, PAGE, sources, asking, run)
        join_lists(files, session.config.consent, IMAGE, paths, partial(_asked_images, splits), run)
        if pairs.count:
            run(write_tables, decisions.end)

    def write_tables(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> Paths(paths)
            | "ReadDocuments" >> beam.FlatMap(records_of, splits)
            | "GiveToShards" >> GiveToParts([""] * splits.total)
            | "WriteShards" >> beam.ParDo(DoPart(made.space, work))
        )
        write_decisions(decisions, made.space, session.config, pipeline)

    build = partial(write_all, pairs, made.space, images, session.config) if pairs.count else write_tables
    seal = partial(describe.seal, session, made.space, pairs.end)
    return msgspec.structs.replace(made, first=first, build=build, seal=seal)


def records_of(path: str, splits: Splits) -> Iterator[tuple[int, tuple[str, bytes]]]:
    """The documents of a part of ``assembled/`` as compact records, each with its shard and its id."""
    for shard, assembled in _by_shard(path, splits):
        yield shard, (assembled.document.id, _ENCODER.encode(assembled))


def _by_shard(path: str, splits: Splits) -> Iterator[tuple[int, Assembled]]:
    for table in row_groups(path):
        for assembled in assembled_of(table):
            cluster = assembled.document.cluster
            yield splits.of(assembled.document.id, cluster.id if cluster else None), assembled


def _asked_images(splits: Splits, number: int, path: str) -> Iterator[tuple[int, str]]:
    """For ``join_lists``: the images of a part of ``assembled/`` that are there, by all their addresses."""
    for shard, assembled in _by_shard(path, splits):
        for _, node, slot in assembled.fetched:
            yield from ((shard, address) for address in slot.addresses(node.url))


def _asked_pages(
    splits: Splits, decisions: Decisions, documents: int, number: int, path: str
) -> Iterator[tuple[int, str]]:
    """For ``join_lists``: the pages of a part of ``assembled/``, or after all ``documents`` of a table of decisions."""
    if number >= documents:
        yield from decisions.asked_pages(decisions.tables[number - documents])
        return
    for table in row_groups(path, ("id", "url", "dedup")):
        for row in table.to_pylist():
            yield splits.of(row["id"], row["dedup"] and row["dedup"]["cluster"]), row["url"]
