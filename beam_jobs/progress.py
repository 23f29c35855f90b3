"""How far a stage is, told from what its parts leave in its folder: on any runner, and wherever that folder is.

A bar on a terminal, plain lines elsewhere, and events for those who listen (``beam_jobs.events``).
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import msgspec

from beam_jobs import events, io
from beam_jobs.parts import FAILED, REPORTS, Attempt, PartReport, Workspace
from beam_jobs.ranged import give_up_at_once
from obelics_pipeline.accounting import OUTCOMES, Level, Tally, total
from obelics_pipeline.errors import ObelicsError

INTERVAL: Final = 0.5
"""Seconds between two looks at local reports; remote ones are looked at twenty times less often."""

IDLE: Final = 50
"""So many times as long as a look took is the wait before the next one, which makes 2% of a core."""

LONGEST: Final = 60.0
"""Seconds between two looks at most: listing the reports of a crawl alone takes minutes."""

AT_ONCE: Final = 2_000
"""Reports that are held in memory at once."""

LAST: Final = 60.0
"""Seconds that the end of a stage waits for the last look."""

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
        self.over = False
        """Whether nobody waits for another look."""
        self._space = space
        self._steps = list(steps)
        self._all = len(steps)
        self._seen: set[str] = set()
        self._old: set[str] | None = None
        """What an earlier run left and nobody has read yet; None before the first look."""
        self._tally = Tally()
        self._failures: Counter[int] = Counter()
        self._began: tuple[float, int, int] | None = None
        """When the parts began, how many were done before, and what they had taken in."""

    def look(self) -> Progress:
        """How far the stage is; tells the events of parts that are new."""
        step = self._step()
        reports, failed = (io.sizes_below(self._space.folder, pattern) for pattern in (REPORTS, FAILED))
        done, now = len(reports), time.monotonic()
        if self._old is None:
            self._old = {*reports, *failed}
        for paths, take in ((failed, self._take_failures), (reports, self._take_reports)):
            new = [path for path in paths if path not in self._seen]
            for start in range(0, len(new), AT_ONCE):
                self._take(new[start : start + AT_ONCE], self._old, take)
        progress = Progress(self._space.stage, done, self.parts, self._tally, step)
        taken = progress.level[1].entered
        if self._began is None or step:
            self._began = now, done, taken
        began, before, had = self._began
        return msgspec.structs.replace(progress, new=done - before, taken=taken - had, seconds=now - began)

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

    def _take(
        self, paths: list[str], old: set[str], take: Callable[[dict[str, bytes], set[str]], None]
    ) -> None:
        """Read ``paths`` and ``take`` what they hold; if they cannot be read now, the next look does."""
        take(dict(zip(paths, self._contents(paths), strict=True)), old)
        self._seen.update(paths)
        old.difference_update(paths)

    def _contents(self, paths: list[str]) -> list[bytes]:
        if io.is_local(self._space.root):
            return [io.read_bytes(path) for path in paths]
        with ThreadPoolExecutor(16, initializer=give_up_at_once) as pool:
            return list(pool.map(io.read_bytes, paths))

    def _take_failures(self, contents: dict[str, bytes], old: set[str]) -> None:
        for path, data in contents.items():
            attempt = msgspec.json.decode(data, type=Attempt)
            if path not in old:
                self._failures[attempt.part] += 1
                facts = msgspec.structs.asdict(attempt)
                events.tell("part_failed", logging.WARNING, stage=self.stage, **facts)

    def _take_reports(self, contents: dict[str, bytes], old: set[str]) -> None:
        reports = {path: msgspec.json.decode(data, type=PartReport) for path, data in contents.items()}
        for path, report in reports.items():
            if path not in old:
                self._tell_part(path, report)
        self._tally = total([self._tally, *(report.tally for report in reports.values())])

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
        thread.join(LAST)
        watcher.over = True


def _looks(watcher: Watcher, stop: threading.Event) -> Iterator[Progress]:
    """One look every interval, and a last one when the work is over; every now and then one is told as an event."""
    base = INTERVAL if io.is_local(watcher.root) else INTERVAL * 20
    give_up_at_once()
    told, over = time.monotonic(), False
    while True:
        started = time.monotonic()
        try:
            progress = watcher.look()
        except (OSError, ValueError, ImportError, ObelicsError):
            progress = None  # storage does not answer now: the next look may see it
        if watcher.over:
            return
        if progress is not None:
            if over or started - told >= LINE_EVERY:
                told = started
                _tell_progress(progress)
            yield progress
        if over:
            return
        over = stop.wait(max(base, min(LONGEST, IDLE * (time.monotonic() - started))))


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
