"""Documents meet under keys, and a key that all of them have is no large group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import apache_beam as beam
import pytest
from dedup_corpus import ONE_HOST, corpus, write_run
from dedup_runs import config_of
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.dedup.job import Job
from beam_jobs.dedup.passes import IMAGE, NODES, PARAGRAPH
from beam_jobs.dedup.sign import sign_part
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Workspace, run_part
from beam_jobs.shared_keys import _DECODER, Answer, SharedKeys, Source, _answers, _offers
from filters.dedup.rank import OWN, rank

Parts = list[list[tuple[bytes, bytes]]]
LEAST = {b"a": 2, b"b": 3}

keys = st.builds(
    lambda kind, name: kind + name, st.sampled_from(list(LEAST)), st.sampled_from([b"", b"1", b"2"])
)
held = st.tuples(keys, st.sampled_from([b"", b"r1", b"r2", b"r3", b"r30"]))
parts = st.lists(st.lists(held, max_size=12), max_size=4)


def answers_of(given: Parts) -> dict[int, dict[bytes, Answer]]:
    """What the parts are told, without a pipeline."""
    met: dict[bytes, list[bytes]] = defaultdict(list)
    for number in range(len(given)):
        for key, offer in _offers(lambda source: given[source.number], Source(number, "")):
            met[key].append(offer)
    told: dict[int, dict[bytes, Answer]] = defaultdict(dict)
    for key, offers in met.items():
        for number, row in _answers(LEAST, key, offers):
            known, answer = _DECODER.decode(row)
            assert known not in told[number], "a part is told once"
            told[number][known] = answer
    return told


@given(parts)
def test_a_part_is_told_of_its_keys_that_enough_documents_have(given: Parts) -> None:
    everything = [entry for part in given for entry in part]
    told = answers_of(given)
    for number, part in enumerate(given):
        expected = {}
        for key in {key for key, _ in part}:
            ranks = [rank for other, rank in everything if other == key]
            if len(ranks) >= LEAST[key[:1]]:
                expected[key] = Answer(len(ranks), min(filter(None, ranks), default=b""))
        assert told[number] == expected


def test_through_a_pipeline_all_parts_come_back() -> None:
    given = [[(b"a", b"x"), (b"b", b"y")], [], [(b"a", b"w"), (b"a1", b"z")]]
    sources = [Source(number, f"path {number}") for number in range(3)]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = (
            pipeline
            | SharedKeys(sources, partial(_given, given), LEAST)
            | beam.MapTuple(lambda number, path, answers: (number, (path, answers)))
            | beam.CombineGlobally(_dictionary).without_defaults()
            | beam.Map(_check)
        )


def _given(given: Parts, source: Source) -> list[tuple[bytes, bytes]]:
    return given[source.number]


def _dictionary(pairs: Iterable[tuple[int, Any] | dict[int, Any]]) -> dict[int, Any]:
    every: dict[int, Any] = {}
    for pair in pairs:
        every.update(pair if isinstance(pair, dict) else [pair])
    return every


def _check(found: dict[int, Any]) -> None:
    answer = (b"a", Answer(2, b"w"))
    assert found == {0: ("path 0", [answer]), 1: ("path 1", []), 2: ("path 2", [answer])}


PARTS = 5


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Signatures of documents, half of which are on one host and have a paragraph and an image in common."""
    folder = tmp_path_factory.mktemp("skew")
    documents = corpus(1000, seed=8, one_host=0.5).documents
    assert sum(document.host == ONE_HOST for document in documents) == 500
    manifest = write_run(folder, documents, PARTS)
    options = config_of({"repeated_paragraph": {}, "image_frequency": {}}).dedup
    space = Workspace(str(folder), "dedup", "f" * 32)
    for number, entry in enumerate(manifest.under("filtered")):
        run_part(space, number, partial(sign_part, path=str(folder / entry.path), options=options))
    sources = (Source(n, str(folder / f"signatures/part-{n:05d}.parquet")) for n in range(PARTS))
    return Job(options, tuple(sources), PartFiles(space.folder, PARTS))


def shuffled(job: Job) -> Iterator[tuple[bytes, bytes]]:
    for source in job.sources:
        yield from _offers(partial(NODES.held, job), source)


def test_what_all_documents_have_is_one_row_for_each_part(job: Job) -> None:
    rows: dict[bytes, list[bytes]] = defaultdict(list)
    for key, offer in shuffled(job):
        rows[key].append(offer)
    assert max(map(len, rows.values())) == PARTS
    everywhere = [
        key
        for key, offers in rows.items()
        if sum(int.from_bytes(offer[4:8], "big") for offer in offers) == 500
    ]
    assert sorted(key[:1] for key in everywhere) == [IMAGE, PARAGRAPH]
    assert all(len(rows[key]) == PARTS for key in everywhere)


def test_ranks_of_documents_that_are_gone_count_without_being_first() -> None:
    best, other = rank(OWN, 0, "a", 0, 0), rank(OWN, 0, "b", 0, 1)
    told = answers_of([[(b"a", b""), (b"a", other)], [(b"a", b"")]])
    assert told[0] == told[1] == {b"a": Answer(3, other)}
    assert answers_of([[(b"a", b"")], [(b"a", b"")]])[0] == {b"a": Answer(2, b"")}
    assert answers_of([[(b"a", best)], [(b"a", other)]])[1] == {b"a": Answer(2, best)}
