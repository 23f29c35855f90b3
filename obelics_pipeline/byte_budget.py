"""How many bytes of bodies are held at once, whatever servers send: one takes its share first and reads then."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteBudget:
    """``most`` bytes, for the tasks of one event loop: first come, first served.

    Who reads a body takes the most that it can be, all at once and before the first byte, and gives back what it
    was not. Nobody waits for more while holding some: who holds bytes comes to an end, and no two wait for each other.
    """

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes that are taken and not given back."""
        return self._most - self._free

    async def take(self, amount: int) -> None:
        """Wait until ``amount`` bytes are free and take them; ``ValueError`` if there are never so many."""
        if amount > self._most:
            raise ValueError(f"{amount} bytes are more than all {self._most}")
        if not self._waiting and amount <= self._free:
            self._free -= amount
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove((amount, turn))
                self.give(0)
            else:  # its turn had come in the meantime
                self.give(amount)
            raise

    def give(self, amount: int) -> None:
        """Give back ``amount`` bytes; those who wait come in turn."""
        self._free += amount
        while self._waiting and self._waiting[0][0] <= self._free:
            wanted, turn = self._waiting.popleft()
            if turn.cancelled():
                self._waiting.appendleft((wanted, turn))
                return  # it removes itself at once
            self._free -= wanted
            turn.set_result(None)
