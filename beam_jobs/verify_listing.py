"""Whether the files of a dataset are those that its lists name, and whether these lists agree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import yaml

from beam_jobs import io
from beam_jobs.verify_files import Fault
from obelics_pipeline import manifest as manifests
from obelics_pipeline.dataset_files import (
    CARD,
    CROISSANT,
    MANIFEST,
    SUMS,
    DatasetManifest,
    place_of,
    read_sums,
)
from obelics_pipeline.errors import InputError


def listing_faults(folder: str, tables: dict[str, int], manifest: DatasetManifest) -> Iterator[Fault]:
    """Files that are missing, too many, of another length, or named otherwise by one of the lists."""
    listed = {file.path: file for file in manifest.files}
    if manifest.files:
        yield from (Fault(path, f"is not in {MANIFEST}") for path in tables if path not in listed)
    for path, file in listed.items():
        if path not in tables:
            yield Fault(path, "is not there")
        elif tables[path] != file.bytes:
            yield Fault(path, f"has {tables[path]} bytes, the manifest says {file.bytes}")
    for path in tables:
        place = place_of(path)
        if place is None or place.number >= place.shards:
            yield Fault(path, "is not named as tables are: <split>-<number>-of-<files>.parquet")
    yield from _sum_faults(folder, tables, manifest)
    yield from _seal_faults(folder, manifest)
    yield from _card_faults(folder, tables)
    yield from _croissant_faults(folder, manifest)


def _read(folder: str, name: str) -> bytes | None:
    path = io.join(folder, name)
    return None if io.size(path) is None else io.read_bytes(path)


def _sum_faults(folder: str, tables: dict[str, int], manifest: DatasetManifest) -> Iterator[Fault]:
    """Of ``SHA256SUMS``; the tables themselves are summed where their rows are looked at."""
    data = _read(folder, SUMS)
    if data is None:
        yield Fault(SUMS, "is not there")
        return
    try:
        told = read_sums(data, SUMS)
    except InputError as error:
        yield Fault(SUMS, str(error).removeprefix(f"{SUMS}: "))
        return
    for path in sorted({*tables, CARD, CROISSANT, MANIFEST} - told.keys()):
        yield Fault(path, f"is not in {SUMS}")
    for file in manifest.files:
        if told.get(file.path, file.sha256) != file.sha256:
            yield Fault(file.path, f"has another sha256 in {SUMS} than in {MANIFEST}")
    known = {*tables, *(file.path for file in manifest.files)}
    for path in sorted(told.keys() - known):
        found = _read(folder, path)
        if found is None:
            if path not in (CARD, CROISSANT, MANIFEST):  # their own checks say so
                yield Fault(path, "is not there")
        elif hashlib.sha256(found).hexdigest() != told[path]:
            yield Fault(path, f"has another sha256 than in {SUMS}")


def _seal_faults(folder: str, manifest: DatasetManifest) -> Iterator[Fault]:
    """Of the stage's own manifest, where it came along."""
    data = _read(folder, manifests.NAME)
    if data is None:
        return
    try:
        entries = manifests.decode(data, manifests.NAME).files
    except InputError as error:
        yield Fault(manifests.NAME, str(error).removeprefix(f"{manifests.NAME}: "))
        return
    sealed = {entry.path.removeprefix("dataset/"): entry for entry in entries}
    for file in manifest.files:
        entry = sealed.get(file.path)
        if entry is None or (entry.rows, entry.bytes, entry.sha256) != (file.rows, file.bytes, file.sha256):
            yield Fault(file.path, f"{manifests.NAME} does not say the same of it as {MANIFEST}")


def _card_faults(folder: str, tables: dict[str, int]) -> Iterator[Fault]:
    """Of the configs that the card names: ``datasets`` opens no others."""
    data = _read(folder, CARD)
    if data is None:
        yield Fault(CARD, "is not there")
        return
    try:
        configs = yaml.safe_load(data.decode().split("---\n")[1])["configs"]
        named = {(c["config_name"], f["split"], f["path"]) for c in configs for f in c["data_files"]}
    except (yaml.YAMLError, IndexError, KeyError, TypeError, UnicodeDecodeError):
        yield Fault(CARD, "names no configs with data_files in its first lines")
        return
    there = set()
    for path in tables:
        if (place := place_of(path)) is not None:
            there.add((place.config, place.split, path.partition("-")[0] + "-*.parquet"))
    for config, split, pattern in sorted(there - named):
        yield Fault(CARD, f"does not name {pattern} as split {split} of {config}")
    for config, split, pattern in sorted(named - there):
        yield Fault(CARD, f"names {pattern} as split {split} of {config}, which is not there")


def _croissant_faults(folder: str, manifest: DatasetManifest) -> Iterator[Fault]:
    data = _read(folder, CROISSANT)
    if data is None:
        yield Fault(CROISSANT, "is not there")
        return
    try:
        named = {
            entry["contentUrl"]: entry["sha256"]
            for entry in msgspec.json.decode(data)["distribution"]
            if entry["@type"] == "cr:FileObject"
        }
    except (msgspec.DecodeError, KeyError, TypeError):
        yield Fault(CROISSANT, "does not describe files")
        return
    if named != {file.path: file.sha256 for file in manifest.files}:
        yield Fault(CROISSANT, f"does not name the files of {MANIFEST} with their sha256")
