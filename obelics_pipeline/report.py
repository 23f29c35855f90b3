"""The funnel: what entered each stage, what left it, and where the rest went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.fetch_types import FetchStatus


class StageReport(msgspec.Struct, frozen=True):
    """One stage; ``seconds`` is None if the stage had been finished before the run."""

    stage: str
    seconds: float | None
    tally: Tally


class Report(msgspec.Struct, frozen=True):
    """The stages of a build in order."""

    code_version: str
    stages: tuple[StageReport, ...]

    def encode(self) -> bytes:
        """Readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def check(self) -> None:
        """Raise ``RunFailed`` unless every item is accounted for, inside stages and between them."""
        for stage in self.stages:
            stage.tally.check(stage.stage)
        flow = [stage for stage in self.stages if "documents" in handed_on(stage)]
        for giver, taker in pairwise(flow):
            for level, n in handed_on(giver).items():
                taken = taker.tally.levels.get(level)
                if taken is not None and taken.entered != n:
                    raise RunFailed(
                        f"{giver.stage} kept {n} {level} and {taker.stage} took in {taken.entered}; "
                        "this is a bug, please report it"
                    )


def handed_on(stage: StageReport) -> dict[str, int]:
    """What a stage gives to the next one, by level; the pages that extraction keeps are documents."""
    kept = {name: level.kept for name, level in stage.tally.levels.items()}
    if stage.stage == "extract":
        kept["documents"] = kept.get("pages", 0)
    return kept


def decode(data: bytes) -> Report | None:
    """The report in ``data``; None if it is none of this version."""
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def render(report: Report, console: Console) -> None:
    """Print the funnel as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    table.add_column("items")
    for name in ("in", "kept"):
        table.add_column(name, justify="right")
    table.add_column("rejected, unavailable (~), failed (!)", overflow="fold")
    table.add_column("seconds", justify="right")
    for stage in report.stages:
        for cells in _rows(stage):
            table.add_row(*cells)
    console.print(table)


SILENT: Final = frozenset(
    {FetchStatus.DNS, FetchStatus.CONNECT, FetchStatus.TLS, FetchStatus.TIMEOUT, FetchStatus.HOST_DOWN}
)
"""How downloads end where no server says anything."""


def ending(report: Report, folder: str) -> str | None:
    """What a run that exported a dataset to ``folder`` came to, in a sentence; None if it got not so far.

    A run of which no image came over the network says so before all else.
    """
    last = report.stages[-1]
    if said := next(filter(None, map(_cut_off, report.stages)), None):
        return said
    if last.stage != "export":
        return None
    documents, images = (last.tally.level(name).kept for name in ("documents", "images"))
    if not documents:
        return f"No document is left, so {folder} is empty: the table says where they went."
    return (
        f"{documents:,} documents with {images:,} images are in {folder}: "
        "datasets.load_dataset(folder) opens it."
    )


def _cut_off(stage: StageReport) -> str | None:
    """What to do if no image could be had, and mostly for want of an answer: that is a network, not the pages."""
    asked = stage.tally.level("image_urls") if stage.stage == "images" else Level()
    silent = {status: n for status, n in asked.unavailable.items() if status in SILENT}
    if asked.kept or 2 * sum(silent.values()) <= asked.entered:
        return None
    counts = ", ".join(f"{status} {n:,}" for status, n in sorted(silent.items()))
    return (
        f"No image could be had ({counts}). If that was for want of a network, remove images/_MANIFEST.json in the "
        "output folder and run the same command again."
    )


def _rows(stage: StageReport) -> Iterator[Sequence[str]]:
    seconds = "done before" if stage.seconds is None else f"{stage.seconds:.1f}"
    head = (stage.stage, seconds)
    for name, level in stage.tally.levels.items():
        yield head[0], name, f"{level.entered:,}", f"{level.kept:,}", losses(level), head[1]
        head = ("", "")
    if stage.tally.notes:
        notes = ", ".join(f"{name} {n:,}" for name, n in stage.tally.notes.items())
        yield head[0], "notes", "", "", notes, head[1]


def losses(level: Level) -> str:
    """What was not kept, by reason: rejected, unavailable (~), failed (!)."""
    marked = zip((level.rejected, level.unavailable, level.failed), ("", "~", "!"), strict=True)
    return ", ".join(f"{mark}{reason} {n:,}" for counts, mark in marked for reason, n in counts.items())
