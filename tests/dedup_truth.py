"""What deduplication has to remove, found the plain way: every rule on a list of documents in memory.

An implementation of its own, to hold the stage against: it shares no code with it and misses no pair.

    truth = expected(documents, {"url": {}, "near_text": {"threshold": 0.8}})
    truth.removals        # {("document", "5f…", None, "url"), …}
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from filters.apply import FilterOptions, filter_document
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DocumentRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode, TextNode
from obelics_pipeline.url import canonical

Item: TypeAlias = tuple[str, str, int | None]
"""What can be removed: its level (document, paragraph, image), the id of its document, its place in that."""
Recheck: TypeAlias = Callable[[Document], str | None]
"""The document rule that refuses what is left of a document, if any."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule without limits."""


class NearText(Rule, frozen=True):
    """``bands``, ``rows`` and ``sketch`` say how the stage looks for pairs; here all are found."""

    ngram: int = 5
    bands: int = 16
    rows: int = 7
    threshold: float = 0.8
    sketch: int = 1024
    action: Literal["drop", "mark"] = "drop"


class SharedPassage(Rule, frozen=True):
    words: int = 50
    share: float = 0.5


class RepeatedParagraph(Rule, frozen=True):
    scope: Literal["host", "domain"] = "host"
    min_pages: int = 3
    keep: Literal["none", "one"] = "none"
    spare: tuple[str, ...] = ()
    min_words: int = 0


class ImageFrequency(Rule, frozen=True):
    max_documents: int = 10


class ImageSet(Rule, frozen=True):
    similarity: float | None = None


class Rules(Rule, frozen=True):
    """The section ``dedup``; ``keep`` says which of several documents is the first."""

    keep: Literal["newest", "oldest", "longest"] = "newest"
    url: Rule | None = None
    same_text: Rule | None = None
    near_text: NearText | None = None
    shared_passage: SharedPassage | None = None
    repeated_paragraph: RepeatedParagraph | None = None
    image_frequency: ImageFrequency | None = None
    repeated_image: Rule | None = None
    image_set: ImageSet | None = None


class Removed(NamedTuple):
    """The rule that removes something, and the id of the document where it stays, if it is one."""

    rule: str
    of: str | None


Documents: TypeAlias = dict[str, Removed]
Nodes: TypeAlias = dict[Item, Removed]


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

    frequent = frequent_images(pages, rules.image_frequency) if rules.image_frequency else set()
    ngram = (rules.near_text or NearText()).ngram
    sets = image_sets(distinct, frequent, rules.image_set, ngram) if rules.image_set else {}
    passages = shared_passages(distinct, rules.shared_passage) if rules.shared_passage else {}
    repeated = repeated_paragraphs(pages, rules.repeated_paragraph) if rules.repeated_paragraph else {}
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


def copies(first: Iterable[Document], key: Callable[[Document], Hashable | None], rule: str) -> Documents:
    """All documents but the first of each key; one without a key has no copies."""
    heads: dict[Hashable, str] = {}
    found = {}
    for document in first:
        met = key(document)
        if met is None:
            continue
        if met in heads:
            found[document.id] = Removed(rule, heads[met])
        else:
            heads[met] = document.id
    return found


def page_key(document: Document) -> str:
    """The address by which a page asks to be known, or else its own, whatever its spelling."""
    return canonical(document.canonical or document.url)


# Words


@cache
def alone(character: str) -> bool:
    """Whether a character is a word of its own."""
    return unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA"))


