"""The folder of a compiled registry: files of sorted hashes, and a manifest that knows what must be in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, digest_of
from obelics_pipeline.registry.keys import Levels, fingerprint

NAME: Final = "manifest.json"
FORMAT: Final = 1
SMALL: Final = 64 << 20
"""Bytes up to which a file is always read whole and checked when a registry is opened."""

AGAIN: Final = "compile it again (obelics registry compile)"


class Table(msgspec.Struct, frozen=True):
    """The values of one kind and scope: how many, their levels, and the files of hashes and of their index."""

    kind: str
    scope: str
    count: int
    levels: Levels
    files: tuple[FileEntry, ...]


class Manifest(msgspec.Struct, frozen=True):
    """What a registry holds. ``newest`` is the latest ``since`` of its lists (ISO 8601, "" if they have none).

    ``keys`` names the rules that made the keys of addresses, ``seal`` is a hash of all other fields;
    ``public_suffixes`` are the first domains listed below which others have theirs.
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
    seal: str = ""

    def sealed(self) -> Manifest:
        """The same with its seal."""
        bare = msgspec.structs.replace(self, seal="")
        return msgspec.structs.replace(bare, seal=digest_of(bare))

    def encode(self) -> bytes:
        """Stable, readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


class _Format(msgspec.Struct):
    format: int


def file_entry(path: Path, rows: int) -> FileEntry:
    """The length and the hash of a finished file."""
    with path.open("rb") as stream:
        return FileEntry(
            path.name, rows, path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of ``folder``; ``InputError`` if there is none, or none that can be relied on."""
    place = folder / NAME
    try:
        data = place.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{place}: cannot be read ({why}); name the folder of a compiled registry") from None
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found != FORMAT:
            raise InputError(f"{place}: format {found}, this program reads {FORMAT}; {AGAIN}")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(f"{place}: no manifest of a registry ({error}); {AGAIN}") from None
    if manifest != manifest.sealed():
        raise InputError(f"{place}: was changed after it was written; {AGAIN}")
    if manifest.keys != fingerprint():
        raise InputError(f"{place}: made by a version that writes addresses in another way; {AGAIN}")
    if not manifest.tables:
        raise InputError(f"{place}: holds nothing; {AGAIN}")
    return manifest


def check_files(folder: Path, manifest: Manifest, *, verify: bool) -> None:
    """Raise ``InputError`` unless the files are those of the manifest.

    Their lengths are always compared, their SHA-256 up to ``SMALL`` bytes, or always with ``verify``.
    """
    for entry in (entry for table in manifest.tables for entry in table.files):
        place = folder / entry.path
        try:
            length = place.stat().st_size
            if length != entry.bytes:
                raise InputError(
                    f"{place}: has {length:,} bytes, not {entry.bytes:,}; copy it again, or {AGAIN}"
                )
            if (verify or length < SMALL) and file_entry(place, entry.rows) != entry:
                raise InputError(
                    f"{place}: its SHA-256 is another than that of {NAME}; copy it again, or {AGAIN}"
                )
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(f"{place}: cannot be read ({why}); copy it again, or {AGAIN}") from None
