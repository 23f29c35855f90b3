"""The stage ``dedup``: of documents with one canonical URL the newest stays.

Only light rows (URL key, time, id, place) are shuffled; they end as an edit list for each part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import apache_beam as beam
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs import io, stages
from beam_jobs.parts import Part, counting
from beam_jobs.rows import DOCUMENTS, flat_writer, row_groups
from beam_jobs.stages import DEDUP, FILTER, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts
from filters.decisions import DOCUMENT_REJECTED, Decision
from obelics_pipeline.accounting import Tally
from obelics_pipeline.tables import DECISIONS
from obelics_pipeline.url import canonical

Rank: TypeAlias = tuple[int, str, int, int]
"""A document in the order of what to keep: capture time, id, (negative) part and row. No two are equal."""

RULE: Final = "url"


def plan(session: Session) -> Plan:
    """Find the duplicates of all parts of ``filtered/``, then copy each part without its own."""
    found = stages.read_manifest(session.source, FILTER)
    paths = [io.join(session.source, entry.path) for entry in found.under("filtered")]
    section = session.config.dedup
    result = session.config.result_of("dedup")
    made = stages.plan(session, DEDUP, result, [stages.input_of(found, FILTER)], len(paths))

    def build(pipeline: beam.Pipeline) -> None:
        compared = list(enumerate(paths)) if section.url is not None else []
        losers = (
            pipeline
            | "ComparedParts" >> beam.Create(compared)
            | "ReadUrls" >> beam.FlatMapTuple(url_rows)
            | "ByUrl" >> beam.GroupByKey()
            | "FindOlder" >> beam.FlatMapTuple(older)
        )
        _ = (
            losers
            | "GiveToParts" >> GiveToParts(paths)
            | "DropDuplicates" >> beam.ParDo(DoPart(made.space, drop_part))
        )

    return msgspec.structs.replace(made, build=build)


def url_rows(number: int, path: str) -> Iterator[tuple[bytes, Rank]]:
    """A light row for each document of a part."""
    row = 0
    for table in row_groups(path, ("id", "url", "timestamp")):
        times = table.column("timestamp").cast(pa.int64()).to_pylist()
        for id, url, time in zip(
            *(table.column(name).to_pylist() for name in ("id", "url")), times, strict=True
        ):
            key = blake2b(canonical(url).encode("utf-8", "replace"), digest_size=16).digest()
            yield key, (-1 if time is None else time, id, -number, -row)
            row += 1


def older(key: bytes, ranks: Iterable[Rank]) -> Iterator[tuple[int, tuple[int, str]]]:
    """An edit ``(part, (row, id of the document that is kept instead))`` for all but the newest."""
    ordered = sorted(ranks)
    _, winner, _, _ = ordered[-1]
    for _, _, part, row in ordered[:-1]:
        yield -part, (-row, winner)


def drop_part(part: Part, path: str, edits: list[tuple[int, str]]) -> Tally:
    """Copy a part without the rows that ``edits`` name."""
    tally = counting("documents", "paragraphs", "images")
    instead = dict(edits)
    kept = part.table("deduplicated", DOCUMENTS)
    start = 0
    with flat_writer(part.table("decisions/dedup", DECISIONS), DECISIONS) as decisions:
        for table in row_groups(path):
            keep = [row not in instead for row in range(start, start + table.num_rows)]
            _count(table, keep, tally)
            for index, row in enumerate(range(start, start + table.num_rows)):
                if row in instead:
                    decisions.add(_decision(table, index, instead[row]))
            kept.write(table.filter(pa.array(keep, pa.bool_())))
            start += table.num_rows
    return tally


def _count(table: pa.Table, keep: list[bool], tally: Tally) -> None:
    for kept, (texts, images) in zip(keep, node_counts(table), strict=True):
        for level, n in (("documents", 1), ("paragraphs", texts), ("images", images)):
            tally.enter(level, n)
            if kept:
                tally.keep(level, n)
            elif n:
                tally.reject(level, RULE if level == "documents" else DOCUMENT_REJECTED, n)


def node_counts(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Text nodes and image nodes of each document of a table."""
    nodes = table.column("nodes").combine_chunks()
    lengths = pc.list_value_length(nodes).to_pylist()
    is_image = pc.equal(nodes.flatten().field("kind"), "image").to_pylist()
    start = 0
    for length in lengths:
        images = sum(is_image[start : start + length])
        yield length - images, images
        start += length


def _decision(table: pa.Table, index: int, winner: str) -> Decision:
    values: dict[str, Any] = {name: table.column(name)[index].as_py() for name in ("id", "url", "domain")}
    return Decision(
        **values,
        level="document",
        index=None,
        rule=RULE,
        value=None,
        threshold=None,
        op=None,
        kept=False,
        excerpt=f"duplicate of {winner}",
    )
