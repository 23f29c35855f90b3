"""How well a trained quality classifier tells chosen pages from the rest, on hosts it has not seen.

Good: English article pages of collections with ground truth. Bad: pages that people labelled as listing,
collection, product or service, and pages of small crawls as they came (some of which are articles: nobody looked).
All are documents as the builder extracts them, of 10 words or more, at most 5 of a domain and kind. Four folds,
split by domain, so that each document is scored by a model that knows nothing of its domain. Forums and
documentation are scored, but in no training.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from _ranking import Score, auc, cuts, print_cuts
from train_quality import Options, Sample, gather, scores, train

from filters.language import identify
from filters.quality import line_of
from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.errors import PageFailed
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

DATA = Path(os.environ.get("OBELICS_TEST_DATA", Path(__file__).parents[3] / "shared")) / "data"
ARTICLES, PICKED, CRAWL = "article", "article, unlabelled", "crawl"
GOOD = (ARTICLES, PICKED)
LABELLED = ("listing", "collection", "product", "service")
ASIDE = ("forum", "documentation")
FOLDS, MIN_WORDS, MAX_OF_A_DOMAIN = 4, 10, 5
MINIMA = (0.2, 0.5, 0.8)


class Item(NamedTuple):
    """A document: its URL, what it is, and as a sample."""

    url: str
    kind: str
    sample: Sample

    @property
    def fold(self) -> int:
        return zlib.crc32(self.sample.group.encode()) % FOLDS


def main() -> None:
    """Print tables in Markdown; with ``--list``, the pages that are scored worst."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", type=int, default=0, metavar="N", help="name N pages scored most wrongly")
    arguments = parser.parse_args()
    items = list(chosen())
    found = score(items)
    print_kinds(items, found)
    print_auc(items, found)
    judged = [s for item, s in zip(items, found, strict=True) if item.kind not in ASIDE]
    print_cuts(cuts(judged))
    ranked = sorted(zip(found, items, strict=True), key=lambda pair: pair[0].value)
    for good, order in ((True, ranked), (False, ranked[::-1])):
        wrong = [(s, item) for s, item in order if item.sample.good is good and item.kind not in ASIDE]
        for s, item in wrong[: arguments.list]:
            print(f"{s.value:.3f} {item.kind:20} {item.url}")


def pages() -> Iterator[tuple[Page, str]]:
    """Every page with its kind."""
    with gzip.open(DATA / "pages/manifest.jsonl.gz", "rt") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    kinds = {row["url"]: row["page_type"] or PICKED for row in rows}
    for name in ("pages/pages.warc.gz", "realcrawl.warc.gz"):
        with (DATA / name).open("rb") as stream:
            for page in read_pages(stream, name):
                if isinstance(page, Page):
                    yield page, kinds.get(page.url, PICKED) if name.startswith("pages") else CRAWL


def chosen() -> Iterator[Item]:
    """The documents that count, each text once."""
    items: dict[str, Item] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for page, kind in pages():
        try:
            document = extract_document(page).document
        except PageFailed:
            continue
        text = "\n\n".join(node.text for node in document.texts)
        line = line_of(text)
        if len(text.split()) < MIN_WORDS or identify(line).language != "en" or line in items:
            continue
        seen[document.domain, kind] += 1
        if seen[document.domain, kind] <= MAX_OF_A_DOMAIN:
            items[line] = Item(page.url, kind, Sample(line, kind in GOOD, document.domain))
    yield from items.values()


def score(items: Sequence[Item]) -> list[Score]:
    """What a model makes of each document that was trained without its domain."""
    found: dict[str, Score] = {}
    with TemporaryDirectory() as folder:
        for fold in range(FOLDS):
            model = Path(folder) / f"{fold}.bin"
            known = [item.sample for item in items if item.fold != fold and item.kind not in ASIDE]
            unseen = [item.sample for item in items if item.fold == fold]
            train(gather(known), model, Options())
            found.update(zip((sample.line for sample in unseen), scores(unseen, model), strict=True))
    return [found[item.sample.line] for item in items]


def print_kinds(items: Sequence[Item], found: Sequence[Score]) -> None:
    """What is rejected of each kind."""
    header = " | ".join(f"rejected at {limit}" for limit in MINIMA)
    print(f"| kind | documents | domains | median score | {header} |\n|---|---:|---:|---:|---:|---:|---:|")
    for kind in (*GOOD, *LABELLED, CRAWL, *ASIDE):
        values = [s.value for item, s in zip(items, found, strict=True) if item.kind == kind]
        domains = len({item.sample.group for item in items if item.kind == kind})
        shares = " | ".join(f"{sum(v < limit for v in values) / len(values):.2f}" for limit in MINIMA)
        print(f"| {kind} | {len(values)} | {domains} | {median(values):.2f} | {shares} |")


def print_auc(items: Sequence[Item], found: Sequence[Score]) -> None:
    """How well kinds are told apart, by the model and by nothing but the number of words."""
    print("| good | bad | AUC of the model | AUC of the number of words |\n|---|---|---:|---:|")
    contrasts: list[tuple[Sequence[str], Sequence[str]]] = [
        (GOOD, (*LABELLED, CRAWL)),
        ([ARTICLES], LABELLED),
    ]
    contrasts += [([ARTICLES], [kind]) for kind in LABELLED] + [(GOOD, [CRAWL])]
    for good, bad in contrasts:
        pairs = [(item, s) for item, s in zip(items, found, strict=True) if item.kind in (*good, *bad)]
        lengths = [Score(item.sample.line.count(" "), item.sample.good) for item, _ in pairs]
        figures = f"{auc([s for _, s in pairs]):.3f} | {auc(lengths):.3f}"
        print(f"| {' + '.join(good)} | {' + '.join(bad)} | {figures} |")


if __name__ == "__main__":
    main()
