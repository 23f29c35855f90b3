"""``manifest.json`` and ``SHA256SUMS``: the files of a dataset for its users, with their row groups and checksums.

Paths are below the folder of the dataset. No clock time is in them unless it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry
from obelics_pipeline.survey import CONFIGS, Group

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
CARD: Final = "README.md"
CROISSANT: Final = "croissant.json"
VERSION: Final = 1

_NAME: Final = re.compile(
    rf"(?P<folder>{'|'.join(CONFIGS)})/(?P<split>[a-z]+)-(?P<number>\d{{5}})-of-(?P<shards>\d{{5}})\.parquet"
)
_SUM: Final = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)")


class Place(msgspec.Struct, frozen=True):
    """What the path of a table says: its config, its split, and which of how many shards it is."""

    config: str
    split: str
    number: int
    shards: int


def place_of(path: str) -> Place | None:
    """What ``path`` says; None if it is not the path of a table."""
    found = _NAME.fullmatch(path)
    if found is None:
        return None
    return Place(CONFIGS[found["folder"]], found["split"], int(found["number"]), int(found["shards"]))


class DataFile(msgspec.Struct, frozen=True):
    """A table of the dataset."""

    path: str
    config: str
    split: str
    rows: int
    bytes: int
    sha256: str
    row_groups: tuple[Group, ...]


class StageCounts(msgspec.Struct, frozen=True):
    """A stage that the documents went through, and what became of them there."""

    stage: str
    tally: Tally


class Build(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a dataset came about, as far as its card tells it.

    ``signals`` is what followed from each signal of an opt-out; ``lists`` are the lists that were asked, with
    versions. ``image_bytes`` says how the bytes of images differ from those that servers sent. ``validation`` is the
    share of documents that the split of this name was to get. ``made_at`` is given only if timestamps are wanted.
    """

    stages: tuple[StageCounts, ...] = ()
    signals: dict[str, str] = {}
    agents: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    spawning: bool = False
    image_bytes: str = ""
    validation: float | None = None
    made_at: str | None = None


class DatasetManifest(msgspec.Struct, frozen=True):
    """The content of ``manifest.json``."""

    builder: str
    files: tuple[DataFile, ...]
    build: Build = Build()
    version: int = VERSION

    def encode(self) -> bytes:
        """Stable JSON, a line for each file."""
        lines = {name: _json(value) for name, value in _fields(self) if name != "files"}
        lines["files"] = "[\n" + ",\n".join(f"  {_json(file)}" for file in self.files) + "\n ]"
        order = ("version", "builder", "files", "build")
        return ("{\n" + ",\n".join(f' "{name}": {lines[name]}' for name in order) + "\n}\n").encode()

    def configs(self) -> dict[str, dict[str, list[DataFile]]]:
        """The files of each split of each config; those without rows are not named."""
        found: dict[str, dict[str, list[DataFile]]] = {}
        for file in self.files:
            found.setdefault(file.config, {}).setdefault(file.split, []).append(file)
        return found


def _fields(value: msgspec.Struct) -> list[tuple[str, Any]]:
    return [(name, getattr(value, name)) for name in value.__struct_fields__]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def described(entry: FileEntry, groups: Sequence[Group]) -> DataFile:
    """A table with its row groups."""
    place = place_of(entry.path)
    assert place is not None
    return DataFile(
        entry.path, place.config, place.split, entry.rows, entry.bytes, entry.sha256, tuple(groups)
    )


def decode_manifest(data: bytes, where: str) -> DatasetManifest:
    """The manifest in ``data``; ``InputError`` naming ``where`` if it is none."""
    try:
        return msgspec.json.decode(data, type=DatasetManifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{where}: no manifest of a dataset ({error}); fetch it again") from None


def sums(entries: Iterable[FileEntry]) -> bytes:
    """``SHA256SUMS``, which ``sha256sum --check`` reads."""
    return "".join(f"{entry.sha256}  {entry.path}\n" for entry in sorted(entries, key=_path)).encode()


def _path(entry: FileEntry) -> str:
    return entry.path


def read_sums(data: bytes, where: str) -> dict[str, str]:
    """The SHA-256 of each file that ``SHA256SUMS`` names; ``InputError`` naming ``where`` if it is none."""
    try:
        lines = [_SUM.fullmatch(line) for line in data.decode().splitlines()]
    except UnicodeDecodeError:
        lines = [None]
    if None in lines:
        raise InputError(f"{where}: line {lines.index(None) + 1} is no checksum and path; fetch it again")
    return {line["path"]: line["sha256"] for line in lines if line is not None}
