"""Registries for lists that are too long for each worker: pieces, each read where hashes of its range are asked for.

Those of the addresses of a whole part of the work are asked for at once (``keys_of``), piece by piece (``listed``), on
whatever machine; the part then has a ``view`` that knows the answers. What nobody has foreseen, such as where an image
redirects to, is looked up in its piece when it is met. Either way what is found is what a ``Registry`` finds.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, Self, TypeAlias

import msgspec
import numpy as np

from obelics_pipeline import sealed
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, digest_of
from obelics_pipeline.registry import folder, keys
from obelics_pipeline.registry.hashes import Hashes
from obelics_pipeline.registry.lookup import SCOPES, HashSet, Hit, Values, first_hit

CACHED: Final = 64
"""Pieces that a process keeps in memory: 64 MB."""

Read: TypeAlias = Callable[[str], bytes]
"""All bytes of a file, wherever it is; ``OSError`` if there are none."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A piece: the number of its table, and its own."""

    table: int
    piece: int


class _Pieces:
    """The hashes of one table, in files of equal leading bits."""

    def __init__(self, root: str, table: folder.Table, read: Read) -> None:
        self._root, self._files, self._read = root, table.files, read
        self._shift = 64 - (len(table.files) - 1).bit_length()

    def __contains__(self, hashed: int) -> bool:
        values = self.piece(hashed >> self._shift).data
        place = bisect_left(values, hashed)
        return place < len(values) and values[place] == hashed

    def piece(self, number: int) -> Hashes:
        return _piece(self._root, self._files[number], self._read)

    def split(self, hashed: Iterable[int]) -> Iterator[tuple[int, Hashes]]:
        """Hashes, each once, by the piece that may hold them; none if there is but one, which is soon read."""
        if len(self._files) > 1:
            ordered = np.unique(np.fromiter(hashed, np.uint64))
            owners, starts = np.unique(ordered >> np.uint64(self._shift), return_index=True)
            yield from zip(owners.tolist(), np.split(ordered, starts[1:]), strict=False)


@lru_cache(maxsize=CACHED)
def _piece(root: str, entry: FileEntry, read: Read) -> Hashes:
    place = f"{root}/{entry.path}"
    remedy = f"copy it again, or {folder.REGISTRY.again}"
    try:
        data = read(place)
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror or error}); {remedy}") from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise InputError(f"{place}: its SHA-256 is another than that of {sealed.NAME}; {remedy}")
    found: Hashes = np.frombuffer(data, "<u8")
    return found


class _Told:
    """Of one table, the answers to what was asked for at once; all else is looked up."""

    def __init__(self, asked: frozenset[int], listed: frozenset[int], pieces: _Pieces) -> None:
        self._asked, self._listed, self._pieces = asked, listed, pieces

    def __contains__(self, hashed: int) -> bool:
        return hashed in (self._listed if hashed in self._asked else self._pieces)


