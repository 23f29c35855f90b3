"""Connected components of a graph, by alternating large-star and small-star rounds.

Kiveris et al. 2014, "Connected Components in MapReduce and Beyond": no task ever holds more than a share of the edges,
whatever the components are like, and the rounds end when one changes nothing. Then every edge leads from a node
to the least of its component.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

import apache_beam as beam

from beam_jobs import io
from beam_jobs.shards import ReadShards, Shards, WriteShards
from beam_jobs.transforms import Run
from obelics_pipeline.errors import RunFailed

MAX_ROUNDS: Final = 50
"""Rounds grow with the logarithm of the longest chain; a random path of 3,000 nodes takes about 12."""

Edge: TypeAlias = tuple[bytes, bytes]
"""A node, and a lesser one of its component."""


def components(edges: Shards, folder: str, run: Run) -> Shards:
    """From the first two fields of the rows of ``edges`` to one edge for each node but the least of its component.

    ``run`` runs a pipeline to its end; ``folder`` is where rounds are kept, so that work goes on after a stop.
    """
    before = edges
    for number in range(MAX_ROUNDS):
        after = Shards(io.join(folder, f"round-{number}"), edges.count)
        if not after.finished:
            run(partial(_round, before, after))
        if after.digests == before.digests:
            return after
        before = after
    raise RunFailed(f"components still change after {MAX_ROUNDS} rounds ({folder}); please report this")


def _round(before: Shards, after: Shards, pipeline: beam.Pipeline) -> None:
    _ = (
        pipeline
        | ReadShards(before)
        | "BothWays" >> beam.FlatMap(_both_ways).with_output_types(Edge)
        | "ByNode" >> beam.GroupByKey()
        | "LargeStar" >> beam.FlatMapTuple(large_star).with_output_types(Edge)
        | "ByGreater" >> beam.GroupByKey()
        | "SmallStar" >> beam.FlatMapTuple(small_star).with_output_types(Edge)
        | WriteShards(after)
    )


def _both_ways(row: tuple[Any, ...]) -> tuple[Edge, Edge]:
    one, other = row[:2]
    return (one, other), (other, one)


def large_star(node: bytes, neighbours: Iterable[bytes]) -> Iterator[Edge]:
    """Link each neighbour that is greater than ``node`` to the least of all."""
    least = min(node, min(neighbours))
    return ((neighbour, least) for neighbour in neighbours if neighbour > node)


def small_star(node: bytes, lesser: Iterable[bytes]) -> Iterator[Edge]:
    """Link ``node``, and all lesser ones that it is linked to, to the least of them."""
    least = min(lesser)
    yield node, least
    for other in lesser:
        if other != least:
            yield other, least
