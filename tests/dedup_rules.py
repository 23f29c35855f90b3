"""What each rule of deduplication removes, found the plain way: from a list of documents in memory, the first first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from dedup_similar import components, jaccard, shingles, text_pairs, words, words_of

from obelics_pipeline.document import Document, ImageNode, TextNode
from obelics_pipeline.url import canonical

Item: TypeAlias = tuple[str, str, int | None]
"""What can be removed: its level (document, paragraph, image), the id of its document, its place in that."""


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
    """The rule that removes something, the id of the document where it stays, if it is one, and what was measured.

    Which of its cluster a document is most similar to is not asked: ``near_text`` has no ``value``.
    """

    rule: str
    of: str | None
    value: float | None = None


Documents: TypeAlias = dict[str, Removed]
Nodes: TypeAlias = dict[Item, Removed]


# Documents


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


# Similar texts


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
        for place, of, share in _quoted(paragraphs, sources):
            if share >= rule.share:
                found["paragraph", document.id, place] = Removed("shared_passage", of, share)
        for window in windows:
            had.setdefault(window, document.id)
    return found


def _quoted(
    paragraphs: Iterable[tuple[int, Sequence[str]]], sources: Sequence[str | None]
) -> Iterator[tuple[int, str, float]]:
    """Paragraphs that are quoted in part: where their first such word is from, and the share of these words."""
    start = 0
    for place, own in paragraphs:
        quoted = [source for source in sources[start : start + len(own)] if source]
        start += len(own)
        if quoted:
            yield place, quoted[0], len(quoted) / len(own)


def text_nodes(document: Document) -> Iterator[tuple[int, TextNode]]:
    """The text nodes with their places among all nodes."""
    return ((place, node) for place, node in enumerate(document.nodes) if isinstance(node, TextNode))


def repeated_paragraphs(pages: Sequence[Document], stay: Set[str], rule: RepeatedParagraph) -> Nodes:
    """The copies of a paragraph that is on at least ``min_pages`` pages of one host or domain.

    Kinds that are spared are not counted either. With ``keep: one`` the first page of those that ``stay`` keeps its
    first copy.
    """
    holders: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for document in pages:
        for place, node in text_nodes(document):
            if node.kind not in rule.spare:
                key = getattr(document, rule.scope), " ".join(node.text.split())
                holders[key][document.id].append(place)
    found: Nodes = {}
    for places in holders.values():
        if len(places) >= rule.min_pages:
            first = next((id for id in places if id in stay), None) if rule.keep == "one" else None
            for id, own in places.items():
                for place in own[1:] if id == first else own:
                    found["paragraph", id, place] = Removed("repeated_paragraph", first, len(places))
    return found


# Images


def image_nodes(document: Document) -> Iterator[tuple[int, str]]:
    """The canonical addresses of the images with their places among all nodes."""
    for place, node in enumerate(document.nodes):
        if isinstance(node, ImageNode):
            yield place, canonical(node.url)


def frequent_images(pages: Iterable[Document], rule: ImageFrequency) -> dict[str, int]:
    """The images on more than ``max_documents`` pages, and on how many they are."""
    counts = Counter(chain.from_iterable({url for _, url in image_nodes(page)} for page in pages))
    return {url: count for url, count in counts.items() if count > rule.max_documents}


def removed_images(pages: Iterable[Document], frequent: Mapping[str, int], repeated: bool) -> Nodes:
    """The ``frequent`` images and, if those are to go, the ones that their page had before."""
    found: Nodes = {}
    for document in pages:
        had: set[str] = set()
        for place, url in image_nodes(document):
            if url in frequent:
                found["image", document.id, place] = Removed("image_frequency", None, frequent[url])
            elif repeated and url in had:
                found["image", document.id, place] = Removed("repeated_image", document.id)
            had.add(url)
    return found


def image_sets(
    distinct: Iterable[Document], frequent: Mapping[str, int], rule: ImageSet, ngram: int
) -> Documents:
    """The documents whose images a document that stays has, too, all and no others.

    With a ``similarity`` only those whose text is so similar to that of one that stays.
    """
    stay: dict[frozenset[str], list[Document]] = defaultdict(list)
    found = {}
    for document in distinct:
        images = frozenset(url for _, url in image_nodes(document)).difference(frequent)
        if not images:
            continue
        fallen = (_like(head, document, rule, ngram) for head in stay[images])
        why = next(filter(None, fallen), None)
        if why:
            found[document.id] = why
        else:
            stay[images].append(document)
    return found


def _like(head: Document, document: Document, rule: ImageSet, ngram: int) -> Removed | None:
    """Why ``document`` falls for ``head``, which has the same images."""
    if rule.similarity is None:
        return Removed("image_set", head.id)
    value = jaccard(*(shingles(words_of(one), ngram) for one in (head, document)))
    return Removed("image_set", head.id, value) if value >= rule.similarity else None
