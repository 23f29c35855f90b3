"""robots.txt of the hosts of a crawl: bytes for each host, time to compile a capture, time of a look-up.

The captures are made up: one in three hosts has none (404), one in ten leads from http to https, one in thirty is
down. The others have one of a few templates, as content management systems write them, with a sitemap and a comment of
their own; one in eight of them has rules that nobody else has. Times are processor time; memory is that of the process
that compiles.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from gzip import compress
from pathlib import Path

from _figures import Figure, arguments, report, say
from registry import apart, best, peak

from obelics_pipeline.robots_store import RobotsStore, compile_robots

sys.path.append(str(Path(__file__).parents[1]))
from archives import answer, response

HOSTS = 1_000_000
TEMPLATES = 500
DAY = "2026-10-01T00:00:00Z"
OURS = ("obelics-builder",)
AI = tuple(f"Bot{number}" for number in range(20))


def host(number: int) -> str:
    """The name of a made-up host."""
    return f"www.site{number * 2654435761 % (1 << 32):x}.example"


def rules(seed: int, lines: int) -> str:
    """A group of made-up rules for all, and another for one bot."""
    rng = random.Random(seed)
    paths = "".join(
        f"Disallow: /{rng.getrandbits(24):x}/*.{rng.choice(('php', 'html'))}\n" for _ in range(lines)
    )
    return f"User-agent: *\n{paths}Allow: /\n\nUser-agent: Bot{rng.randrange(100)}\nDisallow: /\n"


def captures(hosts: int) -> Iterator[bytes]:
    """The records of so many hosts."""
    rng = random.Random(1)
    templates = [rules(seed, 3 + seed % 30) for seed in range(TEMPLATES)]
    for number in range(hosts):
        url = f"http://{host(number)}/robots.txt"
        kind = rng.random()
        if kind < 1 / 3:
            said = answer(404, b"<html>not here</html>")
        elif kind < 1 / 3 + 1 / 30:
            said = answer(503)
        else:
            if kind < 1 / 3 + 1 / 30 + 1 / 10:
                yield response(url, DAY, answer(301, Location=url.replace("http:", "https:")))
                url = url.replace("http:", "https:")
            own = rng.random() < 1 / 8
            text = rules(-number, 20) if own else templates[int(TEMPLATES * rng.random() ** 3)]
            said = answer(200, f"# {url}\n{text}Sitemap: {url}\n".encode())
        yield response(url, DAY, said)


def write(archive: Path, hosts: int) -> int:
    """Write the captures to ``archive``; how many there are."""
    count = 0
    with archive.open("wb") as stream:
        for record in captures(hosts):
            stream.write(compress(record, 1))
            count += 1
    return count


def compiling(archive: Path, output: Path) -> tuple[float, float]:
    """Seconds to compile ``archive``, and the peak of memory in MB."""
    with archive.open("rb") as stream:
        return best(lambda: compile_robots([(str(archive), stream)], output), 1, 1) / 1e6, peak()


def look_up(folder: Path, hosts: int, asked: int) -> dict[str, float]:
    """µs by way of asking for pages of hosts in no order, every tenth of which is not captured."""
    store = RobotsStore.open(folder, verify=True)
    numbers = random.Random(2).sample(range(hosts), asked)
    urls = [f"https://{host(number)}{'x' if number % 10 == 0 else ''}/a/{number}.html" for number in numbers]
    cold = best(lambda: [store.signals(url, OURS, AI) for url in urls], asked, 1)
    shared = [url for url in urls if (found := store.find(url)) and not found.robots.signals(url, OURS)]
    ready = store.find(shared[0])
    assert ready is not None
    return {
        "none": best(lambda: [store.find(url) for url in urls if "x/" in url], asked // 10, 5),
        "ready": best(lambda: [store.find(shared[0]) for _ in range(asked)], asked, 5),
        "cold": cold,
        "asking": best(lambda: [ready.robots.signals(shared[0], OURS, AI) for _ in range(asked)], asked, 5),
    }


def figures(*, quick: bool) -> list[Figure]:
    """All of it."""
    hosts = 3_000 if quick else HOSTS
    with tempfile.TemporaryDirectory() as place:
        archive, folder = Path(place) / "robots.warc.gz", Path(place) / "store"
        say("generating")
        records = write(archive, hosts)
        say("compiling")
        seconds, memory = apart(compiling, archive, folder)
        say("looking up")
        found = apart(look_up, folder, hosts, min(hosts, 200_000) // 10)
        manifest = RobotsStore.open(folder).manifest
    size = sum(entry.bytes for entry in manifest.files)
    bodies = next(entry.bytes for entry in manifest.files if entry.path == "bodies")
    made = f"{hosts:,} hosts, {manifest.bodies:,} bodies"
    return [
        Figure("store, a host", size / hosts, "bytes", how=made),
        Figure("of which bodies", bodies / hosts, "bytes"),
        Figure("a body", bodies / manifest.bodies, "bytes"),
        Figure("compile, a capture", seconds / records * 1e6, "µs", how=f"{records:,} captures"),
        Figure("compile, peak of memory", memory, "MB"),
        Figure("look-up, a file that is ready", found["ready"], "µs"),
        Figure("look-up, not captured", found["none"], "µs", how="both schemes"),
        Figure("asking a file for 21 agents", found["asking"], "µs"),
        Figure("both, hosts in no order", found["cold"], "µs", how="most files are read and parsed"),
    ]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("robots.txt of the hosts of a crawl.")
    return report(lambda: figures(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
