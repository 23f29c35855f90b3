"""Look-ups in a compiled store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
import zstandard

from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import digest_of
from obelics_pipeline.robots import Robots
from obelics_pipeline.robots_store import folder
from obelics_pipeline.url import resolve

SMALL: Final = 4096
"""Bytes of a body that is kept ready with many others."""

READY_SMALL, READY_LARGE = 1024, 8
"""Files that are kept ready to be asked: a parsed one takes some fifty times its bytes."""

_OTHER: Final = {"http": "https", "https": "http"}


class Found(msgspec.Struct, frozen=True):
    """The robots.txt for an address, and when it was captured: milliseconds since 1970, 0 if nobody knows."""

    robots: Robots
    at: int


class RobotsStore:
    """A compiled store. What is looked up is in memory that all processes of a machine share."""

    def __init__(self, path: Path, manifest: folder.Manifest) -> None:
        """Map the files of ``manifest``; see ``open``."""
        self.path, self.manifest, self.name = path, manifest, manifest.name
        try:
            self._keys, self._codes, self._seconds = columns = [
                _mapped(path / name, kind) for name, kind in folder.COLUMNS.items()
            ]
            self._offsets = _mapped(path / "offsets", folder.OFFSETS)
            self._bodies = _mapped(path / "bodies", "u1")
            dictionary = (path / "dictionary").read_bytes()
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be used ({error}); {folder.STORE.again}") from None
        lengths = {len(column) for column in columns} | {manifest.origins}
        if len(lengths) > 1 or len(self._offsets) != manifest.bodies + 1:
            raise InputError(f"{path}: its files are not of one store; {folder.STORE.again}")
        self._dictionary = zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT)
        self._small = lru_cache(maxsize=READY_SMALL)(self._parsed)
        self._large = lru_cache(maxsize=READY_LARGE)(self._parsed)

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> Self:
        """The store in the folder ``path``, after its files were compared with its manifest.

        ``verify`` reads large files, too, and compares their SHA-256. Raises ``InputError`` naming the file
        and the fix if anything is missing, damaged or of another version.
        """
        place = Path(path)
        return cls(place, folder.read_manifest(place, verify=verify))

    @property
    def version(self) -> str:
        """32 hexadecimal digits that name what is stored."""
        return digest_of(self.manifest.files)

    def find(self, url: str) -> Found | None:
        """The robots.txt that is in force for ``url``; ``None`` if the store does not know.

        That of its own scheme, host and port, or, with the port of the scheme, that of http for https and
        of https for http.
        """
        absolute = resolve(url)
        if absolute is None:
            return None
        scheme, host, port, _ = folder.parts_of(absolute)
        for asked in (scheme,) if port else (scheme, _OTHER[scheme]):
            key = folder.key_of(asked, host, port, "/robots.txt")
            place = bisect_left(self._keys, key)
            if place < len(self._keys) and self._keys[place] == key:
                return Found(self._robots(self._codes[place]), self._seconds[place] * 1000)
        return None

    def signals(
        self, url: str, agents: Iterable[str], ai_agents: Iterable[str] = ()
    ) -> tuple[str, ...] | None:
        """What speaks against the use of ``url`` (``Robots.signals``); ``None`` if the store does not know."""
        found = self.find(url)
        return None if found is None else found.robots.signals(url, agents, ai_agents)

    def _robots(self, code: int) -> Robots:
        if code < folder.FIRST_BODY:
            return self._small(code)
        try:
            small = zstandard.frame_content_size(self._frame(code)) <= SMALL
            return (self._small if small else self._large)(code)
        except (zstandard.ZstdError, IndexError) as error:
            raise InputError(f"{self.path / 'bodies'}: is damaged ({error}); {folder.STORE.again}") from None

    def _frame(self, code: int) -> memoryview:
        number = code - folder.FIRST_BODY
        return self._bodies[self._offsets[number] : self._offsets[number + 1]]

    def _parsed(self, code: int) -> Robots:
        if code < folder.FIRST_BODY:
            return Robots.answered(code, b"")
        reader = zstandard.ZstdDecompressor(dict_data=self._dictionary)  # one for all threads is not safe
        return Robots(reader.decompress(self._frame(code)))


def _mapped(path: Path, kind: str) -> memoryview:
    """A file of numbers. The items of a memoryview are plain integers, at a quarter of the time of NumPy's."""
    found: memoryview = np.memmap(path, dtype=kind, mode="r").data
    return found
