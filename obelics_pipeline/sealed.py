"""Folders that are compiled once and only read: made whole or not at all, and never read if anything is missing.

A manifest names each file with its length and hash, and holds a hash of itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, digest_of

NAME: Final = "manifest.json"
SMALL: Final = 64 << 20
"""Bytes up to which a file is always read whole and checked when a folder is opened."""

_REMOTE: Final = re.compile(r"[a-z][a-z0-9]*:/")
"""The scheme of an address, also with one slash: that is what ``Path`` makes of two."""


class Kind(msgspec.Struct, frozen=True):
    """What a folder holds, in words for messages: ``what`` it is, and the command that makes it ``again``."""

    what: str
    format: int
    command: str

    @property
    def again(self) -> str:
        """The remedy for what is damaged."""
        return f"compile it again ({self.command})"


class Sealed(msgspec.Struct, frozen=True):
    """A manifest; its kinds have the fields ``format`` (int) and ``seal`` (str), a hash of all other fields."""

    def sealed(self) -> Self:
        """The same with its seal."""
        bare = msgspec.structs.replace(self, seal="")
        return msgspec.structs.replace(bare, seal=digest_of(bare))

    def encode(self) -> bytes:
        """Stable, readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


M = TypeVar("M", bound=Sealed)


class _Format(msgspec.Struct):
    format: int


def local(path: str | Path, option: str) -> Path:
    """``path`` as one of this machine; ``InputError`` naming ``option`` for an address of remote storage."""
    if _REMOTE.match(str(path)):
        raise InputError(
            f"{option} {path}: has to be on a local disk; copy what is there, or write here and copy"
        )
    return Path(path)


@contextmanager
def new_folder(output: str | Path) -> Iterator[Path]:
    """A folder to write in, which becomes ``output`` if all goes well; else nothing is left of it.

    ``InputError`` if ``output`` exists or cannot be written.
    """
    target = local(output, "--output")
    if target.exists():
        raise InputError(f"--output {target}: exists; name a new folder, such as one with the date")
    working = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        working.mkdir(parents=True)
        yield working
        os.rename(working, target)
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"--output {target}: cannot be written ({why}); name another folder") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def not_yet(output: str | Path) -> Path:
    """The path ``output`` for ``new_folder``: a folder there goes if it is empty; ``InputError`` for anything else."""
    target = local(output, "--output")
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    elif target.exists():
        raise InputError(f"--output {output}: is not empty; name a new folder")
    return target


def file_entry(path: Path, rows: int) -> FileEntry:
    """The length and the hash of a finished file."""
    with path.open("rb") as stream:
        return FileEntry(
            path.name, rows, path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
        )


def read_local(path: str) -> bytes:
    """All bytes of a file of this machine."""
    return Path(path).read_bytes()


def read_manifest(
    folder: Path | str, type_: type[M], kind: Kind, read: Callable[[str], bytes] = read_local
) -> M:
    """The manifest of ``folder``, which ``read`` reaches.

    ``InputError`` if there is none, or none that can be relied on.
    """
    place = f"{folder}/{NAME}"
    try:
        data = read(place)
    except OSError as error:
        why = error.strerror or str(error)
        told = f"{place}: cannot be read ({why}); name the folder of a compiled {kind.what}"
        raise InputError(told) from None
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found != kind.format:
            raise InputError(f"{place}: format {found}, this program reads {kind.format}; {kind.again}")
        manifest = msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(f"{place}: no manifest of a {kind.what} ({error}); {kind.again}") from None
    if manifest != manifest.sealed():
        raise InputError(f"{place}: was changed after it was written; {kind.again}")
    return manifest


def check_files(folder: Path, entries: Iterable[FileEntry], kind: Kind, *, verify: bool) -> None:
    """Raise ``InputError`` unless the files are those of the manifest.

    Their lengths are always compared, their SHA-256 up to ``SMALL`` bytes, or always with ``verify``.
    """
    remedy = f"copy it again, or {kind.again}"
    for entry in entries:
        place = folder / entry.path
        try:
            length = place.stat().st_size
            if length != entry.bytes:
                raise InputError(f"{place}: has {length:,} bytes, not {entry.bytes:,}; {remedy}")
            if (verify or length < SMALL) and file_entry(place, entry.rows) != entry:
                raise InputError(f"{place}: its SHA-256 is another than that of {NAME}; {remedy}")
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(f"{place}: cannot be read ({why}); {remedy}") from None
