"""Every runner on the same work: the demo, and `extract` and `filter` of real pages; all have to write the same bytes.

Per runner: seconds of the clock of the demo (six stages, some twenty jobs), and of `extract` and `filter` of all
pages; and processor time of the command and of what serves it. *Overhead a document* is what further copies of the
pages cost it beyond what they cost Beam's local runner, in processor time, so without start-up. *Other files* are those
that are not, byte for byte, what the local runner has written. Runners that are not set up are named.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from _figures import Figure, arguments, report, say
from extract import archive_of

from beam_jobs.stages import EXTRACT, read_manifest

sys.path.append(str(Path(__file__).parents[1]))
from runner_matrix import (
    IN_PROCESSES,
    RUNNERS,
    NotSetUp,
    Runner,
    Started,
    Took,
    obelics,
    told,
)

TIMEOUT = 1800
TICK = os.sysconf("SC_CLK_TCK")


class Plan(msgspec.Struct, frozen=True):
    """How much: ``few`` and ``many`` copies of the first ``pages`` pages (None: of all)."""

    pages: int | None
    few: int
    many: int


FULL = Plan(pages=None, few=1, many=2)
QUICK = Plan(pages=20, few=1, many=2)


class Run(msgspec.Struct, frozen=True):
    """What a runner took for the demo and for few and many copies of the pages, and what it wrote."""

    demo: Took
    few: Took
    many: Took
    files: dict[str, str]


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


def measure(start: Runner, plan: Plan, archives: Path, folder: Path) -> Run:
    """One runner, on everything."""
    with start() as started:
        demo = timed([["demo", "--output", str(folder / "demo")]], started)
        few, many = (copies(started, archives, n, folder / f"pages-{n}") for n in (plan.few, plan.many))
    files = {
        f"{output.name}/{name}": digest
        for output in folder.iterdir()
        for name, digest in told(output).items()
    }
    return Run(demo, few, many, files)


def copies(runner: Started, archives: Path, count: int, output: Path) -> Took:
    """Extract and filter ``count`` of the archives, which are copies."""
    out = ["--config", "default", "--output", str(output)]
    inputs = [str(path) for path in sorted(archives.iterdir())[:count]]
    return timed([["extract", "--input", *inputs, *out], ["filter", *out]], runner)


def archives_of(plan: Plan, folder: Path) -> Path:
    """The folder of ``plan.many`` archives, which are links to one."""
    archive, copies = archive_of(plan.pages, folder), folder / "archives"
    copies.mkdir()
    for number in range(plan.many):
        (copies / f"copy-{number:02}.warc.gz").symlink_to(archive)
    return copies


def figures(plan: Plan) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as work:
        archives = archives_of(plan, Path(work))
        local: Run | None = None
        for number, (name, start) in enumerate({**RUNNERS, **IN_PROCESSES}.items()):
            folder = Path(work, str(number))
            folder.mkdir()
            say(name)
            try:
                run = measure(start, plan, archives, folder)
            except NotSetUp as missing:
                yield Figure(name, float("nan"), "", how=f"missing: {missing}")
                continue
            local = local or run
            further = (plan.many - plan.few) * documents(folder / f"pages-{plan.few}") / plan.few
            yield from rows(name, run, local, further)


def documents(output: Path) -> int:
    """How many documents were extracted."""
    return read_manifest(str(output), EXTRACT).tally.level("pages").kept


def rows(name: str, run: Run, local: Run, further: float) -> Iterator[Figure]:
    each = (run.many.processor - run.few.processor) / further
    at_local = (local.many.processor - local.few.processor) / further
    yield Figure(f"demo, {name}", run.demo.wall, "s", how="wall clock")
    yield Figure(f"demo, {name}", run.demo.processor, "s", how="processor")
    yield Figure(f"start and pages, {name}", run.few.wall, "s", how="wall clock")
    yield Figure(
        f"further pages, {name}",
        run.many.wall - run.few.wall,
        "s",
        how=f"wall clock, {further:.0f} documents",
    )
    yield Figure(
        f"overhead a document, {name}", 1000 * (each - at_local), "ms", how=f"of {1000 * each:.1f}, processor"
    )
    yield same_files(f"other files, {name}", run.files, local.files)


def same_files(name: str, found: dict[str, str], wanted: dict[str, str]) -> Figure:
    """How many of the files that ``told`` tells of are not the same, which has to be none."""
    names = found.keys() | wanted.keys()
    other = [name for name in names if found.get(name) != wanted.get(name)]
    return Figure(name, len(other), "", at_most=0, how=f"of {len(names)} {min(other, default='')}")


if __name__ == "__main__":
    options = arguments(__doc__)
    sys.exit(report(lambda: list(figures(QUICK if options.quick else FULL)), as_json=options.json))
