"""Memory of a download with bombs in it, its time with URLs that never answer, and whether images arrive as served.

A process downloads 20,000 images, 256 at once, of which one in twenty is a bomb (of pixels, of gzip, endless) and one
in a thousand as large as is decoded at all. The memory of the process and of its child is read while it runs.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
from _figures import Figure, arguments, report

from obelics_pipeline import decoder
from obelics_pipeline.fetch import FetchOptions, FetchResult, fetch_images

sys.path.append(str(Path(__file__).parents[1]))
from faultserver import CASES, FaultServer, picture, png_of, reply

IMAGES, AT_ONCE, DEADLINE = 20_000, 256, 3.0
BOMBS = ("bomb", "gzip-bomb", "endless", "announced-too-large")
STUCK = ("never", "stall", "stall-in-body", "drip", "drip-headers")
PHOTO = picture("JPEG", (1200, 800), quality=95)
NEAR_LIMIT = png_of(7900, 8000, bits=8, colour=6)
SERVED = {
    name: hashlib.sha256(body).digest() for name, body in (("photo", PHOTO), ("near-limit", NEAR_LIMIT))
}


def options(deadline: float = 20.0) -> FetchOptions:
    """Those of a real run, but for the addresses and the time that may pass."""
    return FetchOptions(
        allow_private=True,
        ports=(),
        concurrency=AT_ONCE,
        per_host=AT_ONCE,
        total_timeout=deadline,
        retry_wait=0,
    )


@contextmanager
def served() -> Iterator[str]:
    """The address of a server in a process of its own: what it keeps of its requests is not measured."""
    fork = multiprocessing.get_context("fork")
    ours, its = fork.Pipe()
    process = fork.Process(target=_serve, args=(its,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(connection: Connection) -> None:
    CASES["photo"] = reply(200, PHOTO, "image/jpeg")
    CASES["near-limit"] = reply(200, NEAR_LIMIT)
    with FaultServer() as server:
        connection.send(server.url("").rstrip("/"))
        connection.recv()


def megabytes(pid: int | str, what: str) -> float:
    """The memory that a process has (``VmRSS``) or had at most (``VmHWM``)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def memory(server: str, images: int) -> list[Figure]:
    """The most that the process had, in each half; and the most of the child."""
    chance = random.Random(1)
    names = [chance.choice(BOMBS) if chance.random() < 0.05 else "photo" for _ in range(images)]
    names[::1000] = ["near-limit"] * len(names[::1000])
    halves, child_peak, statuses = [0.0, 0.0], 0.0, Counter[str]()
    changed = 0
    with decoder.decoder() as child:
        pass
    for n, result in enumerate(
        fetch_images((f"{server}/{name}?{n}" for n, name in enumerate(names)), options())
    ):
        statuses[result.status] += 1
        changed += not as_served(result)
        if n % 50 == 0:
            half = 2 * n // images
            halves[half] = max(halves[half], megabytes("self", "VmRSS"))
            if child._child:
                child_peak = max(child_peak, megabytes(child._child.pid, "VmHWM"))
    how = ", ".join(f"{status} {count}" for status, count in statuses.most_common())
    return [
        Figure("memory, 256 in flight", max(halves), "MB", at_most=500, how=how),
        Figure("memory, second half / first", halves[1] / halves[0], "×", at_most=1.1),
        Figure("memory of the child", child_peak, "MB", at_most=500),
        Figure("URLs without exactly one status", abs(statuses.total() - images), "", at_most=0),
        Figure("images other than served", changed, "", at_most=0, how=f"SHA-256 of {images} answers"),
    ]


def as_served(result: FetchResult) -> bool:
    """Whether the bytes and the hash are those of what the server gave; of what is refused, that it is not kept."""
    name = result.url.rpartition("/")[2].partition("?")[0]
    if name not in SERVED:
        return result.body is None
    served = SERVED[name]
    return result.sha256 == served.hex() and hashlib.sha256(result.body or b"").digest() == served


def stuck(server: str, images: int) -> list[Figure]:
    """The time with one URL in a hundred that never answers, beside the time without."""
    clean = _timed([f"{server}/photo?{n}" for n in range(images)])
    names = ["photo" if n % 100 else STUCK[n // 100 % len(STUCK)] for n in range(images)]
    slow = _timed([f"{server}/{name}?{n}" for n, name in enumerate(names)])
    bad = [f"{server}/{name}?{n}" for name in (*STUCK, *BOMBS) for n in range(max(1, images // 250))]
    worst = _timed(bad)  # alone: where thousands are checked in turn, answers wait for that
    return [
        Figure("1 % stuck: (wall - deadline) / clean", (slow.wall - DEADLINE) / clean.wall, "×", at_most=1.3),
        Figure("longest gap between results", slow.gap, "s", at_most=DEADLINE + 1),
        Figure(
            "worst single URL",
            worst.worst,
            "s",
            at_most=DEADLINE + 1,
            how=f"of {len(bad)}, deadline {DEADLINE:.0f} s",
        ),
    ]


class Times(msgspec.Struct):
    """Seconds for all; the longest between two results; the longest from when a URL is taken to its result."""

    wall: float = 0.0
    gap: float = 0.0
    worst: float = 0.0


def _timed(urls: list[str]) -> Times:
    times, taken = Times(), dict[str, float]()

    def taking() -> Iterator[str]:
        for url in urls:
            taken[url] = time.monotonic()
            yield url

    begun = last = time.monotonic()
    for result in fetch_images(taking(), options(DEADLINE)):
        now = time.monotonic()
        times.gap, last = max(times.gap, now - last), now
        times.worst = max(times.worst, now - taken[result.url])
    times.wall = time.monotonic() - begun
    return times


def figures(*, quick: bool) -> list[Figure]:
    """Both, at one server."""
    with served() as server:
        return memory(server, 400 if quick else IMAGES) + stuck(server, 200 if quick else 5000)


def main() -> int:
    """Measure as the command line says."""
    given = arguments("Memory with bombs among the images, and time with URLs that never answer.")
    return report(lambda: figures(quick=given.quick), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
