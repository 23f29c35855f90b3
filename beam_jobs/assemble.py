"""The stage ``assemble``: documents learn what became of their images, and are judged again.

Only metadata travels: a light row for each URL and part. The bytes stay in ``images/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

import apache_beam as beam
import msgspec
import pyarrow as pa

from beam_jobs import io, stages
from beam_jobs.candidates import shown_images
from beam_jobs.optouts import evidence_files
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part, counting
from beam_jobs.pictures import TOLD, Pictures, find_pictures, told, write_pictures
from beam_jobs.redirects import ReservedOnTheWay, on_the_way
from beam_jobs.rows import Writer, documents, flat_writer, row_groups, weight
from beam_jobs.scores import check_scores
from beam_jobs.stages import ASSEMBLE, DEDUP, FILTER, IMAGES, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts, Parts, Paths
from filters.apply import OK, AssembleOptions, assemble_document
from filters.consent.verdict import EvidenceRow
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DOCUMENT_MEASURES
from filters.subjects import Picture
from obelics_pipeline.accounting import Tally
from obelics_pipeline.assembled import Assembled, Slot, assembled_schema, assembled_to_batch
from obelics_pipeline.denylist import withheld
from obelics_pipeline.document import Document, ImageNode
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.tables import CONSENT, DECISIONS

ASSEMBLED = assembled_schema(DOCUMENT_MEASURES)
NOT_FETCHED = Slot(FetchStatus.NOT_FETCHED.value)
RESERVED = "reserved"
"""The file of a part with the images that redirects led over what pages reserve, and what these say."""
FROM_RESULTS = Slot.__struct_fields__[:-4]
"""The fields of a slot that are columns of ``image_results``; those of ``fetch_log`` and what is counted follow."""

Told: TypeAlias = tuple[str, Slot, EvidenceRow | None]
"""An address, what became of the image there, and the evidence if a redirect led over what a page reserves."""


def plan(session: Session) -> Plan:
    """Bring the results of the images to the parts of ``deduplicated/`` that show them, then judge the documents."""
    found = stages.read_manifest(session.source, DEDUP)
    fetched = stages.read_manifest(session.source, IMAGES)
    filtered = stages.read_manifest(session.source, FILTER)
    evidence = evidence_files(session.source, filtered)
    paths = [io.join(session.source, entry.path) for entry in found.under("deduplicated")]
    results = [io.join(session.source, entry.path) for entry in fetched.under("image_results")]
    config = session.config
    check_scores(results, config.assemble.image)
    options, timestamps = config.assemble, config.export.timestamps
    read = ((found, DEDUP), (fetched, IMAGES), (filtered, FILTER))
    inputs = [stages.input_of(manifest, layout) for manifest, layout in read]
    made = stages.plan(session, ASSEMBLE, config.result_of("assemble"), inputs, len(paths))
    files = PartFiles(made.space.folder, len(paths))

    def first(run: stages.Run) -> None:
        if not files.finished(TOLD):
            run(partial(_tell_parts, files, paths, results, evidence, timestamps), len(paths))
        if options.image.compares:
            bits = options.same_picture.bits if options.same_picture else None
            find_pictures(files, paths, bits, lambda build: run(build, 1))

    def build(pipeline: beam.Pipeline) -> None:
        work = partial(assemble_part, files=files, options=options, text=config.text)
        tasks = pipeline | "Parts" >> Parts(paths)
        _ = tasks | "AssembleDocuments" >> beam.ParDo(DoPart(made.space, work))

    steps = (TOLD, "pictures") if options.image.compares else (TOLD,)
    return msgspec.structs.replace(made, first=first, steps=tuple(map(files.step, steps)), build=build)


def _tell_parts(
    files: PartFiles,
    paths: list[str],
    results: list[str],
    evidence: list[str],
    timestamps: bool,
    pipeline: beam.Pipeline,
) -> None:
    """Leave for each part what became of its images."""
    asked = pipeline | "Parts" >> Parts(paths) | "ReadUrls" >> beam.FlatMapTuple(_asking)
    results_of = (
        pipeline
        | "Results" >> Paths(results)
        | "ReadResults" >> beam.FlatMap(result_rows, timestamps)
        | "HashUrls" >> beam.MapTuple(lambda url, fields: (withheld(url), fields))
    )
    reserved = pipeline | ReservedOnTheWay(results, evidence)
    _ = (
        (asked, results_of, reserved)
        | "ByUrl" >> beam.CoGroupByKey()
        | "Tell" >> beam.FlatMap(tell)
        | "GiveToParts" >> GiveToParts(paths)
        | "Write" >> beam.MapTuple(partial(_write_told, files))
    )


def _write_told(files: PartFiles, number: int, path: str, rows: list[Told]) -> None:
    said = {row.url: row for _, _, row in rows if row is not None}
    files.write(RESERVED, number, [said[url] for url in sorted(said)])
    files.write(TOLD, number, {url: slot for url, slot, _ in sorted(rows, key=itemgetter(0))})


def _asking(number: int, path: str) -> Iterator[tuple[str, tuple[int, str]]]:
    for url in {url for url, _ in shown_images(path, 0)}:
        yield withheld(url), (number, url)


def result_rows(path: str, timestamps: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The URL and the fields of the slot for each row of a part of ``image_results``."""
    logs = row_groups(path.replace("image_results/", "fetch_log/")) if timestamps else None
    for table in row_groups(path):
        columns = [table.column(name).to_pylist(maps_as_pydicts="strict") for name in FROM_RESULTS]
        if logs is not None:
            log = next(logs)
            columns += [
                log.column("detail").to_pylist(),
                log.column("fetched_at").cast(pa.int64()).to_pylist(),
            ]
        yield from zip(table.column("url").to_pylist(), zip(*columns, strict=True), strict=True)


