"""The loader for PyTorch: every document once, whatever the workers, and its state is that of what was handed out."""

from __future__ import annotations

import json
import random
from itertools import islice
from typing import Any

import pytest

from obelics_pipeline.feed import Feed, Packing, Sample, Sequence

torch = pytest.importorskip("torch", reason="PyTorch is not installed (docs/training.md)")
from feed_data import Vocabulary  # noqa: E402

from obelics_pipeline.feed.torch_adapter import Loader, TorchFeed  # noqa: E402

# What torch says of itself and of forking a process that has threads is not about this project.
pytestmark = pytest.mark.filterwarnings("default")

Rows = list[dict[str, Any]]
LANES = 24
VOCABULARY = Vocabulary()


def names(batches: list[Any]) -> list[str]:
    """The documents, or the sequences by their contents, of all batches."""
    return [name_of(item) for batch in batches for item in batch]


def name_of(item: Sample | Sequence) -> str:
    return item.id if isinstance(item, Sample) else item.input_ids.tobytes().hex()


def feed(dataset: str, **options: Any) -> Feed:
    return Feed(dataset, lanes=LANES, **options)


def packing(dataset: str, **options: Any) -> Packing:
    return feed(dataset, **options).pack(VOCABULARY, image_id=1, length=256, image_tokens=8)


@pytest.fixture(scope="module", params=[feed, packing], ids=["documents", "sequences"])
def source(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def whole(dataset: str, source: Any) -> list[str]:
    """All of an epoch, as one reader without a loader gives it; words get their numbers before processes part."""
    return [name_of(item) for item in source(dataset, seed=5)]


def loader(made: Feed | Packing, workers: int, batch_size: int = 7, **options: Any) -> Loader:
    return Loader(made, batch_size, workers, collate=list, **options)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_everything_comes_once_an_epoch(dataset: str, source: Any, whole: list[str], workers: int) -> None:
    made = loader(source(dataset, seed=5), workers)
    first, second = list(made), list(made)
    assert sorted(names(first)) == sorted(whole)
    assert [len(batch) for batch in first[:-1]] == [7] * (len(first) - 1)
    if source is feed:
        assert sorted(names(second)) == sorted(whole)
        assert names(second) != names(first)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("endless", [False, True])
def test_resumed_by_as_many_the_order_is_the_same(
    dataset: str, source: Any, whole: list[str], workers: int, endless: bool
) -> None:
    draw = random.Random(workers)
    batches = len(whole) * 3 // 2 // 7 if endless else 10**9  # well into the second epoch, or to the end
    expected = [
        [name_of(item) for item in batch]
        for batch in islice(loader(source(dataset, seed=5, endless=endless), workers), batches)
    ]
    seen: list[list[str]] = []
    state = None
    while len(seen) < len(expected):
        made = loader(source(dataset, seed=5, endless=endless), workers)
        if state is not None:
            made.load_state_dict(json.loads(json.dumps(state)))
        for batch in islice(made, min(draw.randint(1, 25), len(expected) - len(seen))):
            seen.append([name_of(item) for item in batch])
        state = made.state_dict()
        assert len(json.dumps(state)) < 10_000
    assert seen == expected


def test_the_same_loader_goes_on_where_it_was_left(dataset: str, source: Any, whole: list[str]) -> None:
    made = loader(source(dataset, seed=5), 3)
    seen = [batch for count in (3, 1, 20, 10**9) for batch in islice(made, count)]
    assert sorted(names(seen)) == sorted(whole)


@pytest.mark.parametrize("trial", range(6))
def test_left_and_taken_up_by_others(dataset: str, source: Any, whole: list[str], trial: int) -> None:
    draw = random.Random(trial)
    seen: list[str] = []
    states: list[dict[str, Any]] = []
    while len(seen) < len(whole):
        world, workers = draw.choice([(1, 0), (2, 1), (3, 0), (1, 3), (2, 2)])
        loaders = [
            loader(source(dataset, seed=5, rank=rank, world=world), workers, prefetch_factor=8)
            if workers
            else loader(source(dataset, seed=5, rank=rank, world=world), 0)
            for rank in range(world)
        ]
        for made in loaders:
            if states:
                made.load_state_dict(*states)
            seen += names(list(islice(made, draw.randint(0, 12))))
        states = [made.state_dict() for made in loaders]
    assert sorted(seen) == sorted(whole)


def test_what_workers_read_ahead_is_not_consumed(dataset: str) -> None:
    made = Loader(feed(dataset), 1, workers=1, prefetch_factor=50)
    batches = iter(made)
    [first] = next(batches)
    begun = made.state_dict()["feed"]["begun"]["0"]
    assert begun == {str(first.at.lane): [0, first.at.offset + 1, 0, ()]}


def test_shares_begin_where_their_source_stands(dataset: str, documents: Rows) -> None:
    made = feed(dataset)
    seen = [sample.id for sample in islice(made, 100)]
    seen += names(list(loader(made, 2)))
    assert sorted(seen) == sorted(row["id"] for row in documents)


def test_batches_are_tensors(dataset: str) -> None:
    [batch, *_] = Loader(packing(dataset), 4)
    assert batch["input_ids"].shape == batch["labels"].shape == batch["position_ids"].shape == (4, 256)
    sequences = list(islice(packing(dataset), 4))
    for row, sequence in enumerate(sequences):
        assert batch["input_ids"][row].tolist() == sequence.input_ids.tolist()
        assert batch["labels"][row].tolist() == sequence.labels.tolist()
        assert batch["position_ids"][row].tolist() == sequence.positions.tolist()
        assert batch["attention_mask"][row].sum() == 256 - sequence.padding
        assert batch["images"][row] == sequence.images
        assert batch["documents"][row] == sequence.documents


@pytest.mark.parametrize("workers", [0, 2])
def test_stateful_loader_resumes(dataset: str, source: Any, whole: list[str], workers: int) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def made() -> Any:
        return stateful.StatefulDataLoader(
            TorchFeed(source(dataset, seed=5)), batch_size=5, num_workers=workers, collate_fn=list
        )

    expected = list(made())
    assert sorted(names(expected)) == sorted(whole)
    first, second = made(), made()
    taken = list(islice(first, 9))
    second.load_state_dict(first.state_dict())
    assert names(taken) + names(list(second)) == names(expected)


def test_epochs_of_workers_that_are_new_each_time(dataset: str) -> None:
    data = TorchFeed(feed(dataset, seed=5))
    batches = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2, collate_fn=name_of)
    first = list(batches)
    data.set_epoch(1)
    second = list(batches)
    assert sorted(first) == sorted(second)
    assert first != second
