"""``obelics recheck``: a finished dataset held against today's registries, trimmed without building it again.

Shards that lose nothing are linked (or copied) as they are; the others are written again, row group by row group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from msgspec.structs import replace
from rich.console import Console

from beam_jobs.config import Config, section_hash
from beam_jobs.describe import describe, survey_of, with_policy
from beam_jobs.finished import no_dataset
from beam_jobs.lists import joined_lists
from beam_jobs.optouts import consent_of, told
from beam_jobs.recheck_tables import link, trim_decisions, trim_pairs
from filters.consent.evidence import IMAGE, PAGE
from filters.consent.policy import Action, Policy
from filters.consent.verdict import OPT_OUT, Consent, Judgement, judge
from obelics_pipeline import manifest as manifests
from obelics_pipeline.accounting import Tally
from obelics_pipeline.dataset import described_schema, writer_options
from obelics_pipeline.dataset_files import MANIFEST, Build, StageCounts, decode_manifest, place_of
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, InputEntry, Manifest
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.recheck import (
    COLUMNS,
    DENIED,
    STONES,
    TOMBSTONES,
    UNASKED,
    Lists,
    Objection,
    Tombstone,
    image_addresses,
    moved_slots,
    page_addresses,
    reserved_images,
    tombstones,
    trimmed,
)
from obelics_pipeline.registry import Registry
from obelics_pipeline.registry.folder import read_manifest
from obelics_pipeline.sealed import file_entry, local, new_folder, not_yet
from obelics_pipeline.tables import table_of
from obelics_pipeline.url import canonical


class Summary(msgspec.Struct):
    """What a recheck found: ``recheck.json``."""

    documents: int = 0
    images: int = 0
    documents_gone: int = 0
    images_gone: int = 0
    images_left: int = 0
    shards: int = 0
    shards_written: int = 0
    by_registry: dict[str, int] = {}
    not_asked: dict[str, list[str]] = {}

    def tally(self) -> Tally:
        """The same as the counts of a stage."""
        tally = Tally()
        for level, entered, kept in (
            ("documents", self.documents, self.documents - self.documents_gone),
            ("images", self.images, self.images_left),
        ):
            tally.enter(level, entered)
            tally.keep(level, kept)
            if entered > kept:
                tally.reject(level, OPT_OUT, entered - kept)
        return tally


def with_registries(policy: Policy, paths: Sequence[str]) -> Policy:
    """``policy`` with more registries, of either kind."""
    joined = tuple(path for path in paths if read_manifest(path.rstrip("/")).joined)
    others = tuple(path for path in paths if path not in joined)
    return replace(policy, registries=(*policy.registries, *others), joined=(*policy.joined, *joined))


def recheck(dataset: str, policy: Policy, output: str, console: Console | None = None) -> Summary:
    """Write ``dataset`` without what ``policy`` now has an objection to into the folder ``output``.

    With it go ``tombstones.parquet``, ``recheck.json`` and a manifest of what is in the folder. ``InputError`` if the
    folder holds no whole dataset, if the output is not empty, or if a list cannot be relied on; ``RunFailed`` if a
    service has no word on anything. After an error there is no output.
    """
    source = local(dataset, "DATASET")
    shards = _shards(source)
    if not (policy.registries or policy.joined or policy.robots or policy.deny or policy.spawning):
        raise InputError(
            "nothing to ask: name --registry DIR, or a --config whose section consent names lists"
        )
    target = not_yet(output)
    found = Summary(shards=len(shards), not_asked=_unasked(policy))
    pages, reserved = _pages(shards, policy)
    with new_folder(target) as working:
        (working / "data").mkdir()
        gone: list[Tombstone] = []
        moved: dict[str, dict[int, int]] = {}
        with (working / STONES).open("wb") as stream, ParquetFile(stream, TOMBSTONES) as table:
            for shard in shards:
                file = pq.ParquetFile(shard)
                images = image_addresses(file.read(columns=list(COLUMNS)))
                lists = Lists(pages.get, _image_lists(policy, images, reserved))
                stones, slots = _recheck_shard(file, shard, working / "data" / shard.name, lists, found)
                told = [stone for stone in stones if stone.kind != DENIED]
                table.write(table_of(told, TOMBSTONES))
                gone += stones
                moved |= slots
        trim_pairs(source, working, gone, moved)
        trim_decisions(source, working, partial(_silent, policy), denied=bool(policy.deny))
        (working / "recheck.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
        )
        _describe(source, working, policy, found)
        (working / manifests.NAME).write_bytes(_manifest(source, working, policy, found).encode())
    _show(found, output, console or Console())
    return found


def _shards(source: Path) -> list[Path]:
    """The shards of a dataset, which has to be whole if it says what belongs to it."""
    shards = sorted(source.glob("data/*.parquet"))
    if not shards:
        raise no_dataset(str(source))
    place = source / manifests.NAME
    if place.exists():
        entries = manifests.decode(place.read_bytes(), str(place)).files
        listed = {Path(entry.path).name: entry.bytes for entry in entries if "data/" in entry.path}
        if listed != {shard.name: shard.stat().st_size for shard in shards}:
            raise InputError(f"{source}: its shards are not those of {manifests.NAME}; copy it again")
    return shards


def _unasked(policy: Policy) -> dict[str, list[str]]:
    """The kinds of entries of each list that cannot be asked of a dataset; ``InputError`` if one has no others."""
    found = {}
    for path in (*policy.registries, *policy.deny):
        registry = Registry.open(path)
        kinds = {table.kind for table in registry.manifest.tables}
        if kinds and kinds <= UNASKED:
            raise InputError(
                f"{path}: lists nothing but {', '.join(sorted(kinds))}, and of what was served a dataset holds "
                "the SHA-256 alone; list that too, or run 'obelics images' and what follows again with this list"
            )
        if kinds & UNASKED:
            found[registry.name] = sorted(kinds & UNASKED)
    return found


def _pages(shards: Sequence[Path], policy: Policy) -> tuple[dict[str, Objection], dict[str, Objection]]:
    """The pages that something speaks against, and, by the keys of their addresses, the images that go with them."""
    pages: dict[str, Objection] = {}
    images: dict[str, Objection] = {}
    for shard in shards:
        table = pq.read_table(shard, columns=list(COLUMNS))
        pages |= _objecting(policy, page_addresses(table))
        images = reserved_images(table, pages.get) | images
    return pages, images


def _objecting(policy: Policy, urls: Sequence[str]) -> dict[str, Objection]:
    """What speaks against each of the pages ``urls``, as far as anything does."""
    consent = _consent(policy, PAGE, urls)
    said = {url: _objection(judge(consent.address_evidence(url), policy)) for url in urls}
    return {url: why for url, why in said.items() if why is not None}


def _silent(policy: Policy, urls: Sequence[str]) -> set[str]:
    """The pages of which nothing may be quoted."""
    return {url for url, why in _objecting(policy, urls).items() if why.document}


def _consent(policy: Policy, level: str, urls: Sequence[str]) -> Consent:
    """What the policy's lists and services say of ``urls``, all asked at once."""
    joined = [opened.asked(level, urls) for opened in joined_lists(policy)]
    return consent_of(policy, told(policy, level, urls), joined)


