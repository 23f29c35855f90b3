"""The job of ``obelics diff``: two runs joined by id, then what differs joined with its reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import apache_beam as beam
import msgspec

from beam_jobs import stages
from beam_jobs.diff.differences import (
    CAME,
    CHANGED,
    DIFFERENCES,
    NO_NODES,
    NOT_IN_INPUT,
    WENT,
    Difference,
    Side,
    explain,
    only_in,
    same,
)
from beam_jobs.diff.runs import Run, Trail
from beam_jobs.diff.tables import Ask, Place, State, failures, places, sides
from beam_jobs.parts import Part, counting
from beam_jobs.rows import flat_writer
from beam_jobs.spread import shard_of
from beam_jobs.stages import EXTRACT, LAYOUTS, Layout, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts
from filters.decisions import excerpt
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.manifest import InputEntry

DIFF: Final = Layout("diff", "diff", ("diff/part-*.parquet",))
UNCHANGED: Final = "unchanged"


def plan(session: Session, a: Run, b: Run) -> Plan:
    """Compare two runs into as many parts as the larger one has."""
    shards = max(1, len(a.parts), len(b.parts))
    made = stages.plan(session, DIFF, a.layout.stage, [*_inputs(a), *_inputs(b)], shards)

    def build(pipeline: beam.Pipeline) -> None:
        compared = (
            pipeline
            | "Tables" >> beam.Create([*_tables(a, 0), *_tables(b, len(a.parts))])
            | "ReadPlaces" >> beam.FlatMapTuple(places)
            | "ById" >> beam.GroupByKey()
            | "Compare"
            >> beam.FlatMapTuple(partial(_compared, shards=shards)).with_outputs("counts", main="asks")
        )
        counts = compared.counts | beam.CombinePerKey(sum) | "ByCountedShard" >> beam.MapTuple(_counted)
        rows = compared.asks | ExplainDifferences(a, b) | "ByShard" >> beam.Map(_with_shard, shards)
        _ = (
            (rows, counts)
            | "RowsAndCounts" >> beam.Flatten()
            | "GiveToShards" >> GiveToParts([""] * shards)
            | "WriteDifferences" >> beam.ParDo(DoPart(made.space, write_part))
        )

    return msgspec.structs.replace(made, build=build, seal=partial(_check, a, b))


class ExplainDifferences(beam.PTransform):  # type: ignore[misc]
    """From what to ask the parts of two runs, ``(number of the part, ask)``, to differences with reasons."""

    def __init__(self, a: Run, b: Run) -> None:
        super().__init__()
        self._a = a
        self._b = b

    def expand(self, asks: beam.PCollection) -> beam.PCollection:
        """Ask both runs; what neither decided on is looked for among what failed, by the file of the page."""
        a, b = self._a, self._b
        trails = (a.trail, b.trail)
        explained = (
            asks
            | "GiveToParts" >> GiveToParts([*a.parts, *b.parts])
            | "ReadReasons" >> beam.FlatMapTuple(partial(sides, trails=trails, first=len(a.parts)))
            | "ById" >> beam.GroupByKey()
            | "Explain" >> beam.FlatMapTuple(_explained).with_outputs("unseen", main="seen")
        )
        read = (
            asks.pipeline
            | "Reading" >> beam.Create([*_reading(a), *_reading(b)])
            | "ReadFailures" >> beam.FlatMapTuple(failures)
        )
        found = (
            (explained.unseen, read)
            | "ByFile" >> beam.CoGroupByKey()
            | "FindFailures" >> beam.FlatMapTuple(partial(_found, trails=trails))
        )
        return (explained.seen, found) | beam.Flatten()


def _inputs(run: Run) -> list[InputEntry]:
    layouts = [layout for layout in LAYOUTS if layout.stage in run.manifests]
    entries = [stages.input_of(run.manifests[layout.stage], layout) for layout in layouts]
    return [msgspec.structs.replace(entry, path=f"{run.trail.name}/{entry.path}") for entry in entries]


def _tables(run: Run, first: int) -> Iterator[tuple[str, int, str, bool]]:
    for number, path in enumerate(run.parts, first):
        yield run.trail.name, number, path, True
        for _, decisions in run.trail.decisions(path):
            yield run.trail.name, number, decisions, False


def compare(id: str, states: Iterable[State]) -> tuple[list[tuple[int, Ask]], dict[str, int]]:
    """What to ask which parts about a document, and what it counts for; nothing if no run kept it.

    The same capture more than once in a run is one document.
    """
    first: dict[str, State] = {}
    counts: Counter[str] = Counter()
    for state in sorted(states):
        run, _, row, _ = state
        counts[run] += row >= 0
        if run not in first or first[run][2] < 0 <= row:
            first[run] = state
    kept = [state for state in first.values() if state[2] >= 0]
    if not kept:
        return [], {}
    if len(kept) == 1:
        return [(number, (id, row, False, ())) for _, number, row, _ in first.values()], counts
    (_, part_a, row_a, keys_a), (_, part_b, row_b, keys_b) = (first[name] for name in "AB")
    if same(keys_a, keys_b):
        return [], counts + Counter({UNCHANGED: 1})
    only_a, only_b = only_in(keys_a, keys_b), only_in(keys_b, keys_a)
    return [(part_a, (id, row_a, True, only_a)), (part_b, (id, row_b, True, only_b))], counts


def _compared(id: str, states: Iterable[State], shards: int) -> Iterator[Any]:
    asks, counts = compare(id, states)
    yield from asks
    shard = shard_of(id, shards)
    for name, n in counts.items():
        yield beam.pvalue.TaggedOutput("counts", ((shard, name), n))


def _explained(id: str, found: Iterable[Side]) -> Iterator[Any]:
    both = list(found)
    for row in explain(id, both):
        if row.rule is not None:
            yield row
            continue
        (there,) = (side for side in both if side.kept)
        assert row.run is not None
        place: Place = (row.run, there.file)
        yield beam.pvalue.TaggedOutput("unseen", (place, (there.offset, row)))


def _reading(run: Run) -> Iterator[tuple[str, str, bool]]:
    if extract := run.manifests.get(EXTRACT.stage):
        for entry in extract.inputs:
            yield run.trail.name, entry.path, False
        for path in run.paths(EXTRACT.stage, "failures/extract"):
            yield run.trail.name, path, True


def _found(
    place: Place,
    joined: tuple[Iterable[tuple[int | None, Difference]], Iterable[tuple[int | None, str, str]]],
    trails: tuple[Trail, Trail],
) -> Iterator[Difference]:
    """Why a run has no decision on a document: its page failed, had no nodes, or was not there."""
    run, _ = place
    unseen, told = joined
    errors = {offset: (error, message) for offset, error, message in told}
    stage = trails[run == "B"].stages[0]
    other = NO_NODES if errors and stage == EXTRACT.stage else NOT_IN_INPUT
    for offset, row in unseen:
        rule, words = errors[offset] if offset in errors and offset is not None else (other, "")
        yield msgspec.structs.replace(row, stage=stage, rule=rule, excerpt=excerpt(words))


def _with_shard(row: Difference, shards: int) -> tuple[int, Difference]:
    return shard_of(row.id, shards), row


def _counted(key: tuple[int, str], n: int) -> tuple[int, tuple[str, int]]:
    shard, name = key
    return shard, (name, n)


def write_part(part: Part, path: str, rows: list[Difference | tuple[str, int]]) -> Tally:
    """Write the differences of a shard, sorted, and count documents, and reasons as notes."""
    tally = counting(UNCHANGED, CAME, WENT, CHANGED)
    found = [row for row in rows if isinstance(row, Difference)]
    seen = {row.id: row.change for row in found}
    counts = dict(row for row in rows if isinstance(row, tuple))
    for change, n in [(UNCHANGED, counts.get(UNCHANGED, 0)), *Counter(seen.values()).items()]:
        tally.enter(change, n)
        tally.keep(change, n)
    for name, lacking in (("A", CAME), ("B", WENT)):
        level = f"documents of {name}"
        distinct = sum(
            tally.level(change).kept for change in (UNCHANGED, CAME, WENT, CHANGED) if change != lacking
        )
        tally.enter(level, counts.get(name, 0))
        tally.keep(level, distinct)
        if again := counts.get(name, 0) - distinct:
            tally.reject(level, "same_id", again)
    with flat_writer(part.table("diff", DIFFERENCES), DIFFERENCES) as writer:
        for row in sorted(found, key=msgspec.json.encode):
            tally.note(f"{row.group}: {row.reason}")
            writer.add(row)
    return tally


def _check(a: Run, b: Run, tally: Tally) -> tuple[()]:
    for run in (a, b):
        compared = tally.level(f"documents of {run.trail.name}").entered
        if compared != run.rows:
            raise RunFailed(
                f"diff: {compared} of the {run.rows} documents of {run.trail.root} are accounted for; "
                "this is a bug, please report it"
            )
    return ()
