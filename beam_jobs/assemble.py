"""The stage ``assemble``: documents learn what became of their images, and are judged again.

Only metadata travels: a light row for each URL and part. The bytes stay in ``images/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa

from beam_jobs import io, stages
from beam_jobs.images import image_urls
from beam_jobs.parts import Part, counting
from beam_jobs.rows import Writer, documents, flat_writer, row_groups, weight
from beam_jobs.stages import ASSEMBLE, DEDUP, IMAGES, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts
from filters.apply import OK, AssembleOptions, assemble_document
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DOCUMENT_MEASURES
from filters.subjects import Picture
from obelics_pipeline.accounting import Tally
from obelics_pipeline.assembled import Assembled, Slot, assembled_schema, assembled_to_batch
from obelics_pipeline.document import Document, ImageNode
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.tables import DECISIONS

ASSEMBLED = assembled_schema(DOCUMENT_MEASURES)
NOT_FETCHED = Slot(FetchStatus.NOT_FETCHED.value)
FROM_RESULTS = Slot.__struct_fields__[:-2]
"""The fields of a slot that are columns of ``image_results``; the others are of ``fetch_log``."""


def plan(session: Session) -> Plan:
    """Bring the results of the images to the parts of ``deduplicated/`` that show them."""
    found = stages.read_manifest(session.source, DEDUP)
    fetched = stages.read_manifest(session.source, IMAGES)
    paths = [io.join(session.source, entry.path) for entry in found.under("deduplicated")]
    results = [io.join(session.source, entry.path) for entry in fetched.under("image_results")]
    config, timestamps = session.config, session.config.export.timestamps
    inputs = [stages.input_of(found, DEDUP), stages.input_of(fetched, IMAGES)]
    work = partial(assemble_part, options=config.assemble, text=config.text)
    made = stages.plan(session, ASSEMBLE, config.result_of("assemble"), inputs, len(paths))

    def build(pipeline: beam.Pipeline) -> None:
        asked = (
            pipeline
            | "Parts" >> beam.Create(list(enumerate(paths)))
            | "ReadUrls" >> beam.FlatMapTuple(_asking)
        )
        told = (
            pipeline
            | "Results" >> beam.Create(results)
            | "ReadResults" >> beam.FlatMap(result_rows, timestamps)
        )
        _ = (
            (asked, told)
            | "ByUrl" >> beam.CoGroupByKey()
            | "Tell" >> beam.FlatMap(_tell)
            | "GiveToParts" >> GiveToParts(paths)
            | "AssembleDocuments" >> beam.ParDo(DoPart(made.space, work))
        )

    return msgspec.structs.replace(made, build=build)


def _asking(number: int, path: str) -> Iterator[tuple[str, int]]:
    for url in {url for url, _ in image_urls(path)}:
        yield url, number


def result_rows(path: str, timestamps: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The URL and the fields of the slot for each row of a part of ``image_results``."""
    logs = row_groups(path.replace("image_results/", "fetch_log/")) if timestamps else None
    for table in row_groups(path):
        columns = [table.column(name).to_pylist() for name in FROM_RESULTS]
        if logs is not None:
            log = next(logs)
            columns += [
                log.column("detail").to_pylist(),
                log.column("fetched_at").cast(pa.int64()).to_pylist(),
            ]
        yield from zip(table.column("url").to_pylist(), zip(*columns, strict=True), strict=True)


def _tell(
    element: tuple[str, tuple[Iterable[int], Iterable[tuple[Any, ...]]]],
) -> Iterator[tuple[int, tuple[str, tuple[Any, ...]]]]:
    url, (parts, results) = element
    for result in results:
        for part in parts:
            yield part, (url, result)


def assemble_part(
    part: Part,
    path: str,
    rows: list[tuple[str, tuple[Any, ...]]],
    options: AssembleOptions,
    text: TextOptions,
) -> Tally:
    """Give the documents in the file ``path`` their slots; every rejection leaves a decision row."""
    tally = counting("documents", "paragraphs", "images")
    words = lexicon(text)
    known = {url: Slot(*fields) for url, fields in rows}
    table = part.table("assembled", ASSEMBLED)
    with (
        Writer(table, lambda batch: assembled_to_batch(batch, ASSEMBLED)) as kept,
        flat_writer(part.table("decisions/assemble", DECISIONS), DECISIONS) as decisions,
    ):
        for document in documents(path):
            slots = [known.get(image.url, NOT_FETCHED) for image in document.images]
            pictures = [picture_of(slot) for slot in slots]
            outcome = assemble_document(document, pictures, options, words, tally)
            for row in outcome.decisions:
                decisions.add(row)
            if outcome.kept:
                assembled = _assembled(outcome.document, slots, outcome.statuses)
                tally.note("image_bytes", sum(slot.num_bytes or 0 for slot in _shown(assembled)))
                kept.add(assembled, weight(document))
    return tally


def picture_of(slot: Slot) -> Picture | str:
    """What the rules are told of a slot: its image, or the status that says why there is none."""
    if slot.status != OK:
        return slot.status
    assert slot.format is not None
    assert slot.width is not None
    assert slot.height is not None
    return Picture(slot.format, slot.width, slot.height)


def _assembled(document: Document, slots: list[Slot], statuses: tuple[str, ...]) -> Assembled:
    judged = (
        slot
        if status == slot.status
        else msgspec.structs.replace(slot, status=status, part=None, offset=None)
        for slot, status in zip(slots, statuses, strict=True)
    )
    return Assembled(
        document,
        tuple(next(judged) if isinstance(node, ImageNode) else None for node in document.nodes),
    )


def _shown(assembled: Assembled) -> Iterator[Slot]:
    return (slot for slot in assembled.slots if slot is not None and slot.status == OK)
