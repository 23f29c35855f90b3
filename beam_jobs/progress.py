"""How far a stage is, told from what its parts leave in its folder: on any runner, and wherever that folder is.

A bar on a terminal, plain lines elsewhere, and events for those who listen (``beam_jobs.events``).
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Final

import msgspec

from beam_jobs import events, io
from beam_jobs.parts import FAILED, REPORTS, Attempt, PartReport, Workspace
from obelics_pipeline.accounting import OUTCOMES, Level, Tally, total

INTERVAL: Final = 0.5
"""Seconds between two looks at local reports; remote ones are looked at twenty times less often."""

IDLE: Final = 50
"""At least so many times as long as a look takes is the wait before the next one: it costs 2% of a core at most."""

AT_ONCE: Final = 2_000
"""Reports that are read in one look."""

LINE_EVERY: Final = 15.0
"""Seconds between two plain lines."""

DECIDED: Final = ("pages", "documents", "image_urls", "pairs")
"""The levels whose items a stage is there to decide on; the first one that it counts is told."""

TOP: Final = 3
"""Reasons that are told."""


class Step(msgspec.Struct, frozen=True):
    """Work of a stage before its parts, which leaves ``parts`` files that match ``pattern``."""

    name: str
    pattern: str
    parts: int


class Progress(msgspec.Struct, frozen=True):
    """A stage at one moment; ``new`` parts, which have ``taken`` in so many items, were done in the last ``seconds``.

    ``step`` says what is done before the parts, if that is not over.
    """

    stage: str
    done: int
    parts: int
    tally: Tally
    step: str = ""
    new: int = 0
    taken: int = 0
    seconds: float = 0.0

    @property
    def level(self) -> tuple[str, Level]:
        """What is decided on, and how it went."""
        name = next((name for name in DECIDED if name in self.tally.levels), DECIDED[1])
        return name, self.tally.levels.get(name, Level())

    @property
    def rate(self) -> float | None:
        """Items a second; None if no part was finished since."""
        return self.taken / self.seconds if self.new and self.seconds > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds to the end, if the other parts are like the last ones; None if nobody can know."""
        return self.seconds / self.new * (self.parts - self.done) if self.new else None

    @property
    def reasons(self) -> dict[str, int]:
        """Why most of those that are not kept were not, the most frequent reason first."""
        _, level = self.level
        lost: dict[str, int] = {}
        for outcome in OUTCOMES:
            lost |= getattr(level, outcome)
        return dict(sorted(lost.items(), key=lambda item: (-item[1], item[0]))[:TOP])

    def __str__(self) -> str:
        if self.step:
            return self.step
        name, level = self.level
        said = [f"{level.entered:,} {name}, {level.kept:,} kept"] if level.entered else []
        if said and self.reasons:
            said = [f"{said[0]} ({', '.join(f'{reason} {n:,}' for reason, n in self.reasons.items())})"]
        if self.rate is not None:
            said.append(f"{self.rate:,.0f}/s" if self.rate >= 10 else f"{self.rate:.1f}/s")
        if self.left:
            said.append(f"about {_span(self.left)} left")
        return "; ".join(said)

    @property
    def line(self) -> str:
        """All of it in a line."""
        return f"{self.stage}: {self.done:,} of {self.parts:,} parts; {self}".rstrip("; ")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min"
        if minutes > 9
        else f"{minutes}:{rest:02d} min"
    )


