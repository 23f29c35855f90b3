"""Apply chains of rules to a document: prune what is in it, keep or reject the whole, count everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Annotated, Final

import msgspec
from msgspec.structs import replace

from filters.base import Breach, Refusal, Trial
from filters.consent.policy import Action, Policy
from filters.consent.verdict import OPT_OUT, Consent, EvidenceRow, Judgement
from filters.decisions import Decision, Judged, Ledger, number
from filters.language import Identified
from filters.lexicon import Lexicon
from filters.rules import DocumentRules, ImageRules, ParagraphRules, PictureRules
from filters.subjects import Block, Content, Picture, batches, blocks_of, blocks_of_each, content_of
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode, Node

OK: Final = "ok"
"""The status of an image slot that holds an image."""

IMAGE_CHARACTERS: Final = 100
"""What an image counts for in a batch, so that documents without text do not gather without end."""

CONSENT: Final = Consent(Policy())
"""What is asked of pages unless a caller says otherwise: the usual policy, without registries."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FilterOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``filter_document`` keeps. ``sample_share`` of the documents have rows for what is kept, too."""

    paragraph: ParagraphRules = ParagraphRules()
    image: ImageRules = ImageRules()
    document: DocumentRules = DocumentRules()
    sample_share: Share = 0.01

    @property
    def has_rules(self) -> bool:
        """Whether any rule is on."""
        return self != FilterOptions(sample_share=self.sample_share)


class SamePicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Images show the same picture if steps of at most ``bits`` connect their perceptual hashes.

    Of 64 bits unrelated pictures differ in 16 and more; the same one in another size or quality mostly in none to 3
    (docs/images.md). Without this only equal bytes are the same.
    """

    bits: Annotated[int, msgspec.Meta(ge=0, le=6)] = 3


class AssembleOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``assemble_document`` keeps; ``sample_share`` as in ``FilterOptions``."""

    paragraph: ParagraphRules = ParagraphRules()
    same_picture: SamePicture | None = None
    image: PictureRules = PictureRules()
    document: DocumentRules = DocumentRules()
    sample_share: Share = 0.01


