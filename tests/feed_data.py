"""Datasets for the feed: made up, of the schema that ``export`` writes, with images that are random bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from obelics_pipeline.dataset import described_schema, table_of_rows, writer_options

WORDS = "the of and to in is that for it as was with be by on not he his but at are this have from or".split()  # noqa: SIM905


def rows(count: int, image_bytes: int = 100, seed: int = 1) -> list[dict[str, Any]]:
    """Documents of one to six parts, almost half of them images, of which one in ten is missing."""
    draw = random.Random(seed)
    return [_row(number, draw, image_bytes) for number in range(count)]


def _row(number: int, draw: random.Random, image_bytes: int) -> dict[str, Any]:
    texts: list[str | None] = [
        _text(draw) if draw.random() > 0.45 else None for _ in range(draw.randint(0, 5))
    ]
    texts.append(_text(draw) if draw.random() > 0.3 or None not in texts else None)
    images: list[dict[str, Any] | None] = []
    info: list[dict[str, Any] | None] = []
    for place, text in enumerate(texts):
        there = draw.random() < 0.9
        body = draw.randbytes(draw.randint(image_bytes // 2, image_bytes * 3 // 2)) if there else b""
        shown = {"bytes": body, "path": f"{hashlib.sha256(body).hexdigest()}.jpg"} if there else None
        status = "ok" if there else "http_4xx"
        size = {"width": draw.randint(100, 900), "height": draw.randint(100, 900)} if there else {}
        url = f"https://images.example/{number}/{place}.jpg"
        images.append(None if text is not None else shown)
        info.append(None if text is not None else {"url": url, "status": status, **size})
    return {
        "id": f"{number:032x}",
        "texts": texts,
        "images": images,
        "image_info": info,
        "url": f"https://example.com/{number}",
        "num_images": sum(image is not None for image in images),
        "quality": {"perplexity": draw.random() * 1000},
        "dedup": {"cluster": "c", "size": draw.randint(2, 9), "method": "near_text"}
        if number % 5 == 0
        else None,
    }


def illustrated(
    count: int, images: int, image_bytes: int, image: Callable[[random.Random, int], bytes] | None = None
) -> Iterator[dict[str, Any]]:
    """Documents that have ``images`` together, all of them there, each with a text before it, and one at the end.

    ``image`` makes one of about so many bytes; without it they are random bytes.
    """
    draw = random.Random(1)
    make = image or random.Random.randbytes
    for number in range(count):
        shown = (number + 1) * images // count - number * images // count
        row: dict[str, Any] = {
            "id": f"{number:032x}",
            "url": f"https://example.com/{number}",
            "num_images": shown,
        }
        row |= {"texts": [], "images": [], "image_info": []}
        for place in range(shown):
            body = make(draw, draw.randint(image_bytes // 2, image_bytes * 3 // 2))
            path = f"{hashlib.sha256(body).hexdigest()}.jpg"
            info = {"url": f"{row['url']}/{place}.jpg", "status": "ok", "width": 640, "height": 480}
            row["texts"] += [_text(draw), None]
            row["images"] += [None, {"bytes": body, "path": path}]
            row["image_info"] += [None, info]
        row["texts"].append(_text(draw))
        row["images"].append(None)
        row["image_info"].append(None)
        yield row


def _text(draw: random.Random) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(3, 200)))


def write(folder: Path, documents: list[dict[str, Any]], shards: int = 4, group_rows: int = 10) -> Path:
    """Write ``documents`` as the split ``train`` of a dataset in ``folder``."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    each = -(-len(documents) // shards)
    for shard in range(shards):
        some = documents[shard * each : (shard + 1) * each]
        path = folder / f"data/train-{shard:05d}-of-{shards:05d}.parquet"
        with pq.ParquetWriter(path, described_schema(), **writer_options()) as writer:
            for start in range(0, len(some), group_rows):
                writer.write_table(table_of_rows(some[start : start + group_rows]))
    return folder


class Vocabulary:
    """Makes a token of each word, the same one each time."""

    def __init__(self, first: int = 10) -> None:
        self._known: dict[str, int] = {}
        self._first = first

    def __call__(self, text: str) -> list[int]:
        """The tokens of the words of ``text``."""
        return [self._known.setdefault(word, len(self._known) + self._first) for word in text.split()]
