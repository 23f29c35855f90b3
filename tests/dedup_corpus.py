"""Make documents with planted duplicates of every kind: ``python tests/dedup_corpus.py OUT --documents 20000``.

They are written as a finished stage ``filter``, which ``obelics dedup --input OUT`` reads; ``OUT/planted.jsonl`` tells
what was planted. The words are invented. Equal arguments give equal bytes, and a corpus is the beginning of every
larger one of the same seed, but for its last thousand.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import cycle, pairwise
from pathlib import Path
from typing import Final

import msgspec

# Beside this file are folders with the names of the packages, which a script would take for them.
sys.path.insert(0, str(Path(__file__).parents[1]))

from dedup_drafts import Draft, Maker, Text, document_of, vocabulary
from dedup_planted import KINDS, Group
from msgspec.structs import replace

from beam_jobs import io, stages
from beam_jobs.config import Config
from beam_jobs.parts import Part, Workspace, counting
from beam_jobs.rows import DOCUMENTS, document_writer, weight
from beam_jobs.stages import FILTER, Session
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document
from obelics_pipeline.manifest import InputEntry, Manifest
from obelics_pipeline.tables import CONSENT, DECISIONS

CHUNK: Final = 1000
"""Documents that are made at a time; what is planted together is in one chunk."""
PLANTED: Final = 0.4
"""The share of the documents that are planted; the others have no duplicates but by chance."""

ONE_HOST: Final = "everything.example"
EVERYWHERE: Final = "https://everything.example/logo.jpg"


class Planted(msgspec.Struct, frozen=True):
    """Documents (by id) that belong together: ``what`` they share, and how similar neighbours in ``ids`` are."""

    kind: str
    ids: tuple[str, ...]
    what: str = ""
    jaccards: tuple[float, ...] = ()


class Corpus(msgspec.Struct, frozen=True):
    """Documents, and what is planted in them."""

    documents: list[Document]
    planted: list[Planted]


def chunks(documents: int, seed: int, one_host: float = 0) -> Iterator[Corpus]:
    """A corpus, a thousand documents at a time.

    A share ``one_host`` of all documents, at most the share that is not planted, is on one host; all of them have
    one paragraph and one image in common.
    """
    if not 0 <= one_host <= 1 - PLANTED:
        raise ValueError(f"one_host is {one_host}; must be 0 to {1 - PLANTED}")
    for number, start in enumerate(range(0, documents, CHUNK)):
        yield _chunk(Maker(seed, number), number, min(CHUNK, documents - start), one_host)


def corpus(documents: int, seed: int, one_host: float = 0) -> Corpus:
    """All ``chunks`` as one."""
    whole = Corpus([], [])
    for part in chunks(documents, seed, one_host):
        whole.documents.extend(part.documents)
        whole.planted.extend(part.planted)
    return whole


def _chunk(maker: Maker, number: int, size: int, one_host: float) -> Corpus:
    drafts: list[Draft] = []
    planted = []
    kinds = list(KINDS.items())
    turned = number * 7 % len(kinds)
    for kind, plant in cycle(kinds[turned:] + kinds[:turned]):
        group = plant(maker)
        if len(drafts) + len(group.drafts) > PLANTED * size:
            break
        drafts += group.drafts
        planted.append(_planted(kind, group))
    if heavy := [_on_one_host(maker) for _ in range(round(one_host * size))]:
        planted.append(_planted("one_host", Group(heavy, EVERYWHERE)))
    drafts += heavy
    drafts += [maker.draft() for _ in range(size - len(drafts))]
    maker.chance.shuffle(drafts)
    return Corpus([document_of(draft) for draft in drafts], planted)


def _on_one_host(maker: Maker) -> Draft:
    footer = Text(vocabulary()[0][100:125])
    return maker.with_block(maker.with_block(maker.draft(ONE_HOST), footer), EVERYWHERE)


def _planted(kind: str, group: Group) -> Planted:
    ids = tuple(draft.id for draft in group.drafts)
    values = (one.similarity(other) for one, other in pairwise(group.drafts)) if group.compared else ()
    return Planted(kind, ids, group.what, tuple(values))


# A run


def write_run(
    folder: str | Path, documents: Iterable[Document], parts: int, shuffle_seed: int | None = None
) -> Manifest:
    """Write the documents as what a run in ``folder`` leaves after its stage ``filter``: each to the next part.

    With a ``shuffle_seed`` they come in another order and to other parts (and are all in memory at once).
    """
    if shuffle_seed is not None:
        documents = list(documents)
        random.Random(shuffle_seed).shuffle(documents)
    root = str(folder)
    session = Session(Config(), root, root, say=lambda line: None)
    result = session.config.result_of(FILTER.stage)
    made = stages.plan(session, FILTER, result, [InputEntry("documents", 0)], parts)
    io.remove(
        [stages.manifest_path(root, FILTER)]
    )  # of another corpus, perhaps: its work would look the same
    io.remove_tree(made.space.folder)

    def build(pipeline: object) -> None:  # one pass over the documents writes all parts: no job can share it
        write_parts(made.space, documents, parts)

    return stages.run(replace(made, build=build), session).manifest


def write_parts(space: Workspace, documents: Iterable[Document], parts: int) -> None:
    """Write each document to the next of the parts of ``filtered``, of which nothing was rejected."""
    made = [Part(space, number) for number in range(parts)]
    tallies = [counting("documents", "paragraphs", "images") for _ in made]
    with ExitStack() as stack:
        writers = [stack.enter_context(document_writer(part.table("filtered", DOCUMENTS))) for part in made]
        for document, writer, tally in zip(documents, cycle(writers), cycle(tallies), strict=False):
            writer.add(document, weight(document))
            _count(document, tally)
    for part, tally in zip(made, tallies, strict=True):
        part.table("decisions/filter", DECISIONS)
        part.table("consent/filter", CONSENT)
        part.finish(tally)


def _count(document: Document, tally: Tally) -> None:
    counts = {"documents": 1, "paragraphs": len(document.texts), "images": len(document.images)}
    for level, count in counts.items():
        tally.enter(level, count)
        tally.keep(level, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("out", type=Path, help="the folder of the run")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--shuffle-seed", type=int, help="write the same documents in another order")
    parser.add_argument("--one-host", type=float, default=0, help="the share of documents on one host")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "planted.jsonl").open("wb") as file:

        def documents() -> Iterator[Document]:
            for part in chunks(options.documents, options.seed, options.one_host):
                file.writelines(msgspec.json.encode(planted) + b"\n" for planted in part.planted)
                yield from part.documents

        write_run(options.out, documents(), options.parts, options.shuffle_seed)


if __name__ == "__main__":
    main()
