"""Extraction against its floor: reading the archive and parsing the HTML, before anything is made of it.

The *floor* is FastWARC, decompression and a lexbor parse of the same bytes in the same run. Floor and subject
are measured in turns, and each figure is the median over the rounds of a ratio taken within one round, so
that a machine that slows down slows both sides. Ratios of one process are of processor time (user and
system); the gain of a second process is of wall-clock time, so it needs two idle cores: what two floors at
once gain over one says how idle they were.

A job's start-up (interpreter, Beam, workers) is excluded by running the job over a few copies of the archive
and over many, and taking the difference.
"""

from __future__ import annotations

import gc
import gzip
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import msgspec
from _figures import Figure, arguments, report, say
from fastwarc.warc import ArchiveIterator, WarcRecordType
from selectolax.lexbor import LexborHTMLParser

from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.errors import InputError, PageFailed, RunFailed
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

sys.path.append(str(Path(__file__).parents[1]))
from archives import first_pages

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("OBELICS_TEST_DATA", ROOT.parent / "shared"))
PAGES = DATA / "data/pages/pages.warc.gz"


class Plan(msgspec.Struct, frozen=True):
    """How much to measure: ``few`` and ``many`` copies of the archive, each of at most ``pages`` pages."""

    pages: int | None
    rounds: int
    few: int
    many: int


FULL = Plan(pages=None, rounds=3, few=2, many=8)
QUICK = Plan(pages=30, rounds=1, few=2, many=8)


class Cost(msgspec.Struct, frozen=True):
    """What a run took: processor and wall-clock seconds, and the RSS of its largest process in MiB."""

    processor: float
    wall: float
    rss: float = 0.0
    pages: int = 0

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.processor - other.processor, self.wall - other.wall)


class Round(msgspec.Struct, frozen=True):
    """One turn of everything: (floor, subject) pairs in one process, and jobs by (workers, copies).

    ``spare`` is how much faster two floors are done at once than one after the other.
    """

    turns: tuple[tuple[Cost, Cost], ...]
    spare: float
    jobs: dict[tuple[int, int], Cost]

    def slope(self, plan: Plan, workers: int) -> Cost:
        """What the additional copies cost: the job without its start-up."""
        return self.jobs[workers, plan.many] - self.jobs[workers, plan.few]

    def over_floor(self, plan: Plan) -> float:
        floor = median(floor.processor for floor, _ in self.turns)
        return self.slope(plan, 1).processor / (plan.many - plan.few) / floor


def parse_only(archive: Path) -> int:
    """The floor: the number of responses read, each parsed and forgotten."""
    count = 0
    with archive.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            LexborHTMLParser(record.reader.read())
            count += 1
    return count


def extract(archive: Path) -> int:
    """Reading, charset and extraction, as the job does them, without Beam and without writing."""
    count = 0
    with archive.open("rb") as stream:
        for page in read_pages(stream, archive.name):
            if isinstance(page, Page):
                count += 1
                with suppress(PageFailed):
                    extract_document(page)
    return count


def timed(work: Callable[[Path], int], archive: Path) -> Cost:
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    pages = work(archive)
    return Cost(time.process_time() - processor, time.perf_counter() - wall, pages=pages)


def turns_of(archive: Path, count: int) -> tuple[tuple[Cost, Cost], ...]:
    """Floor and subject in turns, in a process of its own, whose memory nothing else has shaped."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        pairs = ((parse_only, extract) for _ in range(count))
        return tuple(tuple(alone.submit(timed, work, archive).result() for work in pair) for pair in pairs)


def spare_core(archive: Path) -> float:
    """The gain of a second process for the floor: 2 on two idle cores, 1 on a busy machine."""
    with ProcessPoolExecutor(2, get_context("spawn")) as both:
        list(both.map(timed, [parse_only] * 2, [archive] * 2))
        alone = both.submit(timed, parse_only, archive).result().wall
        return 2 * alone / max(cost.wall for cost in both.map(timed, [parse_only] * 2, [archive] * 2))


def job(archives: Path, copies: int, workers: int) -> Cost:
    """One `obelics extract` over the first ``copies`` archives of the folder, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=archives) as output:
        chosen = Path(output, "inputs.txt")
        chosen.write_text("".join(f"{archives / name_of(copy)}\n" for copy in range(copies)))
        options = ["--input", f"@{chosen}", "--output", f"{output}/out", "--workers", str(workers)]
        command = [Path(sys.executable).with_name("obelics"), "extract", "--config", "default", *options]
        log = Path(output, "log")
        start = time.perf_counter()
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
            peak = 0.0
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                peak = max(peak, *map(resident_peak, tree(process.pid)))
                time.sleep(0.05)
        wall, usage = time.perf_counter() - start, ended[2]
        if code := os.waitstatus_to_exitcode(ended[1]):
            raise RunFailed(f"obelics extract ended with {code}:\n{log.read_text()[-2000:]}")
        return Cost(usage.ru_utime + usage.ru_stime, wall, peak)


