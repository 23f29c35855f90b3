"""``--dry-run``: what a command would run, read and write, how long that takes and what it costs. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from beam_jobs import io, stages
from beam_jobs.build import PLANS, check
from beam_jobs.config import load
from beam_jobs.http_file import Manners
from beam_jobs.inputs import is_selection
from beam_jobs.parts import REPORTS, Workspace
from beam_jobs.selected import LENGTH
from beam_jobs.stages import LAYOUTS, Layout, Session
from obelics_pipeline.estimate import Contents, Flow, Work, archives, estimate
from obelics_pipeline.manifest import InputEntry, Manifest
from obelics_pipeline.rates import RATES
from obelics_pipeline.selection import open_selection
from obelics_pipeline.wikimedia import dump

USUAL: Final = "default"
"""The configuration with which shares were measured."""

DECIDING: Final = ("text", "filter", "dedup", "assemble")
"""Its sections on which they depend."""

HEADS: Final = ("stage", "state", "parts", "reads", "core-hours", "takes", "writes", "cost")


class Step(msgspec.Struct, frozen=True):
    """A stage as it stands: done if there is no ``work``; ``parts`` is None if only an earlier stage will tell."""

    stage: str
    state: str
    parts: int | None = None
    work: Work | None = None


def dry_run(session: Session, names: Sequence[str], console: Console) -> None:
    """Print what running the stages ``names`` in order would take. Mistakes that the run would find are raised."""
    check(session, names)
    steps = list(steps_of(msgspec.structs.replace(session, say=lambda line: None), names))
    console.print(_table(session, steps))
    console.print(*_remarks(session, names), sep="\n", highlight=False, markup=False, soft_wrap=True)


def steps_of(session: Session, names: Sequence[str]) -> Iterator[Step]:
    """The stages in order, each with what it would take; after one that has to run, estimates follow from estimates."""
    flow, after = _given(session, names[0]), ""
    export = session.config.export
    contents = Contents(images=export.images != "none", pairs=export.pairs != "off")
    for layout in (layout for layout in LAYOUTS if layout.stage in names):
        name = layout.stage
        if after:
            work = estimate(name, flow, contents)
            yield Step(name, f"after {after}", None, work)
        else:
            made = PLANS[name](session)
            if (found := stages.finished(made)) is not None:
                yield Step(name, "done before")
                flow = handed_on(layout, found, flow)
                continue
            finished, work = _finished_parts(made.space), estimate(name, flow, contents)
            state = f"resumed, has {finished:,} of {made.parts:,} parts" if finished else "to run"
            left = max(made.parts - finished, 0)
            yield Step(name, state, left, work.share(left / made.parts if made.parts else 1))
        flow, after = work.gives, name


def _finished_parts(space: Workspace) -> int:
    return len(io.sizes_below(space.folder, REPORTS))


def _given(session: Session, first: str) -> Flow:
    """What the first stage would read: the archives, or the tables of the stages before."""
    flow = _all_archives(session)
    for layout in LAYOUTS[: list(PLANS).index(first)]:
        if (found := stages.recorded(session.source, layout)) is not None:
            flow = handed_on(layout, found, flow)
    return flow


def _all_archives(session: Session) -> Flow:
    flows = [_archive(entry, session.config.manners) for entry in session.archives]
    sums = (sum(getattr(flow, name) for flow in flows) for name in ("documents", "size", "packed"))
    documents, size, packed = sums
    return Flow(documents, size, packed=packed)


def _archive(entry: InputEntry, manners: Manners) -> Flow:
    if is_selection(entry.path):
        return _selected(entry.path, manners)
    return archives(entry.bytes, compressed=entry.path.partition("?")[0].endswith((".gz", ".tgz")))


def _selected(path: str, manners: Manners) -> Flow:
    with io.open_read(path, manners) as stream:
        selection = open_selection(stream, path)
        lengths = (
            pc.sum(batch.column(0)).as_py() or 0 for batch in selection.file.iter_batches(columns=[LENGTH])
        )
        return archives(sum(lengths), selection.rows)


def handed_on(layout: Layout, found: Manifest, before: Flow) -> Flow:
    """What a finished stage hands on, after a stage that handed on ``before``."""
    tally = found.tally
    size = sum(entry.bytes for entry in found.under(layout.home))
    if layout.stage == "images":
        return msgspec.structs.replace(before, images=tally.level("image_urls").kept, image_size=size)
    documents = tally.level("pages" if layout.stage == "extract" else "documents").kept
    images = 0 if layout.stage == "extract" else tally.level("images").kept
    return Flow(documents, size, images, tally.notes.get("image_bytes", 0))


# Telling it


def _table(session: Session, steps: Sequence[Step]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for step in steps:
        parts = "" if step.parts is None else f"{step.parts:,}"
        table.add_row(step.stage, step.state, parts, *_cells(session, step))
    works = [(step.work, _busy(session, step)) for step in steps if step.work is not None]
    sums = (sum(getattr(work, name) for work, _ in works) for name in ("reads", "seconds", "writes"))
    reads, seconds, writes = sums
    wall = sum(work.wall(workers) for work, workers in works)
    cost = sum(work.cost(session.config.cost) for work, _ in works)
    table.add_row("all", "", "", *_told(reads, seconds, wall, writes, cost))
    return table


def _cells(session: Session, step: Step) -> tuple[str, ...]:
    work = step.work
    if work is None:
        return ("",) * 5
    cost = work.cost(session.config.cost)
    return _told(work.reads, work.seconds, work.wall(_busy(session, step)), work.writes, cost)


def _told(reads: float, seconds: float, wall: float, writes: float, cost: float) -> tuple[str, ...]:
    return size_of(reads), _figure(seconds / 3600), duration(wall), size_of(writes), _figure(cost)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}" if number >= 0.1 else f"{number:.1g}"


def _busy(session: Session, step: Step) -> int:
    """The workers that a stage keeps busy: a part is done by one."""
    return max(1, min(session.beam.workers, step.parts or session.beam.workers))


def size_of(number: float) -> str:
    """Bytes as people say them: ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:,.0f} {unit}" if unit == "B" or number >= 100 else f"{number:,.1f} {unit}"
        number /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds as people say them: ``3.4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def _remarks(session: Session, names: Sequence[str]) -> Iterator[str]:
    yield ""
    if names[0] == "extract":
        flow = _all_archives(session)
        count = len(session.archives)
        yield f"{count:,} input{'s' * (count != 1)}: {size_of(flow.size)}, about {flow.documents:,.0f} pages."
    workers, prices = session.beam.workers, session.config.cost
    yield f"Times are those of {workers:,} worker{'s' * (workers != 1)} (--workers) without their start."
    yield (
        f"Prices: {prices.core_hour:g} a core-hour, {prices.gb_month:g} a GB-month (for {prices.months:g}), "
        f"{prices.gb_moved:g} a GB of archives and images; the section 'cost' sets them."
    )
    sources = dict.fromkeys(f"{rate.source} ({rate.date})" for rate in RATES.values())
    yield f"Rates and shares kept are those of: {'; '.join(sources)}. Other pages have others."
    if "filter" in names and not session.config.filter.has_rules:
        yield "No rule of the section 'filter' is on; 'default' has those we recommend (configs/default.yaml)."
    if named := list(ignored(session, names)):
        yield f"Not reckoned with: {'; '.join(named)}."
    yield "Nothing was written."


def ignored(session: Session, names: Sequence[str]) -> Iterator[str]:
    """What makes the work another one, and no rate tells how much."""
    config, usual = session.config, load(USUAL)
    if "extract" in names and any(dump.is_dump(entry.path) for entry in session.archives):
        yield "that dumps of Wikimedia's are no WARC files"
    deciding = [name for name in DECIDING if name in ("text", *names)]
    if others := [name for name in deciding if getattr(config, name) != getattr(usual, name)]:
        yield f"sections that differ from those of '{USUAL}' ({', '.join(others)})"
    given = {
        "--against": "dedup" in names and session.against,
        "--earlier": "images" in names and config.images.earlier,
        "images.scorer": "images" in names and config.images.scorer,
        "export.faces": "export" in names and config.export.faces,
    }
    yield from (name for name, value in given.items() if value)
