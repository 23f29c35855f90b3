"""The memory of processes that read a dataset together: ``python feed_memory.py FOLDER WORKER WORKERS`` is one of them.

It prints its memory before it reads, the most of it in each half of what it reads, and the most that Arrow held, in MB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from _figures import Figure

ROOT = Path(__file__).parents[2]
WORKERS = 4
GROUP_MB = 64
"""What a row group has at most (``export``)."""
PER_GROUP, IMAGES_PER_DOCUMENT = 100, 2.5


def memory(folder: Path, megabytes: int) -> list[Figure]:
    """The most that a worker has beyond what it begins with, of four at once."""
    sys.path.append(str(ROOT / "tests"))
    import feed_data

    groups = -(-megabytes // GROUP_MB)
    count = groups * PER_GROUP
    images = int(count * IMAGES_PER_DOCUMENT)
    shards = max(1, groups // 4)
    for shard in range(shards):
        some = feed_data.illustrated(count // shards, images // shards, megabytes * 10**6 // images)
        feed_data.write(folder / str(shard), list(some), 1, PER_GROUP)
        (folder / "data").mkdir(exist_ok=True)
        [file] = (folder / str(shard) / "data").iterdir()
        file.rename(folder / f"data/train-{shard:05d}-of-{shards:05d}.parquet")
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, folder, str(worker), str(WORKERS)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        for worker in range(WORKERS)
    ]
    told = [json.loads(process.communicate(timeout=600)[0]) for process in processes]
    beyond = max(max(halves) - base for base, halves, _ in told)
    growth = max(halves[1] / halves[0] for _, halves, _ in told)
    held = max(held for _, _, held in told)
    how = f"{WORKERS} workers, {megabytes:,} MB in groups of {megabytes / groups:.0f} MB"
    return [
        Figure("row groups in a worker", held, "MB", at_most=2 * GROUP_MB, how=how),
        Figure(
            "memory of a worker, beyond its start", beyond, "MB", at_most=200, how="with what allocators keep"
        ),
        Figure("memory, second half / first", growth, "×", at_most=1.1),
    ]


def resident() -> float:
    """The memory that this process has now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Read a share."""
    import pyarrow

    from obelics_pipeline.feed import Feed

    folder, worker, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    feed = Feed(folder, worker=worker, workers=workers, lanes=workers)
    total = sum(unit.rows for unit in feed.source.units) // workers
    base, halves = resident(), [0.0, 0.0]
    for number, _ in enumerate(feed):
        half = min(1, 2 * number // total)
        halves[half] = max(halves[half], resident())
    print(json.dumps([base, halves, pyarrow.default_memory_pool().max_memory() / 1e6]))


if __name__ == "__main__":
    main()
