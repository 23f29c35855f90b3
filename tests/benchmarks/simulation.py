"""A thousand workers extract a tenth of a crawl, simulated: slow ones, ones that die, copies of parts that are late.

What is measured is the time of real parts: ``RANGES`` are the processor seconds of the megabytes of an archive of real
pages, in multiples of their mean, of which simulated parts are drawn; the benchmark measures them once more.
All else is reckoning, the same each time.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections import deque
from itertools import count
from random import Random
from statistics import fmean, pstdev

import msgspec
import numpy as np
from _figures import Figure, arguments, report, say
from extract import PAGES

from obelics_pipeline import warc
from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.page import Page
from obelics_pipeline.rates import RATES

# fmt: off
RANGES = (
    1.00, 0.99, 0.95, 0.84, 0.82, 0.96, 0.95, 1.14, 1.22, 0.96, 1.19, 0.86, 0.78, 1.04, 0.87, 0.97,
    1.11, 1.21, 1.05, 0.99, 0.89, 1.11, 1.11, 1.15, 1.11, 0.82, 0.89, 0.93, 1.20, 1.23, 1.13,
)
# fmt: on
"""Of the archive of real pages, in its order, on 2026-11-21, without the last one, which is no whole megabyte."""

ARCHIVES = 9_000
"""A tenth of a crawl, each of about a gigabyte (docs/scaling.md)."""
MEGABYTES = 1_000
WORKERS = 1_000
RESTART = 120.0
"""Seconds until a worker that died is replaced."""
LATE = 1.5
"""A part is late that has run for so many times the median, as Spark's ``spark.speculation.multiplier`` has it."""


class Case(msgspec.Struct, frozen=True):
    """What happens: a share of workers that are ``slowness`` times slower, and deaths for each hour of a worker."""

    name: str
    megabytes: int = 64
    slow: float = 0.0
    slowness: float = 3.0
    deaths: float = 0.0
    copies: bool = False


CASES = (
    Case("parts of 64 MB"),
    Case("2% of workers 3 × slower", slow=0.02),
    Case("and 5% die in an hour", slow=0.02, deaths=0.05),
    Case("and late parts are done twice", slow=0.02, deaths=0.05, copies=True),
    Case("the same with 50% an hour", slow=0.02, deaths=0.5, copies=True),
    Case("whole archives, slow and dying", 1_000, slow=0.02, deaths=0.05),
    Case("whole archives, late ones twice", 1_000, slow=0.02, deaths=0.05, copies=True),
)


class Outcome(msgspec.Struct, frozen=True):
    """Seconds until all is done, those of all workers that were of use, and those that were not."""

    makespan: float
    useful: float
    lost: float


class Attempt(msgspec.Struct, eq=False):
    """A worker at a part."""

    part: int
    worker: int
    start: float
    alive: bool = True


def part_seconds(megabytes: int, parts: int, mean: float) -> list[float]:
    """Times of parts of so many megabytes, each drawn from ``RANGES``; ``mean`` is that of a megabyte."""
    draw, held = np.random.default_rng(1), np.array(RANGES)
    sums = (
        held[draw.integers(0, len(held), (min(10_000, parts - first), megabytes))].sum(1)
        for first in range(0, parts, 10_000)
    )
    return [float(seconds) for chunk in sums for seconds in chunk * mean]


