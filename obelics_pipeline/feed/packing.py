"""Sequences of tokens with images, packed from documents so that little is padding, and resumed exactly.

Each lane is packed by itself, so its sequences are the same whoever reads it. The state holds which documents wait in
open sequences; they are read again when a lane is taken up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from obelics_pipeline.feed.feed import Feed, stable
from obelics_pipeline.feed.packing_options import IGNORED, PackOptions
from obelics_pipeline.feed.pieces import Piece, pieces_of
from obelics_pipeline.feed.sample import Cursor, Image
from obelics_pipeline.feed.state import Mark, Place, Progress, Waiting, decoded

OLDEST = 10
"""A sequence is closed when so many row groups were read since its first document: what resuming has to read again."""

Ints = npt.NDArray[np.int32]


class Sequence(msgspec.Struct, frozen=True):
    """``input_ids`` and ``labels`` of one sequence, padded to its length; ``labels`` are not shifted.

    ``bounds`` are the places where documents begin and the last one ends, ``documents`` their ids. ``images`` stand in
    order; image ``i`` has its tokens from ``image_starts[i]`` on, ``image_sizes[i]`` of them.
    """

    input_ids: Ints
    labels: Ints
    bounds: Ints
    documents: tuple[str, ...]
    images: tuple[Image, ...]
    image_starts: Ints
    image_sizes: Ints

    @property
    def padding(self) -> int:
        """How many tokens at the end are padding."""
        return len(self.input_ids) - int(self.bounds[-1])

    @property
    def positions(self) -> Ints:
        """The place of each token in its document, from 0."""
        starts = np.zeros(len(self.input_ids), np.int32)
        starts[self.bounds[:-1]] = self.bounds[:-1]
        starts[self.bounds[-1] :] = self.bounds[-1]
        return np.arange(len(self.input_ids), dtype=np.int32) - np.maximum.accumulate(starts)


class _Bin(msgspec.Struct):
    """An open sequence: pieces, and where they come from."""

    pieces: list[Piece]
    waiting: list[Waiting]
    tokens: int
    images: int

    def holds(self, piece: Piece, options: PackOptions) -> bool:
        few = options.max_images is None or self.images + piece.images <= options.max_images
        return few and self.tokens + piece.tokens <= options.length

    def add(self, piece: Piece, waiting: Waiting) -> None:
        self.pieces.append(piece)
        self.waiting.append(waiting)
        self.tokens += piece.tokens
        self.images += piece.images


class Packer:
    """The open sequences of a lane."""

    def __init__(self, options: PackOptions) -> None:
        self._options = options
        self._bins: list[_Bin] = []

    def add(self, piece: Piece, waiting: Waiting) -> Iterator[list[Piece]]:
        """Put a piece where it fits best; the sequences that are full with it, or too many."""
        options = self._options
        fitting = [open for open in self._bins if options.packed and open.holds(piece, options)]
        if fitting:
            best = max(fitting, key=lambda open: open.tokens)
        else:
            best = _Bin([], [], 0, 0)
            self._bins.append(best)
        best.add(piece, waiting)
        least = len(options.begin) + len(options.end) + 1
        if not options.packed or best.tokens + least > options.length:
            yield self._close(best)
        elif len(self._bins) > options.bins:
            yield self._close(max(self._bins, key=lambda open: open.tokens))

    def close_old(self, unit: int) -> Iterator[list[Piece]]:
        """The sequences that were begun ``OLDEST`` row groups before ``unit``."""
        for open in [open for open in self._bins if open.waiting[0][0] <= unit - OLDEST]:
            yield self._close(open)

    def close_all(self) -> Iterator[list[Piece]]:
        """All sequences that are open."""
        while self._bins:
            yield self._close(self._bins[0])

    @property
    def waiting(self) -> tuple[tuple[Waiting, ...], ...]:
        """What waits in each open sequence."""
        return tuple(tuple(open.waiting) for open in self._bins)

    def restore(self, pieces: Mapping[Waiting, Piece], waiting: tuple[tuple[Waiting, ...], ...]) -> None:
        """Open the sequences again that waited.

        What has a tombstone by now is no longer there, and what lost an image to one may need more room.
        """
        for those in waiting:
            made = _Bin([], [], 0, 0)
            for one in those:
                if one in pieces:
                    if not made.holds(pieces[one], self._options):
                        self._bins.append(made)
                        made = _Bin([], [], 0, 0)
                    made.add(pieces[one], one)
            if made.pieces:
                self._bins.append(made)

    def _close(self, closed: _Bin) -> list[Piece]:
        self._bins = [open for open in self._bins if open is not closed]
        return closed.pieces


class Packing:
    """The sequences of a feed, epoch after epoch as it is iterated; state as the feed's."""

    def __init__(self, feed: Feed, options: PackOptions) -> None:
        self.feed, self.options = feed, options
        self.progress = Progress(self.order, feed.lanes)

    @cached_property
    def order(self) -> str:
        """What tells this order of sequences from others."""
        options = [stable(value) for value in msgspec.structs.asdict(self.options).values()]
        return blake2b(repr([self.feed.order, options]).encode(), digest_size=8).hexdigest()

    def __iter__(self) -> Iterator[Sequence]:
        for sequence, mark in self.marked(self.progress):
            self.progress.take(mark)
            if sequence is not None:
                yield sequence

    def marked(self, progress: Progress) -> Iterator[tuple[Sequence | None, Mark]]:
        """The sequences that are left to this reader, each with the state that follows from it."""
        return self.feed.walk(self.sequences, progress)

    def share(self, worker: int, workers: int) -> Packing:
        """The part of one of ``workers`` processes that pack this feed's documents together."""
        shared = Packing(self.feed.share(worker, workers), self.options)
        shared.load_state_dict(self.state_dict())
        return shared

    @property
    def lanes(self) -> int:
        """How many lanes the order has."""
        return self.feed.lanes

    def sequences(self, epoch: int, lane: int, place: Place) -> Iterator[tuple[Sequence, Place]]:
        """The sequences of a lane from ``place`` on, each with the place after it."""
        packer = self._restored(epoch, lane, place)

        def given(closed: Iterable[list[Piece]], then: Place) -> Iterator[tuple[Sequence, Place]]:
            for pieces in closed:
                waiting = packer.waiting
                yield sequence_of(pieces, self.options), msgspec.structs.replace(then, open=waiting)

        for sample, after in self.feed.samples(epoch, lane, place):
            unit, offset = sample.at.unit, sample.at.offset
            taken = place.taken if (unit, offset) == (place.unit, place.offset) else 0
            yield from given(packer.close_old(unit), Place(unit, offset, taken))
            pieces = pieces_of(sample, self.options)
            for number in range(taken, len(pieces)):
                then = Place(unit, offset, number + 1) if number + 1 < len(pieces) else after
                yield from given(packer.add(pieces[number], (unit, offset, number)), then)
        yield from given(packer.close_all(), Place(len(self.feed.units(epoch, lane))))

    def state_dict(self) -> dict[str, Any]:
        """What has been handed out, in plain values of some kB at most; see ``Feed.state_dict``."""
        return self.progress.state().encode()

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Go on where the readers that gave ``states`` ended, however many there were."""
        self.progress = Progress(self.order, self.feed.lanes)
        self.progress.load([decoded(state) for state in states])

    def _restored(self, epoch: int, lane: int, place: Place) -> Packer:
        packer = Packer(self.options)
        wanted = {(unit, offset) for those in place.open for unit, offset, _ in those}
        found: dict[Waiting, Piece] = {}
        for sample in self.feed.documents(Cursor(epoch, lane, 0, 0), wanted):
            for number, piece in enumerate(pieces_of(sample, self.options)):
                found[sample.at.unit, sample.at.offset, number] = piece
        packer.restore(found, place.open)
        return packer


def sequence_of(pieces: list[Piece], options: PackOptions) -> Sequence:
    """One sequence of the tokens and images of ``pieces``."""
    ids: list[int] = []
    bounds, starts, sizes, images = [0], [], [], []
    for piece in pieces:
        ids += options.begin
        for block in piece.blocks:
            for image in block.images:
                count = (
                    options.size_of(image.width, image.height)
                    - len(options.before_image)
                    - len(options.after_image)
                )
                ids += options.before_image
                starts.append(len(ids))
                sizes.append(count)
                images.append(image)
                ids += [options.image_id] * count
                ids += options.after_image
            ids += block.tokens
        ids += options.end
        bounds.append(len(ids))
    input_ids = np.full(options.length, options.pad, np.int32)
    input_ids[: len(ids)] = ids
    labels = input_ids.copy()
    labels[len(ids) :] = IGNORED
    labels[labels == options.image_id] = IGNORED
    documents = tuple(piece.id for piece in pieces)
    numbers = (np.array(values, np.int32) for values in (bounds, starts, sizes))
    bound, start, size = numbers
    return Sequence(input_ids, labels, bound, documents, tuple(images), start, size)
