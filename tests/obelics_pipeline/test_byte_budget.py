"""Bytes that are held at once: never more than there are, in turn, and given back whoever leaves."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.byte_budget import ByteBudget


async def _order(most: int, amounts: list[int]) -> list[int]:
    """The numbers of the tasks in the order in which they got their bytes."""
    budget, order = ByteBudget(most), list[int]()

    async def work(number: int) -> None:
        await budget.take(amounts[number])
        order.append(number)
        assert budget.held <= most
        await asyncio.sleep(0)
        budget.give(amounts[number])

    await asyncio.gather(*(work(number) for number in range(len(amounts))))
    assert budget.held == 0
    return order


@given(st.lists(st.integers(0, 10), max_size=30))
def test_all_get_their_bytes_in_turn(amounts: list[int]) -> None:
    assert asyncio.run(_order(10, amounts)) == list(range(len(amounts)))


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans(), st.integers(0, 4)), max_size=30))
def test_who_leaves_takes_nothing_along(tasks: list[tuple[int, bool, int]]) -> None:
    """Some are cancelled, at any moment: while they wait, as their turn comes, while they hold bytes."""

    async def scene() -> None:
        budget = ByteBudget(10)

        async def work(amount: int) -> None:
            await budget.take(amount)
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            finally:
                budget.give(amount)

        started = []
        for amount, leaves, after in tasks:
            task = asyncio.create_task(work(amount))
            started.append(task)
            for _ in range(after):
                await asyncio.sleep(0)
            if leaves:
                task.cancel()
        for task in started:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)
        assert budget.held == 0

    asyncio.run(scene())


def test_what_there_never_is_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="11 bytes are more than all 10"):
        asyncio.run(ByteBudget(10).take(11))
