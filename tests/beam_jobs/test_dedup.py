"""Of captures of one page the newest stays, whatever the order in which they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.dedup import older

ranks = st.lists(
    st.tuples(st.integers(-1, 5), st.sampled_from("abc"), st.integers(-3, 0), st.integers(-9, 0)),
    min_size=1,
    max_size=12,
    unique_by=lambda rank: rank[2:],
)


@given(ranks, st.randoms())
def test_one_stays_and_it_is_the_newest(captures: list[tuple[int, str, int, int]], chance: object) -> None:
    edits = {(part, row): kept for part, (row, kept) in older(b"key", captures)}
    (kept,) = [rank for rank in captures if (-rank[2], -rank[3]) not in edits]
    assert kept[0] == max(rank[0] for rank in captures)
    assert set(edits.values()) <= {kept[1]}
    shuffled = list(captures)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sorted(older(b"key", shuffled)) == sorted(older(b"key", captures))


def test_equal_times_fall_to_the_greater_id_and_then_to_the_first_place() -> None:
    captures = [(5, "a", 0, 0), (5, "b", -1, -4), (5, "b", -1, -2), (4, "c", 0, -1)]
    assert sorted(older(b"key", captures)) == [(0, (0, "b")), (0, (1, "b")), (1, (4, "b"))]
