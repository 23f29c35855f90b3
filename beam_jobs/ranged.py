"""Remote files, read by ranges of bytes; an answer that breaks off is taken up where it broke."""

from __future__ import annotations

import io
import random
import threading
import time
from typing import Any, BinaryIO, Final, Protocol, cast
from urllib.parse import urlsplit

from obelics_pipeline.errors import InputError, RunFailed

BUFFER: Final = 1 << 20
PIECE: Final = 1 << 16
"""Bytes that are read at once: what a connection that is reset may cost."""

ATTEMPTS: Final = 12
"""In a row without a byte, before a file is given up."""

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 60.0
"""Seconds before the second attempt, at most; and before any other, each after twice the time of the one before."""

LONGEST_ASKED: Final = 300.0
"""Seconds that a server may ask us to wait (``Retry-After``); after more the next attempt is made all the same."""

PATIENCE: Final = 900.0
"""Seconds without a byte, over all attempts, before a file is given up."""


UNREACHED: Final = 2
"""Attempts to connect to a server that never answered this process: its address is wrong rather than its day bad."""

_answering: Final[set[str]] = set()
"""The servers, or buckets, that answered this process."""


_thread: Final = threading.local()


def give_up_at_once() -> None:
    """Make one attempt at everything in this thread from now on, for what may as well be read later."""
    _thread.attempts = 1


class Broken(OSError):
    """An answer that may be better the next time, not before ``after`` seconds if the server said so.

    ``unreached`` is one that nobody gave: there was no connection.
    """

    def __init__(self, message: str, after: float | None = None, *, unreached: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.unreached = unreached


class Body(Protocol):
    """The bytes of an answer as they arrive."""

    def read(self, size: int) -> bytes:
        """Some of the next ``size`` bytes, none at the end; ``Broken`` if the connection is."""

    def close(self) -> None:
        """End the answer, whether all of it was read or not."""


class Source(Protocol):
    """Where one remote file is asked for. What cannot be had by asking again is one of our errors."""

    name: str

    def length(self) -> int:
        """Its length in bytes, asked for now; ``Broken`` if there is no answer."""

    def open(self, start: int, stop: int | None) -> tuple[Body | None, int]:
        """The bytes of ``[start, stop)``, as far as there are any, and the length of the file; or ``Broken``."""


class Patience:
    """How often, and how late, one thing is tried again; for one read."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._server = urlsplit(what).netloc
        self._failures = 0
        self._until = time.monotonic() + PATIENCE

    def answered(self) -> None:
        """Take note that the server is there."""
        _answering.add(self._server)

    def wait(self, why: Broken) -> None:
        """Wait before the next attempt; if there is none, ``RunFailed``, or ``InputError`` if nobody ever answered."""
        self._failures += 1
        if not why.unreached:
            self.answered()
        if self._failures >= UNREACHED and self._server not in _answering:
            raise InputError(f"{self._what}: cannot be reached: {why}; is the address right?")
        delay = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failures - 1)) * random.uniform(0.5, 1)
        delay = max(delay, min(why.after or 0.0, LONGEST_ASKED))
        if self._failures >= getattr(_thread, "attempts", ATTEMPTS) or time.monotonic() + delay > self._until:
            raise RunFailed(
                f"{self._what}: given up after {self._failures} attempts ({why}); run the command again later"
            )
        time.sleep(delay)


class RangedFile(io.RawIOBase):
    """The bytes from ``start`` on, up to ``stop``: one open answer, and a new one after a seek or a break.

    Positions are those of the whole file.
    """

    def __init__(self, source: Source, start: int = 0, stop: int | None = None) -> None:
        self._source = source
        self._position = start
        self._stop = stop
        self._length: int | None = None
        self._body: Body | None = None

    @property
    def length(self) -> int:
        """The length of the file in bytes."""
        patience = Patience(self._source.name)
        while self._length is None:
            try:
                self._length = self._source.length()
                patience.answered()
            except Broken as error:
                patience.wait(error)
        return self._length

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position of the next byte read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; costs nothing until the next read, but for the length of the file if it is not known."""
        start = self.length if whence == io.SEEK_END else self._position if whence == io.SEEK_CUR else 0
        position = max(0, start + offset)
        if position != self._position:
            self._drop()
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with some of what comes next; 0 at the end."""
        patience = Patience(f"{self._source.name} at {self._position}")
        while not self._at_end():
            try:
                data = self._read(min(len(buffer), PIECE))
                if not data and not self._at_end():
                    raise Broken("the answer ended too early")
            except Broken as error:
                self._drop()
                patience.wait(error)
                continue
            patience.answered()
            buffer[: len(data)] = data
            self._position += len(data)
            return len(data)
        return 0

    def _at_end(self) -> bool:
        ends = [end for end in (self._stop, self._length) if end is not None]
        return bool(ends) and self._position >= min(ends)

    def _read(self, size: int) -> bytes:
        if self._body is None:
            self._body, length = self._source.open(self._position, self._stop)
            if self._length not in (None, length):
                raise RunFailed(
                    f"{self._source.name}: had {self._length} bytes and has {length} now: it changed while it was "
                    "read; run the command again"
                )
            self._length = length
        return self._body.read(size) if self._body else b""

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        """End the answer."""
        self._drop()
        super().close()


def buffered(source: Source) -> BinaryIO:
    """A seekable, buffered stream over a remote file. Its length is asked for first, so that it is there."""
    file = RangedFile(source)
    file.length  # noqa: B018
    return cast(BinaryIO, io.BufferedReader(file, BUFFER))


def read_range(source: Source, start: int, stop: int | None) -> bytes:
    """The bytes of ``[start, stop)`` of a remote file, by one request; fewer if it ends before."""
    with RangedFile(source, start, stop) as file:
        return file.readall()