def words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case; those of a script without spaces one by one."""
    found = []
    for run in re.findall(r"[^\W_]+", text.lower()):
        if run.isascii():
            found.append(run)
        else:
            spaced = "".join(f" {c} " if alone(c) else c for c in run)
            found.extend(spaced.split())
    return found


def words_of(document: Document) -> list[str]:
    """The words of all text nodes, in order."""
    return list(chain.from_iterable(words(node.text) for node in document.texts))


def text_key(document: Document) -> tuple[str, ...] | None:
    """What documents of the same text share; None without words."""
    return tuple(words_of(document)) or None


def shingles(sequence: Sequence[str], length: int) -> frozenset[int]:
    """The runs of ``length`` words (the whole if it is shorter), each as its hash of 64 bits."""
    if not sequence:
        return frozenset()
    starts = range(max(1, len(sequence) - length + 1))
    return frozenset(hash(tuple(sequence[start : start + length])) for start in starts)


def jaccard(one: Set[int], other: Set[int]) -> float:
    """The share of what is in both in all that there is; 0 if there is nothing."""
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


# Similar texts


def similar_pairs(sets: Mapping[str, Set[int]], threshold: float) -> dict[tuple[str, str], float]:
    """The Jaccard index of all pairs that have at least ``threshold``, which is more than 0.

    A set that shares at least t of its n members shares one of any n - t + 1 of them: so only so many are
    looked up, the rarest, and pairs that meet there are compared.
    """
    frequency = Counter(chain.from_iterable(sets.values()))
    holders: dict[int, list[str]] = defaultdict(list)
    found = {}
    for id, members in sets.items():
        rarest = sorted(members, key=lambda member: (frequency[member], member))
        looked_up = rarest[: len(rarest) - math.ceil(threshold * len(rarest) - 1e-9) + 1]
        for other in set(chain.from_iterable(holders[member] for member in looked_up)):
            value = jaccard(members, sets[other])
            if value >= threshold:
                found[other, id] = value
        for member in looked_up:
            if frequency[member] > 1:
                holders[member].append(id)
    return found


def text_pairs(
    documents: Iterable[Document], threshold: float, ngram: int = 5
) -> dict[tuple[str, str], float]:
    """The pairs of documents whose sets of word n-grams have at least ``threshold``, with their index."""
    sets = {document.id: shingles(words_of(document), ngram) for document in documents}
    return similar_pairs(sets, threshold)


def components(pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    """What hangs together by ``pairs``."""
    neighbours: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        neighbours[one].add(other)
        neighbours[other].add(one)
    met: set[str] = set()
    found = []
    for start in neighbours:
        if start not in met:
            found.append(_reached(start, neighbours))
            met |= found[-1]
    return found


def _reached(start: str, neighbours: Mapping[str, set[str]]) -> set[str]:
    reached, waiting = {start}, [start]
    while waiting:
        new = neighbours[waiting.pop()] - reached
        reached |= new
        waiting.extend(new)
    return reached


def near_clusters(
    texts: Sequence[Document], rule: NearText, given: Iterable[Iterable[str]] | None = None
) -> list[list[str]]:
    """The components of similar texts, in order, each with its first document first."""
    found = components(text_pairs(texts, rule.threshold, rule.ngram)) if given is None else given
    place = {document.id: number for number, document in enumerate(texts)}
    return sorted((sorted(members, key=place.__getitem__) for members in found), key=lambda c: place[c[0]])


# Paragraphs


def shared_passages(distinct: Sequence[Document], rule: SharedPassage) -> Nodes:
    """The paragraphs of which ``share`` of the words stand in passages that a document before has, too.

    A passage may go on from one text node to the next.
    """
    had: dict[int, str] = {}
    found: Nodes = {}
    for document in distinct:
        paragraphs = [(place, words(node.text)) for place, node in text_nodes(document)]
        sequence = list(chain.from_iterable(own for _, own in paragraphs))
        starts = range(len(sequence) - rule.words + 1)
        windows = [hash(tuple(sequence[start : start + rule.words])) for start in starts]
        sources: list[str | None] = [None] * len(sequence)
        for start, window in enumerate(windows):
            if window in had:
                sources[start : start + rule.words] = [had[window]] * rule.words
        for place, of in _quoted(paragraphs, sources, rule.share):
            found["paragraph", document.id, place] = Removed("shared_passage", of)
        for window in windows:
            had.setdefault(window, document.id)
    return found


def _quoted(
    paragraphs: Iterable[tuple[int, list[str]]], sources: Sequence[str | None], share: float
) -> Iterator[tuple[int, str | None]]:
    """Paragraphs that are quoted enough, with the document they are from if it is only one."""
    start = 0
    for place, own in paragraphs:
        quoted = [source for source in sources[start : start + len(own)] if source]
        start += len(own)
        if quoted and len(quoted) >= share * len(own):
            yield place, quoted[0] if len(set(quoted)) == 1 else None


def text_nodes(document: Document) -> Iterator[tuple[int, TextNode]]:
    """The text nodes with their places among all nodes."""
    return ((place, node) for place, node in enumerate(document.nodes) if isinstance(node, TextNode))


def repeated_paragraphs(pages: Sequence[Document], rule: RepeatedParagraph) -> Nodes:
    """The copies of a paragraph that is on at least ``min_pages`` pages of one host or domain.

    Kinds that are spared are not counted either.
    """
    holders: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for document in pages:
        for place, node in text_nodes(document):
            if node.kind not in rule.spare and len(words(node.text)) >= rule.min_words:
                key = getattr(document, rule.scope), " ".join(node.text.split())
                holders[key][document.id].append(place)
    found: Nodes = {}
    for places in holders.values():
        if len(places) >= rule.min_pages:
            stays = next(iter(places)) if rule.keep == "one" else None
            for id in places.keys() - {stays}:
                for place in places[id]:
                    found["paragraph", id, place] = Removed("repeated_paragraph", stays)
    return found


# Images


def image_nodes(document: Document) -> Iterator[tuple[int, str]]:
    """The canonical addresses of the images with their places among all nodes."""
    for place, node in enumerate(document.nodes):
        if isinstance(node, ImageNode):
            yield place, canonical(node.url)


def frequent_images(pages: Iterable[Document], rule: ImageFrequency) -> set[str]:
    """The images on more than ``max_documents`` pages."""
    counts = Counter(chain.from_iterable({url for _, url in image_nodes(page)} for page in pages))
    return {url for url, count in counts.items() if count > rule.max_documents}


def removed_images(pages: Iterable[Document], frequent: Set[str], repeated: bool) -> Nodes:
    """The ``frequent`` images and, if those are to go, the ones that their page had before."""
    found: Nodes = {}
    for document in pages:
        had: set[str] = set()
        for place, url in image_nodes(document):
            if url in frequent:
                found["image", document.id, place] = Removed("image_frequency", None)
            elif repeated and url in had:
                found["image", document.id, place] = Removed("repeated_image", document.id)
            had.add(url)
    return found


def image_sets(distinct: Iterable[Document], frequent: Set[str], rule: ImageSet, ngram: int) -> Documents:
    """The documents whose images a document that stays has, too, all and no others.

    With a ``similarity`` only those whose text is so similar to that of one that stays.
    """
    stay: dict[frozenset[str], list[Document]] = defaultdict(list)
    found = {}
    for document in distinct:
        images = frozenset(url for _, url in image_nodes(document)) - frequent
        if not images:
            continue
        head = next((h for h in stay[images] if _alike(h, document, rule, ngram)), None)
        if head:
            found[document.id] = Removed("image_set", head.id)
        else:
            stay[images].append(document)
    return found


def _alike(one: Document, other: Document, rule: ImageSet, ngram: int) -> bool:
    if rule.similarity is None:
        return True
    sets = (shingles(words_of(document), ngram) for document in (one, other))
    return jaccard(*sets) >= rule.similarity
