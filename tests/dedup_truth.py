"""What deduplication has to remove, found the plain way: every rule on a list of documents in memory.

An implementation of its own, to hold the stage against: it shares no code with it and misses no pair.

    truth = expected(documents, {"url": {}, "near_text": {"threshold": 0.8}})
    truth.removals        # {("document", "5f…", None, "url"), …}
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from itertools import chain
from typing import Any, TypeAlias

import msgspec
from dedup_rules import (
    Documents,
    Item,
    NearText,
    Nodes,
    Removed,
    Rules,
    copies,
    frequent_images,
    image_sets,
    near_clusters,
    page_key,
    removed_images,
    repeated_paragraphs,
    shared_passages,
)
from dedup_similar import text_key

from filters.apply import FilterOptions, filter_document
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DocumentRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document

Recheck: TypeAlias = Callable[[Document], str | None]
"""The document rule that refuses what is left of a document, if any."""


class Truth(msgspec.Struct):
    """What has to be removed, and the ids of the documents that stay.

    ``clusters`` has the ids of each component of two or more similar texts, the first document first.
    """

    removed: dict[Item, Removed]
    kept: set[str]
    clusters: list[list[str]]

    @property
    def removals(self) -> set[tuple[str, str, int | None, str]]:
        """``(level, id, place of the node, rule)`` of all that a rule of its own removes."""
        return {(*item, why.rule) for item, why in self.removed.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """How many documents each first one stands for: those of its cluster, and the copies of their texts."""
        same = Counter(why.of for why in self.removed.values() if why.of and why.rule == "same_text")
        linked = set(chain.from_iterable(self.clusters))
        groups = [*self.clusters, *([id] for id in same if id not in linked)]
        return {members[0]: sum(1 + same[id] for id in members) for members in groups}


def expected(
    documents: Sequence[Document],
    section: Mapping[str, Any],
    refused_by: Recheck = lambda document: None,
    *,
    against: Sequence[Document] = (),
    clusters: Iterable[Iterable[str]] | None = None,
) -> Truth:
    """What the rules of ``section`` remove from ``documents``, which are in the order of parts and rows.

    The documents ``against``, of an earlier run, come before all others. No id may be there twice. Given
    ``clusters`` are taken for those of ``near_text``: so the rules after it can be judged exactly although a
    stage may miss a pair.
    """
    rules = rules_of(section)
    first = in_order(documents, against, rules.keep)
    urls = copies(first, page_key, "url") if rules.url else {}
    pages = without(first, urls)
    same = copies(pages, text_key, "same_text") if rules.same_text else {}
    texts = without(pages, same)
    found = near_clusters(texts, rules.near_text, clusters) if rules.near_text else []
    drops = rules.near_text is not None and rules.near_text.action == "drop"
    near = {id: Removed("near_text", head) for head, *rest in found for id in rest} if drops else {}
    distinct = without(texts, near)

    frequent = frequent_images(pages, rules.image_frequency) if rules.image_frequency else {}
    ngram = (rules.near_text or NearText()).ngram
    sets = image_sets(distinct, frequent, rules.image_set, ngram) if rules.image_set else {}
    passages = shared_passages(distinct, rules.shared_passage) if rules.shared_passage else {}
    stay = {document.id for document in distinct}
    repeated = repeated_paragraphs(pages, stay, rules.repeated_paragraph) if rules.repeated_paragraph else {}
    images = removed_images(pages, frequent, rules.repeated_image is not None)
    nodes = images | repeated | passages  # the last is tried first
    dropped = sets | near | same | urls
    return _truth(documents, dropped, nodes, refused_by, found)


def rules_of(section: Mapping[str, Any]) -> Rules:
    """The section ``dedup`` as it stands in YAML, where a rule without limits has its defaults."""
    return msgspec.convert({key: {} if value is None else value for key, value in section.items()}, Rules)


def recheck(rules: DocumentRules, text: TextOptions = TextOptions()) -> Recheck:
    """``filter.document`` of a configuration, asked again."""
    options, known = FilterOptions(document=rules, sample_share=0), lexicon(text)

    def refused_by(document: Document) -> str | None:
        refusal = filter_document(document, options, known, Tally()).refusal
        return refusal.rule if refusal else None

    return refused_by


def _truth(
    documents: Sequence[Document],
    dropped: Documents,
    nodes: Nodes,
    refused_by: Recheck,
    clusters: list[list[str]],
) -> Truth:
    """A dropped document has one row; one that stays has those of its nodes, and is looked at again."""
    truth = Truth({}, set(), clusters)
    by_document: dict[str, Nodes] = defaultdict(dict)
    for item, why in nodes.items():
        by_document[item[1]][item] = why
    for document in documents:
        whole = ("document", document.id, None)
        if document.id in dropped:
            truth.removed[whole] = dropped[document.id]
            continue
        lost = by_document[document.id]
        truth.removed |= lost
        rule = refused_by(_rest(document, {place for _, _, place in lost})) if lost else None
        if rule:
            truth.removed[whole] = Removed(rule, None)
        else:
            truth.kept.add(document.id)
    return truth


def _rest(document: Document, lost: Set[int | None]) -> Document:
    nodes = tuple(node for place, node in enumerate(document.nodes) if place not in lost)
    return msgspec.structs.replace(document, nodes=nodes)


# What stays of several: the first in order


def in_order(documents: Sequence[Document], against: Sequence[Document], keep: str) -> list[Document]:
    """All documents, those that stay before those that fall for them."""

    def rank(placed: tuple[int, Document]) -> tuple[Hashable, ...]:
        place, document = placed
        time = -1 if document.source.timestamp is None else document.source.timestamp
        length = sum(len(node.text) for node in document.texts)
        return {"newest": -time, "oldest": time, "longest": -length}[keep], document.id, place

    return [document for run in (against, documents) for _, document in sorted(enumerate(run), key=rank)]


def without(documents: Iterable[Document], dropped: Mapping[str, Removed]) -> list[Document]:
    """The documents that are not dropped."""
    return [document for document in documents if document.id not in dropped]
