"""How the stage ``dedup`` grows: time and memory for 20, 60 and 200 thousand documents, skewed ones, bytes shuffled.

Generated documents (``tests/dedup_corpus.py``) of about 130 words go through the stage with the configuration
``default`` in a process of its own, on Beam's local runner. Times are processor seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from _figures import Figure, arguments, report, say

sys.path.append(str(Path(__file__).parents[1]))
from dedup_corpus import chunks, write_run

STAGE = Path(__file__).with_name("dedup_stage.py")
SIZES = (20_000, 60_000, 200_000)
QUICK = (600, 1_200)
PART = 2_500
"""Documents of a part: about what extraction makes of a range of an archive."""
PASSES = ("url", "same_text", "similar", "nodes", "image_set")
"""Names of pipeline steps; what is left are the clusters of similar texts."""


def run_stage(folder: Path, documents: int, *options: str, one_host: float = 0) -> dict[str, Any]:
    """What ``dedup_stage`` measures on a new corpus."""
    made = (document for part in chunks(documents, 1, one_host) for document in part.documents)
    write_run(folder, made, max(1, documents // PART))
    command = [sys.executable, str(STAGE), str(folder), "default", *options]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return found


def growth(sizes: tuple[int, ...], folder: Path) -> list[Figure]:
    """Time and memory by size, and what the last costs against the first."""
    rows, found = [], {}
    for size in sizes:
        say(f"{size:,} documents")
        found[size] = run_stage(folder / str(size), size)
        seconds, rss = found[size]["cpu_seconds"], found[size]["rss"] / 2**20
        rows.append(Figure(f"{size:,} documents", seconds, "s", how=f"{rss:,.0f} MiB"))
    first, last = sizes[0], sizes[-1]
    ratio = found[last]["cpu_seconds"] / found[first]["cpu_seconds"] / (last / first)
    rows.append(Figure("time, against linear growth", ratio, "×", at_most=1.15))
    more = (found[last]["rss"] - found[first]["rss"]) / (last - first) / 1000
    rows.append(Figure("memory for each further document", more, "kB"))
    return rows


def skew(size: int, folder: Path) -> Figure:
    """Half of all documents on one host, with one paragraph and one image in all of them."""
    say(f"{size:,} documents, even and skewed")
    even = run_stage(folder / "even", size)["cpu_seconds"]
    uneven = run_stage(folder / "skewed", size, one_host=0.5)["cpu_seconds"]
    return Figure("skewed / even", uneven / even, "×", at_most=1.5)


def shuffled(size: int, folder: Path) -> list[Figure]:
    """Bytes that the grouping steps shuffle, by pass."""
    say(f"{size:,} documents, counting")
    counted = run_stage(folder / "counted", size, "--shuffled")
    by_pass: Counter[str] = Counter()
    for name, n in counted["shuffled"].items():
        first = name.partition("/")[0]
        by_pass[first if first in PASSES else "clusters"] += n
    rows = [Figure(f"shuffled: {name}", n / size, "B/doc") for name, n in by_pass.most_common()]
    total = sum(by_pass.values())
    return [
        Figure("shuffled: all", total / size, "B/doc"),
        *rows,
        Figure("signatures", counted["signatures"] / size, "B/doc"),
        Figure("memory / shuffled", counted["rss"] / total, "×"),
    ]


def figures(*, quick: bool) -> list[Figure]:
    """All of it."""
    sizes = QUICK if quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        middle = sizes[len(sizes) // 2]
        return [*growth(sizes, place), skew(middle, place), *shuffled(sizes[0], place)]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("Growth of the stage dedup with the number of documents.")
    return report(lambda: figures(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
