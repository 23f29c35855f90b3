"""The feed for PyTorch: a loader with worker processes that resumes exactly, and an ``IterableDataset``.

loader = Loader(Feed("export/dataset", rank=r, world=w).pack(tokenize, "mm1", image_id=…), batch_size=4, workers=2)
for batch in loader: ...
checkpoint["data"] = loader.state_dict()        # of every rank; give them all to load_state_dict()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from obelics_pipeline.feed.feed import Feed
from obelics_pipeline.feed.packing import Packing, Sequence
from obelics_pipeline.feed.state import Mark, Progress, decoded, merged

Given = tuple[int, Any, tuple[Mark, ...]]
"""Which worker, what it gives (nothing at the end of its part), and the marks that led there."""


class TorchFeed(IterableDataset):  # type: ignore[misc]  # torch is not there when types are checked
    """A feed or a packing as an ``IterableDataset``, for loaders that ask data sets for their state.

    ``torchdata.StatefulDataLoader`` does. Workers share the documents. Its states resume the same numbers of
    ranks and workers; for others there is ``Loader``.
    """

    def __init__(self, source: Feed | Packing) -> None:
        self._source = source
        self._mine: Feed | Packing | None = None
        self._state: Mapping[str, Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._mine is None:
            info = get_worker_info()
            self._mine = self._source if info is None else self._source.share(info.id, info.num_workers)
        if self._state is not None:
            self._mine.load_state_dict(self._state)
            self._state = None
        yield from self._mine

    def set_epoch(self, epoch: int) -> None:
        """The epoch of the next iteration, unless a state says it: workers that are new each time cannot know."""
        self._source.progress.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """Where this worker stands."""
        return (self._mine or self._source).state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on there when the next iteration begins."""
        self._state = state


class Loader:
    """Batches of ``batch_size`` samples or sequences, read by ``workers`` processes (0: by this one).

    ``collate`` makes a batch of a list; ``options`` are those of ``DataLoader``. An iteration is the rest of an epoch.
    The state is that of what was handed out here, not of what workers have read ahead; it resumes with any number of
    ranks and workers, and with the same numbers in the same order.
    """

    def __init__(
        self,
        source: Feed | Packing,
        batch_size: int = 1,
        workers: int = 0,
        collate: Callable[[list[Any]], Any] | None = None,
        **options: Any,
    ) -> None:
        self._batch_size, self._workers = batch_size, workers
        self._collate = collate or (stacked if isinstance(source, Packing) else list)
        self._options = options
        self._shares = [source.share(worker, max(1, workers)) for worker in range(max(1, workers))]
        self._known = [share.progress for share in self._shares]
        self._turn = 0

    def __iter__(self) -> Iterator[Any]:
        # Workers that are at the end of the epoch wait for the others: all begin with what is known of all.
        known = merged([progress.state().encode() for progress in self._known])
        self._know([known])
        data = _Shares(self._shares, known, self._turn)
        batch: list[Any] = []
        taken: list[tuple[int, tuple[Mark, ...]]] = []
        options = {"collate_fn": _as_it_is, **self._options}
        for worker, item, marks in DataLoader(data, batch_size=None, num_workers=self._workers, **options):
            taken.append((worker, marks))
            if item is not None:
                batch.append(item)
            if len(batch) == self._batch_size:
                self._take(taken)
                yield self._collate(batch)
                batch, taken = [], []
        self._take(taken)
        if batch:
            yield self._collate(batch)

    def state_dict(self) -> dict[str, Any]:
        """What has been handed out, and whose turn it is."""
        state = merged([progress.state().encode() for progress in self._known])
        return {"feed": state, "turn": self._turn, "workers": self._workers}

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Go on where the loaders of all ranks that gave ``states`` ended; its own will do if the ranks are as many."""
        self._know([state["feed"] for state in states])
        one = len(states) == 1 and states[0]["workers"] == self._workers
        self._turn = states[0]["turn"] if one else 0

    def _know(self, states: list[Mapping[str, Any]]) -> None:
        for share in self._shares:
            share.load_state_dict(*states)
        self._known = [share.progress for share in self._shares]

    def _take(self, taken: list[tuple[int, tuple[Mark, ...]]]) -> None:
        for worker, marks in taken:
            for mark in marks:
                self._known[worker].take(mark)
            self._turn = (worker + 1) % len(self._shares)


class _Shares(IterableDataset):  # type: ignore[misc]
    """What the shares of workers give, with marks; the worker whose turn it is comes first.

    Workers are asked in turn, so each of them gives a thing whenever it is asked, until its end.
    """

    def __init__(self, shares: list[Any], state: dict[str, Any], turn: int) -> None:
        self._shares, self._state, self._turn = shares, state, turn

    def __iter__(self) -> Iterator[Given]:
        info = get_worker_info()
        worker = 0 if info is None else (info.id + self._turn) % info.num_workers
        share = self._shares[worker]
        progress = Progress(share.order, share.lanes)
        progress.load([decoded(self._state)])
        marks: tuple[Mark, ...] = ()
        for item, mark in share.marked(progress):
            progress.take(mark)
            marks += (mark,)
            if item is not None:
                yield worker, item, marks
                marks = ()
        yield worker, None, marks


def _as_it_is(given: Given) -> Given:
    return given


def stacked(sequences: list[Sequence]) -> dict[str, Any]:
    """Sequences as tensors (batch, length) of ``input_ids``, ``labels``, ``attention_mask`` and ``position_ids``.

    ``images`` and ``documents`` are lists of those of each sequence. The mask is that of padding; documents in a
    sequence see those before them unless the model is told their ``bounds``.
    """
    rows = {
        "input_ids": [sequence.input_ids for sequence in sequences],
        "labels": [sequence.labels for sequence in sequences],
        "position_ids": [sequence.positions for sequence in sequences],
    }
    batch: dict[str, Any] = {
        name: torch.stack([torch.from_numpy(row) for row in given]).long() for name, given in rows.items()
    }
    ends = torch.tensor([int(sequence.bounds[-1]) for sequence in sequences])
    batch["attention_mask"] = (torch.arange(batch["input_ids"].shape[1])[None] < ends[:, None]).long()
    for name in ("images", "documents", "bounds"):
        batch[name] = [getattr(sequence, name) for sequence in sequences]
    return batch
