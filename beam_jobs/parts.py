"""The parts of a stage: each task writes its files once, whole, whatever is killed or retried.

A part writes under temporary names, renames its files when all are complete, and then writes its report, a
small JSON file beside the work of the stage. A part with a report is done and is not done again.
"""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any, BinaryIO, Final

import msgspec
import pyarrow as pa

from beam_jobs import events, io
from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.errors import ObelicsError, RunFailed
from obelics_pipeline.manifest import FileEntry, digest_of
from obelics_pipeline.parquet import ZSTD, ParquetFile

REPORTS: Final = "reports/part-*.json"
"""The reports of finished parts, in the folder of a stage's work."""

FAILED: Final = "failed/part-*.json"
"""What attempts that failed have left, in the same folder."""


def table_path(folder: str, number: int) -> str:
    """Where below the output the table of part ``number`` in ``folder`` lies."""
    return f"{folder}/part-{number:05d}.parquet"


class PartReport(msgspec.Struct, frozen=True):
    """What a finished part wrote and counted, and the ``seconds`` that the last attempt took."""

    files: tuple[FileEntry, ...]
    tally: Tally
    seconds: float = 0.0


class Attempt(msgspec.Struct, frozen=True):
    """An attempt at a part that failed: the error, and the line of code that raised it."""

    part: int
    error: str
    message: str
    place: str
    host: str

    @classmethod
    def of(cls, part: int, error: Exception) -> Attempt:
        """What ``error`` says; the message is cut at 500 characters."""
        name, place = type(error).__name__, events.place_of(error)
        return cls(part, name, str(error)[:500], place, socket.gethostname())


class Workspace(msgspec.Struct, frozen=True):
    """Where a stage works: below ``root``, in a folder of its own for every fingerprint.

    A ``step`` has parts of its own, before those of the stage.
    """

    root: str
    stage: str
    fingerprint: str
    step: str = ""

    @property
    def folder(self) -> str:
        """The folder of temporary files and reports."""
        folder = io.join(self.root, "_work", f"{self.stage}-{self.fingerprint[:16]}")
        return io.join(folder, self.step) if self.step else folder

    @property
    def job(self) -> str:
        """A name for the jobs that work here, by Dataflow's rules; equal work in another folder has another one."""
        return f"obelics-{self.stage}-{digest_of([self.root, self.fingerprint])[:16]}"

    def report_path(self, number: int) -> str:
        """The path of the report of part ``number``."""
        return io.join(self.folder, "reports", f"part-{number:05d}.json")

    def note_failure(self, number: int, error: Exception) -> None:
        """Leave for whoever watches the stage that an attempt at part ``number`` failed, if that can be written."""
        path = io.join(self.folder, "failed", f"part-{number:05d}-{uuid.uuid4().hex}.json")
        with contextlib.suppress(
            OSError, ObelicsError
        ):  # the disk may be full, which is what made the attempt fail
            io.write_atomically(path, msgspec.json.encode(Attempt.of(number, error)))

    def report(self, number: int) -> PartReport | None:
        """The report of part ``number`` if it is done and its files are there, else None."""
        path = self.report_path(number)
        if io.size(path) is None:
            return None
        report = msgspec.json.decode(io.read_bytes(path), type=PartReport)
        whole = all(io.size(io.join(self.root, entry.path)) == entry.bytes for entry in report.files)
        return report if whole else None


