"""What ``default`` keeps, up to ``dedup``, of pages that nobody chose: a piece of Common Crawl and other archives.

Rows have the names of ``obelics_pipeline/rates.py``. Nothing is timed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _figures import Figure, arguments, report, say
from extract import DATA, first_pages

from beam_jobs import inputs, runner
from beam_jobs.build import build
from beam_jobs.config import load
from beam_jobs.stages import Session
from obelics_pipeline.accounting import Tally

CRAWLED = DATA / "data/realcrawl.warc.gz"
QUICK_PAGES = 60
STAGES = ("extract", "filter", "dedup")


def tallies(archive: Path, folder: str) -> list[Tally]:
    """What each of the stages counts."""
    session = Session(load("default"), folder, folder, inputs.find_archives([str(archive)]), say=say)
    return [stage.tally for stage in build(session, STAGES).stages]


def shares(filtered: Tally, deduplicated: Tally) -> list[Figure]:
    """What becomes of documents and of the images of those that are kept."""
    crawled = filtered.level("documents")
    documents, images = deduplicated.level("documents"), deduplicated.level("images")
    return [
        _share("filtered", crawled.kept, crawled.entered, "documents"),
        _share("filtered_images", images.entered, documents.entered, "images, documents"),
        _share("deduplicated", documents.kept, documents.entered, "documents"),
        _share("deduplicated_images", images.kept, images.entered, "images"),
    ]


def _share(name: str, kept: int, entered: int, what: str) -> Figure:
    return Figure(name, kept / entered, "", how=f"{kept:,} / {entered:,} {what}")


def figures(*, quick: bool) -> list[Figure]:
    """A row for each of the rates."""
    if not CRAWLED.is_file():
        raise SystemExit(f"no pages at {CRAWLED}: set OBELICS_TEST_DATA to the folder that holds data/")
    runner.quiet()
    with tempfile.TemporaryDirectory() as folder:
        archive = first_pages(CRAWLED, QUICK_PAGES, Path(folder, "cut.warc.gz")) if quick else CRAWLED
        _, filtered, deduplicated = tallies(archive, folder)
        return shares(filtered, deduplicated)


if __name__ == "__main__":
    options = arguments(__doc__.splitlines()[0])
    sys.exit(report(lambda: figures(quick=options.quick), as_json=options.json))
