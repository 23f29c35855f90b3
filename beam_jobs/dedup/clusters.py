"""The pass ``near_text``, second half: clusters are the connected components of similar pairs; one of each stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TypeAlias

import apache_beam as beam

from beam_jobs import io
from beam_jobs.components import components
from beam_jobs.dedup.job import Job
from beam_jobs.dedup.near import FindSimilar
from beam_jobs.shards import ReadShards, Shards, WriteShards
from beam_jobs.transforms import GiveToParts, Run
from filters.dedup.edits import WHOLE, Edit, Edits
from filters.dedup.rank import id_of, place
from obelics_pipeline.document import Cluster


def find_clusters(job: Job, run: Run) -> None:
    """Do the whole pass ``near_text``."""
    folder = io.join(job.files.folder, "near_text")
    similar = Shards(io.join(folder, "similar"), len(job.sources))
    if not similar.finished:
        run(lambda pipeline: pipeline | "similar" >> FindSimilar(job) | WriteShards(similar))
    run(partial(_write_edits, job, similar, components(similar, folder, run)))


Member: TypeAlias = tuple[int, float, bytes]
"""Row of a document, its highest similarity with another of its cluster, and the rank of the first of that."""

Group: TypeAlias = tuple[int, int, list[tuple[int, float]]]
"""A part's share of a cluster: its number, how many documents the members stand for, their rows and similarities."""


def _write_edits(job: Job, similar: Shards, edges: Shards, pipeline: beam.Pipeline) -> None:
    paths = [source.path for source in job.sources]
    closest = (
        pipeline
        | "Similar" >> ReadShards(similar)
        | "Ends" >> beam.FlatMap(lambda row: ((row[0], row[2]), (row[1], row[2])))
        | "Closest" >> beam.CombinePerKey(max)
    )
    _ = (
        (pipeline | "Edges" >> ReadShards(edges), closest)
        | "ByDocument" >> beam.CoGroupByKey()
        | "Members" >> beam.Map(_member)
        | "GiveToParts" >> GiveToParts(paths)
        | "Group" >> beam.FlatMapTuple(partial(_groups, job))
        | "ByCluster" >> beam.GroupByKey()
        | "Size" >> beam.FlatMapTuple(_sized)
        | "GiveSizes" >> GiveToParts(paths)
        | "WriteEdits" >> beam.MapTuple(partial(_decide, job))
    )


def _member(element: tuple[bytes, tuple[Iterable[bytes], Iterable[float]]]) -> tuple[int, Member]:
    document, (first, closest) = element
    part, row = place(document)
    return part, (row, max(closest), min(first, default=document))


def _groups(job: Job, number: int, path: str, rows: list[Member]) -> Iterator[tuple[bytes, Group]]:
    copies = job.copies(number)
    members: dict[bytes, list[tuple[int, float]]] = defaultdict(list)
    for row, closest, first in sorted(rows):
        members[first].append((row, closest))
    for first, group in members.items():
        yield first, (number, sum(copies.get(row, 1) for row, _ in group), group)


def _sized(
    first: bytes, groups: Iterable[Group]
) -> Iterator[tuple[int, tuple[bytes, int, list[tuple[int, float]]]]]:
    size = sum(weight for _, weight, _ in groups)
    for part, _, rows in groups:
        yield part, (first, size, rows)


def _decide(
    job: Job, number: int, path: str, clusters: list[tuple[bytes, int, list[tuple[int, float]]]]
) -> None:
    rule, result = job.options.near_text, Edits()
    assert rule is not None
    for first, size, rows in sorted(clusters):
        for row, closest in rows:
            if place(first) == (number, row) or rule.action == "mark":
                result.clusters[row] = Cluster(id_of(first), size, "near_text")
            else:
                why = (closest, rule.threshold, ">=")
                result.edits.append(Edit(row, WHOLE, "near_text", id_of(first), *why))
    job.files.write("near_text", number, result)
