"""How the stages grow with their input: 1, 4 and 16 copies of 250 real pages with other hosts and other words.

Each stage runs in a process of its own on Beam's local runner, with nobody who serves the images (``growth_stage.py``).
Seconds are those of the processor. Growth is what a copy costs between 4 and 16 of them, over what one costs between 1
and 4, so that the start is in neither. Both are taken in multiples of the *floor*, reading and parsing a page
(``extract.py``), right before and after each stage: on a machine that others use, too, that slows down alike. Memory is
that of the larger of two worker processes, at 4 and at 16 copies, in runs of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from _copies import responses, vocabulary, write_copy
from _figures import Figure, arguments, report, say
from extract import DATA, PAGES, parse_only, timed

from beam_jobs.build import PLANS

STAGE = Path(__file__).with_name("growth_stage.py")
COPIES = (1, 4, 16)
PAGES_OF_A_COPY = 250
QUICK_PAGES = 10
QUICK_STAGES = ("extract", "filter")
WORKERS = 2
GROWS = ("export",)
"""Stages of which a local worker grows: the local runner hands it the documents of all files of the dataset at once, as
it was given them. Their writer holds those of one file (``splits.TEXT_BYTES``)."""
BYTES = {
    "extract": ("documents",),
    "filter": ("filtered", "decisions", "consent"),
    "dedup": ("deduplicated", "decisions", "signatures"),
    "assemble": ("assembled", "decisions", "consent", "pictures"),
    "export": ("dataset",),
}
Found = dict[str, dict[int, dict[str, Any]]]
"""What is told of each stage, by the number of copies."""


def floor_of(archive: Path) -> float:
    """Seconds of the floor for a page, now."""
    cost = timed(parse_only, archive)
    return cost.processor / cost.pages


def run_stages(
    folder: Path, archives: Sequence[Path], stages: Sequence[str], workers: int = 1
) -> dict[str, dict[str, Any]]:
    """What the stages tell of one run."""
    told = {}
    for name in stages:
        given = [str(path) for path in archives] if name == "extract" else []
        command = [sys.executable, str(STAGE), str(workers), str(folder), name, *given]
        before = floor_of(archives[0])
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
        told[name] = json.loads(done.stdout.splitlines()[-1])
        told[name]["floor"] = (before + floor_of(archives[0])) / 2
        say(f"  {name}: {told[name]['seconds']:.1f} s, floor {1000 * told[name]['floor']:.2f} ms/page")
    return told


def measure(pages: int, stages: Sequence[str], folder: Path) -> tuple[Found, float]:
    """Stages at all sizes; bytes of an archive."""
    source = list(responses(PAGES, pages))
    words = vocabulary(source)
    archives = [folder / f"copy-{number:02}.warc.gz" for number in range(COPIES[-1])]
    say(f"{len(archives)} copies of {len(source)} pages")
    size = sum(write_copy(source, words, number, path) for number, path in enumerate(archives)) / len(
        archives
    )
    found: Found = {name: {} for name in stages}
    for copies in COPIES:
        say(f"{copies} copies")
        for name, told in run_stages(folder / f"run-{copies}", archives[:copies], stages).items():
            found[name][copies] = told
    for copies in COPIES[1:]:
        say(f"{copies} copies, {WORKERS} workers")
        for name, told in run_stages(folder / f"memory-{copies}", archives[:copies], stages, WORKERS).items():
            found[name][copies]["rss"] = told["rss"]
    return found, size


def growth(found: Found) -> Iterator[Figure]:
    """Time against linear growth, and memory."""
    few, some, many = COPIES
    sums = {
        copies: sum(told[copies]["seconds"] / told[copies]["floor"] for told in found.values())
        for copies in COPIES
    }
    named = [("all", sums)]
    named += [
        (name, {n: told[n]["seconds"] / told[n]["floor"] for n in COPIES}) for name, told in found.items()
    ]
    for name, work in named:
        first, then = (work[some] - work[few]) / (some - few), (work[many] - work[some]) / (many - some)
        how = ", ".join(f"{work[n]:,.0f}" for n in COPIES) + " pages' floors"
        bar = 1.1 if name == "all" else None
        yield Figure(f"{name}: time, against linear", then / first, "×", at_most=bar, how=how)
    for name, told in found.items():
        middle, last = (told[n]["rss"] / 2**20 for n in COPIES[1:])
        how = f"a worker, {middle:.0f} and {last:.0f} MiB"
        bar = None if name in GROWS else 1.1
        yield Figure(f"{name}: memory, last / middle", last / middle, "×", at_most=bar, how=how)


def rates(found: Found, size: float) -> Iterator[Figure]:
    """What an item costs without the start, in multiples of the floor of a page, and what becomes of items."""
    _, some, many = COPIES
    floors = [told[n]["floor"] for told in found.values() for n in COPIES]
    yield Figure(
        "floor", 1000 * median(floors), "ms/page", how=f"{1000 * min(floors):.2f} to {1000 * max(floors):.2f}"
    )
    pages = found["extract"][many]["in"]["pages"]
    yield Figure("pages", pages / (size * many) * 1e9, "1/GB")
    for name, told in found.items():
        level = {"extract": "pages", "images": "image_urls"}.get(name, "documents")
        items = told[many]["in"][level] - told[some]["in"][level]
        last, first = (told[n]["seconds"] / told[n]["floor"] for n in (many, some))
        yield Figure(f"{name}: an item", (last - first) / max(items, 1), "× floor", how=level)
        kept, entered = told[many]["kept"], told[many]["in"]
        yield Figure(f"{name}: kept", kept[level] / max(entered[level], 1), "", how=level)
        if "images" in kept:
            yield Figure(f"{name}: images", kept["images"] / max(kept[level], 1), "/document")
        for table in BYTES.get(name, ()):
            over = (
                entered[level] if table in ("decisions", "signatures", "consent", "pictures") else kept[level]
            )
            yield Figure(f"{name}: {table}", told[many]["sizes"].get(table, 0) / max(over, 1), "B/item")


def figures(*, quick: bool) -> list[Figure]:
    """All of it."""
    if not PAGES.is_file():
        raise SystemExit(f"no pages below {DATA}: set OBELICS_TEST_DATA to the folder that holds data/pages")
    with tempfile.TemporaryDirectory() as folder:
        pages, stages = (QUICK_PAGES, QUICK_STAGES) if quick else (PAGES_OF_A_COPY, tuple(PLANS))
        measured = measure(pages, stages, Path(folder))
        return [*growth(measured[0]), *rates(*measured)]


if __name__ == "__main__":
    options = arguments(__doc__.splitlines()[0])
    sys.exit(report(lambda: figures(quick=options.quick), as_json=options.json))
