"""What a stage has written: the files that readers may trust, and how their content came about.

A manifest is written after everything it names; a folder without one is not finished. It holds no clock time,
so equal work gives equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

import obelics_pipeline
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError

NAME: Final = "_MANIFEST.json"
VOLATILE: Final = ("fetch_log/", "consent/images/", "quarantine/")
"""Files that say when something happened: their content is no part of what later stages depend on."""


class FileEntry(msgspec.Struct, frozen=True):
    """A finished file: its path below the build folder, rows, length in bytes, and SHA-256 in hex."""

    path: str
    rows: int
    bytes: int
    sha256: str


class InputEntry(msgspec.Struct, frozen=True):
    """Something a stage read: a path as the caller gave it, or a folder of an earlier stage."""

    path: str
    bytes: int
    digest: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """The record of a finished stage.

    ``fingerprint`` names the work: equal code, configuration and input, hence equal files.
    """

    stage: str
    fingerprint: str
    code_version: str
    config_hash: str
    inputs: tuple[InputEntry, ...]
    files: tuple[FileEntry, ...]
    tally: Tally

    @property
    def lasting(self) -> list[FileEntry]:
        """The files whose content a later stage depends on: all that hold no clock times."""
        return [entry for entry in self.files if not entry.path.startswith(VOLATILE)]

    @property
    def digest(self) -> str:
        """A hash of the content of all lasting files."""
        return digest_of(self.lasting)

    def under(self, folder: str) -> list[FileEntry]:
        """The files below ``folder``, in order of their numbers."""
        found = (entry for entry in self.files if entry.path.startswith(f"{folder}/"))
        return sorted(found, key=lambda entry: (len(entry.path), entry.path))

    def encode(self) -> bytes:
        """Stable, readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Manifest:
    """The manifest in ``data``; raises ``InputError`` naming ``where`` if it is none."""
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{where}: no manifest of this program ({error}); remove it") from None


def digest_of(value: Any) -> str:
    """32 hexadecimal digits that name a value made of structs, lists, numbers and strings."""
    encoded = msgspec.json.encode(value, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def fingerprint(stage: str, config_hash: str, inputs: Iterable[InputEntry]) -> str:
    """The name of the work of ``stage``: of its code, its configuration and what it reads."""
    return digest_of(
        [stage, code_version(), config_hash, [[entry.path, entry.bytes, entry.digest] for entry in inputs]]
    )


@cache
def code_version() -> str:
    """The version of the builder and a hash of its files, so that changed code redoes its work."""
    digest = hashlib.blake2b(digest_size=6)
    for package in ("obelics_pipeline", "filters", "beam_jobs"):
        for name, data in sorted(_sources(resources.files(package))):
            digest.update(f"{package}/{name} {len(data)}\n".encode())
            digest.update(data)
    return f"{obelics_pipeline.__version__}+{digest.hexdigest()}"


def _sources(folder: Any, prefix: str = "") -> Iterable[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith("__"):
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.is_file() and not entry.name.endswith(".so"):  # compiled or not, it is the same code
            yield f"{prefix}{entry.name}", entry.read_bytes()
