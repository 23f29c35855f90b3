"""The files of a columnar index wherever they are, and a way for DuckDB to read remote ones by ranges."""

from __future__ import annotations

import glob
import gzip
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import fsspec

from beam_jobs import io
from beam_jobs.http_file import CONNECTIONS, is_http
from obelics_pipeline.columnar_index import SUBSETS, Subset
from obelics_pipeline.errors import InputError

TABLE: Final = "cc-index/table/cc-main/warc"
"""Where the table lies below the prefix of all that Common Crawl publishes."""

LISTING: Final = "crawl-data/{}/cc-index-table.paths.gz"
"""Where the files of a crawl are listed below the same prefix, for servers that list nothing themselves."""


FOOTER: Final = 1 << 16
"""Bytes at the end of a file that hold what is known of its row groups; if that is more, the rest is read as well."""


def find_files(prefix: str, crawl: str, subset: Subset) -> list[str]:
    """The index files of a crawl, in order of their keys; ``InputError`` if there is none."""
    found = _listed(prefix, crawl, subset) if is_http(prefix) else _lying(prefix, crawl, subset)
    if not found:
        raise InputError(
            f"--index {prefix}: no index of the {SUBSETS[subset]} ({subset}) of crawl {crawl} {_others(prefix)}"
        )
    return found


def _listed(prefix: str, crawl: str, subset: Subset) -> list[str]:
    listing = io.join(prefix, LISTING.format(crawl))
    try:
        data = io.read_bytes(listing)
    except InputError as error:
        raise InputError(
            f"--index {prefix}, --crawl {crawl}: no list of its index files: {error} The names of Common Crawl's "
            "crawls stand at https://index.commoncrawl.org"
        ) from None
    try:
        lines = gzip.decompress(data).decode().split()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{listing}: is no list of index files, compressed with gzip: {error}") from None
    return sorted({io.join(prefix, line) for line in lines if f"/crawl={crawl}/subset={subset}/" in line})


def _lying(prefix: str, crawl: str, subset: Subset) -> list[str]:
    place = io.join(prefix, TABLE, f"crawl={crawl}", f"subset={subset}")
    with io.reaching(f"--index {prefix}"):
        return list(io.sizes_below(place, "*.parquet"))


def _others(prefix: str) -> str:
    """What else there is, or where it should be."""
    place = io.join(prefix, TABLE)
    crawls = sorted(glob.glob("crawl=*", root_dir=place)) if io.is_local(prefix) else []
    if crawls:
        return f"in {place}; there are {', '.join(crawls)}"
    return f"in {place}; name the folder or address above 'cc-index/'"


class RangeFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Remote files for DuckDB, under the names ``range://`` and their paths; counts what is read of them.

    ``error`` is the first of ours that was raised, which DuckDB tells in its own words.
    """

    protocol = "range"
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0
        self.requests = 0
        self.error: Exception | None = None
        self._sizes: dict[str, int] = {}
        self._tails: dict[str, bytes] = {}
        self._lock = Lock()

    def fetch_footers(self, paths: Sequence[str]) -> None:
        """Read the ends of files, several at once: DuckDB would ask for one after the other."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            self._tails |= zip(paths, pool.map(self._tail, paths), strict=True)

    def _tail(self, path: str) -> bytes:
        length = self._length(path)
        return self._ask_range(path, max(0, length - FOOTER), length)

    @classmethod
    def name(cls, path: str) -> str:
        """The name of the file at ``path``."""
        return f"{cls.protocol}://{path}"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{cls.protocol}://")

    def _open(self, path: str, mode: str = "rb", **options: Any) -> RangeFile:
        return RangeFile(self, path, self._length(path))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name and length of a file; the length is asked for once."""
        path = self._strip_protocol(path)
        return {"name": path, "size": self._length(path), "type": "file"}

    def modified(self, path: str) -> datetime:
        """A constant: files of an index do not change once they are there."""
        return datetime(1970, 1, 1, tzinfo=UTC)

    def _length(self, path: str) -> int:
        if path not in self._sizes:
            self._sizes[path] = self._told(lambda: _length(path))
        return self._sizes[path]

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """The bytes of ``[start, stop)``, of the end of a file those that are known."""
        tail = self._tails.get(path, b"")
        at = start - self._length(path) + len(tail)
        return tail[at : at + stop - start] if at >= 0 else self._ask_range(path, start, stop)

    def _ask_range(self, path: str, start: int, stop: int) -> bytes:
        data: bytes = self._told(lambda: io.read_range(path, start, stop))
        with self._lock:
            self.bytes_read += len(data)
            self.requests += 1
        return data

    def _told(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:
            self.error = self.error or error
            raise


def _length(path: str) -> int:
    length = io.size(path)
    if length is None:
        raise InputError(f"{path}: the index lists this file, and it is not there")
    return length


class RangeFile:
    """One file, open for reading; every read is one range."""

    def __init__(self, files: RangeFiles, path: str, length: int) -> None:
        self._files = files
        self._path = path
        self._length = length
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, all that are left if it is negative."""
        stop = self._length if size < 0 else min(self._position + size, self._length)
        if stop <= self._position:
            return b""
        data = self._files.read_range(self._path, self._position, stop)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """The position of the next byte read."""
        return self._position

    def close(self) -> None:
        """Nothing stays open."""
