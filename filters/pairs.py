"""Which texts describe an image, and which of them a picture keeps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from filters.lexicon import Lexicon
from filters.rules import ParagraphRules
from filters.subjects import batches, blocks_of
from filters.text import WordCount
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import TextNode
from obelics_pipeline.pairs import SOURCES, Captioned, Said, TextSource, fold, uid_of

Pair: TypeAlias = tuple[Captioned, Said]

Positive = Annotated[int, msgspec.Meta(ge=1)]

LEVEL: Final = "pairs"
"""The level in reports: one item for each text of an image."""

_LETTERS: Final = re.compile(r"[^\W\d_]+")
# fmt: off
EMPTY_WORDS: Final = frozenset((
    "a", "an", "and", "alt", "at", "available", "avatar", "background", "banner", "blank", "by", "caption", "click",
    "cover", "default", "dsc", "dscn", "enlarge", "featured", "fig", "figure", "file", "for", "full", "gallery", "gif",
    "graphic", "header", "here", "hero", "icon", "illustration", "image", "images", "img", "in", "jpeg", "jpg",
    "large", "larger", "loading", "logo", "missing", "more", "no", "not", "of", "on", "open", "photo", "photograph",
    "photos", "pic", "picture", "pictures", "placeholder", "png", "post", "preview", "read", "screenshot", "see",
    "size", "slide", "source", "text", "the", "this", "thumb", "thumbnail", "title", "to", "untitled", "view", "webp",
    "with", "zoom",
    "abbildung", "bild", "bilder", "foto", "fotos", "fotografie", "grafik", "titelbild", "vorschau", "das", "der",
    "die",
    "de", "du", "la", "le", "photographie", "vignette",
    "imagen", "imágenes", "fotografía", "el", "del",
    "immagine", "immagini", "fotografia", "il",
    "imagem", "imagens", "o", "do", "da",
    "afbeelding", "afbeeldingen", "het", "een", "van",
    "obraz", "obrazek", "zdjęcie", "zdjęcia",
    "画像", "写真", "图片", "图像", "照片",
))
# fmt: on
"""Words that by themselves tell of no picture what it shows (``Image 1``, ``click to enlarge``), in the languages with
a profile; chosen for this project."""


class PairsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which pairs of an image and a text the dataset has."""

    sources: tuple[TextSource, ...] = SOURCES
    """What texts are taken, the best first."""
    per_picture: Positive = 2
    """Rows that a picture may have, of the best sources. Each has the bytes of the image."""
    max_images: Positive = 2
    """Images of a document that may share a text; what is said of more tells them not apart (``repeated_text``)."""
    text: ParagraphRules = ParagraphRules({"word_count": WordCount(min=2, max=300)})
    """Rules on the texts: those that there are for paragraphs, to which these count as captions."""

    def __post_init__(self) -> None:
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError(
                "sources is empty, or names one twice; name each that is wanted, or write 'pairs: off'"
            )


def choose(images: Iterable[Captioned], options: PairsOptions, lexicon: Lexicon, tally: Tally) -> list[Pair]:
    """The pairs that are kept of all ``images`` that show some pictures, in order of their ids; every text is counted.

    Of a picture that has the same text several times, whatever its source, one is kept: of the best source, then of
    the largest image, then of the least id of a document. So what is kept does not depend on the order of ``images``.
    """
    kept: list[Pair] = []
    pictures: dict[str, list[Pair]] = defaultdict(list)
    for image, said in _describing(images, options, lexicon, tally):
        pictures[image.picture].append((image, said))
    for pairs in pictures.values():
        told: dict[str, Pair] = {}
        for pair in sorted(pairs, key=lambda pair: _rank(pair, options.sources)):
            told.setdefault(fold(pair[1].text), pair)
        chosen = list(told.values())[: options.per_picture]
        _reject(tally, "same_text", len(pairs) - len(told))
        _reject(tally, "per_picture", len(told) - len(chosen))
        kept += chosen
    tally.keep(LEVEL, len(kept))
    return sorted(kept, key=lambda pair: uid_of(*pair))


def _rank(pair: Pair, sources: Sequence[TextSource]) -> tuple[int, int, str, int, str]:
    image, said = pair
    pixels = (image.found.width or 0) * (image.found.height or 0)
    return sources.index(said.source), -pixels, image.doc_id, image.slot, said.text


def _describing(
    images: Iterable[Captioned], options: PairsOptions, lexicon: Lexicon, tally: Tally
) -> Iterator[Pair]:
    """The texts that no rule refuses, with their images."""
    pairs = ((image, said) for image in images for said in image.said if said.source in options.sources)
    for batch in batches(pairs, lambda pair: len(pair[1].text)):
        tally.enter(LEVEL, len(batch))
        blocks = blocks_of([TextNode("caption", said.text) for _, said in batch], lexicon)
        for (image, said), refusal in zip(batch, options.text.refusals(blocks), strict=True):
            rule = refusal_of(image, said, options) or getattr(refusal, "rule", None)
            if rule is None:
                yield image, said
            else:
                _reject(tally, rule)


def refusal_of(image: Captioned, said: Said, options: PairsOptions) -> str | None:
    """The name of the rule by which a text says nothing of its image, if one does."""
    name = image.filename
    if said.source != "filename" and fold(said.text) in (fold(name), fold(name.rpartition(".")[0])):
        return "file_name"
    if EMPTY_WORDS.issuperset(map(str.casefold, _LETTERS.findall(said.text))):
        return "empty_words"
    return "repeated_text" if said.images > options.max_images else None


def _reject(tally: Tally, rule: str, n: int = 1) -> None:
    if n:
        tally.reject(LEVEL, rule, n)
