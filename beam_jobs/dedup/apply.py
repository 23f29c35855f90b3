"""The end of the stage ``dedup``: every part is copied once, without what the passes found."""

from __future__ import annotations

from msgspec.structs import replace

from beam_jobs.dedup.job import Job, columns, lists, passes_of
from beam_jobs.parts import Part, counting
from beam_jobs.rows import DOCUMENTS, document_writer, documents, flat_writer, row_groups, weight
from filters.dedup.edits import Applied, Edit, decision, drop, merged, prune
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DocumentRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Cluster, Document
from obelics_pipeline.tables import DECISIONS


def apply_part(part: Part, path: str, job: Job, rules: DocumentRules, text: TextOptions) -> Tally:
    """Copy the documents in the file ``path`` with all edits applied; each leaves a row in ``decisions/dedup``.

    What loses a paragraph or an image is asked again by ``rules``, those of ``filter.document``.
    """
    tally = counting("documents", "paragraphs", "images")
    words = lexicon(text)
    edits, copies = _edits(job, part.number), job.copies(part.number)
    files = part.table("deduplicated", DOCUMENTS), part.table("decisions/dedup", DECISIONS)
    with document_writer(files[0]) as kept, flat_writer(files[1], DECISIONS) as decisions:
        for row, document in enumerate(documents(path)):
            if row in edits.dropped:
                decisions.add(drop(document, edits.dropped[row], tally))
                continue
            outcome = prune(document, edits.nodes.get(row, {}), rules, words, tally)
            for made in outcome.decisions:
                decisions.add(made)
            if outcome.kept:
                left = replace(outcome.document, cluster=_cluster(document, row, edits, copies))
                kept.add(left, weight(left))
    return tally


def _edits(job: Job, number: int) -> Applied:
    return merged(job.edits(number, passes_of(job.options)))


def _cluster(document: Document, row: int, edits: Applied, copies: dict[int, int]) -> Cluster | None:
    if row in copies and row not in edits.clusters:
        return Cluster(document.id, copies[row], "same_text")
    return edits.clusters.get(row)


def supersede_part(part: Part, decisions: str, job: Job) -> Tally:
    """What a part of an earlier run would lose in a build of both; its rejections are in the file ``decisions``.

    Rows of ``superseded/``: who joins the datasets of both runs takes these out of the earlier one.
    """
    known = {
        (id, index)
        for table in row_groups(decisions, ("id", "index"))
        for id, index in lists(table, "id", "index")
    }
    edits = _edits(job, part.number)
    source = job.sources[part.number]
    with flat_writer(part.table("superseded", DECISIONS), DECISIONS) as rows:
        table = columns(source.path, ("id", "url", "domain", "image_nodes"))
        for row, (id, url, domain, images) in enumerate(lists(table, "id", "url", "domain", "image_nodes")):
            if (id, None) in known:
                continue
            for edit in _losses(row, edits):
                made = decision(id, url, domain, edit)
                if (id, made.index) not in known:
                    rows.add(replace(made, level="image") if edit.node in images else made)
    return Tally()


def _losses(row: int, edits: Applied) -> list[Edit]:
    if row in edits.dropped:
        return [edits.dropped[row]]
    return [edit for _, edit in sorted(edits.nodes.get(row, {}).items())]