def _image_lists(
    policy: Policy, urls: Sequence[str], reserved: Mapping[str, Objection]
) -> Callable[[Collection[str], Collection[str]], Objection | None]:
    """What lists, services and the pages behind ``reserved`` say of an image of ``urls``."""
    consent = _consent(policy, IMAGE, urls)
    denied = [Registry.open(path) for path in policy.deny]

    def image(addresses: Collection[str], hashes: Collection[str]) -> Objection | None:
        for registry in denied:
            if any(map(registry.image, addresses)) or any(registry.content(sha256=name) for name in hashes):
                return Objection(registry.name, DENIED, "")
        evidence = [item for url in addresses for item in consent.image_evidence(url)]
        evidence += [item for name in hashes for item in consent.content_evidence("", "", "", name)]
        of_pages = (reserved.get(canonical(url)) for url in addresses)
        return _objection(judge(evidence, policy)) or next((why for why in of_pages if why is not None), None)

    return image


def _objection(judgement: Judgement) -> Objection | None:
    item = judgement.evidence
    if item is None:
        return None
    registry, kind, value = item.source, item.what, item.value
    if item.what == "registry":
        registry = registry.removeprefix("registry:")
        kind, _, value = value.partition(":")
    return Objection(registry, kind, value, document=judgement.action is Action.DROP_DOCUMENT)


