"""Joined registries: time and memory of a join, with lists of two lengths.

The lists are random hashes, as evenly spread as those of addresses, and those of a few addresses that are asked for,
one of ten. Each join is a pipeline of the stage ``filter`` in a process of its own, on Beam's local runner, which
keeps in memory what is shuffled: the memory is that, the program, and the pieces that are open. Times are
processor time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from _figures import Figure, arguments, report, say
from registry import LEVELS, LISTED, apart, peak, urls

from beam_jobs import runner
from beam_jobs.joins import Listed, join_lists, listed_file
from beam_jobs.part_files import PartFiles
from beam_jobs.runner import BeamOptions
from filters.consent.policy import Policy
from obelics_pipeline.registry import JoinedRegistry, keys
from obelics_pipeline.registry.compiling import RUN, write_joined
from obelics_pipeline.registry.folder import REGISTRY, Manifest
from obelics_pipeline.registry.hashes import distinct
from obelics_pipeline.sealed import NAME

PARTS = 20
BILLION = 1_000_000_000


def generate(folder: Path, size: int, asked: int) -> None:
    """Write a registry of ``size`` URLs, among them one of ten of each part's ``asked`` addresses."""
    rng = np.random.default_rng(1)
    listed = [url for part in range(PARTS) for url in urls(asked, seed=part)[::LISTED]]
    hashed = [keys.HASHES["url"](keys.address(url)) for url in listed]
    runs = []
    for start in range(0, size, RUN):
        values = rng.integers(0, 2**64, min(RUN, size - start), dtype=np.uint64)
        if not start:
            values[: len(hashed)] = hashed
        runs.append(folder / f"{start}.run.npy")
        np.save(runs[-1], distinct(values))
    table = write_joined(folder, "url", "both", runs, LEVELS["url"])
    for run in runs:
        run.unlink()
    manifest = Manifest(
        REGISTRY.format, "generated", keys.fingerprint(), "", size, 0, {}, (), (table,), joined=True
    )
    (folder / NAME).write_bytes(manifest.sealed().encode())


def asking(asked: int, number: int, path: str) -> Iterator[tuple[int, str]]:
    """The addresses of a part."""
    return ((number, url) for url in urls(asked, seed=number))


def join(folder: Path, work: Path, asked: int) -> tuple[float, float]:
    """Seconds and peak of memory (MB) of a join; checks that it finds what is listed."""
    files, policy = PartFiles(str(work), PARTS), Policy(joined=(str(folder),))
    started = time.process_time()
    sources = [""] * PARTS
    run = partial(_run, BeamOptions())
    join_lists(files, policy, "page", sources, partial(asking, asked), run)
    seconds = time.process_time() - started
    found = sum(len(files.read(listed_file("page"), part, list[Listed])) for part in range(PARTS))
    if found != PARTS * len(range(0, asked, LISTED)):
        raise RuntimeError(f"{found} found")
    return seconds, peak()


def _run(options: BeamOptions, build: object, parts: int) -> None:
    runner.run(build, options, parts)  # type: ignore[arg-type]


def reading(folder: Path) -> float:
    """µs to read, verify and search a piece."""
    registry = JoinedRegistry.open(str(folder))
    started = time.process_time()
    registry.verify()
    return (time.process_time() - started) / len(registry.manifest.tables[0].files) * 1e6


def making(asked: int) -> float:
    """Seconds to make the addresses of all parts up, which is no part of a join."""
    started = time.process_time()
    for part in range(PARTS):
        urls(asked, seed=part)
    return time.process_time() - started


def figures(*, quick: bool) -> list[Figure]:
    """All of it."""
    short, long, asked = (300_000, 600_000, 1_000) if quick else (10_000_000, 40_000_000, 20_000)
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for size in (short, long):
            say(f"{size:,} entries")
            folder = Path(place) / str(size)
            folder.mkdir()
            apart(generate, folder, size, asked)
            found[size] = apart(join, folder, Path(place) / f"work-{size}", asked)
        piece = apart(reading, folder)
        pieces = len(list(folder.glob("*.u64")))
    made, addresses = making(asked), PARTS * asked
    (_, least), (seconds, most) = found[short], found[long]
    each = (seconds - made) / addresses * 1e6
    return [
        Figure("an address, joined", each, "µs", how=f"{addresses:,} with {long:,} entries"),
        Figure("a piece, read and verified", piece / 1000, "ms", how=f"{long // pieces:,} entries"),
        Figure("a billion entries, read once", piece * BILLION / (long / pieces) / 1e6, "s", how="projected"),
        Figure("memory", most, "MB", how=f"{long:,} entries"),
        Figure("memory / with the short list", most / least, "×", at_most=1.15, how=f"{short:,} entries"),
    ]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("Registries that are joined.")
    return report(lambda: figures(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
