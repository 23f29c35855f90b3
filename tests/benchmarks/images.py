"""Downloading images over loopback: processor time and images per second of one core, beside img2dataset.

A server in another process, on another core where there are two, gives every image over a new connection, encrypted or
not. Each downloader runs in a process on one core; its start is measured with a few images and left out.
img2dataset is installed when it is first needed, by scripts/setup-img2dataset.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from _figures import Figure, arguments, report, say
from _peers import INSTALLING, ROOT
from images_peers import OURS, SUBJECTS

WORKER = Path(__file__).with_name("images_peers.py")
SERVER = Path(__file__).with_name("images_server.py")
COUNT = {"ours": 3000}
PEER_COUNT = 600
"""Images of one round; img2dataset has fewer, or it would take minutes."""
FEW = 10
"""Images of the round that shows what starting costs."""
ROUNDS = 2


class Round(msgspec.Struct, frozen=True):
    """What one downloader did."""

    whole: int
    seconds: float
    cpu: float


class Server(msgspec.Struct, frozen=True):
    """Where the images are; ``mean`` is their size in bytes."""

    url: str
    names: list[str]
    mean: float


@contextlib.contextmanager
def serving(folder: Path, *, tls: bool) -> Iterator[Server]:
    """The server, in a process of its own."""
    command = [sys.executable, SERVER, folder, *(["tls"] if tls else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield msgspec.json.decode(process.stdout.readline(), type=Server)
        process.stdin.close()


def once(subject: str, python: Path, server: Server, folder: Path, count: int) -> Round:
    """One round of ``count`` images; all have to arrive as they are served."""
    names = itertools.islice(itertools.cycle(server.names), count)
    listed = folder / "urls.txt"
    listed.write_text("".join(f"{server.url}/{name}?{n}\n" for n, name in enumerate(names)))
    paths = {"PYTHONPATH": str(ROOT)} if subject in OURS else {}
    variables = {
        **os.environ, **paths, "SSL_CERT_FILE": str(folder / "trusted.pem"), "NO_ALBUMENTATIONS_UPDATE": "1"
    }  # fmt: skip
    command = [python, WORKER, subject, listed]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{subject} failed: {done.stderr[-2000:]}")
    found = msgspec.json.decode(done.stdout.splitlines()[-1], type=Round)
    if found.whole != count:
        raise RuntimeError(f"{subject}: {found.whole} of {count} images arrived whole: {done.stdout[-2000:]}")
    return found


def peer_python(*, make: bool) -> Path | None:
    """The interpreter that has img2dataset; None if it is missing and cannot be installed."""
    if make:
        try:
            subprocess.run(
                [ROOT / "scripts/setup-img2dataset"], check=True, stdout=sys.stderr, timeout=INSTALLING
            )
        except (subprocess.SubprocessError, OSError) as error:
            say(f"img2dataset is missing: {error}")
    python = Path(os.environ.get("OBELICS_IMG2DATASET", ROOT / ".venv/img2dataset/bin/python"))
    if not python.is_file():
        return None
    os.environ["OBELICS_IMG2DATASET"] = str(python)  # for those who run it
    return python


def measure(*, tls: bool, quick: bool) -> list[Figure]:
    """All downloaders at one server, in turns."""
    scheme = "https" if tls else "http"
    peer = peer_python(make=not quick)
    rates: dict[str, float] = {}
    rows: list[Figure] = []
    with tempfile.TemporaryDirectory() as name, serving(Path(name), tls=tls) as server:
        for subject in SUBJECTS:
            python = Path(sys.executable) if subject in OURS else peer
            if peer is None and subject != "ours":
                rows.append(
                    Figure(f"{scheme}: {subject}", math.nan, "images/s", how="missing: not installed")
                )
                continue
            count = 2 * FEW if quick else COUNT.get(subject, PEER_COUNT)
            starts, rounds = (
                [once(subject, python, server, Path(name), images) for _ in range(1 if quick else ROUNDS)]
                for images in (FEW, FEW + count)
            )
            seconds = min(one.seconds for one in rounds) - min(one.seconds for one in starts)
            cpu = min(one.cpu for one in rounds) - min(one.cpu for one in starts)
            rates[subject] = count / seconds
            must = subject == "ours" and tls
            rows += [
                Figure(f"{scheme}: {subject}", rates[subject], "images/s", at_least=250 if must else None),
                Figure(
                    f"{scheme}: {subject}, CPU",
                    cpu / count * 1000,
                    "ms/image",
                    at_most=4 if must else None,
                    how=f"{count} of {server.mean / 1000:.0f} kB",
                ),
            ]
    for subject, rate in rates.items():
        if subject != "ours":
            bar = 8 if tls and subject == "img2dataset" else None
            rows.append(Figure(f"{scheme}: ours / {subject}", rates["ours"] / rate, "×", at_least=bar))
    return rows


def main() -> int:
    """Measure as the command line says."""
    options = arguments("Downloads of images over loopback, each over a new connection, on one core.")
    return report(
        lambda: [row for tls in (True, False) for row in measure(tls=tls, quick=options.quick)],
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
