"""One stage of a run in a process of its own, as a line of JSON: growth_stage.py WORKERS RUN STAGE [ARCHIVE…]

The configuration is ``default``, with images that nobody serves: addresses lead to a closed port, documents are kept
without images, and the dataset has none. So all stages do their work on texts and addresses. Files of the dataset are
small, so that there are several. With more than one worker functions run in processes of their own, and the memory
that is told is that of the largest of them: in this one Beam's local runner keeps all that is shuffled.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter

from msgspec.structs import replace

from beam_jobs import inputs, runner, stages
from beam_jobs.build import PLANS
from beam_jobs.config import Config, load
from beam_jobs.stages import Session
from filters.rules import DocumentRules


def config() -> Config:
    """As above; robots.txt is not asked for, or nothing but that would be refused."""
    made = load("default")
    images = replace(
        made.images,
        hosts={"*.test": "127.0.0.1:9"},
        allow_private=True,
        robots=False,
        retry_wait=0,
        candidates=0,
        host_failures=1_000_000,
    )
    assemble = replace(made.assemble, document=DocumentRules())
    export = replace(made.export, pairs="off", images="none", shard_bytes=1_000_000)
    return replace(made, images=images, assemble=assemble, export=export)


def main() -> None:
    """Run it."""
    workers, run, name, *archives = sys.argv[1:]
    runner.quiet()
    found = inputs.find_archives(archives) if archives else ()
    options = runner.BeamOptions(workers=int(workers))
    session = Session(config(), run, run, found, beam=options, say=lambda line: None)
    before = time.process_time()
    manifest = stages.run(PLANS[name](session), session).manifest
    sizes: Counter[str] = Counter()
    for entry in manifest.files:
        sizes[entry.path.partition("/")[0]] += entry.bytes
    who = resource.RUSAGE_CHILDREN if options.workers > 1 else resource.RUSAGE_SELF
    told = {
        "seconds": time.process_time() - before,
        "rss": resource.getrusage(who).ru_maxrss * 1024,
        "sizes": sizes,
        "in": {level: counts.entered for level, counts in manifest.tally.levels.items()},
        "kept": {level: counts.kept for level, counts in manifest.tally.levels.items()},
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
