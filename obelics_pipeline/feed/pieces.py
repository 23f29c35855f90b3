"""A document as tokens and images, cut into pieces that fit into a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from obelics_pipeline.errors import ConfigError
from obelics_pipeline.feed.order import mixed
from obelics_pipeline.feed.packing_options import PackOptions
from obelics_pipeline.feed.sample import Image, Sample
from obelics_pipeline.views.document import PARAGRAPHS


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Images that follow each other, and the tokens of the text after them; either may be missing."""

    images: tuple[Image, ...]
    tokens: Sequence[int] = ()


class Piece(msgspec.Struct):
    """What goes into one sequence of a document: ``blocks`` of ``tokens`` tokens with ``images`` images."""

    id: str
    blocks: list[Block]
    tokens: int
    images: int = 0


def pieces_of(sample: Sample, options: PackOptions) -> list[Piece]:
    """The pieces of a document, in order; none if the rules drop it."""
    parts = _tidied(sample, options)
    shown = sum(isinstance(part, Image) for part in parts)
    if not parts or shown < options.min_images or _too_many(parts, shown, options):
        return []
    if shown == 1 and _chance(sample, 1) >= options.keep_single:
        return []
    pieces = list(_cut(sample.id, list(_blocks(parts, options)), options))
    if len(pieces) > 1 and options.long != "split":
        pieces = _one(sample, pieces, options)
    # Cutting may have parted all images from a piece.
    least = options.min_images
    return (
        pieces
        if not least or options.long == "split"
        else [piece for piece in pieces if piece.images >= least]
    )


def _one(sample: Sample, pieces: list[Piece], options: PackOptions) -> list[Piece]:
    if options.long == "drop":
        return []
    if options.long == "truncate":
        return pieces[:1]
    with_images = [piece for piece in pieces if piece.images] or pieces
    return [with_images[int(_chance(sample, 3) * len(with_images))]]


def _chance(sample: Sample, what: int) -> float:
    """A number below 1 for this document in this epoch."""
    return mixed(int.from_bytes(sample.id.encode()[:32]) & (1 << 63) - 1, sample.at.epoch, what) / 2**64


def _tidied(sample: Sample, options: PackOptions) -> list[str | Image]:
    """The parts in the order in which they are shown, without images that no text follows."""
    parts = list(_merged(sample.parts))
    if options.image_first and _chance(sample, 2) < options.image_first:
        runs = [list(run) for _, run in groupby(parts, key=lambda part: isinstance(part, Image))]
        first = 0 if runs and isinstance(runs[0][0], str) else 1
        for place in range(first, len(runs) - 1, 2):
            runs[place], runs[place + 1] = runs[place + 1], runs[place]
        parts = [part for run in runs for part in run]
    while parts and not options.trailing_images and isinstance(parts[-1], Image):
        parts.pop()
    return parts


def _merged(parts: Sequence[str | Image]) -> Iterator[str | Image]:
    """Texts between which a slot went are one; blank ones are none, and keep no images apart."""
    shown = [part for part in parts if isinstance(part, Image) or part.strip()]
    for image, run in groupby(shown, key=lambda part: isinstance(part, Image)):
        if image:
            yield from run
        else:
            yield PARAGRAPHS.join(part for part in run if isinstance(part, str))


def _too_many(parts: list[str | Image], shown: int, options: PackOptions) -> bool:
    if options.max_document_images is not None and shown > options.max_document_images:
        return True
    runs = groupby(parts, key=lambda part: isinstance(part, Image))
    longest = max((len(list(run)) for image, run in runs if image), default=0)
    return options.max_run is not None and longest > options.max_run


def _blocks(parts: list[str | Image], options: PackOptions) -> Iterator[Block]:
    images: list[Image] = []
    for part in parts:
        if isinstance(part, Image):
            images.append(part)
        else:
            tokens = _tokens(part, options)
            if len(tokens):
                yield Block(tuple(images), tokens)
                images = []
    if images and options.trailing_images:
        yield Block(tuple(images))


def _tokens(text: str, options: PackOptions) -> Sequence[int]:
    for word in options.special:
        text = text.replace(word, f"{word[:1]} {word[1:]}")
    tokens = options.tokenize(text)
    if options.image_id in tokens:
        raise ConfigError(
            f"tokenize makes the image token {options.image_id} of {text[:60]!r}; name in 'special' how it is "
            "written"
        )
    return tokens


def _cut(id: str, blocks: list[Block], options: PackOptions) -> Iterator[Piece]:
    """Pieces of at most ``length`` tokens and ``max_images`` images; images that follow each other stay together."""
    around = len(options.begin) + len(options.end)
    piece = Piece(id, [], around)
    for block in blocks:
        images, size = _fitting(block.images, options, around)
        tokens = block.tokens
        least = size + (1 if len(tokens) else 0)
        crowded = options.max_images is not None and piece.images + len(images) > options.max_images
        if piece.blocks and (piece.tokens + least > options.length or crowded):
            yield piece
            piece = Piece(id, [], around)
        start = 0
        while images or start < len(tokens):
            room = options.length - piece.tokens - size
            taken = tokens[start : start + room]
            piece.blocks.append(Block(images, taken))
            piece.tokens += size + len(taken)
            piece.images += len(images)
            images, size, start = (), 0, start + len(taken)
            if start < len(tokens):
                yield piece
                piece = Piece(id, [], around)
    if piece.blocks:
        yield piece


def _fitting(images: tuple[Image, ...], options: PackOptions, around: int) -> tuple[tuple[Image, ...], int]:
    """As many of the images as a sequence holds together with a token of text, and the tokens that they take."""
    size, count = 0, 0
    for image in images:
        more = options.size_of(image.width, image.height)
        if size + more + around >= options.length or count == options.max_images:
            break
        size, count = size + more, count + 1
    return images[:count], size
