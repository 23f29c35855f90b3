"""The stage ``filter``: each part of ``documents/`` by the rules of the configuration."""

from __future__ import annotations

from functools import partial

import apache_beam as beam
import msgspec

from beam_jobs import io, stages
from beam_jobs.parts import Part, counting
from beam_jobs.rows import DOCUMENTS, document_writer, documents, flat_writer, weight
from beam_jobs.stages import EXTRACT, FILTER, Plan, Session
from beam_jobs.transforms import DoPart
from filters.apply import FilterOptions, filter_documents
from filters.lexicon import lexicon
from filters.profile import TextOptions
from obelics_pipeline.accounting import Tally
from obelics_pipeline.tables import DECISIONS


def plan(session: Session) -> Plan:
    """Filter every part of ``documents/`` into a part of the same number."""
    found = stages.read_manifest(session.source, EXTRACT)
    paths = [io.join(session.source, entry.path) for entry in found.under("documents")]
    options, text = session.config.filter, session.config.text
    inputs = [stages.input_of(found, EXTRACT)]
    made = stages.plan(session, FILTER, session.config.result_of("filter"), inputs, len(paths))

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> beam.Create(list(enumerate(paths)))
            | "FilterDocuments"
            >> beam.ParDo(DoPart(made.space, partial(filter_part, options=options, text=text)))
        )

    return msgspec.structs.replace(made, build=build)


def filter_part(part: Part, path: str, options: FilterOptions, text: TextOptions) -> Tally:
    """Filter the documents in the file ``path``; every rejection leaves a row in ``decisions/filter``."""
    tally = counting("documents", "paragraphs", "images")
    known = lexicon(text)
    files = part.table("filtered", DOCUMENTS), part.table("decisions/filter", DECISIONS)
    with document_writer(files[0]) as kept, flat_writer(files[1], DECISIONS) as decisions:
        for outcome in filter_documents(documents(path), options, known, tally):
            if outcome.kept:
                kept.add(outcome.document, weight(outcome.document))
            for row in outcome.decisions:
                decisions.add(row)
    return tally
