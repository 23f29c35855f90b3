"""The stage ``dedup``: documents become signatures, passes over these become edits, and all edits are applied once.

Each pass is a small pipeline over ``signatures/`` (those of earlier runs, too) that leaves a list of edits for each
part; later passes see what earlier ones drop. What is done stays done if the stage is stopped.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import apache_beam as beam
import msgspec

from beam_jobs import io, stages
from beam_jobs.config import Config
from beam_jobs.dedup.apply import apply_part, supersede_part
from beam_jobs.dedup.clusters import find_clusters
from beam_jobs.dedup.earlier import earlier_runs
from beam_jobs.dedup.image_sets import find_same_sets
from beam_jobs.dedup.job import Job, passes_of
from beam_jobs.dedup.passages import find_passages
from beam_jobs.dedup.passes import IMAGE_SET, NODES, SAME_TEXT, URL, KeyPass
from beam_jobs.dedup.sign import sign_part
from beam_jobs.earlier import EarlierRun
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import REPORTS, Workspace, read_reports, table_path
from beam_jobs.progress import Step
from beam_jobs.shared_keys import Answer, SharedKeys, Source
from beam_jobs.stages import DEDUP, FILTER, Plan, Session
from beam_jobs.transforms import DoPart, Parts, Run
from filters.dedup.minhash import s_curve_line
from filters.dedup.rank import OWN
from obelics_pipeline.accounting import Tally
from obelics_pipeline.manifest import FileEntry

KEY_PASSES: Final[dict[str, KeyPass]] = {
    "url": URL,
    "same_text": SAME_TEXT,
    "nodes": NODES,
    "image_set": IMAGE_SET,
}
LIGHT: Final = 500_000_000
"""Bytes of signatures up to which passes run in the driver's process: workers cost about 5 s a pipeline to start."""


def plan(session: Session) -> Plan:
    """Sign all parts of ``filtered/``, find the duplicates, then copy each part without its own."""
    found = stages.read_manifest(session.source, FILTER)
    paths = [io.join(session.source, entry.path) for entry in found.under("filtered")]
    earlier = tuple(earlier_runs(session.against, session.output, session.config.dedup))
    inputs = [stages.input_of(found, FILTER), *(run.entry for run in earlier)]
    parts = len(paths) + sum(len(run.paths("signatures")) for run in earlier)
    made = stages.plan(session, DEDUP, session.config.result_of("dedup"), inputs, parts)
    work = _Work(session, made.space, tuple(paths), earlier)
    return msgspec.structs.replace(made, first=work.find, steps=work.steps, build=work.apply, seal=work.seal)


class _Work(msgspec.Struct, frozen=True):
    """The parts of ``filtered/`` at ``paths``, and the runs before."""

    session: Session
    space: Workspace
    paths: tuple[str, ...]
    earlier: tuple[EarlierRun, ...]

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.session.config

    @property
    def signing(self) -> Workspace:
        """Where the first step works."""
        return msgspec.structs.replace(self.space, step="sign")

    @property
    def job(self) -> Job:
        """What the passes see."""
        own = [io.join(self.space.root, table_path("signatures", n)) for n in range(len(self.paths))]
        theirs = [(path, age) for age, run in enumerate(self.earlier) for path in run.paths("signatures")]
        placed = enumerate([*((path, OWN) for path in own), *theirs])
        sources = tuple(Source(number, path, age) for number, (path, age) in placed)
        return Job(self.config.dedup, sources, PartFiles(self.space.folder, len(sources)))

    @property
    def steps(self) -> tuple[Step, ...]:
        """What ``find`` leaves, in order."""
        job = self.job
        passes = (job.files.step(name) for name in passes_of(job.options))
        return Step("sign", f"{self.signing.step}/{REPORTS}", len(self.paths)), *passes

    def find(self, run: stages.Run) -> None:
        """Sign, then do all passes that are not done yet."""
        near = self.config.dedup.near_text
        if near is not None:
            self.session.say(f"dedup: near_text: {s_curve_line(near.bands, near.rows)}")
        if self.paths:
            run(self.sign, len(self.paths))
        job = self.job
        theirs = (entry for earlier in self.earlier for entry in earlier.manifest.under("signatures"))
        size = sum(entry.bytes for entry in (*self.signatures, *theirs))
        workers = 1 if size < LIGHT else len(job.sources)
        for name in passes_of(job.options):
            if not job.files.finished(name):
                _do(name, job, lambda build: run(build, workers))

    def sign(self, pipeline: beam.Pipeline) -> None:
        """Wire the step that signs all documents."""
        work = partial(sign_part, options=self.config.dedup)
        tasks = pipeline | "Parts" >> Parts(self.paths)
        _ = tasks | "SignDocuments" >> beam.ParDo(DoPart(self.signing, work))

    def apply(self, pipeline: beam.Pipeline) -> None:
        """Wire the job that applies all edits."""
        config = self.config
        work = partial(apply_part, job=self.job, rules=config.filter.document, text=config.text)
        tasks = pipeline | "Parts" >> Parts(self.paths)
        _ = tasks | "ApplyEdits" >> beam.ParDo(DoPart(self.space, work))
        before = [path for run in self.earlier for path in run.paths("decisions/dedup")]
        earlier = pipeline | "EarlierParts" >> Parts(before, len(self.paths))
        _ = earlier | "Supersede" >> beam.ParDo(DoPart(self.space, partial(supersede_part, job=self.job)))

    @property
    def signatures(self) -> list[FileEntry]:
        """What the first step has written."""
        return [entry for report in read_reports(self.signing, len(self.paths)) for entry in report.files]

    def seal(self, tally: Tally) -> list[FileEntry]:
        """The signatures are files of the stage, too."""
        return self.signatures


def _do(name: str, job: Job, run: Run) -> None:
    if name == "near_text":
        find_clusters(job, run)
    elif name == "shared_passage":
        find_passages(job, run)
    elif name == "image_set" and job.options.image_set and job.options.image_set.similarity:
        run(partial(find_same_sets, job))
    else:
        run(partial(_by_keys, job, name))


def _by_keys(job: Job, name: str, pipeline: beam.Pipeline) -> None:
    chosen = KEY_PASSES[name]
    _ = (
        pipeline
        | name >> SharedKeys(job.sources, partial(chosen.held, job), chosen.least(job))
        | "Decide" >> beam.MapTuple(partial(_write, job, name))
    )


def _write(job: Job, name: str, number: int, path: str, answers: list[tuple[bytes, Answer]]) -> None:
    job.files.write(name, number, KEY_PASSES[name].decide(job, job.sources[number], dict(answers)))
