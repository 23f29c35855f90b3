"""Decision rows: why an item was rejected and, for a sample of documents, what the kept ones measured."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from filters.base import Refusal, Trial, refusal_of
from filters.language import Identified
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode, TextNode

DOCUMENT_REJECTED: Final = "document_rejected"
"""The reason of paragraphs and images that passed their own rules and fall with their document."""

EXCERPT: Final = 200
"""The most characters that a decision row quotes."""


class Decision(msgspec.Struct, frozen=True):
    """A row of ``decisions/``.

    ``index`` is the node's place in the document as it entered the stage, none for a document. A rejected
    item has one row, of the rule that refused it. In a document of the sample an item that passed has a row
    for each rule it passed, with the value where that is a number. What falls with its document has no row
    of its own.
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
    kept: bool
    excerpt: str


class Ledger:
    """The decisions on one document: a row for each that is worth one, and every item counted once.

    Paragraphs and images that passed their rules wait for the decision on the document, and share it.
    """

    def __init__(self, document: Document, sample_share: float, tally: Tally) -> None:
        self.rows: list[Decision] = []
        self._document = document
        self._tally = tally
        self._sampled = sampled(document.id, sample_share)
        self._waiting = {"paragraphs": 0, "images": 0}

    def node(self, index: int, node: TextNode | ImageNode, trials: list[Trial]) -> Refusal | None:
        """Record what was decided on the node at ``index``, and tell why it was refused, if it was."""
        level = "image" if isinstance(node, ImageNode) else "paragraph"
        refusal = refusal_of(trials)
        self._tally.enter(f"{level}s")
        if refusal is None:
            self._waiting[f"{level}s"] += 1
        else:
            self._tally.reject(f"{level}s", refusal.rule)
        if refusal is not None or self._sampled:
            self._write(level, index, node.url if isinstance(node, ImageNode) else node.text, trials)
        return refusal

    def unavailable_image(self, status: str) -> None:
        """Record that there is no image to decide on, and why."""
        self._tally.enter("images")
        self._tally.miss("images", status)

    def close(self, trials: list[Trial]) -> Refusal | None:
        """Record what was decided on the document, and with it on what is left in it."""
        refusal = refusal_of(trials)
        self._tally.enter("documents")
        for level, n in {**self._waiting, "documents": 1}.items():
            if n and refusal is None:
                self._tally.keep(level, n)
            elif n and refusal is not None:
                self._tally.reject(level, refusal.rule if level == "documents" else DOCUMENT_REJECTED, n)
        if refusal is not None or self._sampled:
            opening = (node.text[:EXCERPT] for node in self._document.texts[:EXCERPT])
            self._write("document", None, " ".join(opening), trials)
        return refusal

    def _write(self, level: str, index: int | None, text: str, trials: list[Trial]) -> None:
        document = self._document
        head = (document.id, document.url, document.domain, level, index)
        excerpt = " ".join(text[: 4 * EXCERPT].split())[:EXCERPT]
        refusal = refusal_of(trials)
        if refusal is not None:
            why = (refusal.value, refusal.threshold, refusal.op)
            self.rows.append(Decision(*head, refusal.rule, *why, False, excerpt))
            return
        for trial in trials:
            self.rows.append(Decision(*head, trial.rule, number(trial.value), None, None, True, excerpt))


def number(value: Any) -> float | None:
    """The number in what a rule measured, if it is one."""
    if isinstance(value, Identified):
        return value.score
    return float(value) if isinstance(value, int | float) else None


def sampled(id: str, share: float) -> bool:
    """Whether the document ``id`` belongs to the inspection sample: always the same ``share`` of all ids."""
    digest = hashlib.blake2b(id.encode(), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest) < share * 2**64
