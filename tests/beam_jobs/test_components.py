"""Connected components in rounds are those that a walk finds, whatever the graph; rounds that are done stay done."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from dedup_similar import components as walked
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs import components as module
from beam_jobs import runner
from beam_jobs.components import components, large_star, small_star
from beam_jobs.runner import BeamOptions
from beam_jobs.shards import Shards
from obelics_pipeline.errors import RunFailed

Edges = list[tuple[int, int]]


def node(number: int) -> bytes:
    return number.to_bytes(2, "big")


def shards_of(edges: Edges, folder: Path, count: int = 3) -> Shards:
    """Edges on disk, some with a field that is none of an edge."""
    shards = Shards(str(folder / "edges"), count)
    rows: list[list[Any]] = [[] for _ in range(count)]
    for one, other in edges:
        row = (node(one), node(other), 0.5)
        rows[shards.shard_of(row)].append(row)
    for number, found in enumerate(rows):
        shards.write(number, "", found)
    return shards


def run(build: Callable[[Any], None]) -> None:
    runner.run(build, BeamOptions())


def found(shards: Shards) -> dict[bytes, bytes]:
    """The node to which each leads; one edge for each."""
    edges = [tuple(row) for number in range(shards.count) for row in shards.read(number)]
    assert len(dict(edges)) == len(edges)
    return dict(edges)


def expected(edges: Edges) -> dict[bytes, bytes]:
    groups = walked((str(one), str(other)) for one, other in edges)
    members = [sorted(map(int, group)) for group in groups]
    return {node(other): node(least) for least, *others in members for other in others}


# One round is two plain functions: so graphs can be tried without a pipeline.


def grouped(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    groups: dict[bytes, list[bytes]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def one_round(edges: set[tuple[bytes, bytes]]) -> set[tuple[bytes, bytes]]:
    both = [way for one, other in edges for way in ((one, other), (other, one))]
    large = (edge for key, values in grouped(both).items() for edge in large_star(key, values))
    return {edge for key, values in grouped(large).items() for edge in small_star(key, values)}


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)).filter(lambda edge: edge[0] != edge[1])))
def test_rounds_come_to_an_end_at_the_components(edges: Edges) -> None:
    now, rounds = {(node(one), node(other)) for one, other in edges}, 0
    while (after := one_round(now)) != now:
        now, rounds = after, rounds + 1
    assert dict(now) == expected(edges)
    assert len(now) == len(dict(now))
    assert rounds <= 8


def path_of(nodes: int) -> Edges:
    numbers = random.Random(nodes).sample(range(nodes), nodes)
    edges = list(pairwise(numbers))
    return random.Random(1).sample(edges, len(edges))


GRAPHS: dict[str, Edges] = {
    "nothing": [],
    "one edge": [(2, 1)],
    "an edge twice, both ways": [(1, 2), (2, 1), (1, 2)],
    "a path of 500 nodes in any order": path_of(500),
    "a star": [(300, number) for number in range(300)],
    "two circles": [(base + n, base + (n + 1) % 20) for base in (0, 100) for n in range(20)],
}


@pytest.mark.parametrize("edges", GRAPHS.values(), ids=GRAPHS)
def test_a_pipeline_finds_the_components(edges: Edges, tmp_path: Path) -> None:
    assert found(components(shards_of(edges, tmp_path), str(tmp_path), run)) == expected(edges)


def test_rounds_that_are_done_are_not_done_again(tmp_path: Path) -> None:
    edges = shards_of(path_of(60), tmp_path)
    whole = components(edges, str(tmp_path), run)
    rounds = sorted(path.name for path in tmp_path.glob("round-*"))
    assert len(rounds) > 2

    def never(build: Callable[[Any], None]) -> None:
        raise AssertionError("a round was done again")

    assert components(edges, str(tmp_path), never).digests == whole.digests

    last = tmp_path / rounds[-1]
    (last / "shard-00001.msgpack.digest").unlink()  # what a stop in the middle of its writing leaves
    ran: list[None] = []
    again = components(edges, str(tmp_path), lambda build: (ran.append(None), run(build))[1])
    assert len(ran) == 1
    assert again.digests == whole.digests


def test_no_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROUNDS", 1)
    with pytest.raises(RunFailed, match="components still change after 1 rounds"):
        components(shards_of(path_of(20), tmp_path), str(tmp_path), run)
