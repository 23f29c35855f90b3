"""Fit the weights of main-content recognition on pages with ground truth.

Texts are labelled by whether they stand in the ground truth of their page, images by whether their address
does. With ``--evaluate`` no weights are written: four folds, split by host, show how the fit does on hosts it
has not seen.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from obelics_pipeline.dom import content, features, pictures
from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

DATA = Path(os.environ.get("OBELICS_TEST_DATA", Path(__file__).parents[3] / "shared"))
sys.path.insert(0, str(DATA / "tools"))
import score_docs  # noqa: E402

WEIGHTS = Path(content.__file__).with_name("weights.json")
TEXT = (features.SHAPE, features.SETTING, features.AROUND, features.PLACE)
IMAGE = (pictures.SOURCE, features.SETTING, pictures.STATE)
# Kinds of ground truth that list the whole content of a page, the most careful first.
WHOLE = (
    "interleaved_html",
    "interleaved_selector",
    "interleaved_md",
    "fulltext",
    "interleaved_list",
    "interleaved_ftr",
)
SHORT = 25  # normalised characters; shorter texts must equal a whole line of the ground truth
FORBIDDEN, REQUIRED = 0.15, 0.1  # weights of snippets, against 1 for all texts of a page together
FOLDS = 4
Matrix = NDArray[np.float32]


class Sample:
    """A page with its ground truth and its features."""

    def __init__(self, page: Page, truths: list[dict[str, Any]]) -> None:
        self.page = page
        self.truths = truths
        self.fold = zlib.crc32(urlsplit(page.url).netloc.encode()) % FOLDS
        self.view = features.View(extract_document(page).tree)
        view = self.view
        masks = zip(
            (features.shape(b, n, s) for b, n, s in zip(view.texts, view.lengths, view.shares, strict=True)),
            (view.setting(block.box) for block in view.texts), view.around(), view.places(), strict=True,
        )  # fmt: skip
        self.texts = matrix(list(masks), TEXT)

    def labels(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each text 1 (content), 0 or -1 (unknown), and its weight."""
        norms = [score_docs.norm(block.text) for block in self.view.texts]
        truth = next((t for kind in WHOLE for t in self.truths if t["kind"] == kind and t.get("text")), None)
        if truth is not None:
            label = whole_labels(norms, truth["text"])
            weight = np.sqrt(
                [max(1, sum(score_docs.words(block.text).values())) for block in self.view.texts]
            )
            return label, weight / max(1.0, weight.sum())
        label, weight = np.full(len(norms), -1.0), np.zeros(len(norms))
        for truth in self.truths:
            for key, value, mass in (("with", 1, REQUIRED), ("without", 0, FORBIDDEN)):
                for snippet in filter(None, map(score_docs.norm, truth.get(key, []))):
                    for i, norm in enumerate(norms):
                        if snippet in norm or (len(norm) > 10 and norm in snippet):
                            label[i], weight[i] = value, mass
        return label, weight

    def image_masks(self, kept: Sequence[bool]) -> Matrix:
        gallery = pictures.Gallery(self.view, kept)
        masks = []
        for number, block in gallery.blocks:
            assert block.image is not None
            bits = pictures.source(block, block.image)
            state = gallery.states(number, self.view.rank[number], block, block.image, bits)
            masks.append((bits, self.view.setting(block.box), state))
        return matrix(masks, IMAGE)

    def image_labels(self) -> tuple[list[bool], float] | None:
        """Whether the ground truth has each image, and the weight of the images; None where unknown."""
        exact = [t for t in self.truths if t.get("blocks") is not None and t["kind"] != "interleaved_list"]
        located = [
            t["silver"]["images"] for t in self.truths if (t.get("silver") or {}).get("coverage", 0) >= 0.8
        ]
        if not exact and not located:
            return None
        urls = [b["url"] for t in exact for b in t["blocks"] if b["t"] == "img"]
        urls += [image["url"] for image in located[-1]] if not exact else []
        labels = found([block.image.url for block in self.view.tree.blocks if block.image is not None], urls)
        weight = 1.0 if exact else 0.1
        if any(truth["kind"] == "interleaved_selector" for truth in exact):
            weight = 3.0  # few pages, many images
        return labels, weight / max(1.0, len(labels) / 60) ** 0.3


def found(urls: Sequence[str], truth: Sequence[str]) -> list[bool]:
    """Which URLs the ground truth has: by host and path, or the end of it; as they are where paths repeat."""
    wanted = [set(part) for part in zip(*map(score_docs.keys, truth), strict=True)] or [set(), set()]
    paths = Counter(score_docs.keys(url)[0] for url in set(urls))
    labels = []
    for url in urls:
        host_path, end = score_docs.keys(url)
        alike = host_path in wanted[0] or end in wanted[1]
        labels.append(url in truth if alike and paths[host_path] > 1 and "?" in url else alike)
    return labels


