"""Registries: time of a look-up among 10 M domains and 100 M URLs, memory of two processes, time to compile.

The large registry is merged from random hashes, as evenly spread as those of addresses, and a few of made-up
addresses, for hits: to hash so many addresses would take a quarter of an hour. Times are processor time; of a
look-up, that of the best of some rounds over addresses of different hosts, nine of ten not listed.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from _figures import Figure, arguments, report, say
from _mapped import mapped_bytes

from obelics_pipeline.registry import Registry, keys, pdq
from obelics_pipeline.registry.compiling import RUN, compile_registry, write_table
from obelics_pipeline.registry.folder import REGISTRY, Manifest
from obelics_pipeline.registry.hashes import distinct
from obelics_pipeline.sealed import NAME

SPAWN = multiprocessing.get_context("spawn")
SIZES = {"domain": 10_000_000, "url": 100_000_000}
QUICK = {"domain": 100_000, "url": 1_000_000}
LEVELS = {"domain": (1, 2), "url": (0, 0)}
"""Dots of the domains: example.org to example.co.uk."""
LISTED = 10
"""One of so many addresses is listed."""


def urls(count: int, seed: int) -> list[str]:
    """Made-up addresses of images on hosts of three to five labels, a quarter with a query."""
    rng = random.Random(seed)
    return [
        f"https://{'www.' * (n % 2)}img{n % 7}.site{rng.getrandbits(36):x}.{('example', 'co.uk', 'org')[n % 3]}"
        f"/uploads/2021/05/{rng.getrandbits(40):x}-300x200.jpg{'?w=640&h=480' if n % 4 == 0 else ''}"
        for n in range(count)
    ]


def generate(folder: Path, sizes: dict[str, int], listed: Sequence[str]) -> float:
    """Write a registry of so many entries; the peak of memory in MB."""
    rng = np.random.default_rng(1)
    tables = []
    for kind, size in sizes.items():
        runs = []
        for start in range(0, size, RUN):
            hashed = rng.integers(0, 2**64, min(RUN, size - start), dtype=np.uint64)
            if kind == "url" and not start:
                hashed[: len(listed)] = [keys.HASHES[kind](keys.address(url)) for url in listed]
            runs.append(folder / f"{start}.run.npy")
            np.save(runs[-1], distinct(hashed))
        tables.append(write_table(folder, kind, "both", runs, LEVELS[kind]))
        for run in runs:
            run.unlink()
    manifest = Manifest(REGISTRY.format, "generated", keys.fingerprint(), "", 0, 0, {}, (), tuple(tables))
    (folder / NAME).write_bytes(manifest.sealed().encode())
    return peak()


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(task: Callable[..., Any], *given: Any) -> Any:
    """What ``task`` returns in a process of its own."""
    with SPAWN.Pool(1) as pool:
        return pool.apply(task, given)


def best(work: Callable[[], object], items: int, rounds: int) -> float:
    """Processor time for each item of the best round, in µs."""
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds) / items * 1e6


def look_up(folder: Path, listed: Sequence[str], rounds: int) -> dict[str, float]:
    """µs by way of asking."""
    registry = Registry.open(folder)
    asked = [*listed, *urls((LISTED - 1) * len(listed), seed=3)]
    random.Random(4).shuffle(asked)
    for hashes in folder.glob("*.npy"):
        np.load(hashes, mmap_mode="r").max()  # once from disk
    hits = registry.image_many(asked)
    if sum(hit is not None for hit in hits) != len(listed):
        raise RuntimeError(f"{len(listed)} are listed")
    return {
        "image": best(lambda: [registry.image(url) for url in asked], len(asked), rounds),
        "image_many": best(lambda: registry.image_many(asked), len(asked), rounds),
        "address": best(lambda: [keys.address(url) for url in asked], len(asked), rounds),
        "floor": best(lambda: [hashes_of(url) for url in asked], len(asked), rounds),
    }


def hashes_of(url: str) -> list[int]:
    """What has to be looked up of an address: the least that any look-up in Python has to make."""
    key = keys.address(url)
    return [
        keys.HASHES[kind](value)
        for kind, levels in LEVELS.items()
        for value in keys.CANDIDATES[kind](key, levels)
    ]


def hold(folder: Path, pipe: Connection) -> None:
    """Read all of a registry, then tell what of it this process has, while the other has it, too."""
    before = private()
    registry = Registry.open(folder)
    registry.image("https://a.example/")
    opened = private() - before
    maps = [np.load(path, mmap_mode="r") for path in folder.glob("*.npy")]
    for each in maps:
        each.max()
    pipe.send(None)
    pipe.recv()
    pipe.send((mapped_bytes(str(folder))[1], opened))
    pipe.recv()


def private() -> int:
    """Bytes of memory that are this process's own."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def memory(folder: Path) -> list[Figure]:
    """What two processes take that have the registry in memory."""
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    pipes, held = [], []
    for _ in range(2):
        ours, theirs = SPAWN.Pipe()
        held.append(SPAWN.Process(target=hold, args=(folder, theirs)))
        held[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    found = []
    for pipe in pipes:
        pipe.send(None)
        found.append(pipe.recv())
    for pipe, process in zip(pipes, held, strict=True):
        pipe.send(None)
        process.join()
    together = sum(share for share, _ in found)
    return [
        Figure("files", size / 1e6, "MB"),
        Figure("of both / files", together / size, "×", at_most=1.02, how="sum of proportional shares"),
        Figure("own memory after opening", max(own for _, own in found) / 1e6, "MB"),
    ]


def compiling(folder: Path, rows: int) -> tuple[float, float]:
    """µs for each row of a list of addresses, and the peak of memory in MB."""
    with (folder / "list.csv").open("w") as stream:
        stream.write("kind,value\n")
        stream.writelines(f"url,{url}\n" for url in urls(rows, seed=5))
    return best(lambda: compile_registry([folder / "list.csv"], folder / "compiled"), rows, 1), peak()


def pdq_scan(count: int) -> float:
    """ms to search so many hashes for one that is not among them."""
    listed = np.random.default_rng(6).integers(0, 2**64, (pdq.WORDS, count), dtype=np.uint64)
    return best(lambda: pdq.nearest(listed, "0123456789abcdef" * 4), 1000, 5)


def figures(*, quick: bool) -> list[Figure]:
    """All of it."""
    sizes, rows, rounds = (QUICK, 20_000, 2) if quick else (SIZES, 1_000_000, 7)
    listed = urls(1_000 if quick else 10_000, seed=2)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("large", "small"):
            (folder / name).mkdir()
        say("generating")
        merging = apart(generate, folder / "large", sizes, listed)
        say("looking up")
        found = apart(look_up, folder / "large", listed, rounds)
        held = memory(folder / "large")
        say("compiling")
        row, gathered = apart(compiling, folder / "small", rows)
        scan = apart(pdq_scan, 100_000 if quick else 1_000_000)
    entries = f"{sizes['domain']:,} domains, {sizes['url']:,} URLs"
    return [
        Figure("look-up", found["image"], "µs", at_most=5, how=entries),
        Figure("of which the key of the address", found["address"], "µs"),
        Figure("of which keys and hashes of its parts", found["floor"], "µs"),
        Figure("look-up / these", found["image"] / found["floor"], "×", how="hardly changes with the load"),
        Figure("look-up in a batch", found["image_many"], "µs"),
        *held,
        Figure("compile, a row", row, "µs", how=f"{rows:,} URLs, peak {gathered:,.0f} MB"),
        Figure("merge, peak of memory", merging, "MB", how=entries),
        Figure("PDQ, a search", scan, "ms", how="100,000" if quick else "1,000,000 hashes"),
    ]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("Registries of opt-outs.")
    return report(lambda: figures(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
