"""What deduplication takes out of documents: edits by place, applied to each document once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from filters.apply import Outcome
from filters.base import Refusal, Trial, refusal_of
from filters.decisions import DOCUMENT_REJECTED, Decision, excerpt, number
from filters.lexicon import Lexicon
from filters.rules import DocumentRules
from filters.subjects import blocks_of, content_of
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Cluster, Document, ImageNode, Node

WHOLE: Final = -1
"""Where an edit names no node: the document goes."""


class Edit(msgspec.Struct, frozen=True, array_like=True):
    """The document in ``row`` of a part, or one node of it, goes: by what rule, and of which document it is a copy.

    ``of`` is the id of the document where it stays, None if no copy stays.
    """

    row: int
    node: int
    rule: str
    of: str | None
    value: float | None = None
    threshold: float | None = None
    op: str | None = None


class Edits(msgspec.Struct, array_like=True):
    """The edits of one pass on one part; what it found out about documents that stay, by row.

    ``copies``: how many documents with the same text a document stands for, itself included.
    """

    edits: list[Edit] = []
    copies: dict[int, int] = {}
    clusters: dict[int, Cluster] = {}

    @property
    def gone(self) -> set[int]:
        """The rows of documents that go."""
        return {edit.row for edit in self.edits if edit.node == WHOLE}


class Applied(msgspec.Struct, frozen=True):
    """The edits of all passes on one part, by document: the first that drops it, those on its nodes, its cluster."""

    dropped: dict[int, Edit]
    nodes: dict[int, dict[int, Edit]]
    clusters: dict[int, Cluster]


def merged(passes: Sequence[Edits]) -> Applied:
    """The edits of passes in their order: of several on one place the first counts."""
    result = Applied({}, {}, {})
    for found in passes:
        for edit in found.edits:
            if edit.node == WHOLE:
                result.dropped.setdefault(edit.row, edit)
            else:
                result.nodes.setdefault(edit.row, {}).setdefault(edit.node, edit)
        for row, cluster in found.clusters.items():
            result.clusters.setdefault(row, cluster)
    return result


def drop(document: Document, edit: Edit, tally: Tally) -> Decision:
    """Count a document that goes with all that is in it."""
    images = len(document.images)
    counts = (("documents", 1), ("paragraphs", len(document.nodes) - images), ("images", images))
    for level, n in counts:
        if n:
            tally.enter(level, n)
            tally.reject(level, edit.rule if level == "documents" else DOCUMENT_REJECTED, n)
    return _decision(document, edit)


def prune(
    document: Document,
    edits: Mapping[int, Edit],
    rules: DocumentRules,
    lexicon: Lexicon,
    tally: Tally,
) -> Outcome:
    """Take the nodes that go out of a document, then ask ``rules`` again whether what is left is worth keeping.

    A document that loses nothing is not asked: ``filter`` has asked it before.
    """
    if not edits:
        _count(document.nodes, {}, None, tally)
        return Outcome(document, None, ())
    pruned = replace(document, nodes=tuple(n for i, n in enumerate(document.nodes) if i not in edits))
    blocks = blocks_of(pruned.texts, lexicon)
    trials = rules.trials(content_of(blocks, lexicon, len(pruned.images)))
    refusal = refusal_of(trials)
    rows = [_node_decision(document, edit) for _, edit in sorted(edits.items())]
    if refusal is not None:
        opening = " ".join(node.text for node in document.texts)
        rows.append(_rejection(document, refusal, opening))
    _count(document.nodes, edits, refusal, tally)
    return Outcome(replace(pruned, measures=_measures(document, rules, trials)), refusal, tuple(rows))


def _measures(document: Document, rules: DocumentRules, trials: Sequence[Trial]) -> dict[str, float]:
    measured = {rules.measure_of(trial.rule): number(trial.value) for trial in trials}
    return document.measures | {name: value for name, value in measured.items() if value is not None}


def _count(nodes: Sequence[Node], edits: Mapping[int, Edit], refusal: Refusal | None, tally: Tally) -> None:
    tally.enter("documents")
    if refusal is None:
        tally.keep("documents")
    else:
        tally.reject("documents", refusal.rule)
    for index, node in enumerate(nodes):
        level = "images" if isinstance(node, ImageNode) else "paragraphs"
        tally.enter(level)
        if index in edits:
            tally.reject(level, edits[index].rule)
        elif refusal is not None:
            tally.reject(level, DOCUMENT_REJECTED)
        else:
            tally.keep(level)


def _node_decision(document: Document, edit: Edit) -> Decision:
    node = document.nodes[edit.node]
    is_image = isinstance(node, ImageNode)
    text = node.url if isinstance(node, ImageNode) else node.text
    made = _decision(document, edit)
    return replace(
        made, level="image" if is_image else "paragraph", excerpt=excerpt(f"{made.excerpt}: {text}")
    )


def _rejection(document: Document, refusal: Refusal, opening: str) -> Decision:
    head = (document.id, document.url, document.domain, "document", None)
    why = (refusal.rule, refusal.value, refusal.threshold, refusal.op)
    return Decision(*head, *why, False, excerpt(opening), document.source.crawl)


def _decision(document: Document, edit: Edit) -> Decision:
    made = decision(document.id, document.url, document.domain, edit)
    return replace(made, crawl=document.source.crawl)


def decision(id: str, url: str, domain: str, edit: Edit) -> Decision:
    """The row for an edit; its excerpt says of which document something is a copy."""
    index = None if edit.node == WHOLE else edit.node
    level = "document" if index is None else "paragraph"
    of = "no copy stays" if edit.of is None else f"duplicate of {edit.of}"
    why = (edit.rule, edit.value, edit.threshold, edit.op)
    return Decision(id, url, domain, level, index, *why, False, of)
