"""What must hold for the rows of a dataset, whoever wrote them: each function tells the faults of a row in words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from obelics_pipeline.dataset_rows import BYTES_PER_TOKEN
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.image import ImageFacts
from obelics_pipeline.pairs import uid

Row: TypeAlias = Mapping[str, Any]

Inspect: TypeAlias = Callable[[bytes, int], ImageFacts | FetchStatus]
"""What an image of at most so many pixels is, or why it is none."""

Gone: TypeAlias = Mapping[int | None, tuple[str | None, str | None]]
"""What of a document has tombstones: slots with address and SHA-256 of their images, or None for all of it."""

LISTS: Final = ("texts", "images", "image_info", "text_dom_paths")
_ID: Final = re.compile(r"[0-9a-f]{32}")


def document_faults(row: Row, inspect: Inspect | None) -> Iterator[str]:
    """The faults of a document; the bytes of its images are looked at if there is something to ``inspect`` them."""
    if not _ID.fullmatch(row["id"] or ""):
        yield "id is not 32 hexadecimal digits"
    lengths = {name: None if row[name] is None else len(row[name]) for name in LISTS}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        yield "lists are not equally long: " + ", ".join(f"{name} {n}" for name, n in lengths.items())
        return
    for index, slot in enumerate(zip(row["texts"], row["images"], row["image_info"], strict=True)):
        for fault in _slot_faults(*slot, inspect):
            yield f"slot {index}: {fault}"
    yield from _count_faults(row)


def _slot_faults(
    text: str | None, image: Row | None, info: Row | None, inspect: Inspect | None
) -> Iterator[str]:
    if (text is None) == (info is None):
        yield "has both text and image_info" if info else "has neither text nor image_info"
    if info is None:
        if image is not None:
            yield "has an image without image_info"
        return
    shown = info["status"] == FetchStatus.OK
    if (image is not None) is not shown:
        yield f"status is {info['status']!r}, and images is {'null' if image is None else 'not null'}"
    if image is not None and inspect is not None:
        yield from image_faults(image, info, inspect)


def image_faults(image: Row, told: Row, inspect: Inspect) -> Iterator[str]:
    """The faults of an image, ``bytes`` and ``path``, of which ``told`` says what it is (null: nothing)."""
    body = image["bytes"]
    if not body:
        yield "the image has no bytes"
        return
    sha256 = hashlib.sha256(body).hexdigest()
    if told["sha256"] != sha256:
        yield f"sha256 is {told['sha256']}, the image's is {sha256}"
    if told.get("num_bytes", len(body)) != len(body):
        yield f"num_bytes is {told['num_bytes']}, the image has {len(body)}"
    pixels = (told["width"] or 0) * (told["height"] or 0)
    facts = inspect(body, pixels)
    if isinstance(facts, FetchStatus):
        yield f"the image does not decode as one of {told['width']} × {told['height']} pixels: {facts.value}"
        return
    for name in ("width", "height", "format"):
        if told.get(name, getattr(facts, name)) != getattr(facts, name):
            yield f"{name} is {told[name]}, the image's is {getattr(facts, name)}"
    if (image["path"] or "").partition(".")[0] != sha256:
        yield f"path is {image['path']}, which does not begin with the image's sha256"


def _count_faults(row: Row) -> Iterator[str]:
    texts = [text for text in row["texts"] if text is not None]
    true = {
        "num_texts": len(texts),
        "num_images": sum(image is not None for image in row["images"]),
        "num_image_slots": sum(info is not None for info in row["image_info"]),
        "num_chars": sum(map(len, texts)),
        "num_tokens_est": -(-sum(len(text.encode()) for text in texts) // BYTES_PER_TOKEN),
    }
    for name, number in true.items():
        if row[name] != number:
            yield f"{name} is {row[name]}, not {number}"


def tombstone_faults(row: Row, gone: Gone) -> Iterator[str]:
    """The faults of a document of which ``gone`` has tombstones.

    Addresses count: slots are those of the dataset that was rechecked, in which images on deny-lists had slots, too.
    """
    if None in gone:
        yield "the document has a tombstone"
        return
    addresses = {url for url, _ in gone.values()}
    for index, (image, info) in enumerate(zip(row["images"] or (), row["image_info"] or (), strict=True)):
        if image is not None and info is not None and info["url"] in addresses:
            yield f"slot {index}: the image has a tombstone"


def pair_tombstone_faults(row: Row, gone: Gone) -> Iterator[str]:
    """The faults of a pair of a document of which ``gone`` has tombstones.

    Its address may be that to which the one in the document led; then the hash of the image in its slot tells.
    """
    addresses = {url for url, _ in gone.values()}
    _, sha256 = gone.get(row["slot"], (None, ""))
    if None in gone or row["url"] in addresses or sha256 in (None, row["sha256"]):
        yield "the image has a tombstone"


def pair_faults(row: Row, inspect: Inspect | None) -> Iterator[str]:
    """The faults of an image-text pair; whether it may be without an image depends on the others."""
    if not (row["text"] or "").strip():
        yield "there is no text"
    elif row["sha256"] and row["uid"] != (true := uid(row["sha256"], row["text"])):
        yield f"uid is {row['uid']}, that of this image and this text is {true}"
    if row["image"] is not None and inspect is not None:
        yield from image_faults(row["image"], row, inspect)


def decision_faults(row: Row) -> Iterator[str]:
    """The faults of a row of the config ``decisions``."""
    if not _ID.fullmatch(row["id"] or ""):
        yield "id is not 32 hexadecimal digits"
    for name in ("level", "stage", "rule"):
        if not row[name]:
            yield f"{name} is empty"