class Watcher:
    """Reads what the parts of a stage have left, each report once."""

    def __init__(self, space: Workspace, parts: int, steps: Sequence[Step] = ()) -> None:
        self.root, self.stage, self.parts = space.root, space.stage, parts
        self._space = space
        self._steps = list(steps)
        self._all = len(steps)
        self._seen: set[str] = set()
        self._listed = 0
        self._tally = Tally()
        self._failures: Counter[int] = Counter()
        self._began: tuple[float, int, int] | None = None
        """When the parts began, how many were done before, and what they had taken in."""

    def look(self) -> Progress:
        """How far the stage is; tells the events of parts that are new."""
        step = self._step()
        paths = io.sizes_below(self._space.folder, REPORTS)
        self._listed = len(paths)
        self._note_failures()
        self._read(paths)
        progress = Progress(self._space.stage, self._listed, self.parts, self._tally, step)
        taken, now = progress.level[1].entered, time.monotonic()
        if self._began is None or step:
            self._began = now, self._listed, taken
        began, before, had = self._began
        return msgspec.structs.replace(
            progress, new=self._listed - before, taken=taken - had, seconds=now - began
        )

    def _step(self) -> str:
        """What is done before the parts, those of an interrupted run included."""
        while self._steps:
            step = self._steps[0]
            done = len(io.sizes_below(self._space.folder, step.pattern))
            if done < step.parts:
                number = self._all - len(self._steps) + 1
                return (
                    f"step {number} of {self._all} before them, {step.name}: {done:,} of {step.parts:,} parts"
                )
            self._steps.pop(0)
        return ""

    def _read(self, paths: Iterable[str]) -> None:
        first = self._began is None
        new = list(islice((path for path in paths if path not in self._seen), AT_ONCE))
        self._seen.update(new)
        reports = []
        for path, data in zip(new, self._contents(new), strict=True):
            report = msgspec.json.decode(data, type=PartReport)
            reports.append(report)
            if not first:
                self._tell_part(path, report)
        self._tally = total([self._tally, *(report.tally for report in reports)])

    def _contents(self, paths: list[str]) -> list[bytes]:
        if io.is_local(self._space.root):
            return [io.read_bytes(path) for path in paths]
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(io.read_bytes, paths))

    def _note_failures(self) -> None:
        for path in io.sizes_below(self._space.folder, FAILED):
            if path not in self._seen:
                self._seen.add(path)
                attempt = msgspec.json.decode(io.read_bytes(path), type=Attempt)
                if self._began is not None:  # else it is one of an earlier run
                    self._failures[attempt.part] += 1
                    facts = msgspec.structs.asdict(attempt)
                    events.tell("part_failed", logging.WARNING, stage=self.stage, **facts)

    def _tell_part(self, path: str, report: PartReport) -> None:
        part = int(path.rpartition("-")[2].removesuffix(".json"))
        events.tell(
            "part_finished",
            stage=self.stage,
            part=part,
            attempts=1 + self._failures[part],
            seconds=report.seconds,
            bytes=sum(entry.bytes for entry in report.files),
            counts=events.counts(report.tally),
        )


@contextmanager
def watch(watcher: Watcher, say: Callable[[str], None]) -> Iterator[None]:
    """Show progress while the block runs: on the terminal if there is one, else through ``say``."""
    stop = threading.Event()
    bar = sys.stderr.isatty() and not events.on_stderr()
    thread = threading.Thread(target=_bar if bar else _lines, args=(watcher, say, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _looks(watcher: Watcher, stop: threading.Event) -> Iterator[Progress]:
    """One look every interval, and a last one when the work is over; every now and then one is told as an event."""
    base = INTERVAL if io.is_local(watcher.root) else INTERVAL * 20
    told, over = time.monotonic(), False
    while True:
        started = time.monotonic()
        try:
            progress = watcher.look()
        except (
            OSError,
            ValueError,
            ImportError,
        ):  # storage that does not answer now: the next look may see it
            progress = None
        if progress is not None:
            if over or started - told >= LINE_EVERY:
                told = started
                _tell_progress(progress)
            yield progress
        if over:
            return
        over = stop.wait(max(base, IDLE * (time.monotonic() - started)))


def _tell_progress(progress: Progress) -> None:
    name, level = progress.level
    events.tell(
        "progress",
        stage=progress.stage,
        done=progress.done,
        parts=progress.parts,
        step=progress.step or None,
        counts={name: {"in": level.entered, "kept": level.kept, "reasons": progress.reasons}},
        rate=progress.rate,
        seconds_left=progress.left,
    )


def _bar(watcher: Watcher, say: Callable[[str], None], stop: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
    end = (TextColumn("parts  {task.fields[said]}"), TimeElapsedColumn())
    with Bar(*columns, *end, console=Console(stderr=True)) as bar:
        task = bar.add_task(watcher.stage, total=watcher.parts, said="")
        for progress in _looks(watcher, stop):
            bar.update(task, completed=progress.done, said=str(progress))


def _lines(watcher: Watcher, say: Callable[[str], None], stop: threading.Event) -> None:
    told = time.monotonic()
    for progress in _looks(watcher, stop):
        if time.monotonic() - told >= LINE_EVERY or stop.is_set():
            told = time.monotonic()
            say(progress.line)
