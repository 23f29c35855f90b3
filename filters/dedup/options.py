"""What counts as a duplicate: the section ``dedup`` of a configuration."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from obelics_pipeline.document import TEXT_KINDS

Positive = Annotated[int, msgspec.Meta(ge=1)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=1)]


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule with its limits."""


class Url(_Rule, frozen=True):
    """Of documents with the same canonical address one stays."""


class SameText(_Rule, frozen=True):
    """Of documents with the same words in the same order one stays."""


class NearText(_Rule, frozen=True):
    """Of documents that are linked by similar texts one stays.

    Two texts are similar if the Jaccard index of their sets of ``ngram`` words is at least ``threshold``; pairs
    are found by MinHash with ``bands`` of ``rows`` hashes each (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of
    Massive Datasets, 3.4) and then compared by their ``sketch`` smallest shingles (all, if there are fewer).
    """

    ngram: Positive = 5
    bands: Annotated[int, msgspec.Meta(ge=1, le=255)] = 16
    rows: Positive = 7
    threshold: Ratio = 0.8
    sketch: Annotated[int, msgspec.Meta(ge=16)] = 1024
    action: Literal["drop", "mark"] = "drop"
    """``mark`` keeps them all: each says which cluster it is of, and how many that has."""


class SharedPassage(_Rule, frozen=True):
    """Drop paragraphs that are mostly quoted: ``share`` of their words stand in passages of at least ``words``
    words that a document before has, too (exact substrings: Lee et al. 2021, arXiv:2107.06499, with 50 tokens)."""

    words: Annotated[int, msgspec.Meta(ge=8)] = 50
    share: Ratio = 0.5


class RepeatedParagraph(_Rule, frozen=True):
    """Drop paragraphs that stand on at least ``min_pages`` pages of one host, or one registrable ``domain``.

    ``keep: one`` leaves that of the first page. OBELICS: at least 3 pages of a host, none kept.
    """

    scope: Literal["host", "domain"] = "host"
    min_pages: Annotated[int, msgspec.Meta(ge=2)] = 3
    keep: Literal["none", "one"] = "none"
    spare: tuple[str, ...] = ()
    """Kinds of text nodes that are let alone."""

    def __post_init__(self) -> None:
        for kind in self.spare:
            if kind not in TEXT_KINDS:
                raise ValueError(f"spare: no kind of text {kind!r}; known: {', '.join(TEXT_KINDS)}")


class ImageFrequency(_Rule, frozen=True):
    """Drop images whose canonical address is on more than ``max_documents`` documents. OBELICS: 10."""

    max_documents: Positive = 10


class RepeatedImage(_Rule, frozen=True):
    """Keep the first of the images of a document that have the same canonical address."""


class ImageSet(_Rule, frozen=True):
    """Of documents with the same set of images one stays, as in OBELICS.

    With ``similarity`` only those fall whose text is similar, too: the Jaccard index with that of one that stays, by
    the n-grams of ``near_text``, is at least so high. Different texts around one press photo stay.
    """

    similarity: Ratio | None = None


class DedupOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules, in the order in which they are tried; one that is not named is off.

    ``keep`` says which of several documents stays.
    """

    keep: Literal["newest", "oldest", "longest"] = "newest"
    url: Url | None = None
    same_text: SameText | None = None
    near_text: NearText | None = None
    shared_passage: SharedPassage | None = None
    repeated_paragraph: RepeatedParagraph | None = None
    image_frequency: ImageFrequency | None = None
    repeated_image: RepeatedImage | None = None
    image_set: ImageSet | None = None

    def __post_init__(self) -> None:
        if self.image_set is not None and self.image_set.similarity is not None and not self.image_frequency:
            raise ValueError(
                "image_set.similarity compares all documents of a set with each other; "
                "add 'image_frequency:', which bounds how many those can be"
            )

    @property
    def signed(self) -> dict[str, Any]:
        """What signatures depend on; where two runs agree, their signatures can be compared. None: left out."""
        near, paragraph = self.near, self.repeated_paragraph
        return {
            "version": SIGNATURE_VERSION,
            "keep": self.keep,
            "near_text": [near.ngram, near.bands, near.rows, near.sketch] if near else None,
            "shared_passage": True if self.shared_passage else None,
            "repeated_paragraph": [paragraph.scope, sorted(paragraph.spare)] if paragraph else None,
        }

    @property
    def prunes(self) -> bool:
        """Whether a rule takes paragraphs or images out of documents."""
        rules = (self.shared_passage, self.repeated_paragraph, self.image_frequency, self.repeated_image)
        return any(rule is not None for rule in rules)

    @property
    def near(self) -> NearText | None:
        """How texts are compared: as ``near_text`` says, or as it would where only ``image_set`` does."""
        if self.image_set is not None and self.image_set.similarity is not None:
            return self.near_text or NearText()
        return self.near_text


SIGNATURE_VERSION: Final = 1
"""Grows when a key of ``signatures/`` is computed otherwise than before."""