def tell(
    element: tuple[str, tuple[Iterable[tuple[int, str]], Iterable[tuple[Any, ...]], Iterable[EvidenceRow]]],
) -> Iterator[tuple[int, Told]]:
    """What each part that shows an image is told of it, by its address; of a hit of a deny-list by the hash of that."""
    key, (shown, results, reserved) = element
    said = next(iter(reserved), None)
    for result in results:
        slot = Slot(*result)
        for part, url in shown:
            if said is not None:
                row = on_the_way(url, said)
                yield part, (url, slot.reserved(row.value), row)
            else:
                yield part, (key if slot.status == FetchStatus.DENYLIST else url, slot, None)


def assemble_part(
    part: Part, path: str, files: PartFiles, options: AssembleOptions, text: TextOptions
) -> Tally:
    """Give the documents in the file ``path`` their slots; every rejection leaves a decision row."""
    tally = counting("documents", "paragraphs", "images")
    words = lexicon(text)
    known = told(files, part.number)
    same = files.read("pictures", part.number, Pictures) if options.image.compares else Pictures()
    write_pictures(part, options, same)
    table = part.table("assembled", ASSEMBLED)
    with flat_writer(part.table("consent/assemble", CONSENT), CONSENT) as evidence:
        for said in files.read(RESERVED, part.number, list[EvidenceRow]):
            evidence.add(said)
    with (
        Writer(table, lambda batch: assembled_to_batch(batch, ASSEMBLED)) as kept,
        flat_writer(part.table("decisions/assemble", DECISIONS), DECISIONS) as decisions,
    ):
        for document in documents(path):
            urls = [image.url for image in document.images]
            slots = [slot_of(url, known) for url in urls]
            pictures = pictures_of(urls, slots, same)
            outcome = assemble_document(document, pictures, options, words, tally)
            for row in outcome.decisions:
                decisions.add(row)
            if outcome.kept:
                if options.image.compares:
                    slots = _counted(slots, pictures)
                assembled = _assembled(outcome.document, slots, outcome.statuses)
                tally.note("image_bytes", sum(slot.num_bytes or 0 for _, _, slot in assembled.fetched))
                kept.add(assembled, weight(document))
    return tally


def slot_of(url: str, known: Mapping[str, Slot]) -> Slot:
    """What is known of an image; of one on a deny-list that is known by the hash of its address alone."""
    return known.get(url) or known.get(withheld(url), NOT_FETCHED)


def pictures_of(urls: Sequence[str], slots: Sequence[Slot], same: Pictures) -> list[Picture | str]:
    """What the rules are told of the images of a document: each image, or the status that says why there is none."""
    return [
        _picture_of(slot, same.of.get(url), same) if slot.status == OK else slot.status
        for url, slot in zip(urls, slots, strict=True)
    ]


def _picture_of(slot: Slot, picture: bytes | None, same: Pictures) -> Picture:
    assert slot.format is not None
    assert slot.width is not None
    assert slot.height is not None
    documents = 1 if picture is None else same.documents.get(picture, 1)
    return Picture(slot.format, slot.width, slot.height, picture, documents, scores=slot.scores)


def _counted(slots: list[Slot], pictures: list[Picture | str]) -> list[Slot]:
    return [
        slot
        if isinstance(picture, str)
        else msgspec.structs.replace(
            slot, documents=picture.documents, picture=picture.same and picture.same.hex()
        )
        for slot, picture in zip(slots, pictures, strict=True)
    ]


def _assembled(document: Document, found: list[Slot], statuses: tuple[str, ...]) -> Assembled:
    judged = (
        slot
        if status == slot.status
        else msgspec.structs.replace(slot, status=status, part=None, offset=None)
        for slot, status in zip(found, statuses, strict=True)
    )
    slots = [next(judged) if isinstance(node, ImageNode) else None for node in document.nodes]
    named = [at for at, slot in enumerate(slots) if slot is None or slot.status != FetchStatus.DENYLIST]
    nodes = tuple(document.nodes[at] for at in named)  # the place of a hit would tell its address, too
    return Assembled(msgspec.structs.replace(document, nodes=nodes), tuple(slots[at] for at in named))
