"""The folder of a compiled registry: files of sorted hashes, and a manifest that knows what must be in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from obelics_pipeline import sealed
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry
from obelics_pipeline.registry.keys import Levels, fingerprint

REGISTRY: Final = sealed.Kind("registry", 2, "obelics registry compile")


class Table(msgspec.Struct, frozen=True):
    """The values of one kind and scope: how many, their levels, and the files of hashes and of their index.

    If it is to be joined, the files are pieces: a power of two, each of hashes with the same leading bits.
    """

    kind: str
    scope: str
    count: int
    levels: Levels
    files: tuple[FileEntry, ...]


class Manifest(sealed.Sealed, frozen=True):
    """What a registry holds. ``newest`` is the latest ``since`` of its lists (ISO 8601, "" if they have none).

    ``keys`` names the rules that made the keys of addresses; ``public_suffixes`` are the first domains listed
    below which others have theirs. ``joined``: its files are pieces for ``JoinedRegistry``.
    """

    format: int
    name: str
    keys: str
    newest: str
    rows: int
    skipped: int
    sources: dict[str, int]
    public_suffixes: tuple[str, ...]
    tables: tuple[Table, ...]
    joined: bool = False
    seal: str = ""


def read_manifest(folder: Path | str, read: Callable[[str], bytes] = sealed.read_local) -> Manifest:
    """The manifest of ``folder``; ``InputError`` if there is none, or none that can be relied on."""
    place = f"{folder}/{sealed.NAME}"
    manifest = sealed.read_manifest(folder, Manifest, REGISTRY, read)
    if manifest.keys != fingerprint():
        raise InputError(f"{place}: made by a version that writes addresses in another way; {REGISTRY.again}")
    if not manifest.tables:
        raise InputError(f"{place}: holds nothing; {REGISTRY.again}")
    return manifest


def check_files(folder: Path, manifest: Manifest, *, verify: bool) -> None:
    """Raise ``InputError`` unless the files are those of the manifest (``sealed.check_files``)."""
    entries = (entry for table in manifest.tables for entry in table.files)
    sealed.check_files(folder, entries, REGISTRY, verify=verify)
