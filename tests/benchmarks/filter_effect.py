"""What each text rule of a configuration does to real pages: the table of docs/filters.md.

The English pages of shared/data/pages whose ground truth is their whole text are extracted without main-content
recognition. A paragraph of which the ground truth has nearly every three words in a row is *wanted*, one of which
it has hardly any is *unwanted*; the rest is left out. Each rule is tried alone: the wanted it refuses are lost,
the unwanted caught. Documents are those of main-content recognition, all of them wanted, beside pages of a crawl
that nobody chose; the document rules judge what the paragraph rules leave.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from beam_jobs.config import Config, load
from filters.apply import filter_document
from filters.lexicon import lexicon
from filters.rules import ImageRules
from filters.subjects import blocks_of
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode, TextNode
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.errors import PageFailed
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

ROOT = Path(__file__).parents[2]
PAGES = Path(os.environ.get("OBELICS_TEST_DATA", ROOT.parent / "shared")) / "data/pages"
GRAM = 3
WANTED, UNWANTED = 0.8, 0.2


class Example(msgspec.Struct, frozen=True):
    """A page: its document, its paragraphs on the whole page, and for each whether it is wanted."""

    document: Document
    paragraphs: tuple[TextNode, ...]
    wanted: tuple[bool | None, ...]


def examples(count: int | None) -> Iterator[Example]:
    """The first ``count`` English pages with a ground truth of their whole text."""
    english = {row["id"] for row in _rows("manifest") if row.get("lang") == "en"}
    truth = {
        row["url"]: _text(row) for row in _rows("gt") if row["id"] in english and row["kind"] != "snippets"
    }
    with open(PAGES / "pages.warc.gz", "rb") as stream:
        pages = (page for page in read_pages(stream, "pages.warc.gz") if isinstance(page, Page))
        for page in pages:
            if count == 0:
                return
            if page.url in truth:
                yield _example(page, _grams(truth[page.url]))
                count = count and count - 1


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(PAGES / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _text(row: dict[str, Any]) -> str:
    return row.get("text") or "\n".join(block.get("text") or "" for block in row.get("blocks", ()))


def _grams(text: str) -> set[tuple[str, ...]]:
    words = ["", *(word for word in text.lower().split() if any(map(str.isalnum, word))), ""]
    return {tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}


def _example(page: Page, truth: set[tuple[str, ...]]) -> Example:
    whole = extract_document(page, ExtractOptions(main_content=False)).document.texts
    return Example(extract_document(page).document, whole, tuple(_wanted(node.text, truth) for node in whole))


def _wanted(text: str, truth: set[tuple[str, ...]]) -> bool | None:
    words = [word for word in text.lower().split() if any(map(str.isalnum, word))]
    grams = {tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}
    if not grams:
        return None
    share = len(grams & truth) / len(grams)
    return True if share >= WANTED else False if share <= UNWANTED else None


def paragraph_table(config: Config, pages: list[Example]) -> Iterator[list[str]]:
    """A row for each paragraph rule, and one for all together."""
    words = lexicon(config.text)
    chain = config.filter.paragraph
    kinds: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    refused = {(name, wanted): 0 for name in (*chain.names, "all") for wanted in kinds}
    for page in pages:
        for block, wanted in zip(blocks_of(page.paragraphs, words), page.wanted, strict=True):
            kinds[wanted] += 1
            breached = [trial.rule for trial in chain.trials(block, every=True) if trial.breach]
            for name in [*breached, *(["all"] if breached else [])]:
                refused[name, wanted] += 1
    yield ["paragraph rule", f"of {kinds[True]:,} wanted, lost", f"of {kinds[False]:,} unwanted, caught"]
    for name in (*chain.names, "all"):
        yield [name, *(f"{refused[name, wanted] / kinds[wanted]:.2%}" for wanted in (True, False))]


def crawled() -> Iterator[Document]:
    """The documents of a piece of Common Crawl and of other archives: nobody chose them."""
    with open(PAGES.parent / "realcrawl.warc.gz", "rb") as stream:
        for page in read_pages(stream, "realcrawl.warc.gz"):
            if isinstance(page, Page):
                with suppress(PageFailed):
                    yield extract_document(page).document


def document_table(
    config: Config, wanted: Sequence[Document], crawl: Sequence[Document]
) -> Iterator[list[str]]:
    """A row for each document rule, and one for all together."""
    refused = [refusals(config, documents) for documents in (wanted, crawl)]
    yield ["document rule", f"of {len(wanted):,} wanted, lost", f"of {len(crawl):,} crawled, refused"]
    for name in refused[0]:
        yield [name, *(f"{counts[name]:.2%}" for counts in refused)]


def refusals(config: Config, documents: Sequence[Document]) -> dict[str, float]:
    """The share of ``documents`` that each document rule would refuse, given an image."""
    words = lexicon(config.text)
    options = replace(config.filter, image=ImageRules(), sample_share=1.0)
    refused = dict.fromkeys((*options.document.names, "all"), 0)
    shown = ImageNode("http://a.example/photo.jpg")
    for document in documents:
        rows = filter_document(
            replace(document, nodes=(*document.nodes, shown)), options, words, Tally()
        ).decisions
        breached = [row.rule for row in rows if row.level == "document" and row.op]
        for name in [*breached, *(["all"] if breached else [])]:
            refused[name] += 1
    return {name: count / len(documents) for name, count in refused.items()}


def markdown(rows: Iterable[list[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" + "|---:" * (lines[0].count("|") - 2) + "|")
    return "\n".join(lines)


def main() -> int:
    """Print the tables of every configuration that is named."""
    parser = argparse.ArgumentParser(description="What each text rule does to real pages.")
    parser.add_argument("config", nargs="*", default=["obelics", "default"])
    parser.add_argument("--pages", type=int, help="so many pages only")
    arguments = parser.parse_args()
    if not PAGES.is_dir():
        print(f"filter_effect: no {PAGES}; set OBELICS_TEST_DATA", file=sys.stderr)
        return 2
    pages = list(examples(arguments.pages))
    crawl = list(crawled())
    for name in arguments.config:
        config = load(name)
        print(f"\n{name}\n\n{markdown(paragraph_table(config, pages))}\n")
        print(markdown(document_table(config, [page.document for page in pages], crawl)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