def _recheck_shard(
    file: pq.ParquetFile, shard: Path, target: Path, lists: Lists, found: Summary
) -> tuple[list[Tombstone], dict[str, dict[int, int]]]:
    """Write a shard again, or link it; what went, and where its ``moved_slots`` go."""
    moved: dict[str, dict[int, int]] = {}
    groups = [
        tombstones(file.read_row_group(group, columns=list(COLUMNS)), lists)
        for group in range(file.num_row_groups)
    ]
    stones = [stone for group in groups for row in group for stone in row]
    if stones:
        found.shards_written += 1
        with target.open("wb") as stream, ParquetFile(stream, described_schema(), writer_options()) as writer:
            for number, group in enumerate(groups):
                table = file.read_row_group(number)
                writer.write(trimmed(table, group))
                moved |= moved_slots(table, group)
    else:
        link(shard, target)
    found.documents += file.metadata.num_rows
    found.images += _images(shard)
    found.images_left += _images(target)
    _count(stones, found)
    return stones, moved


def _images(shard: Path) -> int:
    return sum(pq.read_table(shard, columns=["num_images"]).column("num_images").to_pylist())


def _describe(source: Path, working: Path, policy: Policy, found: Summary) -> None:
    """Card, Croissant, manifest and checksums of what is left; they tell all that those of ``source`` told."""
    place = source / MANIFEST
    before = decode_manifest(place.read_bytes(), str(place)).build if place.exists() else Build()
    build = replace(
        with_policy(before, policy), stages=(*before.stages, StageCounts("recheck", found.tally()))
    )
    entries = _entries(working)
    tables = [entry for entry in entries if place_of(entry.path)]
    others = [entry for entry in entries if not place_of(entry.path)]
    surveys = (survey_of(str(working / entry.path)) for entry in tables)
    describe(str(working), tables, surveys, build, others)


def _entries(working: Path) -> list[FileEntry]:
    """The files that are in the folder; paths are those in it."""
    files = []
    for path in sorted(path for path in working.rglob("*") if path.is_file()):
        rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else 0
        files.append(replace(file_entry(path, rows), path=path.relative_to(working).as_posix()))
    return files


def _manifest(source: Path, working: Path, policy: Policy, found: Summary) -> Manifest:
    """What is in the folder and how it came about."""
    files = _entries(working)
    place = source / manifests.NAME
    digest = manifests.decode(place.read_bytes(), str(place)).digest if place.exists() else ""
    size = sum(path.stat().st_size for path in source.glob("data/*.parquet"))
    inputs = (InputEntry(source.name, size, digest),)
    asked = section_hash(Config(consent=policy).result_of("images"))
    fingerprint = manifests.fingerprint("recheck", asked, inputs)
    return Manifest(
        "recheck", fingerprint, manifests.code_version(), asked, inputs, tuple(files), found.tally()
    )


def _count(stones: Sequence[Tombstone], found: Summary) -> None:
    levels = Counter(stone.level for stone in stones)
    found.documents_gone += levels["document"]
    found.images_gone += levels["image"]
    for stone in stones:
        name = f"{stone.registry}/{stone.kind}"
        found.by_registry[name] = found.by_registry.get(name, 0) + 1


def _show(found: Summary, output: str, console: Console) -> None:
    console.print(
        f"{found.documents:,} documents with {found.images:,} images: {found.documents_gone:,} documents and "
        f"{found.images_gone:,} further images opted out; {found.shards_written} of {found.shards} shards written "
        f"again into {output}",
        highlight=False,
        soft_wrap=True,
    )
    for name, count in sorted(found.by_registry.items()):
        console.print(f"  {name}: {count:,}", highlight=False)
    for name, kinds in found.not_asked.items():
        console.print(
            f"  {name}: entries of {', '.join(kinds)} cannot be asked of a dataset", highlight=False
        )
