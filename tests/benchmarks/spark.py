"""Spark against Beam's local runner, and two executors against one: `extract` and `filter` of copies of real pages.

Each is run over a few copies and over many, and the difference counts, so start-up (of driver and Python workers) does
not. The gain of a second executor is of wall-clock time and needs two idle cores: what two floors at once gain over one
says how idle they were. The overhead a document is of processor time: of the command and all processes of the cluster,
less what the local runner takes for the same.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec
from _figures import Figure, arguments, report, say
from extract import spare_core
from runners import Plan, archives_of, copies, documents

sys.path.append(str(Path(__file__).parents[1]))
from runner_matrix import NotSetUp, Started, Took, cluster, in_process

FULL = Plan(pages=None, few=4, many=20)
QUICK = Plan(pages=30, few=1, many=3)


class Slope(msgspec.Struct, frozen=True):
    """What the further copies took, and how many documents they have."""

    took: Took
    documents: float


def slope(name: str, started: Started, plan: Plan, archives: Path, folder: Path) -> Slope:
    """Few copies, then many, on one runner."""
    few, many = folder / f"{name}-few", folder / f"{name}-many"
    took = []
    for count, below in ((plan.few, few), (plan.many, many)):
        say(f"{name}: {count} copies")
        took.append(copies(started, archives, count, below))
    further = documents(many) - documents(few)
    wall, processor = took[1].wall - took[0].wall, took[1].processor - took[0].processor
    return Slope(Took(wall, processor), further)


def figures(plan: Plan) -> list[Figure]:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        archives = archives_of(plan, folder)
        spare = spare_core(next(archives.iterdir()))
        with in_process() as started:
            local = slope("local runner", started, plan, archives, folder)
        measured = []
        for executors in (1, 2):
            with cluster("spark", executors) as started:
                measured.append(slope(f"{executors} executor(s)", started, plan, archives, folder))
    return rows(plan, local, *measured, spare)


def rows(plan: Plan, local: Slope, one: Slope, two: Slope, spare: float) -> list[Figure]:
    how = f"{plan.many} copies less {plan.few}, {local.documents:.0f} documents"
    each = [1000 * run.took.processor / run.documents for run in (local, one)]
    return [
        Figure("local runner", 1 / (local.took.wall / local.documents), "1/s", how=how),
        Figure("1 executor", 1 / (one.took.wall / one.documents), "1/s", how=how),
        Figure("2 executors", 1 / (two.took.wall / two.documents), "1/s", how=how),
        Figure(
            "gain of a second executor", one.took.wall / two.took.wall, "×", at_least=1.6, how="wall clock"
        ),
        Figure("two floors at once", spare, "×", how="2 if both cores are idle"),
        Figure("a document, local runner", each[0], "ms", how="processor"),
        Figure("a document, 1 executor", each[1], "ms", how="processor, all processes"),
        Figure("overhead a document", each[1] - each[0], "ms", at_most=1, how="processor"),
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    try:
        sys.exit(report(lambda: figures(QUICK if options.quick else FULL), as_json=options.json))
    except NotSetUp as missing:
        sys.exit(f"scripts/bench spark: {missing}")
