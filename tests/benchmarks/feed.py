"""The feed: documents a second beside other readers, packing, resuming, memory.

600 documents with 1,489 images of 96 kB, which are random bytes: nobody decodes them. All columns of the schema have
values. Each reader runs in a process of its own on one core, all in turns; a figure is the median of processor time, so
it is that of one core. datasets is what the project is installed with: it reads the folder as its users open it, and
once more only the columns that are needed. webdataset is installed when it is first needed, under .venv/peers.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from _figures import Figure, arguments, report
from _peers import ROOT, environment
from feed_memory import memory
from feed_peers import SUBJECTS

from obelics_pipeline.feed import Feed, Packing, Sample
from obelics_pipeline.feed.state import Place

sys.path.append(str(ROOT / "tests"))
import feed_data

WORKER = Path(__file__).with_name("feed_peers.py")
PINNED = ("webdataset==1.0.2", "numpy==2.4.6")
DOCUMENTS, IMAGES, IMAGE_BYTES = 600, 1489, 96_000
SHARDS, GROUP_ROWS = 4, 100
ROUNDS, PASSES = 5, 3
LENGTH, IMAGE_TOKENS = 4096, 64
PAGES = Path(os.environ.get("OBELICS_TEST_DATA", ROOT.parent / "shared")) / "data/pages/gt.jsonl.gz"


class Pass(msgspec.Struct, frozen=True):
    """What a reader saw of the dataset, and the processor seconds it took."""

    documents: int
    images: int
    bytes: int
    cpu: float


def tars(folder: Path, documents: list[dict[str, Any]]) -> None:
    """The same documents as ``webdataset`` likes them."""
    folder.mkdir()
    each = len(documents) // SHARDS
    for shard in range(SHARDS):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for row in documents[shard * each : (shard + 1) * each]:
                head = json.dumps({"id": row["id"], "texts": row["texts"]}).encode()
                bodies = [("json", head)] + [
                    (f"{place}.jpg", image["bytes"]) for place, image in enumerate(row["images"]) if image
                ]
                for name, body in bodies:
                    member = tarfile.TarInfo(f"{row['id']}.{name}")
                    member.size = len(body)
                    tar.addfile(member, io.BytesIO(body))


def once(subject: str, python: Path, folder: Path, passes: int) -> list[Pass]:
    """Some passes of one reader; all have to see the same."""
    command = [python, WORKER, subject, folder, str(passes)]
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    if subject != "webdataset":
        variables["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{subject} failed: {done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=list[Pass])


def reading(folder: Path, *, quick: bool) -> list[Figure]:
    """All readers, in turns."""
    count, images = (60, 149) if quick else (DOCUMENTS, IMAGES)
    documents = list(feed_data.illustrated(count, images, IMAGE_BYTES))
    feed_data.write(folder / "dataset", documents, SHARDS, GROUP_ROWS)
    tars(folder / "tars", documents)
    pythons = dict.fromkeys(SUBJECTS, Path(sys.executable))
    peer = environment("webdataset", PINNED, make=not quick)
    pythons |= {"webdataset": peer} if peer else {}
    seen: dict[str, list[Pass]] = {subject: [] for subject in SUBJECTS if peer or subject != "webdataset"}
    for _ in range(1 if quick else ROUNDS):
        for subject, passes in seen.items():
            passes += once(subject, pythons[subject], folder, 1 if quick else PASSES)
    for subject, passes in seen.items():
        whole = {(one.documents, one.images, one.bytes > 0) for one in passes}
        if whole != {(count, images, "text only" not in subject)}:
            raise RuntimeError(f"{subject} saw {whole} of {count} documents with {images} images")
    return compared({subject: count / median(one.cpu for one in passes) for subject, passes in seen.items()})


def compared(rates: dict[str, float]) -> list[Figure]:
    """Documents a second of all readers, and what ours has to be beside them."""
    rows = []
    for subject in SUBJECTS:
        rate = rates.get(subject, math.nan)
        bar = min(5000, 1.3 * rates["pyarrow"]) if subject == "ours" else None
        how = f"{rate * IMAGES / DOCUMENTS:,.0f} images/s" if subject in rates else "missing: not installed"
        rows.append(Figure(subject, rate, "docs/s", at_least=bar and round(bar), how=how))
    for subject in SUBJECTS:
        bar = 3 if subject == "datasets" else None
        if subject in rates and subject != "ours" and "text only" not in subject:
            rows.append(Figure(f"ours / {subject}", rates["ours"] / rates[subject], "×", at_least=bar))
    return rows


def real_documents() -> Iterator[dict[str, Any]]:
    """Documents of the lengths of real pages, with images between their texts; made up where there are none."""
    if not PAGES.is_file():
        yield from feed_data.illustrated(4000, 10_000, 10)
        return
    with gzip.open(PAGES, "rt") as stream:
        for number, line in enumerate(stream):
            page = json.loads(line)
            blocks = [block.get("text") for block in page.get("blocks") or ()] or [page.get("text")]
            texts = [text for text in blocks if text]
            if not texts:
                continue  # only some sentences of it are known
            images = min(page.get("n_img") or 0, len(texts))
            parts = [part for text in texts[:images] for part in (None, text)] + texts[images:]
            info = {"status": "ok", "width": 640, "height": 480}
            shown = {"bytes": b"x", "path": "x.jpg"}
            yield {
                "id": f"{number:032x}",
                "texts": parts,
                "images": [None if part else shown for part in parts],
                "image_info": [None if part else info for part in parts],
            }


class Remembered(dict[str, list[int]]):
    """Makes tokens of about four letters, of each text once."""

    def __missing__(self, text: str) -> list[int]:
        self[text] = [10 + hash(text[start : start + 4]) % 30_000 for start in range(0, len(text), 4)]
        return self[text]


class Kept(Feed):
    """A feed of one lane whose documents are in memory once they were read."""

    kept: tuple[tuple[Sample, Place], ...] = ()

    def samples(self, epoch: int, lane: int, place: Place) -> Iterator[tuple[Sample, Place]]:
        self.kept = self.kept or tuple(super().samples(0, lane, place))
        return iter(self.kept)


def packing(folder: Path) -> list[Figure]:
    """Tokens a second besides reading and tokenisation, and what is padding."""
    feed_data.write(folder, list(real_documents()), SHARDS, 100)
    packed = Kept(str(folder), lanes=1).pack(
        Remembered().__getitem__, image_id=1, length=LENGTH, image_tokens=IMAGE_TOKENS
    )
    list(packed)
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        sequences = list(packed)
        seconds.append(time.process_time() - started)
    padding = sum(sequence.padding for sequence in sequences)
    total = LENGTH * len(sequences) - padding
    how = f"{len(packed.feed.kept):,} documents, {'real' if PAGES.is_file() else 'made-up'} lengths"
    return [
        Figure("packing", total / median(seconds) / 1e6, "Mtokens/s", at_least=5, how=how),
        Figure(
            "padding",
            100 * padding / (total + padding),
            "%",
            at_most=3,
            how=f"of {len(sequences)} × {LENGTH}",
        ),
    ]


def resuming(folder: Path) -> list[Figure]:
    """How long it takes from a state to what comes next, and how large states are."""

    def documents() -> Feed:
        return Feed(str(folder))

    def sequences() -> Packing:
        return Feed(str(folder)).pack(Remembered().__getitem__, "mm1", image_id=1)

    rows = []
    for name, opened in (("documents", documents), ("sequences", sequences)):
        count = sum(1 for _ in opened())
        sizes, seconds = [], []
        for step in range(0, count, -(-count // 20)):
            first = opened()
            list(islice(first, step))
            state = json.dumps(first.state_dict())
            started = time.perf_counter()
            second = opened()
            second.load_state_dict(json.loads(state))
            next(iter(second))
            seconds.append(time.perf_counter() - started)
            sizes.append(len(state))
        rows += [
            Figure(f"resuming, {name}", max(seconds), "s", at_most=1, how=f"of {len(seconds)}, the longest"),
            Figure(f"state, {name}", max(sizes) / 1000, "kB", at_most=10, how="the largest"),
        ]
    return rows


def starting(folder: Path, shards: int) -> list[Figure]:
    """The first document of a dataset of many shards, all of which are the same file."""
    (folder / "data").mkdir(parents=True)
    feed_data.write(folder / "one", list(feed_data.illustrated(100, 248, IMAGE_BYTES)), 1, 50)
    [file] = (folder / "one/data").iterdir()
    files = []
    for number in range(shards):
        path = f"data/train-{number:05d}-of-{shards:05d}.parquet"
        (folder / path).symlink_to(file)
        files.append({"path": path, "row_groups": [{"rows": 50}, {"rows": 50}]})
    rows = []
    for how in ("without a manifest", "with a manifest"):
        started = time.perf_counter()
        next(iter(Feed(str(folder))))
        rows.append(
            Figure("first document", time.perf_counter() - started, "s", how=f"{shards} shards, {how}")
        )
        (folder / "manifest.json").write_text(json.dumps({"files": files}))
    return rows


def measure(*, quick: bool) -> list[Figure]:
    """All of it, in folders that are gone afterwards."""
    rows: list[Figure] = []
    parts = (
        partial(reading, quick=quick),
        packing,
        partial(starting, shards=20 if quick else 1000),
        partial(memory, megabytes=200 if quick else 2000),
    )
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            rows += part(Path(folder))
            rows += resuming(Path(folder) / "dataset") if part is parts[0] else []
    return rows


def main() -> int:
    """Measure as the command line says."""
    options = arguments("The feed beside other readers, packing, resuming, memory.")
    return report(lambda: measure(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
