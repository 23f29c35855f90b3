"""Remote files, read by ranges of bytes; an answer that breaks off is taken up where it broke."""

from __future__ import annotations

import io
import random
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from obelics_pipeline.errors import InputError, RunFailed
from obelics_pipeline.url import without_credentials

T = TypeVar("T")

BUFFER: Final = 1 << 20
PIECE: Final = 1 << 16
"""Bytes that are read at once: what a connection that is reset may cost."""

LEAST: Final = 1 << 14
"""Bytes that are something: what brings fewer, attempt after attempt or minute after minute, is as good as nothing."""

SLOWEST: Final = 60.0
"""Seconds of waiting for an answer in which it has to bring so much."""

ATTEMPTS: Final = 12
"""In a row that brought next to nothing, before a file is given up."""

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 60.0
"""Seconds before the second attempt, at most; and before any other, each after twice the time of the one before."""

LONGEST_ASKED: Final = 300.0
"""Seconds that a server may ask us to wait (``Retry-After``); after more the next attempt is made all the same."""

PATIENCE: Final = 900.0
"""Seconds of attempts that failed, and of waits between them, before a file is given up."""

UNREACHED: Final = 2
"""Attempts to connect to a server that never answered: in the first checks its address is wrong, not its day bad."""

FIRST_CHECKS: Final = threading.Event()
"""Set in the driver until its first job runs: what is wrong till then is the caller's mistake. Never in a worker."""

_answering: Final[set[str]] = set()
"""The servers, or buckets, that answered this process."""

_NEVER: Final = frozenset({501, 505})
_LATER: Final = frozenset({408, 425, 429})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def may_pass(status: int) -> bool:
    """Whether a request that was answered with this status of HTTP may be answered better later."""
    return status in _LATER or (500 <= status <= 599 and status not in _NEVER)


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


class Stat(NamedTuple):
    """What is known of a file without reading it: its ``length`` in bytes, and a name of its content.

    ``version`` is another where the content is another, as whoever holds the file says; empty if nobody does.
    """

    length: int
    version: str


class Body(Protocol):
    """The bytes of an answer as they arrive."""

    def read(self, size: int) -> bytes:
        """Some of the next ``size`` bytes, none at the end; ``Broken`` if the connection is."""

    def close(self) -> None:
        """End the answer, whether all of it was read or not."""


class Source(Protocol):
    """Where one remote file is asked for. What cannot be had by asking again is one of our errors."""

    name: str

    def stat(self) -> Stat:
        """What its server says of it now; ``Broken`` if there is no answer."""

    def open(self, start: int, stop: int | None) -> tuple[Body | None, int]:
        """The bytes of ``[start, stop)``, as far as there are any, and the length of the file; or ``Broken``."""


class Patience:
    """How often, and how late, one thing is asked for again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._server = urlsplit(what).netloc
        self._failures = 0
        self._left = PATIENCE

    def ask(self, ask: Callable[[], T]) -> T:
        """What ``ask`` gives at last; ``RunFailed`` if it stays ``Broken``, ``InputError`` if nobody ever answered."""
        while True:
            began = time.monotonic()
            try:
                given = ask()
            except Broken as error:
                self._left -= time.monotonic() - began
                self._wait(error)
            else:
                _answering.add(self._server)
                return given

    def _wait(self, why: Broken) -> None:
        self._failures += 1
        if not why.unreached:
            _answering.add(self._server)
        if self._failures >= UNREACHED and FIRST_CHECKS.is_set() and self._server not in _answering:
            raise InputError(f"{self._what}: cannot be reached: {why}; is the address right?")
        delay = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failures - 1)) * random.uniform(0.5, 1)
        delay = max(delay, min(why.after or 0.0, LONGEST_ASKED))
        if self._failures >= getattr(_thread, "attempts", ATTEMPTS) or delay > self._left:
            raise RunFailed(
                f"{self._what}: given up after {self._failures} attempts ({why}); run the command again later"
            )
        self._left -= delay
        time.sleep(delay)


def length_stated(stated: str, start: int, stop: int | None) -> int:
    """The length of a file by the ``Content-Range`` of the answer for ``[start, stop)``; ``Broken`` if it is another's.

    An answer may end sooner than it was asked to.
    """
    found = _CONTENT_RANGE.fullmatch(stated)
    first, last, length = map(int, found.groups()) if found else (0, 0, 0)
    if first != start or not first <= last < min(length, length if stop is None else stop):
        raise Broken(f"asked for bytes from {start}, and the answer is {stated or 'of no stated range'}")
    return length


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
        self._waited = 0.0  # for the open answer, or since there last was enough
        self._begin()

    def _begin(self) -> None:
        """New patience, as there was something."""
        self._patience = Patience(f"{self._source.name} at {self._position}")
        self._received, self._waited = 0, 0.0

    @property
    def length(self) -> int:
        """The length of the file in bytes."""
        if self._length is None:
            self._length = stat(self._source).length
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
            self._begin()
        return position

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with some of what comes next; 0 at the end."""
        if self._at_end():
            return 0
        data = self._patience.ask(partial(self._next, min(len(buffer), PIECE)))
        buffer[: len(data)] = data
        self._position += len(data)
        self._received += len(data)
        if self._received >= LEAST:
            self._begin()
        return len(data)

    def _next(self, size: int) -> bytes:
        try:
            if self._waited > SLOWEST:
                raise Broken(f"fewer than {LEAST} bytes in {SLOWEST:.0f} seconds")
            began = time.monotonic()
            data = self._read(size)
            self._waited += time.monotonic() - began
            if not data and not self._at_end():
                raise Broken("the answer ended too early")
        except Broken:
            self._drop()
            raise
        return data

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
        left = size if self._stop is None else min(size, self._stop - self._position)
        return self._body.read(left) if self._body else b""

    def _drop(self) -> None:
        self._waited = 0.0
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        """End the answer."""
        self._drop()
        super().close()


def stat(source: Source) -> Stat:
    """What is known of a remote file without reading it."""
    return Patience(source.name).ask(source.stat)


def check_address(address: str) -> None:
    """Raise ``InputError`` for an address that has a user name or a password: addresses stand in tables and logs."""
    place = address.partition("?")[0]
    if (bare := without_credentials(place)) != place:
        raise InputError(
            f"{bare}: leave user name and password out of the address, which stands in tables and logs; web servers "
            "are told those of ~/.netrc, object stores those of their own settings (AWS_ACCESS_KEY_ID …)"
        )


def buffered(source: Source) -> BinaryIO:
    """A seekable, buffered stream over a remote file. Its length is asked for first, so that it is there."""
    file = RangedFile(source)
    file.length  # noqa: B018
    return cast(BinaryIO, io.BufferedReader(file, BUFFER))


def read_range(source: Source, start: int, stop: int | None) -> bytes:
    """The bytes of ``[start, stop)`` of a remote file, by one request; fewer if it ends before."""
    with RangedFile(source, start, stop) as file:
        return file.readall()
