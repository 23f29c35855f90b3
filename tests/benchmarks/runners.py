"""Every runner on the same work: the demo, and `extract` and `filter` of real pages.

Per runner: seconds of the clock of the demo (six stages, some twenty jobs), and of `extract` and `filter` of a few
pages; and processor time of the command and of what serves it. *Overhead a document* is what further copies of the
pages cost it beyond what they cost Beam's local runner, in processor time, so without start-up. Runners that are not
set up are named.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from _figures import Figure, arguments, report, say

from beam_jobs.stages import EXTRACT, read_manifest

sys.path.append(str(Path(__file__).parents[1]))
from archives import first_pages
from runner_matrix import ROOT, RUNNERS, NotSetUp, Started, Took, obelics

PAGES = Path(os.environ.get("OBELICS_TEST_DATA", ROOT.parent / "shared")) / "data/pages/pages.warc.gz"
TIMEOUT = 1800
TICK = os.sysconf("SC_CLK_TCK")


class Plan(msgspec.Struct, frozen=True):
    """How much: ``few`` and ``many`` copies of the first ``pages`` pages."""

    pages: int
    few: int
    many: int


FULL = Plan(pages=100, few=1, many=4)
QUICK = Plan(pages=20, few=1, many=2)


class Run(msgspec.Struct, frozen=True):
    """What a runner took for the demo and for few and many copies of the pages."""

    demo: Took
    few: Took
    many: Took


def timed(commands: list[list[str]], runner: Started) -> Took:
    """What commands took, one after the other, with the servers of the runner."""
    before = sum(map(processor, runner.servers))
    took = [obelics(command, runner, TIMEOUT) for command in commands]
    servers = sum(map(processor, runner.servers)) - before
    return Took(sum(each.wall for each in took), sum(each.processor for each in took) + servers)


def processor(pid: int) -> float:
    """Processor seconds that a running process has used, and all that it started, also what has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = [Path(path).read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it ends at this moment: its parent has the figure
        return 0
    own = sum(map(int, fields[11:15])) / TICK
    return own + sum(processor(int(child)) for listed in children for child in listed)


def measure(name: str, plan: Plan, archive: Path, folder: Path) -> Run:
    """One runner, on everything."""
    with RUNNERS[name]() as started:
        say(name)
        demo = timed([["demo", "--output", str(folder / "demo")]], started)
        return Run(demo, *(copies(started, archive, n, folder / f"pages-{n}") for n in (plan.few, plan.many)))


def copies(runner: Started, archive: Path, count: int, folder: Path) -> Took:
    """Extract and filter ``count`` copies of the archive."""
    folder.mkdir()
    for copy in range(count):
        (folder / f"copy-{copy:02}.warc.gz").symlink_to(archive)
    out = ["--config", "default", "--output", str(folder / "out")]
    return timed([["extract", "--input", str(folder / "*.warc.gz"), *out], ["filter", *out]], runner)


def figures(plan: Plan) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as work:
        archive = first_pages(PAGES, plan.pages, Path(work, "pages.warc.gz"))
        local: Run | None = None
        for number, name in enumerate(RUNNERS):
            folder = Path(work, str(number))
            folder.mkdir()
            try:
                run = measure(name, plan, archive, folder)
            except NotSetUp as missing:
                yield Figure(f"{name}", float("nan"), "", how=f"missing: {missing}")
                continue
            local = local or run
            further = (plan.many - plan.few) * documents(folder / f"pages-{plan.few}" / "out") / plan.few
            yield from rows(name, run, local, further)


def documents(output: Path) -> int:
    """How many documents were extracted."""
    return read_manifest(str(output), EXTRACT).tally.level("pages").kept


def rows(name: str, run: Run, local: Run, further: float) -> Iterator[Figure]:
    each = (run.many.processor - run.few.processor) / further
    at_local = (local.many.processor - local.few.processor) / further
    yield Figure(f"demo, {name}", run.demo.wall, "s", how="wall clock")
    yield Figure(f"demo, {name}", run.demo.processor, "s", how="processor")
    yield Figure(f"start and first pages, {name}", run.few.wall, "s", how="wall clock")
    yield Figure(
        f"further pages, {name}",
        run.many.wall - run.few.wall,
        "s",
        how=f"wall clock, {further:.0f} documents",
    )
    yield Figure(
        f"overhead a document, {name}", 1000 * (each - at_local), "ms", how=f"of {1000 * each:.1f}, processor"
    )


if __name__ == "__main__":
    options = arguments(__doc__)
    sys.exit(report(lambda: list(figures(QUICK if options.quick else FULL)), as_json=options.json))
