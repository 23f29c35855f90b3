"""Main content: which blocks of a page it was made for, and which are its furniture.

A block's score is the sum of the weights of its features (a logistic regression over yes-or-no features, so
that every decision can be read off as named contributions). ``weights.json`` is fitted by
``scripts/fit-content`` on pages with ground truth; see docs/extraction.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from obelics_pipeline.dom.features import AROUND, PLACE, SETTING, SHAPE, View, shape
from obelics_pipeline.dom.images import picture_file
from obelics_pipeline.dom.pictures import SOURCE, STATE, Gallery, source
from obelics_pipeline.dom.tree import Block, Box, Tree

SURE: Final = 0.0
"""Score (log-odds) from which a text is content."""

DOUBTFUL: Final = -1.4
"""Score from which a text is taken on a page that has too little sure content."""

ENOUGH: Final = 600
"""Effective length of sure content below which the bar is lowered, step by step, down to ``DOUBTFUL``."""

ENOUGH_SHARE: Final = 0.1
"""The same as a share of all text of the page."""

STEP: Final = 0.2

IMAGE: Final = 0.0
"""Score from which an image is content."""

PIECE: Final = 12
"""Bits of a mask that are looked up at once, in a table of 2**12 sums."""

_MEMO_SIZE: Final = 100_000
_PIECE_MASK = (1 << PIECE) - 1


class Weights(dict[int, float]):
    """The weights of a family of features: ``weights[mask]`` is the sum of those of the bits that are set.

    Masks repeat, so sums are remembered; a new one is put together from tables of its pieces.
    """

    def __init__(self, weights: dict[str, float], names: Sequence[str]) -> None:
        of_bit = [weights.get(name, 0.0) for name in names]
        self.tables = [_sums(of_bit[start : start + PIECE]) for start in range(0, len(of_bit), PIECE)]

    def __missing__(self, mask: int) -> float:
        total, rest = 0.0, mask
        for table in self.tables:
            total += table[rest & _PIECE_MASK]
            rest >>= PIECE
        if len(self) >= _MEMO_SIZE:
            self.clear()
        self[mask] = total
        return total


def _sums(weights: Sequence[float]) -> list[float]:
    """The sum of the weights of every subset, by its mask."""
    sums = [0.0]
    for weight in weights:
        sums += [total + weight for total in sums]
    return sums


class Model:
    """The weights of all features of texts and of images."""

    def __init__(self, weights: dict[str, dict[str, float]]) -> None:
        text, image = weights["text"], weights["image"]
        self.text_bias, self.image_bias = text["bias"], image["bias"]
        self.shape, self.setting = Weights(text, SHAPE), Weights(text, SETTING)
        self.around, self.place = Weights(text, AROUND), Weights(text, PLACE)
        self.source, self.image_setting = Weights(image, SOURCE), Weights(image, SETTING)
        self.state = Weights(image, STATE)


MODEL: Final = Model(json.loads(files("obelics_pipeline.dom").joinpath("weights.json").read_text()))


def _together(scores: list[float], names: Sequence[str]) -> list[float]:
    """The scores of things that stand on a page several times, judged once: by the mean of their scores."""
    first: dict[str, int] = {}
    groups: dict[int, list[int]] = {}
    for i, name in enumerate(names):
        at = first.setdefault(name, i)
        if at != i:
            groups.setdefault(at, [at]).append(i)
    for group in groups.values():
        mean = sum([scores[i] for i in group]) / len(group)
        for i in group:
            scores[i] = mean
    return scores


def text_scores(view: View, model: Model = MODEL) -> list[float]:
    """The score of every text of a page."""
    shapes, settings, bias = model.shape, model.setting, model.text_bias
    arounds, places = view.around(), view.places()
    of_box: dict[Box, float] = {}
    scores: list[float] = []
    for i, block in enumerate(view.texts):
        box = block.box
        if box not in of_box:
            of_box[box] = bias + settings[view.setting(box)]
        score = of_box[box] + shapes[shape(block, view.lengths[i], view.shares[i])]
        scores.append(score + model.around[arounds[i]] + model.place[places[i]])
    return _together(scores, [block.text for block in view.texts])


def keep_texts(view: View, scores: Sequence[float]) -> list[bool]:
    """Which texts are content: those above the bar, which is lowered where too little would be left."""
    lengths = view.lengths
    needed = max(ENOUGH, ENOUGH_SHARE * sum(lengths))
    bar = SURE
    while bar > DOUBTFUL and sum(n for n, score in zip(lengths, scores, strict=True) if score > bar) < needed:
        bar -= STEP
    return [score > bar for score in scores]


def image_scores(gallery: Gallery, model: Model = MODEL) -> list[float]:
    """The score of every image of a page, given which texts are kept."""
    scores = []
    urls = []
    view = gallery.view
    for number, block in gallery.blocks:
        image = block.image
        if image is None:
            continue
        urls.append(image.url)
        bits = source(block, image)
        state = gallery.states(number, view.rank[number], block, image, bits)
        scores.append(
            model.image_bias
            + model.source[bits]
            + model.image_setting[view.setting(block.box)]
            + model.state[state]
        )
    return _best_quality(_together(scores, urls), urls)


def _best_quality(scores: list[float], urls: Sequence[str]) -> list[float]:
    """The scores of images; of a picture file that a page has in several qualities, one alone counts."""
    best: dict[str, tuple[float, str]] = {}
    for score, url in zip(scores, urls, strict=True):
        name = picture_file(url)
        best[name] = max(best.get(name, (score, url)), (score, url))
    return [
        score if best[picture_file(url)][1] == url else float("-inf")
        for score, url in zip(scores, urls, strict=True)
    ]


def main_content(tree: Tree) -> list[Block]:
    """The blocks of a page that are its main content, in order."""
    if not tree.blocks:
        return []
    view = View(tree)
    texts = keep_texts(view, text_scores(view))
    images = iter([score > IMAGE for score in image_scores(Gallery(view, texts))])
    kept = iter(texts)
    keeps = [next(images if block.image is not None else kept) for block in tree.blocks]
    return _without_bare_headings(tree.blocks, keeps)


def _without_bare_headings(blocks: Sequence[Block], keeps: Sequence[bool]) -> list[Block]:
    """The blocks that are kept, but no heading without something under it: what it announces has gone."""
    result = []
    below = False
    for block, keep in zip(reversed(blocks), reversed(keeps), strict=True):
        below = keep and (below or block.kind != "heading")
        if below:
            result.append(block)
    return result[::-1]
