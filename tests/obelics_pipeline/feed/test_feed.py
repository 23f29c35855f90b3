"""Every document once an epoch, whoever reads it, wherever it was left."""

from __future__ import annotations

import json
import pickle
import random
from itertools import chain, islice
from pathlib import Path
from typing import Any

import feed_data
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.feed import Feed, FeedOptions, merged
from obelics_pipeline.feed.sample import Image
from obelics_pipeline.feed.state import KEPT_EPOCHS
from obelics_pipeline.recheck import TOMBSTONES

Rows = list[dict[str, Any]]


def ids(feed: Feed) -> list[str]:
    return [sample.id for sample in feed]


def test_documents_are_whole(dataset: str, documents: Rows) -> None:
    by_id = {row["id"]: row for row in documents}
    for sample in Feed(dataset, on_missing="keep_slot", columns=("url", "quality.perplexity")):
        row = by_id.pop(sample.id)
        assert sample.texts == row["texts"]
        shown = [image and image["bytes"] for image in row["images"]]
        assert [image and image.bytes for image in sample.images] == shown
        wanted = [
            info and (info.get("width", 0), info.get("height", 0), info["status"])
            for info in row["image_info"]
        ]
        assert [image and (image.width, image.height, image.status) for image in sample.images] == wanted
        assert sample.extra["url"] == row["url"]
        assert sample.extra["quality.perplexity"] == pytest.approx(row["quality"]["perplexity"])
    assert by_id == {}


def test_what_is_missing_goes_as_told(dataset: str, documents: Rows) -> None:
    lacking = {
        row["id"] for row in documents if any(info and info["status"] != "ok" for info in row["image_info"])
    }
    assert lacking
    assert set(ids(Feed(dataset, on_missing="drop_document"))) == {row["id"] for row in documents} - lacking
    for sample in Feed(dataset):
        assert all(part.bytes for part in sample.parts if isinstance(part, Image))


def test_without_images_none_are_read(dataset: str) -> None:
    feed = Feed(dataset, images=False)
    assert feed.reader.large is None
    assert not any(leaf.startswith("images") for leaf in feed.reader.columns)
    assert all(image.bytes is None for sample in feed for image in sample.images if image)