class Part:
    """One part being written: open its tables, then ``finish``."""

    def __init__(self, space: Workspace, number: int) -> None:
        self.space = space
        self.number = number
        self._open: list[tuple[str, str, BinaryIO, ParquetFile]] = []
        self._optional: set[str] = set()
        self._scratch: str | None = None
        self._began = time.monotonic()

    def table(
        self,
        folder: str,
        schema: pa.Schema,
        options: Mapping[str, Any] = ZSTD,
        *,
        name: str | None = None,
        remember: bool = False,
        optional: bool = False,
    ) -> ParquetFile:
        """A new Parquet file of this part: ``<folder>/part-<number>.parquet``, or ``name`` in ``folder``.

        One that is ``optional`` is there only if it has rows.
        """
        path = f"{folder}/{name}" if name else table_path(folder, self.number)
        temporary = io.join(self.space.folder, "temporary", f"{uuid.uuid4().hex}.parquet")
        stream = io.open_write(temporary)
        file = ParquetFile(stream, schema, options, remember=remember)
        self._open.append((path, temporary, stream, file))
        if optional:
            self._optional.add(path)
        return file

    def scratch(self) -> str:
        """The path of a file for what an attempt leaves to the next one.

        It is removed when the part is finished, with those that have its name, a dash and more.
        """
        self._scratch = f"scratch/part-{self.number:05d}"
        return io.join(self.space.folder, self._scratch)

    def finish(self, tally: Tally) -> PartReport:
        """Publish what was written, or drop it if another attempt at the part was finished before: then its report.

        Two attempts that end at the same moment both publish. That does not matter where they write the same bytes. In
        ``images`` a report may then name a file of the other attempt: one of another length is no finished part.
        """
        if done := self.space.report(self.number):
            self.abandon()
        else:
            done = self._publish(tally)
        if self._scratch is not None:
            left = io.sizes_below(self.space.folder, f"{self._scratch}-*")
            io.remove([io.join(self.space.folder, self._scratch), *left])
        return done

    def _publish(self, tally: Tally) -> PartReport:
        """Close and rename all files, then write the report."""
        tally.check(f"{self.space.stage}, part {self.number}")
        for _, _, stream, file in self._open:
            file.close()
            stream.close()
        entries = []
        for path, temporary, _, file in self._open:
            if not file.rows and path in self._optional:
                io.remove([temporary])
                continue
            io.move(temporary, io.join(self.space.root, path))
            entries.append(FileEntry(path, file.rows, file.length, file.sha256))
        report = PartReport(tuple(entries), tally, round(time.monotonic() - self._began, 3))
        io.write_atomically(self.space.report_path(self.number), msgspec.json.encode(report))
        return report

    def abandon(self) -> None:
        """Drop what was written."""
        for _, temporary, stream, file in self._open:
            file.abandon()
            io.discard(stream, temporary)


def counting(*levels: str) -> Tally:
    """A tally of these levels, in this order, also if nothing of them is met."""
    return Tally({level: Level() for level in levels})


def run_part(space: Workspace, number: int, work: Callable[[Part], Tally]) -> PartReport:
    """Do ``work`` for part ``number`` unless it is done already."""
    if done := space.report(number):
        return done
    part = Part(space, number)
    try:
        return part.finish(work(part))
    except BaseException as error:
        part.abandon()
        if isinstance(error, Exception):
            space.note_failure(number, error)
        raise


def read_reports(space: Workspace, parts: int) -> list[PartReport]:
    """The reports of all parts in order; a part without one raises ``RunFailed``.

    There may be a million: each costs one read, and what it names is looked for in listings of the folders.
    """
    paths = [space.report_path(number) for number in range(parts)]
    there = io.sizes_below(space.folder, REPORTS)
    written = list(takewhile(there.__contains__, paths))
    with ThreadPoolExecutor(16) as pool:  # remote reports take their time
        reports = [msgspec.json.decode(data, type=PartReport) for data in pool.map(io.read_bytes, written)]
    lost = set(missing(space.root, [entry for report in reports for entry in report.files]))
    whole = list(takewhile(lambda report: lost.isdisjoint(report.files), reports))
    if len(whole) < parts:
        raise RunFailed(f"{space.stage}: part {len(whole)} of {parts} was not written; run the command again")
    return whole


def missing(root: str, entries: Collection[FileEntry]) -> Iterator[FileEntry]:
    """Those of ``entries`` that are not below ``root`` in their recorded length; each folder is listed once."""
    lengths: dict[str, int] = {}
    for folder in {entry.path.rpartition("/")[0] for entry in entries}:
        lengths |= io.sizes_below(root, f"{folder}/*")
    return (entry for entry in entries if lengths.get(io.join(root, entry.path)) != entry.bytes)
