"""Sequences hold every token once, in order, within all limits; and go on where they were left."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feed_data import Vocabulary
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.feed import PRESETS, Feed, Packing, merged
from obelics_pipeline.feed.packing import Packer, Sequence, sequence_of
from obelics_pipeline.feed.packing_options import IGNORED, PackOptions, pack_options
from obelics_pipeline.feed.pieces import Piece, pieces_of
from obelics_pipeline.feed.sample import Cursor, Image, Sample
from obelics_pipeline.recheck import TOMBSTONES

IMAGE = 1
VOCABULARY = Vocabulary()


def tokens(text: str) -> list[int]:
    """Of its words, but none of a ``%``: tokenizers leave out characters, too."""
    return VOCABULARY(text.replace("%", ""))


def options(**given: Any) -> PackOptions:
    return pack_options(None, **{"tokenize": tokens, "image_id": IMAGE, "length": 32, **given})


def sample(*parts: str | int, id: str = "0" * 32) -> Sample:
    """A document of texts, and of images given by their widths."""
    made = tuple(part if isinstance(part, str) else Image(b"x", part, 1) for part in parts)
    return Sample(id, made, Cursor(0, 0, 0, 0))


def told(pieces: list[Piece]) -> list[list[tuple[int, int]]]:
    """For each piece its blocks: how many images, how many tokens."""
    return [[(len(block.images), len(block.tokens)) for block in piece.blocks] for piece in pieces]


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


@pytest.mark.parametrize(
    ("parts", "given", "pieces"),
    [
        pytest.param((), {}, [], id="nothing"),
        pytest.param((words(3), 1, words(4)), {}, [[(0, 3), (1, 4)]], id="short"),
        pytest.param((words(3), 1), {}, [[(0, 3)]], id="no text after the image"),
        pytest.param((words(3), 1), {"trailing_images": True}, [[(0, 3), (1, 0)]], id="which may stay"),
        pytest.param((1,), {}, [], id="an image alone"),
        pytest.param((words(32),), {}, [[(0, 32)]], id="just fits"),
        pytest.param((words(33),), {}, [[(0, 32)], [(0, 1)]], id="one token too many"),
        pytest.param(
            (words(40),), {"begin": (2,), "end": (3,)}, [[(0, 30)], [(0, 10)]], id="around each piece"
        ),
        pytest.param((words(30), 1, 1, words(5)), {}, [[(0, 30)], [(2, 5)]], id="images are not parted"),
        pytest.param(
            (words(29), 1, 1, words(5)), {}, [[(0, 29), (2, 1)], [(0, 4)]], id="a token follows them"
        ),
        pytest.param(
            (words(2), 1, words(2)), {"image_tokens": 29}, [[(0, 2), (1, 1)], [(0, 1)]], id="large images"
        ),
        pytest.param((1, 1, 1, words(2)), {"image_tokens": 12}, [[(2, 2)]], id="more than a sequence holds"),
        pytest.param((1, 1, 1, words(2)), {"max_images": 2}, [[(2, 2)]], id="more than are allowed"),
        pytest.param((1, words(2), 1, words(2)), {"max_images": 1}, [[(1, 2)], [(1, 2)]], id="allowed apart"),
        pytest.param((words(40), 1, words(4)), {"long": "drop"}, [], id="too long"),
        pytest.param((words(40), 1, words(4)), {"long": "truncate"}, [[(0, 32)]], id="its beginning"),
        pytest.param(
            (words(40), 1, words(4)), {"long": "near_images"}, [[(0, 8), (1, 4)]], id="where the image is"
        ),
        pytest.param(
            (words(40), 1, words(4)), {"long": "truncate", "min_images": 1}, [], id="no image is left"
        ),
        pytest.param((words(4),), {"min_images": 1}, [], id="has no image"),
        pytest.param((1, words(1), 1, words(1)), {"max_document_images": 1}, [], id="has too many images"),
        pytest.param((1, 1, 1, words(1)), {"max_run": 2}, [], id="too many in a row"),
        pytest.param((1, 1, words(1)), {"max_run": 2}, [[(2, 1)]], id="not too many in a row"),
        pytest.param((1, words(1)), {"keep_single": 0.0}, [], id="a single image"),
        pytest.param((words(2), words(3)), {}, [[(0, 5)]], id="a text where a slot went"),
        pytest.param((words(2), 1, " ", 1, words(3)), {"max_run": 1}, [], id="a blank parts no images"),
        pytest.param((words(2), 1, "\n"), {}, [[(0, 2)]], id="a blank follows no image"),
        pytest.param((words(2), 1, "%", 1, words(1)), {}, [[(0, 2), (2, 1)]], id="no tokens part no images"),
        pytest.param((words(2), 1, "%"), {}, [[(0, 2)]], id="no tokens follow no image"),
        pytest.param((words(2), 1, words(3)), {"image_first": 1.0}, [[(1, 2), (0, 3)]], id="the image first"),
        pytest.param((1, words(3)), {"image_first": 1.0}, [[(1, 3)]], id="which it is"),
    ],
)
def test_pieces(
    parts: tuple[str | int, ...], given: dict[str, Any], pieces: list[list[tuple[int, int]]]
) -> None:
    assert told(pieces_of(sample(*parts), options(**given))) == pieces


def test_texts_where_a_slot_went_are_not_glued() -> None:
    characters = options(tokenize=lambda text: [ord(each) for each in text])
    (piece,) = pieces_of(sample("end", "Start"), characters)
    assert "".join(chr(token) for token in piece.blocks[0].tokens) == "end\n\nStart"


parts = st.lists(
    st.one_of(st.integers(0, 60).map(words), st.sampled_from(["%", " ", "% %"]), st.integers(1, 40)),
    max_size=12,
)


@given(parts, st.integers(4, 70), st.sampled_from([None, 1, 3]), st.booleans())
def test_splitting_loses_no_text(parts: list[str | int], length: int, most: int | None, around: bool) -> None:
    """Every token is in a piece, in order; every piece is within the limits; no images that follow each other part."""
    given = {"begin": (2,), "end": (3,)} if around else {}
    chosen = options(length=length, max_images=most, image_tokens=lambda width, height: width, **given)
    document = sample(*parts)
    found = pieces_of(document, chosen)
    shown = [token for piece in found for block in piece.blocks for token in block.tokens]
    assert shown == [token for text in document.texts if text for token in tokens(text)]
    for piece in found:
        made = sequence_of([piece], chosen)
        assert made.padding == length - piece.tokens >= 0
        assert most is None or piece.images <= most
        assert not piece.blocks[-1].images or piece.blocks[-1].tokens  # something is learned from every image


def packing(dataset: str, length: int = 512, **given: Any) -> Packing:
    chosen = {"image_id": IMAGE, "image_tokens": 8, "max_images": 6, "begin": (2,), "end": (3,)}
    feed = {
        name: given.pop(name)
        for name in ("rank", "world", "lanes", "seed", "on_missing", "tombstones")
        if name in given
    }
    return Feed(dataset, **{"lanes": 8, **feed}).pack(VOCABULARY, length=length, **{**chosen, **given})


def flat(sequence: Sequence) -> tuple[bytes, tuple[str, ...]]:
    return sequence.input_ids.tobytes(), sequence.documents


def test_sequences_are_what_they_say(dataset: str) -> None:
    shown = Counter[str]()
    for sequence in packing(dataset):
        end = int(sequence.bounds[-1])
        ids, labels = sequence.input_ids, sequence.labels
        assert (ids[end:] == 0).all()
        assert (labels[end:] == IGNORED).all()
        assert (labels[:end] == np.where(ids[:end] == IMAGE, IGNORED, ids[:end])).all()
        assert len(sequence.images) == len(sequence.image_starts) <= 6
        assert (ids == IMAGE).sum() == sequence.image_sizes.sum() == 8 * len(sequence.images)
        for start in sequence.image_starts:
            assert (ids[start : start + 8] == IMAGE).all()
        assert len(sequence.documents) == len(sequence.bounds) - 1
        assert (ids[sequence.bounds[:-1]] == 2).all()
        assert (ids[sequence.bounds[1:] - 1] == 3).all()
        assert (sequence.positions[sequence.bounds[:-1]] == 0).all()
        assert (sequence.positions[sequence.bounds[1:] - 1] == np.diff(sequence.bounds) - 1).all()
        shown.update(set(sequence.documents))
    assert set(shown) == {sample.id for sample in Feed(dataset) if pieces_of(sample, options(length=512))}


def test_little_is_padding(dataset: str) -> None:
    sequences = list(packing(dataset, length=4096, max_images=None, lanes=1))
    assert sum(sequence.padding for sequence in sequences[:-1]) < 0.03 * 4096 * (len(sequences) - 1)


def test_one_document_a_sequence(dataset: str) -> None:
    sequences = list(packing(dataset, packed=False, long="truncate"))
    assert all(len(sequence.documents) == 1 for sequence in sequences)
    assert len({sequence.documents for sequence in sequences}) == len(sequences)


@pytest.mark.parametrize("trial", range(50))
def test_resumed_at_any_step_by_any_number(dataset: str, trial: int) -> None:
    """50 runs, each left at random sequences and taken up by another number of ranks: none lost, none twice."""
    draw = random.Random(trial)
    whole = [flat(sequence) for sequence in packing(dataset, seed=trial)]
    seen: list[tuple[bytes, tuple[str, ...]]] = []
    state: dict[str, Any] | None = None
    while len(seen) < len(whole):
        world = draw.choice([1, 2, 3, 5, 8])
        states = []
        for rank in range(world):
            made = packing(dataset, seed=trial, rank=rank, world=world)
            if state is not None:
                made.load_state_dict(json.loads(json.dumps(state)))
            seen += [flat(sequence) for sequence in islice(made, draw.randint(0, 30))]
            states.append(made.state_dict())
        assert all(len(json.dumps(one)) < 10_000 for one in states)
        state = merged(states)
    assert sorted(seen) == sorted(whole)


def test_resumed_by_as_many_the_order_is_the_same(dataset: str) -> None:
    whole = [flat(sequence) for sequence in packing(dataset, rank=1, world=3)]
    for step in range(0, len(whole), 3):
        first = packing(dataset, rank=1, world=3)
        taken = [flat(sequence) for sequence in islice(first, step)]
        second = packing(dataset, rank=1, world=3)
        second.load_state_dict(first.state_dict())
        assert taken + [flat(sequence) for sequence in second] == whole


def tokens_of(sequences: Iterable[Sequence]) -> dict[str, list[int]]:
    """The tokens of each document, from all sequences in which it is."""
    found: dict[str, list[int]] = {}
    for sequence in sequences:
        for id, start, end in zip(sequence.documents, sequence.bounds[:-1], sequence.bounds[1:], strict=True):
            found.setdefault(id, []).extend(sequence.input_ids[start:end].tolist())
    return {id: sorted(tokens) for id, tokens in found.items()}


@pytest.mark.parametrize("trial", range(4))
def test_tombstones_can_come_in_the_middle(dataset: str, tmp_path: Path, trial: int) -> None:
    """Whatever waits in open sequences or is half shown: what has a tombstone goes, all else is shown once."""
    draw = random.Random(trial)
    first = packing(dataset, seed=trial, length=128)
    taken = list(islice(first, draw.randint(1, 300)))
    stones = [{"id": sample.id, "level": "document"} for sample in Feed(dataset) if draw.random() < 0.4]
    path = tmp_path / "stones.parquet"
    pq.write_table(pa.Table.from_pylist(stones, schema=TOMBSTONES), path)
    second = packing(dataset, seed=trial, length=128, tombstones=str(path))
    second.load_state_dict(first.state_dict())
    rest, gone = list(second), {stone["id"] for stone in stones}
    assert not gone & {id for sequence in rest for id in sequence.documents}
    left = {
        id: tokens
        for id, tokens in tokens_of(packing(dataset, seed=trial, length=128)).items()
        if id not in gone
    }
    assert {id: tokens for id, tokens in tokens_of([*taken, *rest]).items() if id not in gone} == left


def test_what_grew_by_a_tombstone_does_not_overfill() -> None:
    packer = Packer(options())
    waiting = (((0, 0, 0), (0, 1, 0), (0, 2, 0)),)
    sizes = {(0, 0, 0): 20, (0, 1, 0): 13}  # the third is gone
    packer.restore({place: Piece("a", [], size) for place, size in sizes.items()}, waiting)
    assert packer.waiting == (((0, 0, 0),), ((0, 1, 0),))


def test_old_sequences_are_closed() -> None:
    packer = Packer(options())
    long, short = Piece("a", [], 30), Piece("b", [], 20)
    assert list(packer.add(long, (0, 0, 0))) == []
    assert list(packer.add(short, (9, 0, 0))) == []
    assert list(packer.close_old(9)) == []
    assert list(packer.close_old(10)) == [[long]]
    assert packer.waiting == (((9, 0, 0),),)


def test_the_best_fit_is_taken() -> None:
    packer = Packer(options())
    a, b, c = (Piece(name, [], size) for name, size in (("a", 20), ("b", 25), ("c", 7)))
    assert list(packer.add(a, (0, 0, 0))) == []
    assert list(packer.add(b, (0, 1, 0))) == []
    assert list(packer.add(c, (0, 2, 0))) == [[b, c]]
    assert packer.waiting == (((0, 0, 0),),)


def test_no_page_writes_a_special_token() -> None:
    def naive(text: str) -> list[int]:
        return [IMAGE if word == "<image>" else 5 for word in text.split()]

    broken = options(tokenize=naive)
    assert told(pieces_of(sample("a <image> b"), broken)) == [[(0, 4)]]
    with pytest.raises(ConfigError, match="name in 'special' how it is written"):
        pieces_of(sample("a <image> b"), options(tokenize=naive, special=()))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_pack_the_dataset(dataset: str, preset: str) -> None:
    feed = Feed(dataset, on_missing=PRESETS[preset].on_missing)
    found = list(feed.pack(VOCABULARY, preset, image_id=IMAGE))
    limits = PRESETS[preset].pack
    assert found
    for sequence in found:
        assert len(sequence.input_ids) == limits["length"]
        assert len(sequence.images) <= limits.get("max_images", 10**9)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({"preset": "idefics"}, "no preset 'idefics'", id="no such preset"),
        pytest.param({"image_id": 1, "length": 9, "seq_len": 3}, "no option 'seq_len'", id="no such option"),
        pytest.param({"length": 9}, "give image_id", id="no image token"),
        pytest.param({"image_id": 1}, "give length", id="no length"),
        pytest.param({"image_id": 1, "length": 1}, "length is 1", id="no room"),
        pytest.param({"image_id": 1, "length": 9, "long": "cut"}, "long is 'cut'", id="no such word"),
        pytest.param({"image_id": 1, "length": 9, "keep_single": 2}, "keep_single is 2", id="no probability"),
        pytest.param({"image_id": 1, "length": 9, "special": ("",)}, "special: ''", id="nothing special"),
        pytest.param({"image_id": 1, "length": 9, "bins": 0}, "bins and max_images", id="no bins"),
        pytest.param(
            {"image_id": 1, "preset": "torchtitan"}, "on_missing='drop_document'", id="another feed"
        ),
    ],
)
def test_mistakes_are_told(dataset: str, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Feed(dataset).pack(VOCABULARY, **given)


def test_states_belong_to_their_packing(dataset: str) -> None:
    state = packing(dataset).state_dict()
    with pytest.raises(InputError, match="another order"):
        packing(dataset, length=600).load_state_dict(state)


TOKENIZERS = """
import sys, functools
from obelics_pipeline.feed import Feed

def words(text, ends=frozenset({"the", "of", "and"})):
    return [5 if word in {"to", "in", "is", "that"} else 6 for word in text.split()]

class Tokenizer:
    def __call__(self, text):
        return [7 for word in text.split()]
    def encode(self, text):
        return [8 for word in text.split()]

partial = functools.partial(words, ends=())
for tokenize in (words, Tokenizer(), Tokenizer().encode, partial, lambda text: [9 for word in text],
                 lambda text: text.count("a"), lambda text: text.index("a")):
    print(Feed(sys.argv[1]).pack(tokenize, image_id=1, length=64).order)
print(Feed(sys.argv[1], filters=(("url", "in", {"a", "b", "c", "d", "e"}),)).order)
"""


def test_a_packing_is_the_same_in_every_process(dataset: str) -> None:
    """Whatever makes tokens: the order is not of addresses, nor of the seed of Python's hashes."""
    told = [
        subprocess.run(
            [sys.executable, "-c", TOKENIZERS, dataset],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert len(set(told[0])) == 8
