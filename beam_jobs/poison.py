"""Pages that kill the process which extracts them: found by what dead attempts leave behind, then passed over.

Python's errors are caught where they are raised; a parser that crashes, or memory that the system takes away, ends the
process, and every further attempt at the same part dies at the same page.
"""

from __future__ import annotations

from typing import Final

import msgspec

from beam_jobs import io

MAX_DEATHS: Final = 2
"""Attempts that must have died at a page before it is passed over: one may have been killed by chance."""


class _State(msgspec.Struct):
    """The page that is being extracted, and at which pages how many attempts have died."""

    page: str | None = None
    deaths: dict[str, int] = {}


class Deaths:
    """What attempts at one part died of; ``path`` is a file that they share and that is gone when the part is done.

    The first attempt only leaves word that it began, so that pages cost nothing more. Later ones write down each page
    when they begin and when they end with it (on an object store two requests a page).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._watching = io.size(path) is not None
        self._state = msgspec.json.decode(io.read_bytes(path), type=_State) if self._watching else _State()
        died_at = self._state.page
        if died_at is not None:
            self._state.deaths[died_at] = self.of(died_at) + 1
        self._write(None)

    def of(self, page: str) -> int:
        """How many attempts have died at a page."""
        return self._state.deaths.get(page, 0)

    def begin(self, page: str) -> None:
        """A page is about to be extracted."""
        if self._watching:
            self._write(page)

    def end(self) -> None:
        """It has been, or failed with an error."""
        if self._watching:
            self._write(None)

    def _write(self, page: str | None) -> None:
        self._state.page = page
        io.write_atomically(self._path, msgspec.json.encode(self._state))
