"""The pass ``image_set`` where the texts count, too: same pictures *and* similar texts.

The documents of a set are compared in their order, each with those that stay. ``image_frequency`` comes before, so no
set has more documents than that lets an image be on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TypeAlias

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from beam_jobs.dedup.job import Job, columns
from beam_jobs.dedup.passes import DOCUMENT, IMAGE_SET, set_keys
from beam_jobs.shared_keys import Answer, SharedKeys
from beam_jobs.transforms import GiveToParts
from filters.dedup.edits import WHOLE, Edit, Edits
from filters.dedup.minhash import jaccard
from filters.dedup.rank import id_of, place

Sketched: TypeAlias = tuple[bytes, bytes]
"""The rank and the sketch of a document."""


def find_same_sets(job: Job, pipeline: beam.Pipeline) -> None:
    """Wire the pass."""
    _ = (
        pipeline
        | "image_set" >> SharedKeys(job.sources, partial(IMAGE_SET.held, job), IMAGE_SET.least(job))
        | "ReadSketches" >> beam.FlatMapTuple(partial(_sketches, job))
        | "BySet" >> beam.GroupByKey()
        | "Compare" >> beam.FlatMapTuple(partial(_losers, job))
        | "GiveBack" >> GiveToParts([source.path for source in job.sources])
        | "WriteEdits" >> beam.MapTuple(partial(_decide, job))
    )


def _sketches(
    job: Job, number: int, path: str, answers: list[tuple[bytes, Answer]]
) -> Iterator[tuple[bytes, Sketched]]:
    shared = {key for key, _ in answers}
    if shared:
        source = job.sources[number]
        sketches = columns(source.path, ("sketch",)).column("sketch")
        for row, key, own in set_keys(job, source):
            if DOCUMENT + key in shared:
                yield key, (own, sketches[row].values.to_numpy().tobytes())


def _losers(
    job: Job, key: bytes, members: Iterable[Sketched]
) -> Iterator[tuple[int, tuple[int, str, float]]]:
    """Row, id of the document that stays, and similarity with it, of each that goes."""
    rule, near = job.options.image_set, job.options.near
    assert rule is not None
    assert rule.similarity is not None
    assert near is not None
    stay: list[tuple[bytes, npt.NDArray[np.uint32]]] = []
    for own, packed in sorted(members):
        sketch: npt.NDArray[np.uint32] = np.frombuffer(packed, np.uint32)
        found = ((first, jaccard(sketch, other, near.sketch)) for first, other in stay)
        like = next(((first, value) for first, value in found if value >= rule.similarity), None)
        if like is None:
            stay.append((own, sketch))
        else:
            part, row = place(own)
            yield part, (row, id_of(like[0]), like[1])


def _decide(job: Job, number: int, path: str, losers: list[tuple[int, str, float]]) -> None:
    assert job.options.image_set is not None
    limit = job.options.image_set.similarity
    edits = [Edit(row, WHOLE, "image_set", of, value, limit, ">=") for row, of, value in sorted(losers)]
    job.files.write("image_set", number, Edits(edits))
