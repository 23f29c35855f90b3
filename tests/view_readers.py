"""Readers of views that know the formats and nothing of what writes them, and what they should find."""

from __future__ import annotations

import base64
import itertools
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import datasets
import pyarrow.parquet as pq

Parts: TypeAlias = list[Any]
"""Texts (str) and images (bytes, or their addresses) in order."""


def rows(dataset: Path, split: str = "train") -> list[dict[str, Any]]:
    files = sorted(dataset.glob(f"data/{split}-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def expected(
    dataset: Path, of_image: Callable[[dict[str, Any], dict[str, Any]], Any], split: str
) -> dict[str, Parts]:
    """By id, without the slots that have no image; texts that then follow each other are one."""
    found = {}
    for row in rows(dataset, split):
        parts: Parts = []
        for text, image, info in zip(row["texts"], row["images"], row["image_info"], strict=True):
            if image is not None:
                parts.append(of_image(image, info))
            elif text is not None and parts and parts[-1] and isinstance(parts[-1], str):
                parts[-1] += "\n\n" + text
            elif text is not None:
                parts.append(text)
        found[row["id"]] = parts
    return found


def texts_and_bytes(dataset: Path, split: str = "train") -> dict[str, Parts]:
    return expected(dataset, lambda image, info: image["bytes"], split)


def read_obelics(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    return list(datasets.load_dataset(str(folder), split=split, streaming=True))


def read_dense(folder: Path, split: str = "train") -> dict[str, Parts]:
    table = datasets.load_dataset(str(folder), split=split, streaming=True)
    assert table.features["images"] == datasets.List(datasets.Image())
    found = {}
    for row in table.cast_column("images", datasets.List(datasets.Image(decode=False))):
        assert row["text"].count("<image>") == len(row["images"])
        images = iter(row["images"])
        pieces: Parts = []
        for number, piece in enumerate(f"\n\n{row['text']}\n\n".split("<image>")):
            if number:
                pieces.append(next(images)["bytes"])
            pieces.append(piece[2:-2].replace("<\\image>", "<image>"))
        found[row["id"]] = [piece for piece in pieces if piece != ""]
    return found


def read_tars(folder: Path, split: str = "train") -> dict[str, Parts]:
    found: dict[str, Parts] = {}
    for path in sorted(folder.glob(f"{split}-*.tar")):
        for key, files in samples(path):
            about = json.loads(files["json"])
            found[key] = [
                text if name is None else files[name.removeprefix(f"{key}.")]
                for name, text in zip(about["images"], about["texts"], strict=True)
            ]
    return found


def samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Members that follow each other with the same name up to the first dot are a sample."""
    key, files = "", {}
    with tarfile.open(path) as tar:
        for member in tar:
            before, _, name = member.name.partition(".")
            if files and before != key:
                yield key, files
                files = {}
            key = before
            stream = tar.extractfile(member)
            assert stream is not None
            assert name not in files
            files[name] = stream.read()
    yield key, files


def lines(folder: Path, split: str = "train") -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"{split}-*.jsonl.zip")):
        with zipfile.ZipFile(path) as archive:
            for line in archive.read(path.name.removesuffix(".zip")).splitlines():
                yield json.loads(line)


def read_mmc4(folder: Path, split: str = "train") -> dict[str, Parts]:
    """Images stand before the text they are matched to, or behind the last; texts between images are one."""
    found = {}
    for record in lines(folder, split):
        parts: Parts = []
        info = list(record["image_info"])
        for number, text in enumerate(record["text_list"]):
            images = [one for one in info if one["matched_text_index"] == number and not one["after_text"]]
            parts += [base64.b64decode(one["image_base64"]) for one in images]
            if parts and isinstance(parts[-1], str):
                parts[-1] += "\n\n" + text
            else:
                parts.append(text)
        found[record["id"]] = parts + [
            base64.b64decode(one["image_base64"]) for one in info if one["after_text"]
        ]
    return found


def read_mds(folder: Path, split: str = "train") -> dict[str, Parts]:
    found: dict[str, Parts] = {}
    for shard in json.loads((folder / split / "index.json").read_text())["shards"]:
        data = (folder / split / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        (count,) = struct.unpack_from("<I", data)
        assert count == shard["samples"]
        places = struct.unpack_from(f"<{count + 1}I", data, 4)
        assert places[-1] == len(data)
        for start, end in itertools.pairwise(places):
            row = dict(
                zip(shard["column_names"], _columns(data[start:end], len(shard["column_names"])), strict=True)
            )
            texts, images, blob = json.loads(row["texts"]), json.loads(row["images"]), row["blob"]
            found[row["id"].decode()] = [
                text if image is None else blob[image["offset"] : image["offset"] + image["bytes"]]
                for text, image in zip(texts, images, strict=True)
            ]
    return found


def _columns(sample: bytes, count: int) -> Iterator[bytes]:
    at = 4 * count
    for length in struct.unpack_from(f"<{count}I", sample):
        yield sample[at : at + length]
        at += length


READERS: dict[str, Callable[..., dict[str, Parts]]] = {
    "dense": read_dense,
    "webdataset": read_tars,
    "energon": read_tars,
    "mmc4": read_mmc4,
    "mds": read_mds,
}
"""Of the views that hold the bytes of images."""
