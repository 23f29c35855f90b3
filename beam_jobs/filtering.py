"""The stage ``filter``: each part of ``documents/`` by the rules of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import apache_beam as beam
import msgspec

from beam_jobs import io, stages
from beam_jobs.joins import join_lists, told_lists
from beam_jobs.optouts import consent_of, told
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part, counting
from beam_jobs.rows import DOCUMENTS, document_writer, documents, flat_writer, row_groups, weight
from beam_jobs.stages import EXTRACT, FILTER, Plan, Session
from beam_jobs.transforms import DoPart, Parts
from filters.apply import FilterOptions, filter_documents
from filters.consent.evidence import PAGE
from filters.consent.policy import Policy
from filters.lexicon import lexicon
from filters.profile import TextOptions
from obelics_pipeline.accounting import Tally
from obelics_pipeline.tables import CONSENT, DECISIONS


def plan(session: Session) -> Plan:
    """Filter every part of ``documents/`` into a part of the same number."""
    found = stages.read_manifest(session.source, EXTRACT)
    paths = [io.join(session.source, entry.path) for entry in found.under("documents")]
    config = session.config
    inputs = [stages.input_of(found, EXTRACT)]
    made = stages.plan(session, FILTER, config.result_of("filter"), inputs, len(paths))
    files = PartFiles(made.space.folder, len(paths))
    work = partial(filter_part, options=config.filter, text=config.text, policy=config.consent)

    def first(run: stages.Run) -> None:
        if not config.filter.has_rules:
            session.say("filter: no rule is on in this configuration; 'default' has those we recommend")
        join_lists(files, config.consent, PAGE, paths, asked_pages, run)

    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | "Parts" >> Parts(paths) | "FilterDocuments" >> beam.ParDo(DoPart(made.space, work))

    return msgspec.structs.replace(made, first=first, build=build)


def page_urls(path: str) -> Iterator[str]:
    """The addresses of the documents of a part."""
    for table in row_groups(path, ("url",)):
        yield from table.column("url").to_pylist()


def asked_pages(number: int, path: str) -> Iterator[tuple[int, str]]:
    """For ``join_lists``: the part itself asks about its pages."""
    return ((number, url) for url in page_urls(path))


def filter_part(part: Part, path: str, options: FilterOptions, text: TextOptions, policy: Policy) -> Tally:
    """Filter the documents in the file ``path``.

    Every rejection leaves a row in ``decisions/filter``, every signal on consent one in ``consent/filter``.
    """
    tally = counting("documents", "paragraphs", "images")
    listed = told_lists(part, policy, PAGE, page_urls(path))
    known, consent = lexicon(text), consent_of(policy, told(policy, PAGE, page_urls(path)), listed)
    with (
        document_writer(part.table("filtered", DOCUMENTS)) as kept,
        flat_writer(part.table("decisions/filter", DECISIONS), DECISIONS) as decisions,
        flat_writer(part.table("consent/filter", CONSENT), CONSENT) as evidence,
    ):
        for outcome in filter_documents(documents(path), options, known, tally, consent):
            if outcome.kept:
                kept.add(outcome.document, weight(outcome.document))
            for row in outcome.decisions:
                decisions.add(row)
            for signal in outcome.evidence:
                evidence.add(signal)
    return tally
