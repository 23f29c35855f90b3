"""The pass ``near_text``, first half: pairs of documents with similar texts.

Documents meet in the buckets of their bands. In each bucket one document is the hub, and the others are compared
with it. Which one depends on the bucket alone, and differs between bands: so a document that resembles another,
but not the first hub, still meets it. What is compared are sketches: a part asks the part of a hub for the
hub's, once for all its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Final, TypeAlias

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from beam_jobs.dedup.job import Job, columns, ranks
from beam_jobs.shared_keys import Answer, Held, SharedKeys, Source
from beam_jobs.transforms import GiveToParts
from filters.dedup.minhash import jaccard
from filters.dedup.rank import place

ORDERS: Final = 4
"""In how many orders hubs are chosen: bands take turns. More find little more, and cost comparisons."""

Similar: TypeAlias = tuple[bytes, bytes, float]
"""The ranks of two documents, the one that comes first before the other, and the Jaccard index of their texts."""


class FindSimilar(beam.PTransform):  # type: ignore[misc]
    """From the parts of a job to pairs of ``Similar`` documents."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Wire it."""
        job, paths = self._job, [source.path for source in self._job.sources]
        return (
            pipeline
            | SharedKeys(job.sources, partial(bands_held, job), {_BAND: 2})
            | "AskForSketches" >> beam.FlatMapTuple(partial(_questions, job))
            | "GiveToHubs" >> GiveToParts(paths)
            | "SendSketches" >> beam.FlatMapTuple(partial(_sketches, job))
            | "GiveBack" >> GiveToParts(paths)
            | "Compare" >> beam.FlatMapTuple(partial(_compared, job))
        )


_BAND: Final = b"b"


def bands_held(job: Job, source: Source) -> Held:
    """The bands of the documents that are left; what comes first in a band is its hub, not the best document."""
    return ((key, hub) for _, key, hub in _bands(job, source))


def _bands(job: Job, source: Source) -> Iterator[tuple[int, bytes, bytes]]:
    table = columns(source.path, ("id", "order", "bands"))
    gone = job.gone(source.number, job.done("near_text"))
    bands = table.column("bands").combine_chunks()
    values, offsets = bands.values.to_numpy().astype(">u8").tobytes(), bands.offsets.to_pylist()
    for row, own in enumerate(ranks(source, table)):
        if row in gone:
            continue
        hubs = [_order(own, order) + own for order in range(ORDERS)]
        for number, at in enumerate(range(offsets[row], offsets[row + 1])):
            yield row, _BAND + bytes([number]) + values[8 * at : 8 * at + 8], hubs[number % ORDERS]


def _order(rank: bytes, order: int) -> bytes:
    """By what hubs are chosen: neither place nor run, so that two runs find what one of both finds."""
    return blake2b(rank[1:-8], digest_size=8, salt=bytes([order])).digest()


def _questions(
    job: Job, number: int, path: str, rows: list[tuple[bytes, Answer]]
) -> Iterator[tuple[int, tuple[int, int, list[int]]]]:
    """For the part of each hub: its row, who asks, and for which rows."""
    answers = dict(rows)
    wanted: dict[tuple[int, int], set[int]] = defaultdict(set)
    for row, key, own in _bands(job, job.sources[number]):
        answer = answers.get(key)
        if answer is not None and answer.first != own:
            wanted[place(answer.first)].add(row)
    for (part, hub_row), asking in wanted.items():
        yield part, (hub_row, number, sorted(asking))


def _sketches(
    job: Job, number: int, path: str, rows: list[tuple[int, int, list[int]]]
) -> Iterator[tuple[int, tuple[bytes, bytes, list[int]]]]:
    """For each part that asked: the rank of a hub, its sketch, and the rows to compare it with."""
    if rows:
        source = job.sources[number]
        table = columns(source.path, ("id", "order", "sketch"))
        own, sketches = ranks(source, table), table.column("sketch")
        for row, part, asking in rows:
            yield part, (own[row], sketches[row].values.to_numpy().tobytes(), asking)


def _compared(
    job: Job, number: int, path: str, rows: list[tuple[bytes, bytes, list[int]]]
) -> Iterator[Similar]:
    if not rows:
        return
    near = job.options.near
    assert near is not None
    source = job.sources[number]
    table = columns(source.path, ("id", "order", "sketch"))
    own, sketches = ranks(source, table), table.column("sketch")
    for hub, packed, asking in rows:
        theirs: npt.NDArray[np.uint32] = np.frombuffer(packed, np.uint32)
        for row in asking:
            similarity = jaccard(sketches[row].values.to_numpy(), theirs, near.sketch)
            if similarity >= near.threshold:
                yield min(hub, own[row]), max(hub, own[row]), similarity
