"""Verdicts of a registry on the web, kept on disk, so that a URL is not asked about again before they are old."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final

import msgspec

from obelics_pipeline.errors import InputError

DAY: Final = 86_400_000
"""Milliseconds."""

_WAIT: Final = 60.0
"""Seconds that one process waits while another writes."""

_ASKED: Final = 500
"""Keys of one query; old versions of SQLite take 999."""


class Verdict(msgspec.Struct, frozen=True):
    """What a registry said of a URL, and when: milliseconds since 1970, UTC."""

    opted_out: bool
    at: int


class VerdictCache:
    """A file of verdicts that the processes of one machine share; it holds hashes, not URLs.

    Args:
        path: of an SQLite file on a local disk; made if it is missing. ``InputError`` if it is something else.
        service: who gave the verdicts. What others gave is not found.
        max_age: milliseconds after which a verdict counts no more, nor does one from the future.
    """

    def __init__(self, path: str, service: str, max_age: int = 30 * DAY) -> None:
        self._path = path
        self._person = hashlib.blake2b(service.encode(), digest_size=16).digest()
        self._max_age = max_age
        with self._open() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS verdicts"
                " (key BLOB PRIMARY KEY, opted_out INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID"
            )

    def get(self, urls: Iterable[str]) -> dict[str, Verdict]:
        """The verdicts on ``urls`` that are there and not too old."""
        keys = {self._key(url): url for url in urls}
        waiting = list(keys)
        now = now_ms()
        found = {}
        with self._open() as connection:
            for start in range(0, len(waiting), _ASKED):
                some = waiting[start : start + _ASKED]
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT key, opted_out, at FROM verdicts WHERE at BETWEEN ? AND ? AND key IN ({marks})",
                    (now - self._max_age, now, *some),
                )
                found.update({keys[key]: Verdict(bool(opted_out), at) for key, opted_out, at in rows})
        return found

    def put(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep ``verdicts``, all or none."""
        rows = [(self._key(url), verdict.opted_out, verdict.at) for url, verdict in verdicts.items()]
        with self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", rows)

    def _key(self, url: str) -> bytes:
        return hashlib.blake2b(url.encode(), digest_size=16, key=self._person).digest()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction; a connection of its own, since threads and forked processes cannot share one."""
        try:
            with closing(sqlite3.connect(self._path, timeout=_WAIT)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise InputError(
                f"{self._path}: no usable cache of verdicts ({error}); name a file on a local disk, "
                "or delete this one: its URLs are asked about again"
            ) from error


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
