"""Time of one run of the stage ``dedup`` in a process of its own, as a line of JSON for other benchmarks.

    dedup_stage.py RUN CONFIG [--shuffled]

``--shuffled`` counts instead what is shuffled, in bytes, by the pipeline's grouping steps: its seconds mean nothing.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from _shuffled import BYTES, count_everything

from beam_jobs import stages
from beam_jobs.config import load
from beam_jobs.dedup import stage
from beam_jobs.stages import Session


def main() -> None:
    """Run it."""
    run, config, *options = sys.argv[1:]
    if options:
        count_everything()
    session = Session(load(config), run, run, say=lambda line: None)
    start, before = time.perf_counter(), time.process_time()
    done = stages.run(stage.plan(session), session)
    found = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - before,
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "documents": done.manifest.tally.level("documents").entered,
        "signatures": sum(entry.bytes for entry in done.manifest.under("signatures")),
        "shuffled": dict(BYTES),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
