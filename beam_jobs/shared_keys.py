"""Documents meet under keys: every key that several have comes back to the parts that have it.

A part first puts its own documents of a key together, so what is shuffled for a key is at most one row for each part,
however many documents have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import apache_beam as beam
import msgspec

from beam_jobs.transforms import GiveToParts


class Source(msgspec.Struct, frozen=True):
    """A part of what keys are read from. ``age``: of its run, less for one whose documents come before."""

    number: int
    path: str
    age: int = 0


Held: TypeAlias = Iterable[tuple[bytes, bytes]]
"""Keys of a part, each once for every document that has it, with the rank of that; empty if it counts, but cannot be
the one that stays."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """How many documents have a key, and the rank of the first of them (empty if none can stay)."""

    documents: int
    first: bytes


Answers: TypeAlias = Mapping[bytes, Answer]
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[bytes, Answer])


class SharedKeys(beam.PTransform):  # type: ignore[misc]
    """From the parts of a job to ``(number of a part, its path, answers)``, also for parts without any.

    Args:
        sources: the parts, in order of their numbers.
        held: the keys of a part. Their first byte is their kind.
        least: of each kind, from how many documents on a key matters.
    """

    def __init__(
        self, sources: Sequence[Source], held: Callable[[Source], Held], least: Mapping[bytes, int]
    ) -> None:
        super().__init__()
        self._sources, self._held, self._least = list(sources), held, dict(least)

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Wire it."""
        return (
            pipeline
            | "Parts" >> beam.Create(self._sources)
            | "ReadKeys" >> beam.FlatMap(partial(_offers, self._held)).with_output_types(tuple[bytes, bytes])
            | "ByKey" >> beam.GroupByKey()
            | "FindShared"
            >> beam.FlatMapTuple(partial(_answers, self._least)).with_output_types(tuple[int, bytes])
            | "GiveToParts" >> GiveToParts([source.path for source in self._sources])
            | "Decode" >> beam.MapTuple(_decoded)
        )


def _offers(held: Callable[[Source], Held], source: Source) -> Iterator[tuple[bytes, bytes]]:
    counts: dict[bytes, int] = {}
    first: dict[bytes, bytes] = {}
    for key, rank in held(source):
        counts[key] = counts.get(key, 0) + 1
        if rank and (key not in first or rank < first[key]):
            first[key] = rank
    head = source.number.to_bytes(4, "big")
    for key, n in counts.items():
        yield key, head + n.to_bytes(4, "big") + first.get(key, b"")


def _answers(least: dict[bytes, int], key: bytes, offers: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    offered = list(offers)
    documents = sum(int.from_bytes(offer[4:8], "big") for offer in offered)
    if documents < least[key[:1]]:
        return
    first = min((offer[8:] for offer in offered if len(offer) > 8), default=b"")
    answer = _ENCODER.encode((key, Answer(documents, first)))
    for offer in offered:
        yield int.from_bytes(offer[:4], "big"), answer


def _decoded(number: int, path: str, rows: list[bytes]) -> tuple[int, str, list[tuple[bytes, Answer]]]:
    return number, path, list(map(_DECODER.decode, rows))
