"""`obelics select`: English pages of three hosts out of an index of a million captures, and a sample of all.

The index is made up, in the schema and order of Common Crawl's: 20,000 hosts, some with thousands of pages, most with
few. Each selection is a process of its own, from the command line to the table; of some rounds the best. Over HTTP the
index lies on a server on this machine that serves ranges.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from _figures import Figure, arguments, report, say

sys.path.append(str(Path(__file__).parents[1]))
import columnar_index as index
from folderserver import FolderServer

ROOT = Path(__file__).parents[2]
CRAWL = "CC-MAIN-2026-30"
FILES = 5
GROUP_ROWS = 50_000
LANGUAGES = ("eng", "eng", "deu", "eng,fra", "rus", None)
SUFFIXES = ("com", "org", "de", "co.uk", "net")
LIMIT = 10_000


class Run(msgspec.Struct, frozen=True):
    """One selection: its rows, and seconds from start to end and of processor time."""

    rows: int
    wall: float
    cpu: float


def hosts(count: int, rng: random.Random) -> list[str]:
    """Made-up names, in the order of their keys."""
    names = [
        f"{'www.' if n % 3 == 0 else ''}site{rng.getrandbits(40):x}.{SUFFIXES[n % len(SUFFIXES)]}"
        for n in range(count)
    ]
    return sorted(names, key=index.surt_host)


def captures(host: str, count: int, rng: random.Random) -> Iterator[index.Capture]:
    """Pages of a host, nine of ten HTML, half of them English, spread over the archives of a crawl."""
    for _ in range(count):
        archive = rng.randrange(90_000)
        yield index.Capture(
            url=f"https://{host}/{rng.choice(('news', 'blog', 'shop', '2026/07'))}/{rng.getrandbits(48):x}.html",
            warc_filename=f"crawl-data/{CRAWL}/segments/17{archive % 100:08}.7/warc/{CRAWL}-{archive:05}.warc.gz",
            warc_record_offset=rng.randrange(1_000_000_000),
            warc_record_length=rng.randrange(500, 90_000),
            fetch_time=1_782_864_000_000 + rng.randrange(14 * 86_400_000),
            content_mime_detected="text/html" if rng.random() < 0.9 else "application/pdf",
            content_languages=rng.choice(LANGUAGES),
            content_digest=f"{rng.getrandbits(160):032X}",
        )


def generate(folder: Path, rows: int) -> tuple[list[str], int]:
    """Write an index of about so many rows; three hosts of middling size, and how many of their pages are wanted."""
    rng = random.Random(1)
    names = hosts(max(rows // 50, 100), rng)
    sizes = [min(int(25 / (1 - rng.random()) ** 0.5), 10_000) for _ in names]
    tables, held, wanted = [], [], 0
    chosen = [names[at * len(names) // 4] for at in (1, 2, 3)]
    for host, size in zip(names, sizes, strict=True):
        pages = list(captures(host, 500 if host in chosen else size, rng))
        if host in chosen:
            wanted += sum(
                page.content_mime_detected == "text/html" and (page.content_languages or "").startswith("eng")
                for page in pages
            )
        held += pages
        if len(held) >= GROUP_ROWS or host == names[-1]:
            tables.append(index.table(held))
            held = []
    index.write(folder, CRAWL, "warc", pa.concat_tables(tables), files=FILES, group_rows=GROUP_ROWS)
    return chosen, wanted


def select(place: object, output: Path, *asked: object) -> Run:
    """Run the command."""
    command = [sys.executable, "-m", "beam_jobs.cli", "select", "--crawl", CRAWL, "--index", place, *asked]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [*map(str, command), "--output", str(output)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(pq.read_metadata(output / "selection.parquet").num_rows, wall, cpu)


def best(place: object, rounds: int, expected: int | None, *asked: object) -> Run:
    """The quickest of some rounds; each has to find what is expected."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [select(place, Path(folder, str(n)), *asked) for n in range(rounds)]
    if expected is not None and {run.rows for run in runs} != {expected}:
        raise RuntimeError(f"{[run.rows for run in runs]} instead of {expected} captures")
    return min(runs, key=lambda run: run.wall)


def figures(*, quick: bool) -> list[Figure]:
    """All of it."""
    rounds = 1 if quick else 3
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        say("generating")
        chosen, wanted = generate(folder, 5_000 if quick else 1_000_000)
        files = sorted(folder.rglob("part-*.parquet"))
        size, rows = (
            sum(path.stat().st_size for path in files),
            sum(pq.read_metadata(f).num_rows for f in files),
        )
        asked = ("--languages", "eng", "--hosts", *chosen)
        say("selecting")
        local = best(folder, rounds, wanted, *asked)
        sample = best(folder, rounds, None, "--languages", "eng", "--limit", LIMIT)
        with FolderServer(folder) as server:
            remote = best(server.address, rounds, wanted, *asked)
            read = sum(server.sent.values()) / rounds
            server.sent.clear()
            remote_sample = best(server.address, 1, sample.rows, "--languages", "eng", "--limit", LIMIT)
            read_sample = sum(server.sent.values())
    how = f"{wanted:,} of {rows:,} captures, {size / 1e6:,.0f} MB"
    return [
        Figure("three hosts, local", local.wall, "s", at_most=5, how=how),
        Figure("of which processor time", local.cpu, "s"),
        Figure("three hosts, HTTP", remote.wall, "s", at_most=5),
        Figure("of which processor time", remote.cpu, "s"),
        Figure("read of the index", read / 1e6, "MB"),
        Figure("read / index", read / size, ""),
        Figure("sample of all, local", sample.wall, "s", how=f"{sample.rows:,} English pages"),
        Figure("sample of all, HTTP", remote_sample.wall, "s"),
        Figure("sample of all, read / index", read_sample / size, ""),
    ]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("Selecting captures from a columnar index.")
    return report(lambda: figures(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
