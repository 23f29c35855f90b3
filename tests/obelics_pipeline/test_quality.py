"""How good extraction is on real pages with ground truth, against what the best other extractors reach on them."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from obelics_pipeline.document import Document
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

Totals = dict[str, dict[str, list[float]]]

# Text F1 of trafilatura on the same pages.
TEXT_F1 = {
    "fulltext": 0.859,
    "interleaved_ftr": 0.904,
    "interleaved_html": 0.904,
    "interleaved_list": 0.802,
    "interleaved_md": 0.876,
    "interleaved_selector": 0.925,
}
IMAGE_KINDS = ("interleaved_html", "interleaved_selector", "interleaved_ftr")
# Ground truth as plain text; that of lists and Markdown holds the addresses of links, which no page shows.
PLAIN_TEXT = ("fulltext", "interleaved_ftr", "interleaved_html", "interleaved_selector")


@pytest.fixture(scope="module")
def judge(test_data: Path) -> ModuleType:
    """The scorer that comes with the ground truth."""
    spec = importlib.util.spec_from_file_location("score_docs", test_data / "tools/score_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def truths(test_data: Path, judge: ModuleType) -> dict[str, list[dict[str, Any]]]:
    """The ground truth of every page, by URL."""
    by_url: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name in ("gt.jsonl.gz", "gt_ftr.jsonl.gz"):
        with gzip.open(test_data / "data/pages" / name, "rt") as file:
            for row in map(json.loads, file):
                if "text" not in row and row.get("blocks"):
                    row["text"] = "\n".join(block["text"] for block in row["blocks"] if block["t"] == "text")
                by_url[judge.nurl(row["url"])].append(row)
    return by_url


def pages(test_data: Path) -> Iterator[Page]:
    with (test_data / "data/pages/pages.warc.gz").open("rb") as stream:
        yield from (page for page in read_pages(stream, "pages.warc.gz") if isinstance(page, Page))


def totals(
    test_data: Path, judge: ModuleType, truths: dict[str, list[dict[str, Any]]], options: ExtractOptions
) -> Totals:
    """The scores of all documents, by kind of ground truth and measure."""
    documents: dict[str, Document] = {}
    for page in pages(test_data):
        url = judge.nurl(page.url)
        if url in truths:
            document = extract_document(page, options).document
            if url not in documents or size(document) > size(documents[url]):
                documents[url] = document
    assert len(documents) >= len(truths) - 1  # one URL of the ground truth is not in WHATWG form
    scores: Totals = defaultdict(lambda: defaultdict(list))
    for url, document in documents.items():
        parallel = {
            "texts": [getattr(node, "text", None) for node in document.nodes],
            "images": [getattr(node, "url", None) for node in document.nodes],
        }
        for truth in truths[url]:
            for measure, value in judge.score(parallel, truth).items():
                scores[truth["kind"]][measure].append(value)
    return scores


def size(document: Document) -> int:
    return sum(len(node.text) for node in document.texts)


def mean(values: list[float]) -> float:
    assert values
    return sum(values) / len(values)


@pytest.fixture(scope="module")
def main_content(test_data: Path, judge: ModuleType, truths: dict[str, list[dict[str, Any]]]) -> Totals:
    return totals(test_data, judge, truths, ExtractOptions())


@pytest.fixture(scope="module")
def whole_pages(test_data: Path, judge: ModuleType, truths: dict[str, list[dict[str, Any]]]) -> Totals:
    return totals(test_data, judge, truths, ExtractOptions(main_content=False))


@pytest.mark.parametrize("kind", TEXT_F1)
def test_texts_are_as_good_as_those_of_the_best(main_content: Totals, kind: str) -> None:
    assert mean(main_content[kind]["tf"]) >= TEXT_F1[kind]


@pytest.mark.parametrize(("measure", "least"), [("with", 0.93), ("without", 0.88)])
def test_snippets(main_content: Totals, measure: str, least: float) -> None:
    assert mean(main_content["snippets"][measure]) >= least


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_images_are_found_and_stand_where_they_should(main_content: Totals, kind: str) -> None:
    images = main_content[kind]
    assert sum(images["im"]) / sum(images["ip"]) >= 0.80, "precision"
    assert sum(images["im"]) / sum(images["ig"]) >= 0.85, "recall"
    assert sum(images["pk"]) / sum(images["pn"]) >= 0.98, "placement"


@pytest.mark.parametrize("kind", PLAIN_TEXT)
def test_no_text_of_whole_pages_is_lost(whole_pages: Totals, kind: str) -> None:
    assert mean(whole_pages[kind]["tr"]) >= 0.97


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_no_image_of_whole_pages_is_lost(whole_pages: Totals, kind: str) -> None:
    images = whole_pages[kind]
    assert sum(images["im"]) / sum(images["ig"]) >= 0.97
