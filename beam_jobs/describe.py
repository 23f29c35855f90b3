"""What tells users about a dataset, written when its tables are: card, Croissant, ``manifest.json`` and checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import apache_beam as beam
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io, runner, stages
from beam_jobs.config import ExportSection
from beam_jobs.lists import joined_lists
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Workspace, read_reports
from beam_jobs.stages import EXPORT, LAYOUTS, Session
from filters.consent.policy import Policy
from obelics_pipeline.accounting import Tally
from obelics_pipeline.card import TOP, card
from obelics_pipeline.croissant import croissant
from obelics_pipeline.dataset_files import (
    CARD,
    CROISSANT,
    MANIFEST,
    SUMS,
    Build,
    DatasetManifest,
    StageCounts,
    described,
    place_of,
    sums,
)
from obelics_pipeline.manifest import FileEntry, code_version
from obelics_pipeline.registry import Registry
from obelics_pipeline.robots_store import RobotsStore
from obelics_pipeline.survey import DEFAULT, Survey, survey, total

WRITTEN: Final = (CARD, CROISSANT, MANIFEST, SUMS)
"""What is written here, in the folder of the dataset."""

_SURVEY: Final = "survey"


def seal(session: Session, space: Workspace, parts: int, tally: Tally) -> list[FileEntry]:
    """Describe the tables that the ``parts`` of the stage ``export`` have written; the files that do."""
    files = [entry for report in read_reports(space, parts) for entry in report.files]
    home = f"{EXPORT.home}/"
    tables = [_moved(entry, entry.path.removeprefix(home)) for entry in files if entry.path.startswith(home)]
    folder = io.join(session.output, EXPORT.home)
    surveys = _surveys(session, PartFiles(space.folder, len(tables)), folder, tables)
    written = describe(folder, tables, surveys, build_of(session, tally))
    return [_moved(entry, f"{home}{entry.path}") for entry in written]


def _moved(entry: FileEntry, path: str) -> FileEntry:
    return msgspec.structs.replace(entry, path=path)


def _surveys(
    session: Session, files: PartFiles, folder: str, tables: Sequence[FileEntry]
) -> Iterator[Survey]:
    """The survey of each table, made by workers and read as they are wanted."""
    numbered = [(number, io.join(folder, entry.path)) for number, entry in enumerate(tables)]

    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | beam.Create(numbered) | beam.Reshuffle() | beam.MapTuple(partial(_survey_part, files))

    if tables and not files.finished(_SURVEY):
        runner.run(build, session.beam, len(tables))
    return (files.read(_SURVEY, number, Survey) for number, _ in numbered)


def _survey_part(files: PartFiles, number: int, path: str) -> None:
    files.write(_SURVEY, number, survey_of(path))


def survey_of(path: str) -> Survey:
    """What the table at ``path`` holds."""
    place = place_of("/".join(path.rsplit("/", 2)[1:]))
    with io.open_read(path) as stream:
        return survey(pq.ParquetFile(stream), place.config if place else "")


def describe(
    folder: str,
    tables: Sequence[FileEntry],
    surveys: Iterable[Survey],
    build: Build,
    others: Iterable[FileEntry] = (),
) -> list[FileEntry]:
    """Write ``WRITTEN`` into ``folder``: of its ``tables``, each with its survey. The ``others`` get checksums, too."""
    files = []

    def documents() -> Iterator[Survey]:
        for entry, found in zip(tables, surveys, strict=True):
            files.append(described(entry, found.groups))
            if files[-1].config == DEFAULT:
                yield found

    whole = total(documents(), TOP)
    manifest = DatasetManifest(code_version(), tuple(sorted(files, key=lambda file: file.path)), build)
    schemas = {
        config: _schema(io.join(folder, next(iter(splits.values()))[0].path))
        for config, splits in manifest.configs().items()
    }
    written = {
        CARD: card(manifest, whole).encode(),
        CROISSANT: croissant(manifest, whole, schemas),
        MANIFEST: manifest.encode(),
    }
    entries = [
        FileEntry(name, 0, len(data), hashlib.sha256(data).hexdigest()) for name, data in written.items()
    ]
    written[SUMS] = sums([*tables, *others, *entries])
    entries.append(FileEntry(SUMS, 0, len(written[SUMS]), hashlib.sha256(written[SUMS]).hexdigest()))
    for name, data in written.items():
        io.write_atomically(io.join(folder, name), data)
    return entries


def _schema(path: str) -> pa.Schema:
    with io.open_read(path) as stream:
        return pq.read_schema(stream)


def build_of(session: Session, tally: Tally) -> Build:
    """How the dataset of ``session`` came about: its stages, of which ``tally`` is the last, and what was asked."""
    found = ((layout.stage, stages.recorded(session.source, layout)) for layout in LAYOUTS[:-1])
    before = [StageCounts(stage, manifest.tally) for stage, manifest in found if manifest is not None]
    config = session.config
    now = datetime.now(UTC).date().isoformat() if config.export.timestamps else None
    made = Build(
        (*before, StageCounts(EXPORT.stage, tally)),
        image_bytes=told(config.export),
        validation=config.export.validation,
        made_at=now,
    )
    return with_policy(made, config.consent)


def with_policy(build: Build, policy: Policy) -> Build:
    """``build`` after what ``policy`` names was asked, too."""
    lists = [
        (opened.name, opened.version) for opened in map(Registry.open, (*policy.registries, *policy.deny))
    ]
    lists += [(opened.name, opened.version) for opened in joined_lists(policy)]
    lists += [("robots.txt", RobotsStore.open(path).version) for path in policy.robots]
    names = [f"{name} {version}" for name, version in lists]
    return msgspec.structs.replace(
        build,
        signals={name: str(getattr(policy.signals, name)) for name in policy.signals.__struct_fields__},
        agents=tuple(dict.fromkeys((*policy.agents, *policy.ai_agents))),
        lists=tuple(dict.fromkeys((*build.lists, *names))),
        spawning=build.spawning or policy.spawning is not None,
    )


def told(options: ExportSection) -> str:
    """How the bytes of images differ from those that servers sent."""
    if options.images == "none":
        return _NONE
    return _BYTES[options.image_metadata] + _FACES * (options.faces is not None)


_NONE: Final = (
    "The dataset was to have no bytes of images: `left_out` is the status of images that could be had, and what "
    "`image_info` tells of them is true of what servers sent."
)
_BYTES: Final = {
    "keep": "Image bytes are those that the server sent.",
    "strip": "Images are as the server sent them, to the pixel, but their files tell nothing of places, devices and "
    "owners; orientation, colours, credits and reservations stay in them.",
}
_FACES: Final = (
    " Faces that a detector found are blurred; these images have been encoded again. `image_info.phash` is that of the "
    "original."
)
