"""Words, and which texts are similar by them, found the plain way: no hash that two share, no pair that is missed."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cache
from itertools import chain

from obelics_pipeline.document import Document

# Words


@cache
def alone(character: str) -> bool:
    """Whether a character is a word of its own."""
    return unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA"))


@cache
def words(text: str) -> tuple[str, ...]:
    """Runs of letters and digits, in lower case; those of a script without spaces one by one."""
    found = []
    for run in re.findall(r"[^\W_]+", text.lower()):
        if run.isascii():
            found.append(run)
        else:
            spaced = "".join(f" {c} " if alone(c) else c for c in run)
            found.extend(spaced.split())
    return tuple(found)


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