def matrix(masks: Sequence[tuple[int, ...]], families: Sequence[Sequence[str]]) -> Matrix:
    """Masks as rows of zeros and ones, one column a feature."""
    columns = []
    for family, names in enumerate(families):
        size = (len(names) + 7) // 8
        data = np.frombuffer(b"".join(mask[family].to_bytes(size, "little") for mask in masks), np.uint8)
        bits = np.unpackbits(data.reshape(len(masks), size), axis=1, bitorder="little")
        columns.append(bits[:, : len(names)])
    return np.concatenate(columns, axis=1).astype(np.float32)


def _ends_in(norm: str, whole: str) -> bool:
    """Whether a long text stands in the ground truth with something left out in its middle."""
    return len(norm) >= SHORT and norm[:40] in whole and norm[-40:] in whole


def whole_labels(norms: Sequence[str], text: str) -> NDArray[np.float64]:
    """Which texts stand in the ground truth ``text`` of their page."""
    whole = score_docs.norm(text)
    lines = {score_docs.norm(line) for line in re.split(r"\n+", text)}
    labels = np.array(
        [n in (lines if len(n) < SHORT else whole) or _ends_in(n, whole) for n in norms],
        float,
    )
    content_at = np.flatnonzero(labels)
    if len(content_at):
        for i in range(content_at[0], content_at[-1]):
            norm = norms[i]
            if norm and len(norm) < SHORT and norm in whole and labels[max(0, i - 2) : i + 3].sum() >= 2:
                labels[i] = 1
    return labels


def samples() -> Iterator[Sample]:
    """Every page of the ground truth."""
    truths: dict[str, list[dict[str, Any]]] = {}
    for name in ("gt.jsonl.gz", "gt_ftr.jsonl.gz"):
        with gzip.open(DATA / "data/pages" / name, "rt") as file:
            for row in map(json.loads, file):
                if "text" not in row and row.get("blocks"):
                    row["text"] = "\n".join(b["text"] for b in row["blocks"] if b["t"] == "text")
                truths.setdefault(score_docs.nurl(row["url"]), []).append(row)
    with (DATA / "data/pages/pages.warc.gz").open("rb") as stream:
        for page in read_pages(stream, "pages.warc.gz"):
            if isinstance(page, Page) and score_docs.nurl(page.url) in truths:
                sample = Sample(page, truths[score_docs.nurl(page.url)])
                if sample.view.texts:
                    yield sample


def named(model: LogisticRegression, families: Sequence[Sequence[str]]) -> dict[str, float]:
    names = [name for family in families for name in family]
    weights = {name: round(float(w), 3) for name, w in zip(names, model.coef_[0], strict=True)}
    return {"bias": round(float(model.intercept_[0]), 3), **weights}


def fit(
    rows: list[tuple[Matrix, NDArray[np.float64], NDArray[np.float64]]], scale: float, c: float
) -> LogisticRegression:
    x, y, w = (np.concatenate(part) for part in zip(*rows, strict=True))
    known = (y >= 0) & (w > 0)
    return LogisticRegression(C=c, max_iter=2000).fit(x[known], y[known], sample_weight=w[known] * scale)


def fit_weights(pages: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Texts first; then images, given which texts are kept."""
    text = named(fit([(page.texts, *page.labels()) for page in pages], 800, 1), TEXT)
    model = content.Model({"text": text, "image": {"bias": 0.0}})
    rows = []
    for page in pages:
        labels = page.image_labels()
        if labels is not None and labels[0]:
            kept = content.keep_texts(page.view, content.text_scores(page.view, model))
            y = np.array(labels[0], float)
            rows.append((page.image_masks(kept), y, np.full(len(y), labels[1])))
    return {"text": text, "image": named(fit(rows, 3, 5), IMAGE)}


def write_documents(
    pages: Sequence[Sample], weights: dict[str, dict[str, float]], path: Path, mode: str
) -> None:
    content.MODEL.__init__(weights)  # type: ignore[misc]
    with path.open(mode) as file:
        for page in pages:
            document = extract_document(page.page).document
            texts = [getattr(node, "text", None) for node in document.nodes]
            images = [getattr(node, "url", None) for node in document.nodes]
            file.write(json.dumps({"url": document.url, "texts": texts, "images": images}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--evaluate", type=Path, metavar="DOCS.jsonl", help="write documents of unseen hosts here"
    )
    arguments = parser.parse_args()
    pages = list(samples())
    if arguments.evaluate is None:
        WEIGHTS.write_text(json.dumps(fit_weights(pages), indent=1) + "\n")
        return
    for fold in range(FOLDS):
        weights = fit_weights([page for page in pages if page.fold != fold])
        unseen = [page for page in pages if page.fold == fold]
        write_documents(unseen, weights, arguments.evaluate, "a" if fold else "w")


if __name__ == "__main__":
    main()
