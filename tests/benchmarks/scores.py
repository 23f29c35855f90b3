"""What it costs to score images: the thumbnail of one, and a classifier of random numbers in the shape of MobileNet.

Processor time of one core, as it is in every worker; the thumbnail beside what every image is decoded for anyway.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from _figures import Figure, arguments, report
from images_server import photograph

sys.path.append(str(Path(__file__).parents[1]))
from classifiers import model

from obelics_pipeline.image import inspect, thumbnail
from obelics_pipeline.scorer import OnnxScorer

SIDE = 224
PIXELS = 64_000_000
LAYERS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
"""Channels and strides of the layers of MobileNet (A. Howard et al., arXiv 1704.04861, table 1): 0.57 billion
multiplications."""


def mobile() -> bytes:
    """The model: each layer looks at each channel, and then mixes them."""
    chance, node = np.random.default_rng(0), onnx.helper.make_node
    nodes: list[Any] = []
    weights: dict[str, Any] = {}

    def convolve(last: str, made: int, into: int, size: int, stride: int, groups: int = 1) -> str:
        name = f"layer{len(nodes)}"
        weights[f"w{name}"] = chance.normal(0, 0.05, (into, made // groups, size, size)).astype(np.float32)
        pads = [size // 2] * 4
        nodes.append(
            node("Conv", [last, f"w{name}"], [f"c{name}"], strides=[stride] * 2, pads=pads, group=groups)
        )
        nodes.append(node("Relu", [f"c{name}"], [name]))
        return name

    last, made = convolve("pictures", 3, 32, 3, 2), 32
    for into, stride in LAYERS:
        last = convolve(convolve(last, made, made, 3, stride, made), made, into, 1, 1)
        made = into
    weights["end"] = chance.normal(0, 0.05, (made, 5)).astype(np.float32)
    nodes += [node("GlobalAveragePool", [last], ["pooled"]), node("Flatten", ["pooled"], ["flat"])]
    nodes.append(node("MatMul", ["flat", "end"], ["scores"]))
    return model(nodes, weights, ["n", 3, SIDE, SIDE], 5)


def cost(work: Callable[[], object], count: int, rounds: int) -> float:
    """Milliseconds of processor time for one of ``count``, in the best round."""
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent) / count * 1000


def measure(*, quick: bool) -> list[Figure]:
    """Decoding, thumbnails and scores of the same photographs."""
    count, rounds = (2, 1) if quick else (20, 5)
    bodies = [photograph(seed) for seed in range(count)]
    seen = [thumbnail(body, PIXELS, (SIDE, SIDE)) for body in bodies]
    pictures = np.stack([picture for picture in seen if picture is not None])
    with tempfile.TemporaryDirectory() as name:
        Path(name, "mobile.onnx").write_bytes(mobile())
        about = {"model": "mobile.onnx", "labels": [*"abcde"], "limits": {"a": 0.5}}
        path = Path(name, "mobile.json")
        path.write_text(json.dumps({**about, "layout": "nchw", "output": "logits"}))
        scorer = OnnxScorer(str(path))
        works = {
            "decoding, as for every image": lambda: [inspect(body, PIXELS) for body in bodies],
            "thumbnail": lambda: [thumbnail(body, PIXELS, (SIDE, SIDE)) for body in bodies],
            "classifier": lambda: scorer.score(pictures),
        }
        return [Figure(what, cost(work, count, rounds), "ms/image") for what, work in works.items()]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("What it costs to score images of 97 kB, on one core.")
    return report(lambda: measure(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
