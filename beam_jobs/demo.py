"""``obelics demo``: the sample web, served on loopback, captured to a WARC and built into a dataset.

From the capture on it is the build that users run, with the recommended configuration; only the names of
the sample hosts lead to the server, and waiting for slow images is cut short.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from beam_jobs import inputs, io, runner
from beam_jobs.config import Config, load
from beam_jobs.runner import BeamOptions
from beam_jobs.stages import Session
from obelics_pipeline.errors import InputError
from obelics_pipeline.report import ending, render
from obelics_pipeline.sample.capture import capture
from obelics_pipeline.sample.server import SampleServer, serve

WARC: Final = "sample.warc.gz"
PORT: Final = 8799
"""The usual port of the sample server; the same one again lets a second run skip what the first has done."""
SAMPLE: Final = 0.2
"""The share of documents in the inspection sample: of so few the usual one in a hundred may be none."""
SHOWN: Final = 3
BLOCKS: Final = 9
EXCERPT: Final = 280
"""How much of the dataset is printed: documents, blocks of each, characters of each block."""


def demo(output: str, options: BeamOptions, console: Console | None = None) -> None:
    """Build the sample web in the folder ``output``; print the funnel and three documents.

    Raises ``InputError`` if ``output`` is not a local folder, ``RunFailed`` if the build fails.
    """
    if not io.is_local(output):
        raise InputError(f"{output}: the demo needs a local folder")
    console = console or Console()
    runner.quiet()  # before Beam is imported, which is when it begins to talk
    from beam_jobs.build import build

    archive = Path(output) / WARC
    archive.parent.mkdir(parents=True, exist_ok=True)
    with _serve() as server:
        console.print(
            f"capture: {capture(server, archive)} pages of the sample web to {archive}", highlight=False
        )
        report = build(_session(output, archive, server, options))
    console.print()
    render(report, console)
    for row in choose(read_rows(output)):
        console.print()
        console.print(*show(row), sep="\n", highlight=False, soft_wrap=False)
    said = ending(report, str(Path(output) / "dataset"))
    console.print(f"\n{said}", highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def _serve() -> Iterator[SampleServer]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(serve(PORT))
        except OSError:  # another program has the port; any other gives the same dataset
            server = stack.enter_context(serve())
        yield server


def demo_config(address: str) -> Config:
    """The recommended configuration for a web that is small and at ``address``."""
    config = load("default")
    images = replace(
        config.images,
        hosts={"*.example": address},
        allow_private=True,
        connect_timeout=1.0,
        total_timeout=4.0,
        retry_wait=1.0,
        concurrency=8,
        shard_images=200,
    )
    return replace(
        config,
        extract=replace(config.extract, range_bytes=64_000),
        filter=replace(config.filter, sample_share=SAMPLE),
        images=images,
        assemble=replace(config.assemble, sample_share=SAMPLE),
    )


def _session(output: str, archive: Path, server: SampleServer, options: BeamOptions) -> Session:
    archives = inputs.find_archives([str(archive)])
    return Session(demo_config(server.address), output, output, archives, beam=options)


def read_rows(output: str) -> Iterator[dict[str, Any]]:
    """The documents of the dataset in ``output``, without the bytes of their images."""
    columns = ["id", "url", "host", "title", "texts", "image_info", "num_images", "num_image_slots"]
    for path in sorted(Path(output).glob("dataset/data/*.parquet")):
        yield from pq.read_table(path, columns=columns).to_pylist()


def choose(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Documents of different hosts: those with the most images, and of these the ones that lack one."""
    richest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=_richness):
        richest.setdefault(row["host"], row)
    return list(richest.values())[:SHOWN]


def _richness(row: dict[str, Any]) -> tuple[int, int, str]:
    return -row["num_images"], -row["num_image_slots"], row["id"]


def show(row: dict[str, Any]) -> list[Text]:
    """A document as lines: its title, its address, and its texts and images in reading order."""
    blocks = list(zip(row["texts"], row["image_info"], strict=True))
    lines = [Text(row["title"] or row["url"], style="bold"), Text(row["url"], style="dim")]
    for text, info in blocks[:BLOCKS]:
        lines.append(Text(_excerpt(text)) if info is None else _image(info))
    if len(blocks) > BLOCKS:
        lines.append(Text(f"… and {len(blocks) - BLOCKS} more blocks", style="dim"))
    return lines


def _image(info: dict[str, Any]) -> Text:
    alt = info["alt"] or info["filename"]
    if info["status"] != "ok":
        return Text(f"[no image ({info['status']}): {alt}]", style="yellow")
    return Text(f"[image {info['width']}x{info['height']} {info['format']}: {alt}]", style="green")


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT else text[:EXCERPT].rsplit(" ", 1)[0] + " …"
