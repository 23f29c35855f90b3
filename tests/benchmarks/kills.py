"""The demo on Spark, where in every stage two executors are killed: it has to write what it writes undisturbed.

Functions run in Python processes of two executors with a core each. An executor is killed (SIGKILL) when the first
Python workers of a stage are at work, and another half a second later.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _figures import Figure, arguments, report, say
from runners import same_files

from beam_jobs.build import PLANS

sys.path.append(str(Path(__file__).parents[1]))
from killer import EXECUTOR, Killer
from runner_matrix import NotSetUp, cluster, in_process, obelics, told

KILLS = 2
TIMEOUT = 1800


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        with in_process() as started:
            say("local runner")
            obelics(["demo", "--output", str(folder / "local")], started, TIMEOUT)
        with cluster("spark", folder=folder / "cluster") as started:
            say("Spark")
            with Killer(folder / "cluster", folder / "spark/_work", [EXECUTOR] * KILLS) as killer:
                took = obelics(["demo", "--output", str(folder / "spark")], started, TIMEOUT)
        same = same_files("other files", told(folder / "spark"), told(folder / "local"))
    return [
        *(
            Figure(f"executors killed in {name}", len(killer.killed[name]), "", at_least=KILLS)
            for name in PLANS
        ),
        Figure("the demo on Spark", took.wall, "s", how="wall clock"),
        same,
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    try:
        sys.exit(report(figures, as_json=options.json))
    except NotSetUp as missing:
        sys.exit(f"scripts/bench kills: {missing}")
