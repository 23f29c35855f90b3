"""What has been consumed: for every lane of an epoch where it stands, of however many readers.

State follows what the trainer took, not what was read ahead: everything that a feed hands out carries a ``Mark``, and
``Progress.take`` notes it. The states of all readers together (``merged``) can be given to any number of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from obelics_pipeline.errors import InputError

VERSION: Final = 2

KEPT_EPOCHS: Final = 64
"""How far readers may be apart: what is done is remembered of so many epochs before, at some twenty bytes each."""

Waiting: TypeAlias = tuple[int, int, int]
"""A part of a document that waits to be packed: row group of the lane, place in it, number of the piece."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a lane stands: the next document, how many pieces of it are packed, and what waits in open sequences."""

    unit: int = 0
    offset: int = 0
    taken: int = 0
    open: tuple[tuple[Waiting, ...], ...] = ()


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Where a lane stands once the thing that carries this has been taken; ``done``: at its end."""

    epoch: int
    lane: int
    place: Place
    done: bool = False


class State(msgspec.Struct, frozen=True):
    """What some readers have taken. ``order`` names what the order depends on: only alike states go together.

    ``epoch`` is the one that is being shown. Of it and of some before and after (other readers may be there) are known
    the lanes that are done, in ranges (first, last, step), and the places of those that were begun.
    """

    order: str
    lanes: int
    epoch: int = 0
    done: dict[int, tuple[tuple[int, int, int], ...]] = {}
    begun: dict[int, dict[int, Place]] = {}
    version: int = VERSION

    def encode(self) -> dict[str, Any]:
        """Plain values, as checkpoints like them."""
        found: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return found


def decoded(data: Mapping[str, Any]) -> State:
    """The state in what ``State.encode`` gave; ``InputError`` if that is not it."""
    try:
        state = msgspec.convert(data, State, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"this is no state of a feed ({error}); give what state_dict() returned") from error
    if state.version != VERSION:
        raise InputError(
            f"the state has version {state.version}, this feed {VERSION}; resume with the feed that wrote it"
        )
    return state


EPOCH_ENDS: Final = -1
"""The lane of the mark that says that nothing is left of an epoch to the reader whose ``Progress`` this is."""


class Progress:
    """Where all lanes stand, as far as is known."""

    def __init__(self, order: str, lanes: int) -> None:
        self._order, self._lanes = order, lanes
        self.epoch = 0
        self._done: dict[int, set[int]] = {}
        self._begun: dict[int, dict[int, Place]] = {}

    def load(self, states: Iterable[State]) -> None:
        """Go on where ``states``, together, ended; ``InputError`` if they are of another order."""
        known = list(states)
        for state in known:
            if (state.order, state.lanes) != (self._order, self._lanes):
                raise InputError(
                    "the state belongs to another order: the dataset, the seed, the lanes, the filters or the "
                    "packing are not the same; resume with the options that the run began with"
                )
            for epoch, ranges in state.done.items():
                done = self._done.setdefault(epoch, set())
                done.update(lane for first, last, step in ranges for lane in range(first, last + 1, step))
            for epoch, places in state.begun.items():
                begun = self._begun.setdefault(epoch, {})
                for lane, place in places.items():
                    if lane not in begun or _order_of(place) > _order_of(begun[lane]):
                        begun[lane] = place
        epochs = [state.epoch for state in known] or [0]
        if max(epochs) - min(epochs) > KEPT_EPOCHS:
            raise InputError(
                f"the readers are {max(epochs) - min(epochs)} epochs apart, and states hold {KEPT_EPOCHS}; use fewer "
                "readers, or more lanes, so that each has about as much"
            )
        self.epoch = min(epochs)
        for epoch, lanes in self._done.items():
            for lane in lanes:
                self._begun.get(epoch, {}).pop(lane, None)

    def take(self, mark: Mark) -> None:
        """Note that what carries ``mark`` has been consumed."""
        if mark.lane == EPOCH_ENDS:
            self._finish(mark.epoch)
        elif mark.done:
            self._done.setdefault(mark.epoch, set()).add(mark.lane)
            self._begun.get(mark.epoch, {}).pop(mark.lane, None)
        else:
            self._begun.setdefault(mark.epoch, {})[mark.lane] = mark.place

    def _finish(self, epoch: int) -> None:
        self.epoch = epoch + 1
        for known in (self._done, self._begun):
            for old in [old for old in known if old < self.epoch - KEPT_EPOCHS]:
                del known[old]

    def state(self) -> State:
        """All that is known."""
        done = {epoch: tuple(_ranges(sorted(lanes))) for epoch, lanes in sorted(self._done.items()) if lanes}
        begun = {
            epoch: dict(sorted(places.items())) for epoch, places in sorted(self._begun.items()) if places
        }
        return State(self._order, self._lanes, self.epoch, done, begun)

    def left(self, epoch: int) -> list[int]:
        """The lanes of ``epoch`` that are not done."""
        done = self._done.get(epoch, ())
        return [lane for lane in range(self._lanes) if lane not in done]

    def place(self, epoch: int, lane: int) -> Place:
        """Where a lane stands."""
        return self._begun.get(epoch, {}).get(lane, Place())


def merged(states: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One state of those of all ranks (and workers), to resume with any number of them."""
    known = [decoded(state) for state in states]
    if not known:
        raise InputError("no states; give what state_dict() returned on each rank")
    progress = Progress(known[0].order, known[0].lanes)
    progress.load(known)
    return progress.state().encode()


def _order_of(place: Place) -> tuple[int, int, int, int]:
    """Sequences that are closed without a document that fills them leave fewer open, and all else as it was."""
    return place.unit, place.offset, place.taken, -len(place.open)


def _ranges(lanes: list[int]) -> Iterator[tuple[int, int, int]]:
    """Runs of ascending numbers that are equally far apart, as (first, last, step): one reader's lanes are such."""
    start = 0
    while start < len(lanes):
        step = lanes[start + 1] - lanes[start] if start + 1 < len(lanes) else 1
        end = start
        while end + 1 < len(lanes) and lanes[end + 1] - lanes[end] == step:
            end += 1
        yield lanes[start], lanes[end], step
        start = end + 1
