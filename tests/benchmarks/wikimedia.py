"""Wikimedia's dumps against WARC files of the same HTML: articles a second, read and extracted, in one process.

The articles are those of the tests' own dump, made as long as those of a large wiki are. Each round reads every
container once, in turns; a figure is the median over the rounds.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import msgspec
from _figures import Figure, arguments, report, say

sys.path.insert(0, str(Path(__file__).parents[1]))

import wikimedia_dump as dumps
from archives import write_warc

from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages
from obelics_pipeline.wikimedia.dump import read_articles


class Plan(msgspec.Struct, frozen=True):
    """How much to measure; ``sections`` make the HTML of an article about 1.5 kB longer each."""

    articles: int
    sections: int
    rounds: int


FULL = Plan(articles=300, sections=50, rounds=5)
QUICK = Plan(articles=5, sections=5, rounds=1)


def write(plan: Plan, folder: Path) -> dict[str, Path]:
    """The same articles as a WARC file, a compressed dump and plain lines."""
    articles = [
        dumps.article(n, article_body={"html": html, "wikitext": html[: len(html) // 5]})
        for n in range(plan.articles)
        for html in [dumps.html(n, plan.sections)]
    ]
    lines = b"\n".join(json.dumps(article).replace("<", "\\u003c").encode() for article in articles)
    pages = [(a["url"], a["date_modified"], a["article_body"]["html"]) for a in articles]
    paths = {name: folder / f"wiki.{name}" for name in ("tar.gz", "ndjson")}
    paths["tar.gz"].write_bytes(gzip.compress(dumps.tar({"wiki.ndjson": lines})))
    paths["ndjson"].write_bytes(lines)
    return {"warc.gz": write_warc(folder / "wiki.warc.gz", pages), **paths}


def pages_of(path: Path) -> Iterator[Page]:
    with path.open("rb") as stream:
        read = read_pages if path.name.endswith(".warc.gz") else read_articles
        yield from (item for item in read(stream, path.name) if isinstance(item, Page))


def read_only(path: Path) -> int:
    return sum(1 for _ in pages_of(path))


def extract(path: Path) -> int:
    return sum(1 for page in pages_of(path) if extract_document(page, ExtractOptions()).document.nodes)


def rate(work: Callable[[Path], int], path: Path, articles: int) -> float:
    """Articles a second of processor time."""
    started = time.process_time()
    if work(path) != articles:
        raise SystemExit(f"{path.name}: not all articles came out of it")
    return articles / (time.process_time() - started)


def figures(plan: Plan) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        paths = write(plan, Path(folder))
        size = sum(len(page.body) for page in pages_of(paths["ndjson"])) / plan.articles / 1000
        rounds = []
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            rounds.append(
                {
                    (w, n): rate(w, path, plan.articles)
                    for w in (read_only, extract)
                    for n, path in paths.items()
                }
            )
    made = [Figure("HTML of an article", size, "kB", how=f"{plan.articles} articles, {plan.rounds} rounds")]
    for work, what in ((read_only, "read"), (extract, "read and extract")):
        for name in paths:
            made.append(Figure(f"{what}, {name}", median(each[work, name] for each in rounds), "1/s"))
    ratio = median(each[extract, "tar.gz"] / each[extract, "warc.gz"] for each in rounds)
    return [*made, Figure("read and extract, tar.gz / warc.gz", ratio, "×", at_least=0.7)]


if __name__ == "__main__":
    options = arguments(__doc__)
    sys.exit(report(lambda: figures(QUICK if options.quick else FULL), as_json=options.json))
