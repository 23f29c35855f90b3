"""Run with a Python that has the libraries: prints the documents of a view as they read it, images as SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

LIBRARIES = Path(
    os.environ.get("OBELICS_VIEW_LIBRARIES", Path(__file__).parents[1] / ".venv/views/bin/python")
)
"""A Python with webdataset, mosaicml-streaming, megatron-energon, torch and transformers, gigabytes of them."""


def plain(parts: Iterable[Any]) -> list[Any]:
    return [part if isinstance(part, str) else hashlib.sha256(part).hexdigest() for part in parts]


def of_webdataset(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    import webdataset

    tars = sorted(map(str, folder.glob("train-*.tar")))
    for sample in webdataset.WebDataset(tars, shardshuffle=False):
        about = json.loads(sample["json"])
        pairs = zip(about["images"], about["texts"], strict=True)
        yield (
            sample["__key__"],
            plain(text if name is None else sample[name.partition(".")[2]] for name, text in pairs),
        )


def of_pairs(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    import webdataset

    for sample in webdataset.WebDataset(sorted(map(str, folder.glob("*.tar"))), shardshuffle=False):
        body = sample["jpg"] if "jpg" in sample else sample["png"]
        yield sample["__key__"], plain([sample["txt"].decode(), body])


def of_energon(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """After Energon's own preparation, which finds the splits and indexes the tar files."""
    from megatron.energon import WorkerConfig, get_savable_loader, get_train_dataset
    from megatron.energon.flavors import BaseWebdatasetFactory
    from megatron.energon.task_encoder import DefaultTaskEncoder

    tars = sorted(path.name for path in folder.glob("*.tar"))
    BaseWebdatasetFactory.prepare_dataset(
        folder, tars, split_parts_patterns=[("train", "train-.*"), ("val", "validation-.*")], workers=1
    )

    class Whole(DefaultTaskEncoder):  # type: ignore[misc]
        decoder = None

    dataset = get_train_dataset(
        str(folder),
        worker_config=WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=None,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        repeat=False,
        task_encoder=Whole(),
    )
    for sample in get_savable_loader(dataset):
        yield sample.__key__.rpartition("/")[2], plain(sample.sequence)


def of_mds(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    from streaming import StreamingDataset

    for row in StreamingDataset(local=str(folder), split="train", shuffle=False, batch_size=1):
        blob = row["blob"]
        pairs = zip(row["images"], row["texts"], strict=True)
        yield (
            row["id"],
            plain(
                text if at is None else blob[at["offset"] : at["offset"] + at["bytes"]] for at, text in pairs
            ),
        )


if __name__ == "__main__":
    read = {"webdataset": of_webdataset, "webdataset-pairs": of_pairs, "energon": of_energon, "mds": of_mds}[
        sys.argv[1]
    ]
    print(json.dumps(dict(read(Path(sys.argv[2])))))
