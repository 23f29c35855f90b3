"""The feed: documents of a dataset in a random order that can be left and taken up again exactly.

The order is dealt in lanes (``order``); each reader takes its lanes one after the other, so no more than a row group
is in memory, and a lane gives the same documents in the same order whoever reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from hashlib import blake2b
from itertools import count, groupby
from operator import itemgetter
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.feed.options import FeedOptions
from obelics_pipeline.feed.order import lanes_of
from obelics_pipeline.feed.packing_options import PRESETS, Tokenize, pack_options
from obelics_pipeline.feed.reading import Reader
from obelics_pipeline.feed.sample import Cursor, Sample
from obelics_pipeline.feed.source import Source
from obelics_pipeline.feed.state import EPOCH_ENDS, Mark, Place, Progress, decoded

if TYPE_CHECKING:
    from obelics_pipeline.feed.packing import Packing

UNITS_PER_LANE: Final = 16
MAX_LANES: Final = 1024
_UNORDERED: Final = ("rank", "world", "worker", "workers", "endless", "columns", "images", "tombstones")
"""The options that places in the order do not depend on. What has a tombstone leaves its place empty."""
IDLE_EPOCHS: Final = 8
"""A reader that found nothing in so many epochs, one after the other, will find nothing."""


T = TypeVar("T")
OfLane: TypeAlias = Callable[[int, int, Place], Iterator[tuple[T, Place]]]
"""What is made of a lane (epoch, lane, from where on): things, each with the place after it."""


class Feed:
    """The documents of the dataset in ``folder``, once an epoch, in an order that ``options.seed`` decides.

    Iterate over it for ``Sample``s: an epoch each time (or all of them, ``endless``), or what is left of one.
    ``state_dict()`` says what has been handed out so far and ``load_state_dict()`` goes on there, with any number of
    readers. ``InputError`` if the dataset cannot be read, ``ConfigError`` for options that do not fit it.
    """

    def __init__(
        self, folder: str, options: FeedOptions | None = None, split: str = "train", **named: Any
    ) -> None:
        self.options = msgspec.structs.replace(options or FeedOptions(), **named)
        self.source = Source(folder, split)
        units = len(self.source.units)
        self.lanes = self.options.lanes or min(MAX_LANES, max(1, units // UNITS_PER_LANE))
        self._check_readers()
        self.reader = Reader(self.source, self.options)
        self.progress = Progress(self.order, self.lanes)

    def _check_readers(self) -> None:
        if self.options.readers > self.lanes:
            raise ConfigError(
                f"{self.source.folder}: {self.options.readers} readers (world × workers) for {self.lanes} lanes; set "
                f"lanes to {self.options.readers} or more, the same in all of them (the dataset has "
                f"{len(self.source.units)} row groups)"
            )

    @property
    def order(self) -> str:
        """What tells this order from others: 16 hexadecimal digits."""
        options = msgspec.structs.asdict(self.options)
        parts = [self.source.digest, self.source.split, self.lanes]
        parts += [stable(value) for name, value in options.items() if name not in (*_UNORDERED, "lanes")]
        return blake2b(repr(parts).encode(), digest_size=8).hexdigest()

    def __iter__(self) -> Iterator[Sample]:
        for sample, mark in self.marked(self.progress):
            self.progress.take(mark)
            if sample is not None:
                yield sample

    def marked(self, progress: Progress) -> Iterator[tuple[Sample | None, Mark]]:
        """The documents that are left to this reader, each with the state that follows from it."""
        return self.walk(self.samples, progress)

    def share(self, worker: int, workers: int) -> Feed:
        """The part of one of ``workers`` processes that read this feed's documents together."""
        shared = copy(self)
        shared.options = msgspec.structs.replace(self.options, worker=worker, workers=workers)
        shared.source = copy(self.source)
        shared._check_readers()
        shared.reader = Reader(shared.source, shared.options)
        shared.load_state_dict(self.state_dict())
        return shared

    def walk(self, of_lane: OfLane[T], progress: Progress) -> Iterator[tuple[T | None, Mark]]:
        """What ``of_lane`` makes of the lanes that are left to this reader, each with the state that follows from it.

        The ends of a lane and of an epoch come as marks alone.
        """
        epochs = count(progress.epoch) if self.options.endless else (progress.epoch,)
        idle = 0
        for epoch in epochs:
            idle += 1
            for lane in progress.left(epoch):
                if lane % self.options.readers == self.options.reader:
                    for item, place in of_lane(epoch, lane, progress.place(epoch, lane)):
                        idle = 0
                        yield item, Mark(epoch, lane, place)
                    yield None, Mark(epoch, lane, Place(), done=True)
            yield None, Mark(epoch, EPOCH_ENDS, Place(), done=True)
            if idle == IDLE_EPOCHS:
                raise InputError(
                    f"{self.source.folder}: nothing for reader {self.options.reader} of {self.options.readers} in "
                    f"{idle} epochs; there are {len(self.source.units)} row groups for all readers: use fewer of "
                    "these, or filters and rules that leave something"
                )

    def units(self, epoch: int, lane: int) -> npt.NDArray[np.int64]:
        """The row groups of a lane, in the order in which they are read."""
        return lanes_of(self.options.seed, epoch, len(self.source.units), self.lanes)[lane]

    def samples(self, epoch: int, lane: int, place: Place) -> Iterator[tuple[Sample, Place]]:
        """The documents of a lane from ``place`` on, each with the place after it."""
        units = self.units(epoch, lane)
        for index in range(place.unit, len(units)):
            offset = place.offset if index == place.unit else 0
            at = Cursor(epoch, lane, index, offset)
            for sample in self.reader.rows(int(units[index]), at, slice(offset, None)):
                yield sample, Place(index, sample.at.offset + 1)

    def documents(self, at: Cursor, wanted: Collection[tuple[int, int]]) -> Iterator[Sample]:
        """The documents of the epoch and lane of ``at`` at some places (row group, offset), in their order."""
        if not wanted:
            return
        units = self.units(at.epoch, at.lane)
        for unit, places in groupby(sorted(wanted), key=itemgetter(0)):
            offsets = [offset for _, offset in places]
            yield from self.reader.rows(int(units[unit]), at._replace(unit=unit), offsets)

    def pack(self, tokenize: Tokenize, preset: str | None = None, **options: Any) -> Packing:
        """The documents as sequences of tokens; ``options`` are those of ``PackOptions``, over those of ``preset``."""
        from obelics_pipeline.feed.packing import Packing

        if preset in PRESETS and PRESETS[preset].on_missing != self.options.on_missing:
            raise ConfigError(
                f"the preset {preset!r} wants on_missing={PRESETS[preset].on_missing!r}; open the feed with it"
            )
        return Packing(self, pack_options(preset, tokenize=tokenize, **options))

    def state_dict(self) -> dict[str, Any]:
        """What has been handed out, in plain values: some hundred bytes. Merge those of all readers (``merged``)."""
        return self.progress.state().encode()

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Go on where the readers that gave ``states`` ended, or where one merged state says."""
        self.progress = Progress(self.order, self.lanes)
        self.progress.load([decoded(state) for state in states])


def stable(value: Any) -> Any:
    """What tells an option from others, the same in every process.

    That is the name and the code of a function; of any other thing that can be called its name, or that of its type.
    """
    if isinstance(value, CodeType):
        return value.co_name, value.co_code.hex(), value.co_names, stable(value.co_consts)
    if isinstance(value, list | tuple):
        return [stable(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(repr(stable(each)) for each in value)
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__), stable(
            getattr(value, "__code__", None)
        )
    return value
