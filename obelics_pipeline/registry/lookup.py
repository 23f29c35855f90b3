"""Look-ups in a compiled registry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Generic, Protocol, Self, TypeVar

import msgspec
import numpy as np

from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import digest_of
from obelics_pipeline.registry import folder, keys, pdq
from obelics_pipeline.registry.hashes import Hashes, SortedHashes, mapped
from obelics_pipeline.registry.keys import CANDIDATES, Levels

SCOPES: Final = {"page": ("page", "both"), "image": ("image", "both")}
"""The scopes of entries that concern pages, and images."""


class Hit(msgspec.Struct, frozen=True):
    """The entry of a list that something falls under: its kind and value, and the name of the registry."""

    kind: str
    value: str
    registry: str


class HashSet(Protocol):
    """A set of 64-bit hashes, wherever they are."""

    def __contains__(self, hashed: int, /) -> bool:
        """Whether it is one of them."""


H = TypeVar("H", bound=HashSet)


class Values(Generic[H]):
    """The values of one kind and scope, by their ``hashes``."""

    def __init__(self, kind: str, levels: Levels, hashes: H) -> None:
        self.kind, self.hashes, self.hash = kind, hashes, keys.HASHES[kind]
        self._levels, self._candidates = levels, CANDIDATES.get(kind, keys.itself)

    def candidates(self, key: str) -> list[str]:
        """The values that mean the key of an address; of content, its hash alone."""
        return self._candidates(key, self._levels)

    def find(self, key: str) -> str | None:
        """The first of them that is listed."""
        hash_of, listed = self.hash, self.hashes
        for value in self._candidates(key, self._levels):
            if hash_of(value) in listed:
                return value
        return None


def first_hit(entries: Iterable[Values[H]], key: str, registry: str) -> Hit | None:
    """The first entry of a registry that the key of an address falls under."""
    for values in entries:
        value = values.find(key)
        if value is not None:
            return Hit(values.kind, value, registry)
    return None


class Registry:
    """A compiled registry. Look-ups read memory that all processes of a machine share.

    A look-up is wrong only in that it may take what is not listed for listed, once in 2^64 / entries.
    """

    def __init__(self, path: Path, manifest: folder.Manifest) -> None:
        """Map the files of ``manifest``; see ``open``."""
        self.path, self.manifest, self.name = path, manifest, manifest.name
        self._scopes: dict[str, list[Values[SortedHashes]]] = {"page": [], "image": []}
        self._digests: dict[str, list[Values[SortedHashes]]] = {}
        self._pdq: list[Hashes] = []
        for table in sorted(manifest.tables, key=lambda table: keys.KINDS.index(table.kind)):
            self._add(table)

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> Self:
        """The registry in the folder ``path``, after its files were compared with its manifest.

        ``verify`` reads large files, too, and compares their SHA-256. Raises ``InputError`` naming the file
        and the fix if anything is missing, damaged or of another version.
        """
        place = Path(path)
        manifest = folder.read_manifest(place)
        if manifest.joined:
            raise InputError(f"{place}: is compiled to be joined; name it under consent.joined, not here")
        folder.check_files(place, manifest, verify=verify)
        return cls(place, manifest)

    def _add(self, table: folder.Table) -> None:
        try:
            first, *rest = (mapped(self.path / entry.path) for entry in table.files)
            if table.kind == "pdq":
                if first.shape != (pdq.WORDS, table.count) or first.dtype != np.dtype("<u8"):
                    raise ValueError(f"{first.shape} of {first.dtype}")
                self._pdq.append(first)
                return
            values = Values(table.kind, table.levels, SortedHashes(first, *rest))
        except (OSError, ValueError, TypeError) as error:
            where = self.path / table.files[0].path
            raise InputError(f"{where}: cannot be used ({error}); {folder.REGISTRY.again}") from None
        if table.kind in keys.DIGITS:
            self._digests.setdefault(table.kind, []).append(values)
        for scope, entries in self._scopes.items():
            if table.scope in SCOPES[scope] and table.kind in CANDIDATES:
                entries.append(values)

    @property
    def version(self) -> str:
        """32 hexadecimal digits that name what is listed."""
        return digest_of(self.manifest.tables)

    def page(self, url: str) -> Hit | None:
        """The first entry that the page ``url`` falls under, by kind: domain, host, prefix, URL."""
        return self._find("page", url)

    def image(self, url: str) -> Hit | None:
        """The same for an image."""
        return self._find("image", url)

    def page_many(self, urls: Sequence[str]) -> list[Hit | None]:
        """``page`` of each."""
        return self._find_many("page", urls)

    def image_many(self, urls: Sequence[str]) -> list[Hit | None]:
        """``image`` of each."""
        return self._find_many("image", urls)

    def content(self, *, md5: str = "", sha1: str = "", sha256: str = "", pdq: str = "") -> Hit | None:
        """The first entry that the bytes of an image fall under, given their hashes in hexadecimal digits.

        PDQ hashes are the same if they differ in no more than ``pdq.DISTANCE`` bits; the value found is the listed
        one. ``ValueError`` if a hash is none.
        """
        for kind, given in {"md5": md5, "sha1": sha1, "sha256": sha256}.items():
            if given and (hit := self._find_digest(kind, keys.digest(kind, given))):
                return hit
        return self._find_pdq(keys.digest("pdq", pdq)) if pdq else None

    def _find(self, scope: str, url: str) -> Hit | None:
        return first_hit(self._scopes[scope], keys.address(url), self.name)

    def _find_many(self, scope: str, urls: Iterable[str]) -> list[Hit | None]:
        asked = [keys.address(url) for url in urls]
        hits: list[Hit | None] = [None] * len(asked)
        for values in self._scopes[scope]:
            owners = [(place, value) for place, key in enumerate(asked) for value in values.candidates(key)]
            found = values.hashes.contains_each(values.hash(value) for _, value in owners)
            for at in found.nonzero()[0].tolist():
                place, value = owners[at]
                hits[place] = hits[place] or Hit(values.kind, value, self.name)
        return hits

    def _find_digest(self, kind: str, value: str) -> Hit | None:
        listed = any(values.find(value) for values in self._digests.get(kind, ()))
        return Hit(kind, value, self.name) if listed else None

    def _find_pdq(self, value: str) -> Hit | None:
        near = (pdq.nearest(listed, value) for listed in self._pdq)
        return next((Hit("pdq", found, self.name) for found in near if found), None)
