"""``obelics retune``: what another configuration would keep, predicted from the tables of a run alone.

The documents of a stable sample go through the very functions of the stage, one after the other, and every
rule is tried on every item. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec.structs import replace

from beam_jobs import io, stages
from beam_jobs.config import Config, section_hash
from beam_jobs.optouts import consent_of, evidence_files
from beam_jobs.parts import counting
from beam_jobs.retuned import Change, Counts, Retuned
from beam_jobs.rows import row_groups
from beam_jobs.stages import ASSEMBLE, DEDUP, EXTRACT, FILTER, IMAGES, LAYOUTS, Layout
from filters.apply import AssembleOptions, Outcome, assemble_document, filter_document
from filters.decisions import Decision, sampled
from filters.lexicon import lexicon
from obelics_pipeline.accounting import Tally
from obelics_pipeline.denylist import withheld
from obelics_pipeline.document import Document
from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.manifest import Manifest
from obelics_pipeline.tables import documents_of

if TYPE_CHECKING:
    from beam_jobs.pictures import Pictures

LEVELS: Final = ("document", "paragraph", "image")

Judge = Callable[[Document, Tally], Outcome]


class Tables(msgspec.Struct, frozen=True):
    """What a stage reads, first its documents, and what it writes."""

    reads: tuple[Layout, ...]
    writes: Layout


TABLES: Final = {"filter": Tables((EXTRACT,), FILTER), "assemble": Tables((DEDUP, IMAGES, FILTER), ASSEMBLE)}
"""The stages that can be predicted."""


class Prediction(msgspec.Struct, frozen=True):
    """What would become of a document; ``rule`` is the first that refuses it."""

    id: str
    kept: bool
    rule: str | None


class Sample(msgspec.Struct, frozen=True):
    """A stable ``share`` of the documents that ``stage`` reads in the folder ``run``.

    ``manifests`` are those of the stages whose tables it reads.
    """

    run: str
    stage: str
    share: float
    manifests: tuple[Manifest, ...]

    def paths(self, manifest: Manifest, folder: str) -> list[str]:
        """The files of a table, part by part."""
        return [io.join(self.run, entry.path) for entry in manifest.under(folder)]

    @property
    def parts(self) -> list[str]:
        """The files of the documents."""
        return self.paths(self.manifests[0], TABLES[self.stage].reads[0].home)

    def documents(self, path: str) -> Iterator[Document]:
        """The documents of a part that belong to the sample, a row group in memory at a time."""
        with io.reaching(path), io.open_read(path) as stream:
            file = pq.ParquetFile(stream)
            for index in range(file.num_row_groups):
                ids = file.read_row_group(index, ["id"], use_threads=False).column("id").to_pylist()
                mine = [row for row, id in enumerate(ids) if sampled(id, self.share)]
                if mine:
                    yield from documents_of(file.read_row_group(index, use_threads=False).take(mine))


def sample_of(run: str, config: Config, stage: str, share: float | None) -> Sample:
    """The sample of ``share``, or as large as ``config`` says; ``InputError`` if a stage before is not complete."""
    share = getattr(config, stage).sample_share if share is None else share
    if not share:
        raise ConfigError(f"{stage}.sample_share is 0; choose how many documents to try with --share 0.01")
    with io.reaching(run):
        found = tuple(stages.read_manifest(run, layout) for layout in TABLES[stage].reads)
    return Sample(run, stage, share, found)


def predict(
    run: str, config: Config, stage: str = "filter", share: float | None = None
) -> Iterator[Prediction]:
    """What ``stage`` with ``config`` would make of each document of the sample of ``run``, in order.

    It is what a real run of the stage on the same tables makes of it.
    """
    for _, outcome in _judged(sample_of(run, config, stage, share), config, Tally()):
        yield _prediction(outcome)


def _prediction(outcome: Outcome) -> Prediction:
    return Prediction(outcome.document.id, outcome.kept, outcome.refusal.rule if outcome.refusal else None)


def _judged(sample: Sample, config: Config, tally: Tally) -> Iterator[tuple[int, Outcome]]:
    judge = (_filter if sample.stage == "filter" else _assemble)(sample, config)
    for number, path in enumerate(sample.parts):
        for document in sample.documents(path):
            yield number, judge(document, tally)


def _filter(sample: Sample, config: Config) -> Judge:
    words, options = lexicon(config.text), replace(config.filter, sample_share=1.0)
    consent = consent_of(config.consent)
    return lambda document, tally: filter_document(document, options, words, tally, consent)


def _assemble(sample: Sample, config: Config) -> Judge:
    """Needs what became of the images of the sample: about 300 bytes of memory for each."""
    from beam_jobs.assemble import pictures_of, result_rows, slot_of
    from beam_jobs.redirects import reserved_on_the_way
    from beam_jobs.scores import check_scores
    from obelics_pipeline.assembled import Slot

    wanted = {
        image.url for path in sample.parts for document in sample.documents(path) for image in document.images
    }
    results = sample.paths(sample.manifests[1], "image_results")
    check_scores(results, config.assemble.image)
    known = {
        url: Slot(*fields)
        for path in results
        for url, fields in result_rows(path, timestamps=False)
        if url in wanted or fields[0] == FetchStatus.DENYLIST
    }
    evidence = evidence_files(sample.run, sample.manifests[2])
    hashes = {withheld(url): url for url in wanted}
    for url, said in reserved_on_the_way(results, evidence, hashes).items():
        known[url] = known[url].reserved(said.value)
    same = _same_pictures(sample, config.assemble, wanted)
    words, options = lexicon(config.text), replace(config.assemble, sample_share=1.0)

    def judge(document: Document, tally: Tally) -> Outcome:
        urls = [image.url for image in document.images]
        pictures = pictures_of(urls, [slot_of(url, known) for url in urls], same)
        return assemble_document(document, pictures, options, words, tally)

    return judge


def _same_pictures(sample: Sample, options: AssembleOptions, wanted: Set[str]) -> Pictures:
    """Which images show the same picture, as the run itself found: a sample cannot tell.

    ``InputError`` if the run did not ask, or asked otherwise.
    """
    from beam_jobs.pictures import Pictures, compared_as, compared_in, rows_of

    result = Pictures()
    if not options.image.compares:
        return result
    for path in sample.paths(stages.read_manifest(sample.run, ASSEMBLE), "pictures"):
        if (theirs := compared_in(path)) != compared_as(options):
            raise InputError(
                f"{path}: pictures were compared by {theirs} and not by {compared_as(options)}; a sample cannot tell "
                "how many documents show one: run 'obelics assemble' with this configuration once"
            )
        for url, picture, documents in rows_of(path):
            if url in wanted:
                result.of[url], result.documents[picture] = picture, documents
    return result


class _Refusals:
    """How often each rule refuses, alone and at all, from the rows of documents of the sample."""

    def __init__(self) -> None:
        self.alone: Counter[tuple[str, str]] = Counter()
        self.every: Counter[tuple[str, str]] = Counter()

    def add(self, rows: Iterable[Decision]) -> None:
        for (level, _), item in groupby(rows, key=lambda row: (row.level, row.index)):
            rules = [(level, row.rule) for row in item if row.op is not None]
            self.every.update(rules)
            if len(rules) == 1:
                self.alone.update(rules)

    def counts(self, level: str, names: Sequence[str], tally: Tally) -> Counts:
        found = tally.level(f"{level}s")
        return Counts(
            found.entered,
            found.kept,
            dict.fromkeys(names, 0) | found.rejected,
            dict(sorted(found.unavailable.items())),
            {name: self.alone[level, name] for name in names},
            {name: self.every[level, name] for name in names},
        )


def retune(run: str, config: Config, stage: str = "filter", share: float | None = None) -> Retuned:
    """Predict what ``stage`` of ``run`` would keep with ``config``, rule by rule, and what would change."""
    sample = sample_of(run, config, stage, share)
    tally = counting(*(f"{level}s" for level in LEVELS))
    refusals = _Refusals()
    before = _Before.of(sample)
    for number, outcomes in groupby(_judged(sample, config, tally), key=lambda judged: judged[0]):
        predictions = []
        for _, outcome in outcomes:
            refusals.add(outcome.decisions)
            predictions.append(_prediction(outcome))
        if before is not None:
            before.compare(number, predictions)
    section = getattr(config, stage)
    levels = {f"{level}s": refusals.counts(level, getattr(section, level).names, tally) for level in LEVELS}
    documents = sum(entry.rows for entry in sample.manifests[0].under(TABLES[stage].reads[0].home))
    change = before.change if before else None
    return Retuned(stage, sample.share, documents, levels, change, made_otherwise(run, config, stage))


def made_otherwise(run: str, config: Config, stage: str) -> tuple[str, ...]:
    """The stages before ``stage`` that ``run`` did, to all it tells, with another configuration than ``config``."""
    earlier = LAYOUTS[: LAYOUTS.index(TABLES[stage].writes)]
    with io.reaching(run):
        found = [recorded for layout in earlier if (recorded := stages.recorded(run, layout)) is not None]
    return tuple(
        manifest.stage
        for manifest in found
        if manifest.config_hash != section_hash(config.result_of(manifest.stage))
    )


class _Before:
    """What the run itself decided, compared with predictions part by part."""

    def __init__(self, sample: Sample, found: Manifest) -> None:
        layout = TABLES[sample.stage].writes
        self._share = sample.share
        self._kept = sample.paths(found, layout.home)
        self._decisions = sample.paths(found, f"decisions/{layout.stage}")
        self._n = 0
        self._comes: Counter[str] = Counter()
        self._goes: Counter[str] = Counter()

    @classmethod
    def of(cls, sample: Sample) -> _Before | None:
        """``None`` if the run has not done the stage, to its end and on the same tables."""
        tables = TABLES[sample.stage]
        try:
            found = stages.read_manifest(sample.run, tables.writes)
        except InputError:
            return None
        inputs = tuple(map(stages.input_of, sample.manifests, tables.reads))
        return cls(sample, found) if found.inputs == inputs else None

    def compare(self, number: int, predictions: Sequence[Prediction]) -> None:
        """Count what comes and goes in a part: a stage keeps the documents of a part in the part of its number."""
        tables = row_groups(self._kept[number], ("id",))
        ids = {id for table in tables for id in table.column("id").to_pylist() if sampled(id, self._share)}
        comes = {prediction.id for prediction in predictions if prediction.kept} - ids
        self._n += sum(prediction.id in ids for prediction in predictions)
        self._goes.update(p.rule for p in predictions if p.rule is not None and p.id in ids)
        if comes:
            self._comes.update(rule for id, rule in _refused(self._decisions[number]) if id in comes)

    @property
    def change(self) -> Change:
        """What was counted."""
        return Change(self._n, dict(self._comes.most_common()), dict(self._goes.most_common()))


def _refused(path: str) -> Iterator[tuple[str, str]]:
    """The documents that a part refused, and by which rule."""
    for table in row_groups(path, ("id", "level", "rule", "kept")):
        refused = pc.and_(pc.equal(table["level"], "document"), pc.equal(table["kept"], False))
        rows = table.filter(refused)
        yield from zip(rows["id"].to_pylist(), rows["rule"].to_pylist(), strict=True)
