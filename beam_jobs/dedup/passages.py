"""The pass ``shared_passage``: long runs of words that a document before has, too, wherever they stand.

Two rounds. First documents meet under some of their windows of half the length: the least of every so many in a row
(winnowing: Schleimer, Wilkerson, Aiken 2003), chosen so that a common passage shares at least one. Then those
that met somewhere meet under each of their windows of the full length, which is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from beam_jobs.dedup.job import Job, columns, ranks
from beam_jobs.shared_keys import Answer, Held, SharedKeys, Source
from beam_jobs.transforms import Run
from filters.dedup.edits import Edit, Edits
from filters.dedup.rank import id_of
from filters.dedup.shingles import windows
from filters.ngrams import Hashes

_WINDOW: Final = b"w"
_CANDIDATES: Final = "passage_candidates"


def find_passages(job: Job, run: Run) -> None:
    """Do the pass."""
    if not job.files.finished(_CANDIDATES):
        run(partial(_first_round, job))
    run(partial(_second_round, job))


def _first_round(job: Job, pipeline: beam.Pipeline) -> None:
    _ = (
        pipeline
        | SharedKeys(job.sources, partial(_anchors_held, job), {_WINDOW: 2})
        | "Write" >> beam.MapTuple(partial(_write_candidates, job))
    )


def _second_round(job: Job, pipeline: beam.Pipeline) -> None:
    _ = (
        pipeline
        | SharedKeys(job.sources, partial(_windows_held, job), {_WINDOW: 2})
        | "Write" >> beam.MapTuple(partial(_decide, job))
    )


def _length(job: Job) -> int:
    assert job.options.shared_passage is not None
    return job.options.shared_passage.words


def _documents(job: Job, source: Source) -> Iterator[tuple[int, bytes, npt.NDArray[np.uint32]]]:
    """Row, rank and words of the documents that the passes before leave."""
    table = columns(source.path, ("id", "order", "words"))
    gone = job.gone(source.number, job.done("shared_passage"))
    words = table.column("words")
    for row, own in enumerate(ranks(source, table)):
        if row not in gone:
            yield row, own, words[row].values.to_numpy()


def anchors(words: npt.NDArray[np.uint32], length: int) -> Hashes:
    """Distinct windows of ``length // 2`` words, of which texts with ``length`` words in common share at least one."""
    size = length // 2
    hashes = windows(words, size)
    spread = length - size + 1
    if len(hashes) <= spread:
        return np.unique(hashes.min(keepdims=True)) if len(words) >= length else hashes[:0]
    return np.unique(np.lib.stride_tricks.sliding_window_view(hashes, spread).min(axis=1))


def _keys(hashes: Hashes) -> list[bytes]:
    packed = hashes.astype(">u8").tobytes()
    return [_WINDOW + packed[at : at + 8] for at in range(0, len(packed), 8)]


def _anchors_held(job: Job, source: Source) -> Held:
    for _, own, words in _documents(job, source):
        for key in _keys(anchors(words, _length(job))):
            yield key, own


def _write_candidates(job: Job, number: int, path: str, answers: list[tuple[bytes, Answer]]) -> None:
    shared = {key for key, _ in answers}
    rows = {
        row
        for row, _, words in _documents(job, job.sources[number])
        if shared and not shared.isdisjoint(_keys(anchors(words, _length(job))))
    }
    job.files.write(_CANDIDATES, number, rows)


def _candidates(job: Job, source: Source) -> Iterator[tuple[int, bytes, Hashes]]:
    found = job.files.read(_CANDIDATES, source.number, set[int])
    for row, own, words in _documents(job, source):
        if row in found:
            yield row, own, windows(words, _length(job))


def _windows_held(job: Job, source: Source) -> Held:
    for _, own, hashes in _candidates(job, source):
        for key in _keys(np.unique(hashes)):
            yield key, own


def _decide(job: Job, number: int, path: str, rows: list[tuple[bytes, Answer]]) -> None:
    answers, source = dict(rows), job.sources[number]
    names = ("text_nodes", "text_words")
    nodes, counts = (columns(source.path, names).column(name) for name in names)
    result = Edits()
    for row, own, hashes in _candidates(job, source):
        found = (answers.get(key) for key in _keys(hashes))
        first = [answer.first if answer is not None and answer.first < own else None for answer in found]
        result.edits += _quoting(job, row, nodes[row].as_py(), counts[row].as_py(), first)
    job.files.write("shared_passage", number, result)


def _quoting(
    job: Job, row: int, nodes: list[int], counts: list[int], first: list[bytes | None]
) -> Iterator[Edit]:
    """Which paragraphs are mostly quoted; ``first``: for each window the document that has it before."""
    rule = job.options.shared_passage
    assert rule is not None
    quoted: list[bytes | None] = [None] * sum(counts)
    for at, of in enumerate(first):
        if of is not None:
            quoted[at : at + rule.words] = [of] * rule.words
    start = 0
    for node, count in zip(nodes, counts, strict=True):
        inside = [of for of in quoted[start : start + count] if of is not None]
        if count and len(inside) / count >= rule.share:
            yield Edit(row, node, "shared_passage", id_of(inside[0]), len(inside) / count, rule.share, ">=")
        start += count
