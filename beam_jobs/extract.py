"""The stage ``extract``: byte ranges of WARC files, and of Wikimedia's dumps, to documents."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Any

import apache_beam as beam
import msgspec

from beam_jobs import io, selected, stages
from beam_jobs.config import ExtractSection
from beam_jobs.http_file import Manners
from beam_jobs.inputs import is_selection
from beam_jobs.parts import Part, counting
from beam_jobs.poison import MAX_DEATHS, Deaths
from beam_jobs.rows import DOCUMENTS, Writer, document_writer, flat_writer, weight
from beam_jobs.stages import EXTRACT, Plan, Session
from beam_jobs.transforms import DoPart
from obelics_pipeline import warc
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document
from obelics_pipeline.dom.extract import Extraction, ExtractOptions, extract_document
from obelics_pipeline.errors import PageFailed, RunFailed
from obelics_pipeline.page import Page
from obelics_pipeline.parquet import ZSTD
from obelics_pipeline.tables import FAILURES, Failure
from obelics_pipeline.url import without_credentials
from obelics_pipeline.wikimedia import dump


def plan(session: Session) -> Plan:
    """Cut the archives into ranges, one part each, in the order of the input."""
    section, manners = session.config.extract, session.config.manners
    counts = [len(_cut(entry.path, entry.bytes, section, manners)) for entry in session.archives]
    chosen = any(is_selection(entry.path) for entry in session.archives)
    firsts = accumulate(counts, initial=0)
    inputs = [msgspec.structs.replace(e, path=without_credentials(e.path)) for e in session.archives]
    made = stages.plan(session, EXTRACT, session.config.result_of("extract"), inputs, sum(counts))
    archives = [(first, e.path, e.bytes) for first, e in zip(firsts, session.archives, strict=False)]

    work = partial(extract_part, section=section, manners=manners)

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Archives" >> beam.Create(archives, reshuffle=False)
            | "CutIntoRanges" >> beam.FlatMap(_ranges, section, manners)
            | "SpreadRanges" >> beam.Reshuffle()
            | "ExtractDocuments" >> beam.ParDo(DoPart(made.space, work))
        )

    return msgspec.structs.replace(
        made, build=build, seal=partial(_refuse_too_many_failures, section, chosen)
    )


def _ranges(
    archive: tuple[int, str, int], section: ExtractSection, manners: Manners
) -> Iterator[tuple[int, str, int, int]]:
    first, path, size = archive
    for number, (start, stop) in enumerate(_cut(path, size, section, manners), first):
        yield number, path, start, stop


def _cut(path: str, size: int, section: ExtractSection, manners: Manners) -> list[tuple[int, int]]:
    if is_selection(path):
        return selected.cut(path, section.range_bytes, manners)
    if dump.is_dump(path):
        return dump.ranges(path, size, section.range_bytes)
    return warc.split(size, section.range_bytes)


def extract_part(
    part: Part, path: str, start: int, stop: int, section: ExtractSection, manners: Manners
) -> Tally:
    """Extract the pages whose records begin in ``[start, stop)`` of the archive at ``path``; of a selection, those of
    the rows ``[start, stop)``.
    """
    tally = counting("records", "pages", "paragraphs", "images")
    files = part.table("documents", DOCUMENTS, ZSTD), part.table("failures/extract", FAILURES, ZSTD)
    with (
        document_writer(files[0]) as documents,
        flat_writer(files[1], FAILURES) as failures,
        Deaths(part.scratch()) as deaths,
    ):
        extraction = _Extraction(tally, documents, failures, section, deaths)
        for record, archive in _records(path, start, stop, section, manners):
            extraction.take(record, io.name_of(archive))
    return tally


def _records(
    path: str, start: int, stop: int, section: ExtractSection, manners: Manners
) -> Iterator[tuple[selected.Item, str]]:
    """What there is to extract, and the path of the archive that it is in."""
    if is_selection(path):
        yield from selected.read_selected(path, (start, stop), section, manners)
        return
    read = dump.read_articles if dump.is_dump(path) else warc.read_pages
    with io.open_read(path, manners) as stream:
        for item in read(
            stream, io.name_of(path), start=start, stop=stop, max_page_bytes=section.max_page_bytes
        ):
            yield item, path


class _Extraction:
    """What becomes of the records of one range."""

    def __init__(
        self, tally: Tally, documents: Writer, failures: Writer, options: ExtractOptions, deaths: Deaths
    ) -> None:
        self._tally = tally
        self._deaths = deaths
        self._documents = documents
        self._failures = failures
        self._options = options

    def take(self, record: Page | warc.Skipped | warc.Damaged, filename: str) -> None:
        tally = self._tally
        tally.enter("records")
        if isinstance(record, warc.Skipped):
            tally.reject("records", record.kind)
        elif isinstance(record, warc.Damaged):
            tally.fail("records", record.error)
            self._failures.add(Failure(None, filename, record.offset, record.error, record.message))
        else:
            tally.keep("records")
            tally.enter("pages")
            self._extract(record)

    def _extract(self, page: Page) -> None:
        found = self._survived(page)
        if isinstance(found, PageFailed):
            self._tally.fail("pages", found.error)
            source = page.source
            failure = Failure(page.url, source.warc_filename, source.warc_offset, found.error, str(found))
            self._failures.add(failure)
            return
        for note in found.notes:
            self._tally.note(note)
        self._keep(found.document)

    def _survived(self, page: Page) -> Extraction | PageFailed:
        """What comes of a page, unless attempts have died at it. What is written of it later is no fault of its own."""
        name = f"{page.source.warc_filename}#{page.source.warc_offset} {page.url}"  # packed dumps have no offsets
        deaths = self._deaths.of(name)
        if deaths >= MAX_DEATHS:
            return PageFailed("process_died", f"the process died {deaths} times while it extracted this page")
        self._deaths.begin(name)
        found = _extracted(page, self._options)
        self._deaths.end()
        return found

    def _keep(self, document: Document) -> None:
        if not document.nodes:
            self._tally.reject("pages", "no_nodes")
            return
        self._tally.keep("pages")
        paragraphs = len(document.texts)
        for level, n in (("paragraphs", paragraphs), ("images", len(document.nodes) - paragraphs)):
            self._tally.enter(level, n)
            self._tally.keep(level, n)
        self._documents.add(document, weight(document))


def _extracted(page: Page, options: ExtractOptions) -> Extraction | PageFailed:
    try:
        return extract_document(page, options)
    except PageFailed as error:
        return error
    except Exception as error:  # hostile pages find what nobody thought of: one page lost, and counted
        return PageFailed("internal_error", f"{type(error).__name__}: {error}")


def _refuse_too_many_failures(section: ExtractSection, selected: bool, tally: Tally) -> tuple[Any, ...]:
    """Of whole archives only pages are counted: damage is theirs, but a record that was selected should be there."""
    for name in ("records", "pages") if selected else ("pages",):
        level = tally.level(name)
        failed = sum(level.failed.values())
        if failed > section.max_failed_share * level.entered:
            raise RunFailed(
                f"extract: {failed} of {level.entered} {name} failed ({_listed(level.failed)}), more than "
                f"extract.max_failed_share = {section.max_failed_share} allows; see failures/extract/"
            )
    return ()


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in sorted(counts.items()))
