"""Readers that are killed at any moment and taken up by other numbers of them, from the states that they had saved."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import feed_data
import pytest

from obelics_pipeline.feed import Feed, Packing, Sample, Sequence, merged

KILLS = 50
SAVED_EVERY = 3
ITEM_SECONDS = 0.001
"""What a step takes, so that readers are killed on the way."""

FORK = multiprocessing.get_context("fork")
VOCABULARY = feed_data.Vocabulary()
Open = Callable[..., Feed | Packing]


def feed(dataset: str, **options: Any) -> Feed:
    return Feed(dataset, lanes=12, seed=9, **options)


def packing(dataset: str, **options: Any) -> Packing:
    return feed(dataset, **options).pack(VOCABULARY, image_id=1, length=256, image_tokens=8)


def told(item: Sample | Sequence) -> str:
    return item.id if isinstance(item, Sample) else item.input_ids.tobytes().hex()


def read(made: Feed | Packing, state: dict[str, Any], checkpoint: Path) -> None:
    """Iterate to the end, with a checkpoint of the state and of what was seen, each of which replaces the last."""
    made.load_state_dict(state)
    seen = []
    for step, item in enumerate(made):
        seen.append(told(item))
        time.sleep(ITEM_SECONDS)
        if step % SAVED_EVERY == 0:
            save(made, seen, checkpoint)
    save(made, seen, checkpoint)


def save(made: Feed | Packing, seen: list[str], checkpoint: Path) -> None:
    written = checkpoint.with_suffix(".new")
    written.write_text(json.dumps({"state": made.state_dict(), "seen": seen}))
    written.rename(checkpoint)


class Run:
    """An epoch, read by processes that are killed; ``seen`` is what they had seen when they saved."""

    def __init__(self, dataset: str, open: Open, folder: Path, draw: random.Random) -> None:
        self._dataset, self._open, self._folder, self._draw = dataset, open, folder, draw
        self.seen: list[str] = []
        self.kills = 0
        self._state = open(dataset).state_dict()

    def to_the_end(self) -> None:
        while not self._attempt():
            pass

    def _attempt(self) -> bool:
        """Some readers at once; whether all of them came to the end."""
        world = self._draw.choice([1, 2, 3, 5])
        files = [self._folder / f"{rank}.json" for rank in range(world)]
        readers = []
        for rank, file in enumerate(files):
            file.unlink(missing_ok=True)
            made = self._open(self._dataset, rank=rank, world=world)
            readers.append(FORK.Process(target=read, args=(made, self._state, file)))
            readers[-1].start()
        for reader in readers:
            reader.join(self._draw.random() * 0.2)
            reader.kill()
        for reader in readers:
            reader.join()
            self.kills += reader.exitcode != 0
        saved = [json.loads(file.read_text()) for file in files if file.exists()]
        self._state = merged([self._state, *(each["state"] for each in saved)])
        self.seen += [name for each in saved for name in each["seen"]]
        return all(reader.exitcode == 0 for reader in readers)


@pytest.mark.parametrize("open", [feed, packing])
def test_nothing_is_lost_or_twice(dataset: str, tmp_path: Path, open: Open) -> None:
    whole = sorted(told(item) for item in open(dataset))
    draw, kills = random.Random(5), 0
    while kills < KILLS // 2:
        run = Run(dataset, open, tmp_path, draw)
        run.to_the_end()
        assert sorted(run.seen) == whole
        kills += run.kills