def tree(process: int) -> Iterator[int]:
    """The process and all that it started, directly or not."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # it may end at any moment
            for child in children.read_text().split():
                yield from tree(int(child))


def resident_peak(process: int) -> float:
    """The largest RSS that a running process has had, in MiB (0 if it has ended meanwhile)."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return 0.0


def name_of(copy: int) -> str:
    return f"copy-{copy:02}.warc.gz"


def archive_of(pages: int | None, folder: Path) -> Path:
    """The archive of real pages, or its first ``pages`` pages cut off into ``folder``."""
    if not PAGES.is_file():
        raise InputError(f"no pages at {PAGES}: set OBELICS_TEST_DATA to the folder that holds data/pages")
    if pages is None:
        return PAGES
    return first_pages(PAGES, pages, folder / "cut.warc.gz")


def measure(plan: Plan, folder: Path) -> Iterator[Round]:
    archive = archive_of(plan.pages, folder)
    for copy in range(plan.many):
        (folder / name_of(copy)).symlink_to(archive)
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}")
        turns = turns_of(archive, 3)
        jobs = {
            (workers, copies): job(folder, copies, workers)
            for copies in (plan.few, plan.many)
            for workers in (1, 2)
        }
        if len({cost.pages for turn in turns for cost in turn}) != 1:
            raise RunFailed(f"floor and extraction do not read the same pages: {turns}")
        yield Round(turns, spare_core(archive), jobs)


def figures(plan: Plan) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        rounds = list(measure(plan, Path(folder)))
        found = list(rates(plan, rounds, archive_of(plan.pages, Path(folder))))
    return [*speed(plan, rounds), *memory(plan, rounds), *found]


def rates(plan: Plan, rounds: list[Round], archive: Path) -> Iterator[Figure]:
    """What the bytes of an archive hold and cost, under the names of ``obelics_pipeline/rates.py``."""
    size, pages = archive.stat().st_size, rounds[0].turns[0][0].pages
    job = median(each.slope(plan, 1).processor for each in rounds) / (plan.many - plan.few)
    yield Figure(
        "extract_seconds", job / size * 1e9, "s/GB", how="processor time of the job, start-up excluded"
    )
    with gzip.open(archive) as stream:
        unpacked = sum(len(piece) for piece in iter(lambda: stream.read(1 << 20), b""))
    yield Figure("pages", pages / size * 1e9, "1/GB", how=f"{size:,} bytes")
    yield Figure("unpacked", unpacked / size, "×", how=f"{unpacked:,} bytes")


def speed(plan: Plan, rounds: list[Round]) -> Iterator[Figure]:
    pages, copies = rounds[0].turns[0][0].pages, plan.many - plan.few
    turns = [turn for each in rounds for turn in each.turns]
    floor = median(floor.processor for floor, _ in turns)
    inner = median(extracted.processor / floor.processor for floor, extracted in turns)
    outer = median(each.over_floor(plan) for each in rounds)
    gain = median(each.slope(plan, 1).wall / each.slope(plan, 2).wall for each in rounds)
    alone = median(each.slope(plan, 1).wall for each in rounds)
    slope = f"{plan.many} copies less {plan.few}"
    yield Figure("floor", 1000 * floor / pages, "ms/page", how=f"{pages} pages, {len(turns)} turns")
    yield Figure("read + charset + extract", inner, "× floor", at_most=4, how=f"{len(turns)} paired turns")
    yield Figure("extract job, start-up excluded", outer, "× floor", at_most=6, how=f"1 worker, {slope}")
    yield Figure("extract job, pages a second", pages * copies / alone, "1/s", how=f"1 worker, {slope}")
    spare = median(each.spare for each in rounds)
    yield Figure("gain of a second process", gain, "×", at_least=1.7, how=f"wall clock, {slope}")
    yield Figure("two floors at once", spare, "×", how="2 if both cores are idle")


def memory(plan: Plan, rounds: list[Round]) -> Iterator[Figure]:
    for workers in (1, 2):
        few = median(each.jobs[workers, plan.few].rss for each in rounds)
        many = median(each.jobs[workers, plan.many].rss for each in rounds)
        largest = max(cost.rss for each in rounds for (w, _), cost in each.jobs.items() if w == workers)
        how = f"{workers} worker{'s' * (workers > 1)}, {few:.0f} and {many:.0f} MiB"
        yield Figure(f"largest process, {workers}", largest, "MiB", at_most=500, how=how)
        yield Figure(f"memory with 4 × the pages, {workers}", many / few, "×", at_most=1.1, how=how)


if __name__ == "__main__":
    options = arguments(__doc__)
    try:
        sys.exit(report(lambda: figures(QUICK if options.quick else FULL), as_json=options.json))
    except (InputError, RunFailed) as error:
        sys.exit(f"scripts/bench extract: {error}")
