"""Datasets for the feed: made up, of the schema that ``export`` writes, with images that are random bytes."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.dataset import QUALITY, described_schema, table_of_rows, writer_options
from obelics_pipeline.dataset_rows import laid_out, row_of, shown_images
from obelics_pipeline.document import Document, ImageNode, Node, Source, TextNode
from obelics_pipeline.release import Shown

WORDS = "the of and to in is that for it as was with be by on not he his but at are this have from or".split()  # noqa: SIM905

CAPTION = "boats in the harbour, seen from the quay"


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
        wanted = (number + 1) * images // count - number * images // count
        bodies = [make(draw, draw.randint(image_bytes // 2, image_bytes * 3 // 2)) for _ in range(wanted)]
        shown = [Shown(body, hashlib.sha256(body).hexdigest()) for body in bodies]
        yield full_row(f"{number:032x}", [_text(draw) for _ in range(wanted + 1)], shown)


def full_row(id: str, texts: list[str], pictures: list[Shown]) -> dict[str, Any]:
    """A row in which every column of the schema has a value that a build may give it: images between ``texts``."""
    page = f"https://example.com/{id}"
    nodes: list[Node] = []
    slots: list[Slot | None] = []
    for place, (text, shown) in enumerate(zip_longest(texts, pictures)):
        nodes.append(TextNode("paragraph", text, f"html/body/main/article/p[{place}]"))
        slots.append(None)
        if shown is not None:
            url, path = f"{page}/images/{place}.jpg", f"html/body/main/article/figure[{place}]/img"
            nodes.append(
                ImageNode(url, f"/images/{place}.jpg", CAPTION, CAPTION, CAPTION, 640, 480, (), path)
            )
            size, hash = len(shown.body), shown.sha256
            slots.append(
                Slot(
                    "ok",
                    200,
                    "jpeg",
                    640,
                    480,
                    size,
                    hash,
                    hash[:16],
                    0,
                    place,
                    url,
                    {"nsfw": 0.1},
                    documents=1,
                )
            )
    source = Source("CC-MAIN-2026-01", "crawl-data/segment/warc/a.warc.gz", f"<urn:uuid:{id}>", 1, 2, 3)
    document = Document(
        id,
        page,
        "example.com",
        "example.com",
        tuple(nodes),
        source,
        CAPTION,
        "en",
        0.9,
        (),
        dict.fromkeys(QUALITY, 0.5),
    )
    layout = laid_out(Assembled(document, tuple(slots)))
    found = shown_images(layout, lambda slot: pictures[slot.offset or 0], sys.maxsize)
    row = row_of(document, layout, found, lambda texts: sum(len(text.split()) for text in texts), ("nsfw",))
    return row | {"optout": {"checked_at": None, "source": "page", "result": "released"}}


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