def test_epochs_are_whole_and_differ(dataset: str, documents: Rows) -> None:
    feed = Feed(dataset, seed=3)
    epochs = [ids(feed) for _ in range(3)]
    assert all(sorted(epoch) == sorted(row["id"] for row in documents) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3
    assert ids(Feed(dataset, seed=3)) == epochs[0]
    assert ids(Feed(dataset, seed=4)) != epochs[0]


def test_endless_goes_on(dataset: str) -> None:
    feed = Feed(dataset, seed=3)
    twice = ids(feed) + ids(feed)
    endless = iter(Feed(dataset, seed=3, endless=True))
    assert [next(endless).id for _ in twice] == twice


@pytest.mark.parametrize(("world", "workers"), [(1, 1), (3, 1), (2, 2), (8, 1)])
def test_readers_share_the_documents(dataset: str, documents: Rows, world: int, workers: int) -> None:
    shares = [
        ids(Feed(dataset, lanes=8, rank=rank, world=world, worker=worker, workers=workers))
        for rank in range(world)
        for worker in range(workers)
    ]
    assert sorted(chain.from_iterable(shares)) == sorted(row["id"] for row in documents)


@pytest.mark.parametrize("trial", range(50))
def test_resumed_at_any_step_by_any_number(dataset: str, trial: int) -> None:
    """50 runs, each left at random steps and taken up by another number of ranks: nothing lost, nothing twice."""
    draw = random.Random(trial)
    whole = ids(Feed(dataset, lanes=8, seed=trial))
    by_lane = {sample.id: sample.at for sample in Feed(dataset, lanes=8, seed=trial)}
    seen: list[str] = []
    state: dict[str, Any] | None = None
    while len(seen) < len(whole):
        world = draw.choice([1, 2, 3, 5, 8])
        states = []
        for rank in range(world):
            feed = Feed(dataset, lanes=8, seed=trial, rank=rank, world=world)
            if state is not None:
                feed.load_state_dict(json.loads(json.dumps(state)))
            taken = [sample.id for sample in islice(feed, draw.randint(0, 60))]
            seen += taken
            states.append(feed.state_dict())
        state = merged(states)
        assert len(json.dumps(state)) < 10_000
    assert sorted(seen) == sorted(whole)
    for lane in range(8):  # in every lane the order is that of the run without a break
        assert [id for id in seen if by_lane[id].lane == lane] == [
            id for id in whole if by_lane[id].lane == lane
        ]


def test_resumed_by_as_many_the_order_is_the_same(dataset: str) -> None:
    whole = [ids(Feed(dataset, lanes=8, rank=rank, world=3)) for rank in range(3)]
    for rank in range(3):
        first = Feed(dataset, lanes=8, rank=rank, world=3)
        taken = [sample.id for sample in islice(first, 37)]
        second = Feed(dataset, lanes=8, rank=rank, world=3)
        second.load_state_dict(first.state_dict())
        assert taken + ids(second) == whole[rank]


def test_states_of_ranks_an_epoch_apart(dataset: str, documents: Rows) -> None:
    ahead, behind = (Feed(dataset, lanes=8, rank=rank, world=2) for rank in range(2))
    seen = ids(ahead)
    second_epoch = [sample.id for sample in islice(ahead, 20)]
    seen += [sample.id for sample in islice(behind, 5)]
    state = merged([ahead.state_dict(), behind.state_dict()])
    one = Feed(dataset, lanes=8)
    one.load_state_dict(state)
    assert sorted(seen + ids(one)) == sorted(row["id"] for row in documents)
    assert sorted(second_epoch + ids(one)) == sorted(row["id"] for row in documents)


def test_states_further_apart_than_they_hold_are_refused(dataset: str) -> None:
    """Else epochs would be shown twice of which nothing is known any more."""
    filters = (("url", "in", ("https://example.com/3",)),)
    ahead, behind = (Feed(dataset, lanes=2, rank=rank, world=2, filters=filters) for rank in range(2))
    for _ in range(KEPT_EPOCHS):
        list(ahead)
    merged([ahead.state_dict(), behind.state_dict()])
    list(ahead)
    with pytest.raises(InputError, match="65 epochs apart"):
        merged([ahead.state_dict(), behind.state_dict()])
    assert len(json.dumps(ahead.state_dict())) < 10_000


def test_filters_and_weights(dataset: str, documents: Rows) -> None:
    held = {row["id"] for row in documents if row["quality"]["perplexity"] < 300 and row["num_images"] >= 1}
    filters = (("quality.perplexity", "<", 300), ("num_images", ">=", 1))
    assert sorted(ids(Feed(dataset, filters=filters))) == sorted(held)
    some = ("https://example.com/3", "https://example.com/5", "nowhere")
    assert len(ids(Feed(dataset, filters=(("url", "in", some),)))) == 2
    assert len(ids(Feed(dataset, filters=(("url", "not in", some),)))) == 398
    shown = ids(Feed(dataset, weight=lambda size: 2.0 if size > 1 else 0.0))
    clusters = {row["id"] for row in documents if row["dedup"]}
    assert sorted(shown) == sorted([*clusters, *clusters])


def test_tombstones_are_not_shown(dataset: str, documents: Rows, tmp_path: Path) -> None:
    gone = documents[7]["id"]
    trimmed = next(row for row in documents[8:] if any(row["images"]))
    slot = next(place for place, image in enumerate(trimmed["images"]) if image)
    columns: Rows = [
        {"id": gone, "level": "document", "index": None},
        {"id": trimmed["id"], "level": "image", "index": slot},
    ]
    path = tmp_path / "tombstones.parquet"
    pq.write_table(pa.Table.from_pylist(columns, schema=TOMBSTONES), path)
    found = {sample.id: sample for sample in Feed(dataset, tombstones=str(path), on_missing="keep_slot")}
    assert gone not in found
    image = found[trimmed["id"]].images[slot]
    assert image is not None
    assert (image.bytes, image.status) == (None, "optout")
    assert len(found) == 399


def stones(path: Path, *stones: dict[str, Any]) -> str:
    """A table of tombstones."""
    pq.write_table(pa.Table.from_pylist(list(stones), schema=TOMBSTONES), path)
    return str(path)


def test_an_image_with_a_tombstone_is_known_by_its_address(
    dataset: str, documents: Rows, tmp_path: Path
) -> None:
    """The slots of tombstones are those before images on deny-lists went: here it was one further on."""
    row = next(row for row in documents if sum(map(bool, row["images"])) >= 2)
    first, second, *_ = (place for place, image in enumerate(row["images"]) if image)
    stone = {"level": "image", "index": first, "url": row["image_info"][second]["url"]}
    path = stones(tmp_path / "tombstones.parquet", {"id": row["id"], **stone})
    found = {sample.id: sample for sample in Feed(dataset, tombstones=path, on_missing="keep_slot")}
    statuses = [image.status for image in found[row["id"]].images if image]
    assert statuses.count("optout") == 1
    image = found[row["id"]].images[second]
    assert image is not None
    assert image.status == "optout"


@pytest.mark.parametrize("trial", range(3))
def test_tombstones_can_come_in_the_middle(dataset: str, documents: Rows, tmp_path: Path, trial: int) -> None:
    """A state goes on with other tombstones: what they name is not shown, all else once, in its order."""
    whole = ids(Feed(dataset, seed=trial, lanes=4))
    draw = random.Random(trial)
    gone = set(draw.sample(whole, 150))
    first = Feed(dataset, seed=trial, lanes=4)
    taken = [sample.id for sample in islice(first, draw.randint(0, 300))]
    path = stones(tmp_path / "stones.parquet", *({"id": id, "level": "document"} for id in gone))
    second = Feed(dataset, seed=trial, lanes=4, tombstones=path)
    second.load_state_dict(first.state_dict())
    assert ids(second) == [id for id in whole[len(taken) :] if id not in gone]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"world": 60, "rank": 50, "lanes": 60}, id="more readers than row groups"),
        pytest.param({"filters": (("num_images", ">", 1000),)}, id="filters that leave nothing"),
    ],
)
def test_an_endless_feed_of_nothing_ends(dataset: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"nothing for reader .* 40 row groups"):
        list(Feed(dataset, endless=True, **options))
    assert list(Feed(dataset, **options)) == []


