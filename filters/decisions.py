"""Decision rows: why an item was rejected and, for a sample of documents, what the kept ones measured."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from filters.base import Chain, Refusal, Trial, refusal_of
from filters.language import Identified
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode, TextNode

S = TypeVar("S")
Judged: TypeAlias = tuple[Refusal | None, Sequence[Trial]]
"""Why something is refused, if it is, and the rules tried, if they are to be told."""

DOCUMENT_REJECTED: Final = "document_rejected"
"""The reason of paragraphs and images that passed their own rules and fall with their document."""

EXCERPT: Final = 200
"""The most characters that a decision row quotes."""


class Decision(msgspec.Struct, frozen=True):
    """A row of ``decisions/``.

    ``index`` is the node's place in the document as it entered the stage, none for a document. A rejected
    item has one row with ``kept`` false, of the rule that refused it. In a document of the sample an item has
    a row for each of its other rules, too, with the value where that is a number: ``kept`` is true for those
    it passed before, null for those that were only measured after; they have a ``threshold`` and an ``op`` if
    they would have refused it as well. What falls with its document has no row with ``kept`` false.
    """

    id: str
    url: str
    domain: str
    level: str
    index: int | None
    rule: str
    value: float | None
    threshold: float | None
    op: str | None
    kept: bool | None
    excerpt: str
    crawl: str | None = None


class Ledger:
    """The decisions on one document: a row for each that is worth one, and every item counted once.

    Paragraphs and images that passed their rules wait for the decision on the document, and share it.
    """

    def __init__(self, document: Document, sample_share: float, tally: Tally) -> None:
        self.rows: list[Decision] = []
        self.sampled = sampled(document.id, sample_share)
        self._document = document
        self._tally = tally
        self._refused: list[tuple[str, str]] = []
        self._waiting = {"paragraph": 0, "image": 0}

    def judged(self, chain: Chain[S], subjects: Sequence[S]) -> Iterator[Judged]:
        """Why each subject is refused by ``chain``, if it is; of a sampled document with all trials."""
        if not self.sampled:
            return ((refusal, ()) for refusal in chain.refusals(subjects))
        everything = (chain.trials(subject, every=True) for subject in subjects)
        return ((refusal_of(trials), trials) for trials in everything)

    def node(self, index: int, node: TextNode | ImageNode, judged: Judged) -> bool:
        """Record what was decided on the node at ``index``; tell whether it is kept."""
        refusal, trials = judged
        level = "image" if isinstance(node, ImageNode) else "paragraph"
        if refusal is None:
            self._waiting[level] += 1
        else:
            self._refused.append((level, refusal.rule))
        if refusal is not None or trials:
            text = node.url if isinstance(node, ImageNode) else node.text
            self._write(level, index, text, refusal, trials)
        return refusal is None

    def unavailable_image(self, status: str) -> None:
        """Record that there is no image to decide on, and why."""
        self._tally.enter("images")
        self._tally.miss("images", status)

    def refuse(self, refusal: Refusal, why: str) -> Refusal:
        """Record that the document is refused as a whole, unread: the row quotes ``why`` and none of its text."""
        images = len(self._document.images)
        self._waiting = {"paragraph": len(self._document.nodes) - images, "image": images}
        self._count(refusal)
        self._write("document", None, why, refusal, [])
        return refusal

    def close(self, trials: list[Trial]) -> Refusal | None:
        """Record what was decided on the document, and with it on what is left in it."""
        refusal = refusal_of(trials)
        self._count(refusal)
        if refusal is not None or self.sampled:
            opening = " ".join(node.text[:EXCERPT] for node in self._document.texts[:EXCERPT])
            self._write("document", None, opening, refusal, trials if self.sampled else [])
        return refusal

    def _count(self, refusal: Refusal | None) -> None:
        refused = Counter(self._refused)
        for level, n in {**self._waiting, "document": 1}.items():
            if n and refusal is not None:
                refused[level, refusal.rule if level == "document" else DOCUMENT_REJECTED] += n
            elif n:
                self._tally.enter(f"{level}s", n)
                self._tally.keep(f"{level}s", n)
        for (level, rule), n in refused.items():
            self._tally.enter(f"{level}s", n)
            self._tally.reject(f"{level}s", rule, n)

    def _write(
        self, level: str, index: int | None, text: str, refusal: Refusal | None, trials: Sequence[Trial]
    ) -> None:
        document = self._document
        head = (document.id, document.url, document.domain, level, index)
        quoted, crawl = excerpt(text), document.source.crawl
        if refusal is not None and not trials:
            why = (refusal.value, refusal.threshold, refusal.op)
            self.rows.append(Decision(*head, refusal.rule, *why, False, quoted, crawl))
        kept: bool | None = True
        for trial in trials:
            value, threshold, op = number(trial.value), None, None
            if trial.breach is not None:
                value, threshold, op = msgspec.structs.astuple(trial.breach)
                kept = False if kept else None
            self.rows.append(Decision(*head, trial.rule, value, threshold, op, kept, quoted, crawl))
            kept = kept or None


def excerpt(text: str) -> str:
    """What a decision quotes of a text: its beginning, on one line."""
    return " ".join(text[: 4 * EXCERPT].split())[:EXCERPT]


def number(value: Any) -> float | None:
    """The number in what a rule measured, if it is one."""
    if isinstance(value, Identified):
        return value.score
    return float(value) if isinstance(value, int | float) else None


def sampled(id: str, share: float, sample: str = "sample") -> bool:
    """Whether the document ``id`` belongs to the inspection sample, or another: always the same ``share`` of all ids.

    Samples of different names (at most 16 bytes) have nothing to do with each other.
    """
    digest = hashlib.blake2b(id.encode(), digest_size=8, person=sample.encode()).digest()
    return int.from_bytes(digest) < share * 2**64
