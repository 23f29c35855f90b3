"""The config ``decisions`` of the dataset, from the decisions of all stages on the documents of the inspection sample.

Of a page that opts out by now, whatever became of it, no row quotes a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import apache_beam as beam
import msgspec
import pyarrow as pa

from beam_jobs import io, stages
from beam_jobs.config import Config
from beam_jobs.joins import told_lists
from beam_jobs.optouts import consent_of
from beam_jobs.parts import Part, Workspace
from beam_jobs.rows import flat_writer, row_groups
from beam_jobs.splits import TRAIN, file_count, file_name
from beam_jobs.spread import shard_of
from beam_jobs.stages import ASSEMBLE, DEDUP, FILTER, Layout, Session
from beam_jobs.transforms import DoPart, GiveToParts
from filters.consent.evidence import PAGE
from filters.consent.policy import Action
from filters.consent.verdict import Consent, judge
from filters.decisions import sampled
from obelics_pipeline import dataset
from obelics_pipeline.accounting import Tally
from obelics_pipeline.dataset_decisions import SCHEMA, row_of
from obelics_pipeline.manifest import InputEntry, Manifest

FILE_BYTES: Final = 32_000_000
"""Of tables of decisions that make one file: it is sorted in memory."""

_ENCODER = msgspec.msgpack.Encoder()


class Table(msgspec.Struct, frozen=True):
    """A table of decisions; those on the ``share`` of documents that is the sample are told."""

    stage: str
    path: str
    share: float


class Decisions(msgspec.Struct, frozen=True):
    """The files of the config: ``files`` parts of the stage from number ``first`` on, from ``tables``."""

    first: int
    files: int
    tables: tuple[Table, ...]
    inputs: tuple[InputEntry, ...]

    @property
    def end(self) -> int:
        """The number after that of the last part."""
        return self.first + self.files

    def rows(self, table: Table) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """What is told of a table: the part it belongs to, its number in the table, and the row."""
        number = 0
        for group in row_groups(table.path):
            told = [sampled(id, table.share) for id in group.column("id").to_pylist()]
            for row in group.filter(pa.array(told, pa.bool_())).to_pylist():
                yield self.first + shard_of(row["id"], self.files), number, row
                number += 1

    def asked_pages(self, table: Table) -> Iterator[tuple[int, str]]:
        """For ``join_lists``: the pages of a table, each with its part."""
        return ((part, row["url"]) for part, _, row in self.rows(table))


def found_decisions(session: Session, assembled: Manifest, first: int) -> Decisions:
    """What there is to tell: the decisions of ``assemble`` and the stages before, as far as their tables are there."""
    if not session.config.export.decisions:
        return Decisions(first, 0, (), ())
    shares = {FILTER: session.config.filter.sample_share, ASSEMBLE: session.config.assemble.sample_share}
    tables, inputs, size = [], [], 0.0
    for layout, manifest in _history(session, assembled):
        share = shares.get(layout, session.config.filter.sample_share)
        for entry in manifest.under(f"decisions/{layout.stage}"):
            tables.append(Table(layout.stage, io.join(session.source, entry.path), share))
            size += entry.bytes * share
        inputs.append(stages.input_of(manifest, layout))
    return Decisions(first, file_count(size, FILE_BYTES), tuple(tables), tuple(inputs[1:]))


def _history(session: Session, assembled: Manifest) -> Iterator[tuple[Layout, Manifest]]:
    """The stages that made ``assembled``, the last first, until one is not there, or is there from another run."""
    yield ASSEMBLE, assembled
    made = assembled
    for layout in (DEDUP, FILTER):
        found = stages.recorded(session.source, layout)
        if found is None or stages.input_of(found, layout) not in made.inputs:
            session.say(f"export: no decisions of {layout.stage!r}: its tables are not in {session.source}")
            return
        made = stages.read_manifest(session.source, layout)
        yield layout, made


def write_decisions(decisions: Decisions, space: Workspace, config: Config, pipeline: beam.Pipeline) -> None:
    """Wire the reading, shuffling and writing of all files."""
    if not decisions.files:
        return
    work = partial(write_file, decisions=decisions, config=config)
    _ = (
        pipeline
        | "Tables" >> beam.Create(decisions.tables)
        | "ReadDecisions" >> beam.FlatMap(partial(_records, decisions))
        | "GiveDecisions" >> GiveToParts([""] * decisions.files, decisions.first)
        | "WriteDecisions" >> beam.ParDo(DoPart(space, work))
    )


def _records(decisions: Decisions, table: Table) -> Iterator[tuple[int, tuple[str, str, int, bytes]]]:
    for part, number, row in decisions.rows(table):
        yield part, (table.stage, row["id"], number, _ENCODER.encode(row))


def write_file(
    part: Part, path: str, records: list[tuple[str, str, int, bytes]], decisions: Decisions, config: Config
) -> Tally:
    """Write one file, sorted; what its rows may quote is asked once more."""
    rows = [(stage, msgspec.msgpack.decode(row)) for stage, _, _, row in sorted(records)]
    urls = [row["url"] for _, row in rows]
    quotable = _Quotable(consent_of(config.consent, lists=told_lists(part, config.consent, PAGE, urls)))
    name = file_name(TRAIN, part.number - decisions.first, decisions.files)
    options = dataset.writer_options(SCHEMA)
    described, optional = dataset.described_schema(SCHEMA), decisions.files == 1
    file = part.table("dataset/decisions", described, options, name=name, optional=optional)
    with flat_writer(file, described) as writer:
        for stage, row in rows:
            writer.add(row_of(row, stage, part.space.fingerprint, quotable(row)))
    return Tally()


class _Quotable:
    """Which decisions may quote what they were on: those on pages that do not opt out.

    Under deny-lists no address of an image is told: an image may have been found on one only after the decision.
    """

    def __init__(self, consent: Consent) -> None:
        self._consent = consent
        self._known: dict[str, bool] = {}

    def __call__(self, row: dict[str, Any]) -> bool:
        if row["level"] == "image" and self._consent.policy.deny:
            return False
        url = row["url"]
        if url not in self._known:
            judgement = judge(self._consent.address_evidence(url), self._consent.policy)
            self._known[url] = judgement.action is not Action.DROP_DOCUMENT
        return self._known[url]