class Outcome(msgspec.Struct, frozen=True):
    """What became of a document.

    ``document`` is what its rules left of it, with its measures (all of them if it is kept or in the sample,
    else those up to the refusal). ``refusal`` is why it is rejected, ``None`` if it is kept. ``statuses`` has
    a word for each image of an assembled document: ``ok``, the rule that refused it, or why there is none.
    ``evidence`` are the rows for ``consent/``.
    """

    document: Document
    refusal: Refusal | None
    decisions: tuple[Decision, ...]
    statuses: tuple[str, ...] = ()
    evidence: tuple[EvidenceRow, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the document goes on to the next stage."""
        return self.refusal is None


def filter_documents(
    documents: Iterable[Document],
    options: FilterOptions,
    lexicon: Lexicon,
    tally: Tally,
    consent: Consent = CONSENT,
) -> Iterator[Outcome]:
    """``filter_document`` for many, in order; cheaper, because their texts are counted together."""
    for batch in batches(documents, _size):
        blocks_of_all = blocks_of_each([document.texts for document in batch], lexicon)
        for document, blocks in zip(batch, blocks_of_all, strict=True):
            yield _filtered(document, blocks, options, lexicon, tally, consent)


def _size(document: Document) -> int:
    return sum(len(node.text) for node in document.texts) + IMAGE_CHARACTERS * len(document.images)


def filter_document(
    document: Document,
    options: FilterOptions,
    lexicon: Lexicon,
    tally: Tally,
    consent: Consent = CONSENT,
) -> Outcome:
    """Drop what opts out, then what rules refuse, then keep or reject what is left; count every item once."""
    return _filtered(document, blocks_of(document.texts, lexicon), options, lexicon, tally, consent)


def _filtered(
    document: Document,
    blocks: list[Block],
    options: FilterOptions,
    lexicon: Lexicon,
    tally: Tally,
    consent: Consent,
) -> Outcome:
    ledger = Ledger(document, options.sample_share, tally)
    judgement, evidence = consent.of_page(document)
    if judgement.action is Action.DROP_DOCUMENT:
        refused = ledger.refuse(_opted_out(), judgement.value)
        return Outcome(document, refused, tuple(ledger.rows), evidence=evidence)
    images = _of_images(document, judgement, options, ledger)
    texts = zip(blocks, ledger.judged(options.paragraph, blocks), strict=True)
    nodes: list[Node] = []
    kept: list[Block] = []
    for index, node in enumerate(document.nodes):
        if isinstance(node, ImageNode):
            if ledger.node(index, node, next(images)):
                nodes.append(node)
        else:
            block, judged = next(texts)
            if ledger.node(index, node, judged):
                nodes.append(node)
                kept.append(block)
    pruned = replace(document, nodes=tuple(nodes))
    content = content_of(kept, lexicon, len(nodes) - len(kept))
    return replace(_outcome(pruned, content, options.document, ledger), evidence=evidence)


def _of_images(
    document: Document, judgement: Judgement, options: FilterOptions, ledger: Ledger
) -> Iterator[Judged]:
    if judgement.action is Action.DROP_IMAGE:
        return repeat((_opted_out(), ()))
    return ledger.judged(options.image, document.images)


def _opted_out() -> Refusal:
    return Refusal(OPT_OUT, None, None, None)


def assemble_document(
    document: Document,
    pictures: Sequence[Picture | str],
    options: AssembleOptions,
    lexicon: Lexicon,
    tally: Tally,
) -> Outcome:
    """Judge the images that were fetched, then the document by those that are left; count every item once.

    ``pictures`` tells of each of ``document.images`` what it turned out to be, or the status that says why it
    is unavailable. Every image node stays: one that is gone or refused leaves an empty slot, unless it takes the whole
    document along (``PictureRules.condemns``).
    """
    if len(pictures) != len(document.images):
        raise ValueError(f"{len(pictures)} pictures for {len(document.images)} images of {document.url}")
    ledger = Ledger(document, options.sample_share, tally)
    blocks = blocks_of(document.texts, lexicon)
    texts = zip(blocks, ledger.judged(options.paragraph, blocks), strict=True)
    shown = [found for found in pictures if isinstance(found, Picture)]
    judged_images = list(ledger.judged(options.image, _told_of_repeats(shown, options.image)))
    condemned = next((refusal for refusal, _ in judged_images if options.image.condemns(refusal)), None)
    fetched = iter(judged_images)
    fates = iter(pictures)
    statuses: list[str] = []
    nodes: list[Node] = []
    kept: list[Block] = []
    for index, node in enumerate(document.nodes):
        if isinstance(node, ImageNode):
            fate = next(fates)
            statuses.append(
                _status(index, node, next(fetched) if isinstance(fate, Picture) else fate, ledger)
            )
            nodes.append(node)
        else:
            block, judged = next(texts)
            if ledger.node(index, node, judged):
                nodes.append(node)
                kept.append(block)
    pruned = replace(document, nodes=tuple(nodes))
    content = content_of(kept, lexicon, statuses.count(OK))
    outcome = _outcome(pruned, content, options.document, ledger, condemned)
    return replace(outcome, statuses=tuple(statuses))


def _told_of_repeats(pictures: Sequence[Picture], rules: PictureRules) -> list[Picture]:
    """The pictures, each with how often it was kept before: a copy that another rule refuses does not count."""
    if not rules.compares:
        return list(pictures)
    kept: Counter[bytes] = Counter()
    told = []
    for picture, refusal in zip(pictures, rules.refusals(pictures), strict=True):
        if picture.same is None:
            told.append(picture)
            continue
        told.append(replace(picture, before=kept[picture.same]))
        kept[picture.same] += refusal is None
    return told


def _status(index: int, node: ImageNode, fate: Judged | str, ledger: Ledger) -> str:
    if isinstance(fate, str):
        ledger.unavailable_image(fate)
        return fate
    ledger.node(index, node, fate)
    return fate[0].rule if fate[0] else OK


def _outcome(
    document: Document,
    content: Content,
    rules: DocumentRules,
    ledger: Ledger,
    condemned: Refusal | None = None,
) -> Outcome:
    """Judge what is left of a document; ``condemned`` is why it is refused whatever that is."""
    before = [_trial_of(condemned)] if condemned else []
    trials = [] if condemned and not ledger.sampled else rules.trials(content, every=ledger.sampled)
    measures = dict(document.measures)
    for trial in trials:
        value = number(trial.value)
        if value is not None:
            measures[rules.measure_of(trial.rule)] = value
        if isinstance(trial.value, Identified):
            document = replace(document, language=trial.value.language, language_score=trial.value.score)
    refusal = ledger.close(before + trials)
    return Outcome(replace(document, measures=measures), refusal, tuple(ledger.rows))


def _trial_of(refusal: Refusal) -> Trial:
    return Trial(refusal.rule, refusal.value, Breach(refusal.value, refusal.threshold, refusal.op or ""))