class JoinedRegistry:
    """A registry that ``obelics registry compile --joined`` wrote. It lists addresses, no hashes of content."""

    def __init__(self, path: str, manifest: folder.Manifest, read: Read) -> None:
        """See ``open``."""
        self.path, self.manifest, self.name, self._read = path, manifest, manifest.name, read
        ranked = sorted(enumerate(manifest.tables), key=lambda pair: keys.KINDS.index(pair[1].kind))
        self._tables = dict(ranked)
        self._pieces = {number: _Pieces(path, table, read) for number, table in ranked}
        self._values = {number: self._with(number, self._pieces[number]) for number in self._tables}

    @classmethod
    def open(cls, path: str, read: Read = sealed.read_local) -> Self:
        """The registry in the folder ``path``, which ``read`` reaches (by default, of this machine).

        ``InputError`` naming the file and the fix if its manifest cannot be relied on; a piece is compared with the
        manifest whenever it is read.
        """
        place = path.rstrip("/")
        manifest = folder.read_manifest(place, read)
        if not manifest.joined:
            raise InputError(
                f"{place}: is not compiled to be joined; compile it with --joined, or name it under consent.registries"
            )
        return cls(place, manifest, read)

    def check_lengths(self, lengths: Mapping[str, int]) -> None:
        """``InputError`` unless there is each file, by its name, in its length; all of them are read for ``verify``."""
        for entry in self._entries():
            if lengths.get(entry.path) != entry.bytes:
                raise InputError(
                    f"{self.path}/{entry.path}: missing or cut; copy it again, or {folder.REGISTRY.again}"
                )

    def verify(self) -> None:
        """Read all pieces; ``InputError`` for the first that is not what was compiled."""
        for pieces, table in zip(self._pieces.values(), self._tables.values(), strict=True):
            for number in range(len(table.files)):
                pieces.piece(number)

    def _entries(self) -> Iterator[FileEntry]:
        return (entry for table in self._tables.values() for entry in table.files)

    @property
    def version(self) -> str:
        """32 hexadecimal digits that name what is listed."""
        return digest_of(self.manifest.tables)

    def page(self, url: str) -> Hit | None:
        """As ``Registry.page``."""
        return self._find("page", url)

    def image(self, url: str) -> Hit | None:
        """As ``Registry.image``."""
        return self._find("image", url)

    def content(self, *, md5: str = "", sha1: str = "", sha256: str = "", pdq: str = "") -> None:
        """Nothing: hashes of content are not listed here."""

    def _find(self, scope: str, url: str) -> Hit | None:
        entries = [self._values[number] for number in self._of(scope)]
        return first_hit(entries, keys.address(url), self.name)

    def _of(self, scope: str) -> list[int]:
        return [number for number, table in self._tables.items() if table.scope in SCOPES[scope]]

    def _with(self, number: int, hashes: HashSet) -> Values[HashSet]:
        table = self._tables[number]
        return Values(table.kind, table.levels, hashes)

    def keys_of(self, scope: str, urls: Iterable[str]) -> Iterator[tuple[Place, Hashes]]:
        """The hashes under which pages or images (``scope``) may be listed, each once, by the piece of each."""
        for number, hashed in self._hashes(scope, urls).items():
            for piece, asked in self._pieces[number].split(hashed):
                yield Place(number, piece), asked

    def _hashes(self, scope: str, urls: Iterable[str]) -> dict[int, set[int]]:
        numbers = self._of(scope)
        found: dict[int, set[int]] = {number: set() for number in numbers}
        for key in map(keys.address, urls):
            for number in numbers:
                values = self._values[number]
                found[number].update(map(values.hash, values.candidates(key)))
        return found

    def listed(self, place: Place, hashed: Hashes) -> Hashes:
        """Those of ``hashed`` that the piece at ``place`` holds."""
        values = self._pieces[place.table].piece(place.piece)
        at = np.searchsorted(values, hashed)
        at[at == len(values)] = 0
        found: Hashes = hashed[values[at] == hashed] if len(values) else hashed[:0]
        return found

    def asked(self, scope: str, urls: Collection[str]) -> JoinedRegistry:
        """The same after all of ``urls`` were asked for at once, here and now."""
        listed: dict[int, list[int]] = {}
        for place, hashed in self.keys_of(scope, urls):
            listed.setdefault(place.table, []).extend(self.listed(place, hashed).tolist())
        return self.view(scope, urls, listed)

    def view(self, scope: str, urls: Iterable[str], listed: Mapping[int, Iterable[int]]) -> JoinedRegistry:
        """The same, told which of ``keys_of(scope, urls)`` are ``listed``: hashes by the number of their table."""
        known = JoinedRegistry(self.path, self.manifest, self._read)
        for number, asked in self._hashes(scope, urls).items():
            if len(self._tables[number].files) > 1:
                told = _Told(frozenset(asked), frozenset(listed.get(number, ())), self._pieces[number])
                known._values[number] = self._with(number, told)
        return known
