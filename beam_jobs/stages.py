"""A stage from the driver's side: found done, or cleared, run, and sealed with a manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from beam_jobs import events, io, runner
from beam_jobs.config import Config, section_hash
from beam_jobs.parts import Workspace, missing, read_reports
from beam_jobs.progress import Step, Watcher, watch
from beam_jobs.runner import BeamOptions
from obelics_pipeline import manifest as manifests
from obelics_pipeline.accounting import Tally, total
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, InputEntry, Manifest


class Layout(msgspec.Struct, frozen=True):
    """Where a stage writes: its manifest into ``home``, and files that match ``patterns``."""

    stage: str
    home: str
    patterns: tuple[str, ...]


def _parts(*folders: str) -> tuple[str, ...]:
    return tuple(f"{folder}/part-*.parquet" for folder in folders)


EXTRACT: Final = Layout("extract", "documents", _parts("documents", "failures/extract"))
FILTER: Final = Layout("filter", "filtered", _parts("filtered", "decisions/filter", "consent/filter"))
DEDUP: Final = Layout(
    "dedup", "deduplicated", _parts("deduplicated", "decisions/dedup", "signatures", "superseded")
)
IMAGES: Final = Layout(
    "images",
    "images",
    _parts("images", "image_results", "image_urls", "fetch_log", "consent/images", "quarantine"),
)
ASSEMBLE: Final = Layout(
    "assemble", "assembled", _parts("assembled", "decisions/assemble", "consent/assemble", "pictures")
)
EXPORT: Final = Layout(
    "export", "dataset", ("dataset/*/*.parquet", "dataset/*.md", "dataset/*.json", "dataset/SHA256SUMS")
)
LAYOUTS: Final = (EXTRACT, FILTER, DEDUP, IMAGES, ASSEMBLE, EXPORT)


WORK_DEPTH: Final = 3
"""Folders below that of a stage's work: a step or a pass, its name, the file."""


class Session(msgspec.Struct, frozen=True):
    """What the caller asked for: where to read, where to write, with what configuration, on which runner.

    ``source`` holds the tables of the stages before (the same folder as ``output`` unless told otherwise).
    ``against`` are folders of earlier runs, whose documents ``dedup`` compares with.
    """

    config: Config
    output: str
    source: str
    archives: tuple[InputEntry, ...] = ()
    against: tuple[str, ...] = ()
    beam: BeamOptions = BeamOptions()
    say: Callable[[str], None] = print


Build: TypeAlias = Callable[[Any], None]
"""Wires a pipeline."""

Run: TypeAlias = Callable[[Build, int], None]
"""Runs the pipeline that a function wires, to its end, on no more local workers than the number."""


class Plan(msgspec.Struct, frozen=True):
    """The work of one stage: ``build`` wires a pipeline that does all ``parts``.

    ``first`` does what has to be done before, in pipelines of its own, whose ``steps`` progress tells.

    ``seal`` gets the merged tally before the manifest is written: it may refuse it (``RunFailed``), and may
    write files that belong to the stage as a whole, which it returns.
    """

    layout: Layout
    space: Workspace
    config_hash: str
    inputs: tuple[InputEntry, ...]
    parts: int
    build: Build
    first: Callable[[Run], None] = lambda run: None
    steps: tuple[Step, ...] = ()
    seal: Callable[[Tally], Iterable[FileEntry]] = lambda tally: ()


class Done(msgspec.Struct, frozen=True):
    """A finished stage. ``seconds`` is None if it had been finished before this run."""

    manifest: Manifest
    seconds: float | None


def plan(
    session: Session,
    layout: Layout,
    config: Any,
    inputs: Sequence[InputEntry],
    parts: int,
) -> Plan:
    """A plan without its pipeline (to be put in as ``build``); ``config`` is its section."""
    config_hash = section_hash(config)
    fingerprint = manifests.fingerprint(layout.stage, config_hash, inputs)
    space = Workspace(session.output, layout.stage, fingerprint)
    return Plan(layout, space, config_hash, tuple(inputs), parts, lambda pipeline: None)