def test_a_feed_travels_to_other_processes(dataset: str) -> None:
    feed = Feed(dataset)
    assert ids(pickle.loads(pickle.dumps(feed))) == ids(feed)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"rank": 2, "world": 2}, "rank is 2 of 2", id="no such rank"),
        pytest.param({"on_missing": "skip"}, "on_missing is 'skip'", id="no such word"),
        pytest.param({"lanes": -1}, "lanes is -1", id="lanes below none"),
        pytest.param({"world": 9, "lanes": 8}, "9 readers .* for 8 lanes", id="more readers than lanes"),
        pytest.param({"filters": (("url", "like", "x"),)}, "filters: .*'like'", id="no such operator"),
        pytest.param({"filters": (("url", "in", "x"),)}, "write a list of values", id="no list"),
        pytest.param({"filters": (("url", "<", 3),)}, "does not fit the column", id="another type"),
        pytest.param(
            {"filters": (("url", "in", (3,)),)}, "does not fit the column", id="values of another type"
        ),
        pytest.param({"filters": (("quality", "<", 3),)}, "does not fit the column", id="a struct"),
        pytest.param({"filters": (("image_info.width", "<", 3),)}, "none in lists", id="a field in a list"),
        pytest.param({"columns": ("image_info.width",)}, "columns: .* none in lists", id="extra in a list"),
        pytest.param({"filters": (("perplexity", "<", 1),)}, "no column 'perplexity'", id="no such column"),
        pytest.param({"columns": ("uri",)}, "no column 'uri'", id="no such extra"),
    ],
)
def test_mistakes_are_told(dataset: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Feed(dataset, **options)


def test_what_is_no_dataset(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(InputError, match="no rows in a split 'train'"):
        Feed(str(tmp_path))
    with pytest.raises(InputError, match="no rows in a split 'test'"):
        Feed(dataset, split="test")
    with pytest.raises(InputError, match="tombstones"):
        Feed(dataset, tombstones=str(tmp_path / "tombstones"))


def test_a_state_of_another_order_is_refused(dataset: str) -> None:
    state = Feed(dataset, seed=1).state_dict()
    for other in (Feed(dataset, seed=2), Feed(dataset, seed=1, on_missing="drop_document")):
        with pytest.raises(InputError, match="another order"):
            other.load_state_dict(state)
    with pytest.raises(InputError, match="no state of a feed"):
        Feed(dataset).load_state_dict({"lanes": "many"})


def test_a_manifest_is_believed_only_as_far_as_it_is_true(documents: Rows, tmp_path: Path) -> None:
    feed_data.write(tmp_path, documents[:40], shards=1, group_rows=20)
    described = {"path": "data/train-00000-of-00001.parquet", "row_groups": [{"rows": 20}, {"rows": 19}]}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"files": [described]}))
    with pytest.raises(InputError, match="20 rows in row group 1 where the manifest says 19"):
        ids(Feed(str(tmp_path)))
    manifest.write_text('{"files": [{"path": 3}]}')
    with pytest.raises(InputError, match=r"manifest\.json"):
        Feed(str(tmp_path))


@pytest.mark.parametrize("name", ["texts", "images", "image_info"])
def test_images_do_not_slip_where_lists_differ(documents: Rows, tmp_path: Path, name: str) -> None:
    some = [dict(row) for row in documents[:20]]
    some[7][name] = [*some[7][name], None]
    folder = str(feed_data.write(tmp_path, some, shards=1))
    with pytest.raises(InputError, match=r"row group 0 has lists .* not equally long"):
        ids(Feed(folder))


def test_options_can_be_given_as_one(dataset: str) -> None:
    assert ids(Feed(dataset, FeedOptions(seed=5))) == ids(Feed(dataset, seed=5))


def test_a_document_that_is_printed_shows_no_bytes() -> None:
    assert repr(Image(b"\xff" * 2000, 4, 3)) == "Image(bytes=<2,000 bytes>, width=4, height=3, status='ok')"
    assert repr(Image(None, status="timeout")) == "Image(bytes=None, width=0, height=0, status='timeout')"
