"""Pages that kill the process which extracts them: found by what dead attempts leave behind, then passed over.

Python's errors are caught where they are raised; a parser that crashes, or memory that the system takes away, ends the
process, and every further attempt at the same part dies at the same page.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Final, Self

from beam_jobs import io
from obelics_pipeline.errors import InputError

MAX_DEATHS: Final = 2
"""Attempts that must have died at a page before it is passed over: one may have been killed by chance."""


class Deaths:
    """What attempts at one part died of. Closed by ``with``.

    Each attempt has a file of its own beside ``path`` while it runs, so that several at once do not disturb each other.
    One that fails or ends removes its file; that of one which was killed stays until the part is done.

    The first attempt's file only tells that it began, so that pages cost nothing more. Attempts that find such a file
    have one while they are at a page, with its name (on an object store two requests a page).
    """

    def __init__(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        self._folder, self._files = folder, f"{name}-*.page"
        self._own = f"{path}-{uuid.uuid4().hex}.page"
        found = list(self._pages())
        self._watching = bool(found)
        self._suspects = set(found)
        if not self._watching:
            io.write_atomically(self._own, b"")

    def of(self, page: str) -> int:
        """How many attempts have died at a page, or are at it right now."""
        return list(self._pages()).count(page) if page in self._suspects else 0

    def begin(self, page: str) -> None:
        """A page is about to be extracted."""
        if self._watching:
            io.write_atomically(self._own, page.encode())

    def end(self) -> None:
        """It has been, or failed with an error. Takes no room, which may be what was wanting."""
        if self._watching:
            io.remove([self._own])

    def _pages(self) -> Iterator[str]:
        for path in io.sizes_below(self._folder, self._files):
            with contextlib.suppress(OSError, InputError):  # of an attempt that has just gone on
                yield io.read_bytes(path).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        io.remove([self._own])