def run(plan: Plan, session: Session) -> Done:
    """Do what ``plan`` says, or find it done. Either is told as an event."""
    stage = plan.layout.stage
    if (found := finished(plan)) is not None:
        io.remove_tree(plan.space.folder)
        events.tell("stage_skipped", stage=stage, counts=events.counts(found.tally))
        return Done(found, None)
    started = time.monotonic()
    events.tell("stage_started", stage=stage, parts=plan.parts)
    try:
        done = _run(plan, session)
    except Exception as error:
        seconds = round(time.monotonic() - started, 3)
        facts = {"seconds": seconds, "error": type(error).__name__, "message": str(error)}
        events.tell("stage_failed", logging.ERROR, stage=stage, **facts)
        raise
    seconds = time.monotonic() - started
    events.tell("stage_finished", stage=stage, seconds=round(seconds, 3), counts=events.counts(done.tally))
    return Done(done, seconds)


def _run(plan: Plan, session: Session) -> Manifest:
    prepare(plan)
    options = msgspec.structs.replace(session.beam, job=plan.space.job)
    with watch(Watcher(plan.space, plan.parts, plan.steps), session.say):
        plan.first(lambda build, parts: runner.run(build, options, parts))
        runner.run(plan.build, options, plan.parts)
    reports = read_reports(plan.space, plan.parts)
    tally = total(report.tally for report in reports)
    tally.check(plan.layout.stage)
    files = [entry for report in reports for entry in report.files] + list(plan.seal(tally))
    done = Manifest(
        stage=plan.layout.stage,
        fingerprint=plan.space.fingerprint,
        code_version=manifests.code_version(),
        config_hash=plan.config_hash,
        inputs=plan.inputs,
        files=tuple(sorted(files, key=lambda entry: entry.path)),
        tally=tally,
    )
    io.write_atomically(manifest_path(session.output, plan.layout), done.encode())
    io.remove_tree(plan.space.folder)
    return done


def finished(plan: Plan) -> Manifest | None:
    """The manifest of this very work if it is there with all its files, else None."""
    found = recorded(plan.space.root, plan.layout)
    if found is None or found.fingerprint != plan.space.fingerprint or damaged(plan.space.root, found):
        return None
    return found


def recorded(root: str, layout: Layout) -> Manifest | None:
    """The manifest of a stage if there is one, whatever became of its files since."""
    path = manifest_path(root, layout)
    if io.size(path) is None:
        return None
    try:
        return manifests.decode(io.read_bytes(path), path)
    except InputError:  # of another version: the work is not finished in the sense of this one
        return None


def prepare(plan: Plan) -> None:
    """Clear what an earlier run with other code, configuration or input left; keep the parts of this one.

    The manifest goes first: from here on nobody takes the folder for finished.
    """
    root, space = plan.space.root, plan.space
    io.remove([manifest_path(root, plan.layout)])
    io.remove_tree(io.join(space.folder, "temporary"))
    reports = ("reports/*", "*/reports/*", "scratch/*")  # of the stage, of its steps, of unfinished parts
    if not any(io.sizes_below(space.folder, pattern) for pattern in reports):
        for pattern in plan.layout.patterns:
            io.remove(io.sizes_below(root, pattern))
        for folder in _work_folders(root, space.stage):
            if folder != space.folder:
                io.remove_tree(folder)


def _work_folders(root: str, stage: str) -> set[str]:
    """The folders in which runs of a stage have left anything."""
    below = io.join(root, "_work")
    found = (
        path
        for depth in range(1, WORK_DEPTH + 1)
        for path in io.sizes_below(below, f"{stage}-*" + "/*" * depth)
    )
    return {io.join(below, path.removeprefix(f"{below}/").partition("/")[0]) for path in found}


def manifest_path(root: str, layout: Layout) -> str:
    """Where the manifest of a stage lies."""
    return io.join(root, layout.home, manifests.NAME)


def read_manifest(root: str, layout: Layout) -> Manifest:
    """The manifest of a finished stage; ``InputError`` if it is not finished or a file of it is not whole."""
    path = manifest_path(root, layout)
    if io.size(path) is None:
        raise InputError(f"{path}: not there; run 'obelics {layout.stage}' first, to its end")
    found = manifests.decode(io.read_bytes(path), path)
    if lost := damaged(root, found):
        raise InputError(f"{io.join(root, lost)}: missing or cut; run 'obelics {layout.stage}' again")
    return found


def damaged(root: str, found: Manifest) -> str | None:
    """The path of the first file of a manifest that is not there in its recorded length, if any."""
    return next((entry.path for entry in missing(root, found.files)), None)


def input_of(found: Manifest, layout: Layout) -> InputEntry:
    """A finished stage as the input of another."""
    return InputEntry(layout.home, sum(entry.bytes for entry in found.lasting), found.digest)