class Cluster:
    """The simulation: workers take parts in order until all are done."""

    def __init__(self, case: Case, seconds: list[float], workers: int) -> None:
        self._case, self._seconds = case, seconds
        self._draw = Random(1)
        self._slowness = [case.slowness if n < case.slow * workers else 1.0 for n in range(workers)]
        self._death = [self._lifetime() for _ in range(workers)]
        self._late = LATE * sorted(seconds)[len(seconds) // 2]
        self._waiting = deque(range(len(seconds)))
        self._running: dict[int, list[Attempt]] = {}
        self._events: list[tuple[float, int, int, Attempt | None]] = []
        self._number = count()
        self._idle: list[int] = []
        self._lost = 0.0

    def run(self) -> Outcome:
        """From the start until no part is left."""
        for worker in range(len(self._death)):
            self._push(0.0, worker, None)
        left, now = len(self._seconds), 0.0
        while left:
            now, _, worker, attempt = heapq.heappop(self._events)
            if attempt is not None and not attempt.alive:
                continue
            if attempt is not None and now >= self._death[worker]:
                self._die(attempt, now)
                continue
            if attempt is not None:
                left -= 1
                self._finish(attempt, now)
            self._take(worker, now)
        return Outcome(now, sum(self._seconds), self._lost)

    def _lifetime(self) -> float:
        return self._draw.expovariate(self._case.deaths / 3600) if self._case.deaths else float("inf")

    def _push(self, when: float, worker: int, attempt: Attempt | None) -> None:
        heapq.heappush(self._events, (when, next(self._number), worker, attempt))

    def _take(self, worker: int, now: float) -> None:
        """Begin the next part; if there is none, the oldest that is late, or look again when one is."""
        if self._waiting:
            self._begin(self._waiting.popleft(), worker, now)
            return
        alone = [tried[0] for tried in self._running.values() if len(tried) == 1] if self._case.copies else []
        oldest = min(alone, key=lambda attempt: attempt.start, default=None)
        if oldest is None:
            self._idle.append(worker)
        elif now >= oldest.start + self._late:
            self._begin(oldest.part, worker, now)
        else:
            self._push(oldest.start + self._late, worker, None)

    def _begin(self, part: int, worker: int, now: float) -> None:
        attempt = Attempt(part, worker, now)
        self._running.setdefault(part, []).append(attempt)
        end = now + self._seconds[part] * self._slowness[worker]
        self._push(min(end, max(now, self._death[worker])), worker, attempt)

    def _finish(self, attempt: Attempt, now: float) -> None:
        self._lost += (now - attempt.start) - self._seconds[attempt.part]
        for other in self._running.pop(attempt.part):
            other.alive = False
            if other is not attempt:
                self._lost += now - other.start
                self._push(now, other.worker, None)

    def _die(self, attempt: Attempt, now: float) -> None:
        self._lost += now - attempt.start
        attempts = self._running[attempt.part]
        attempts.remove(attempt)
        if not attempts:
            del self._running[attempt.part]
            self._waiting.append(attempt.part)
            if self._idle:
                self._push(now, self._idle.pop(), None)
        self._death[attempt.worker] = now + RESTART + self._lifetime()
        self._push(now + RESTART, attempt.worker, None)


def measured() -> list[float]:
    """Processor seconds of the megabytes of the archive of real pages."""
    found = []
    with PAGES.open("rb") as stream:
        for start, stop in warc.split(PAGES.stat().st_size, 1_000_000):
            before = time.process_time()
            for page in warc.read_pages(stream, PAGES.name, start=start, stop=stop):
                if isinstance(page, Page):
                    extract_document(page)
            found.append(time.process_time() - before)
    return found


def figures(*, quick: bool) -> list[Figure]:
    """A row for each case: time over the ideal, that of all parts on workers that are never slow and never idle."""
    archives, workers = (200, 20) if quick else (ARCHIVES, WORKERS)
    mean = RATES["extract_seconds"].value / 1000
    rows = []
    for case in CASES:
        say(case.name)
        parts = archives * MEGABYTES // case.megabytes
        outcome = Cluster(case, part_seconds(case.megabytes, parts, mean), workers).run()
        ideal = outcome.useful / workers
        lost = max(0.0, 100 * outcome.lost / outcome.useful)
        hours = f"{outcome.makespan / 3600:.2f} h, ideal {ideal / 3600:.2f} h, {lost:.1f}% lost"
        rows.append(Figure(case.name, outcome.makespan / ideal, "× ideal", how=hours))
    if PAGES.is_file():
        now = measured()[:-1]
        spread = f"when it was stored: {pstdev(RANGES) / fmean(RANGES):.2f}"
        rows.append(Figure("deviation / mean of a megabyte", pstdev(now) / fmean(now), "", how=spread))
        say(", ".join(f"{one / fmean(now):.2f}" for one in now))
    return rows


if __name__ == "__main__":
    options = arguments(__doc__.splitlines()[0])
    sys.exit(report(lambda: figures(quick=options.quick), as_json=options.json))
