"""Memory of a download with bombs in it, and its time with URLs that never answer.

A process downloads 20,000 images, 256 at once, of which one in twenty is a bomb (of pixels, of gzip, endless) and one
in a thousand as large as is decoded at all. The memory of the process and of its child is read while it runs.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

from _figures import Figure, arguments, report

from obelics_pipeline import decoder
from obelics_pipeline.fetch import FetchOptions, fetch_images

sys.path.append(str(Path(__file__).parents[1]))
from faultserver import CASES, FaultServer, picture, png_of, reply

IMAGES, AT_ONCE, DEADLINE = 20_000, 256, 3.0
BOMBS = ("bomb", "gzip-bomb", "endless", "announced-too-large")
STUCK = ("never", "stall", "stall-in-body", "drip", "drip-headers")
PHOTO = picture("JPEG", (1200, 800), quality=95)


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


def megabytes(pid: int | str, what: str) -> float:
    """The memory that a process has (``VmRSS``) or had at most (``VmHWM``)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def memory(server: FaultServer, images: int) -> list[Figure]:
    """The most that the process had, in each half; and the most of the child."""
    chance = random.Random(1)
    names = [chance.choice(BOMBS) if chance.random() < 0.05 else "photo" for _ in range(images)]
    names[::1000] = ["near-limit"] * len(names[::1000])
    halves, child_peak, statuses = [0.0, 0.0], 0.0, Counter[str]()
    with decoder.decoder() as child:
        pass
    for n, result in enumerate(
        fetch_images((server.url(f"{name}?{n}") for n, name in enumerate(names)), options())
    ):
        statuses[result.status] += 1
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
    ]


def stuck(server: FaultServer, images: int) -> list[Figure]:
    """The time with one URL in a hundred that never answers, beside the time without."""
    clean, _ = _timed([server.url(f"photo?{n}") for n in range(images)])
    names = ["photo" if n % 100 else STUCK[n // 100 % len(STUCK)] for n in range(images)]
    slow, latest = _timed([server.url(f"{name}?{n}") for n, name in enumerate(names)])
    return [
        Figure("1 % stuck: (wall - deadline) / clean", (slow - DEADLINE) / clean, "×", at_most=1.3),
        Figure("longest gap between results", latest, "s", at_most=DEADLINE + 1),
    ]


def _timed(urls: list[str]) -> tuple[float, float]:
    """Seconds for all, and the longest between one result and the next."""
    begun = last = time.monotonic()
    longest = 0.0
    for _ in fetch_images(urls, options(DEADLINE)):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return time.monotonic() - begun, longest


def figures(*, quick: bool) -> list[Figure]:
    """Both, at one server in this process, whose memory counts too."""
    CASES["photo"] = reply(200, PHOTO, "image/jpeg")
    CASES["near-limit"] = reply(200, png_of(7900, 8000, bits=8, colour=6))
    with FaultServer() as server:
        return memory(server, 400 if quick else IMAGES) + stuck(server, 200 if quick else 5000)


def main() -> int:
    """Measure as the command line says."""
    given = arguments("Memory with bombs among the images, and time with URLs that never answer.")
    return report(lambda: figures(quick=given.quick), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
