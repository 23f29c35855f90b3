"""How far a stage is, told from the reports of its parts: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from beam_jobs import io
from beam_jobs.parts import PartReport, Workspace

INTERVAL: Final = 0.5
"""Seconds between two looks at local reports; remote ones are looked at twenty times less often."""

LINE_EVERY: Final = 15.0
"""Seconds between two plain lines."""


class Watcher:
    """Counts the finished parts of a stage, and the items its first level kept."""

    def __init__(self, space: Workspace) -> None:
        self._folder = io.join(space.folder, "reports")
        self._seen: set[str] = set()
        self.kept: dict[str, int] = {}

    @property
    def parts(self) -> int:
        """Parts done so far."""
        return len(self._seen)

    def look(self) -> None:
        """Read the reports that are new."""
        for path in io.sizes_below(self._folder, "part-*.json"):
            if path not in self._seen:
                self._seen.add(path)
                report = msgspec.json.decode(io.read_bytes(path), type=PartReport)
                for name, level in report.tally.levels.items():
                    self.kept[name] = self.kept.get(name, 0) + level.kept

    def __str__(self) -> str:
        named = [f"{n:,} {name}" for name, n in self.kept.items() if name not in ("records", "paragraphs")]
        return ", ".join(named)


@contextmanager
def watch(space: Workspace, parts: int, say: Callable[[str], None]) -> Iterator[None]:
    """Show progress while the block runs: on the terminal if there is one, else through ``say``."""
    stop = threading.Event()
    show = _bar if sys.stderr.isatty() else _lines
    thread = threading.Thread(target=show, args=(Watcher(space), space, parts, say, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _looks(watcher: Watcher, space: Workspace, stop: threading.Event) -> Iterator[None]:
    """One look every interval, and a last one when the work is over."""
    interval = INTERVAL if io.is_local(space.root) else INTERVAL * 20
    while True:
        over = stop.wait(interval)
        watcher.look()
        yield
        if over:
            return


def _bar(
    watcher: Watcher, space: Workspace, parts: int, say: Callable[[str], None], stop: threading.Event
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
    end = (TextColumn("parts  {task.fields[kept]}"), TimeElapsedColumn())
    with Progress(*columns, *end, console=Console(stderr=True)) as progress:
        task = progress.add_task(space.stage, total=parts, kept="")
        for _ in _looks(watcher, space, stop):
            progress.update(task, completed=watcher.parts, kept=str(watcher))


def _lines(
    watcher: Watcher, space: Workspace, parts: int, say: Callable[[str], None], stop: threading.Event
) -> None:
    told = time.monotonic()
    for _ in _looks(watcher, space, stop):
        if time.monotonic() - told >= LINE_EVERY or stop.is_set():
            told = time.monotonic()
            say(f"{space.stage}: {watcher.parts} of {parts} parts; {watcher}".rstrip("; "))
