"""Apply chains of rules to a document: prune what is in it, keep or reject the whole, count everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec.structs import replace

from filters.base import Refusal
from filters.decisions import Decision, Ledger, number
from filters.language import Identified
from filters.lexicon import Lexicon
from filters.rules import DocumentRules, ImageRules, ParagraphRules, PictureRules
from filters.subjects import Block, Content, Picture, blocks_of, content_of
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode, Node

OK: Final = "ok"
"""The status of an image slot that holds an image."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FilterOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``filter_document`` keeps. ``sample_share`` of the documents have rows for what is kept, too."""

    paragraph: ParagraphRules = ParagraphRules()
    image: ImageRules = ImageRules()
    document: DocumentRules = DocumentRules()
    sample_share: Share = 0.01


class AssembleOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``assemble_document`` keeps; ``sample_share`` as in ``FilterOptions``."""

    paragraph: ParagraphRules = ParagraphRules()
    image: PictureRules = PictureRules()
    document: DocumentRules = DocumentRules()
    sample_share: Share = 0.01


class Outcome(msgspec.Struct, frozen=True):
    """What became of a document.

    ``document`` is what its rules left of it, with its measures (all of them if it is kept or in the sample,
    else those up to the refusal). ``refusal`` is why it is rejected, ``None`` if it is kept. ``statuses`` has
    a word for each image of an assembled document: ``ok``, the rule that refused it, or why there is none.
    """

    document: Document
    refusal: Refusal | None
    decisions: tuple[Decision, ...]
    statuses: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the document goes on to the next stage."""
        return self.refusal is None


def filter_document(document: Document, options: FilterOptions, lexicon: Lexicon, tally: Tally) -> Outcome:
    """Drop refused paragraphs and images, then keep or reject what is left; count every item once."""
    ledger = Ledger(document, options.sample_share, tally)
    blocks = blocks_of(document.texts, lexicon)
    waiting = iter(blocks)
    nodes: list[Node] = []
    kept: list[Block] = []
    for index, node in enumerate(document.nodes):
        if isinstance(node, ImageNode):
            if ledger.node(index, node, options.image, node) is None:
                nodes.append(node)
        elif ledger.node(index, node, options.paragraph, block := next(waiting)) is None:
            nodes.append(node)
            kept.append(block)
    pruned = replace(document, nodes=tuple(nodes))
    return _outcome(pruned, content_of(kept, lexicon, len(nodes) - len(kept)), options.document, ledger)


def assemble_document(
    document: Document,
    pictures: Sequence[Picture | str],
    options: AssembleOptions,
    lexicon: Lexicon,
    tally: Tally,
) -> Outcome:
    """Judge the images that were fetched, then the document by those that are left; count every item once.

    ``pictures`` tells of each of ``document.images`` what it turned out to be, or the status that says why it
    is unavailable. Every image node stays: one that is gone or refused leaves an empty slot.
    """
    if len(pictures) != len(document.images):
        raise ValueError(f"{len(pictures)} pictures for {len(document.images)} images of {document.url}")
    ledger = Ledger(document, options.sample_share, tally)
    blocks = blocks_of(document.texts, lexicon)
    waiting, fates = iter(blocks), iter(pictures)
    statuses: list[str] = []
    nodes: list[Node] = []
    kept: list[Block] = []
    for index, node in enumerate(document.nodes):
        if isinstance(node, ImageNode):
            statuses.append(_status(index, node, next(fates), options.image, ledger))
            nodes.append(node)
        elif ledger.node(index, node, options.paragraph, block := next(waiting)) is None:
            nodes.append(node)
            kept.append(block)
    pruned = replace(document, nodes=tuple(nodes))
    content = content_of(kept, lexicon, statuses.count(OK))
    return replace(_outcome(pruned, content, options.document, ledger), statuses=tuple(statuses))


def _status(index: int, node: ImageNode, picture: Picture | str, rules: PictureRules, ledger: Ledger) -> str:
    if isinstance(picture, str):
        ledger.unavailable_image(picture)
        return picture
    refusal = ledger.node(index, node, rules, picture)
    return refusal.rule if refusal else OK


def _outcome(document: Document, content: Content, rules: DocumentRules, ledger: Ledger) -> Outcome:
    trials = rules.trials(content, every=ledger.sampled)
    measures = dict(document.measures)
    for trial in trials:
        value = number(trial.value)
        if value is not None:
            measures[rules.measure_of(trial.rule)] = value
        if isinstance(trial.value, Identified):
            document = replace(document, language=trial.value.language, language_score=trial.value.score)
    refusal = ledger.close(trials)
    return Outcome(replace(document, measures=measures), refusal, tuple(ledger.rows))
