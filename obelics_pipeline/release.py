"""Images as they are published: without what they tell about persons beside the picture.

What cannot be cleared is withheld, never let through.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

import msgspec

from obelics_pipeline.decoder import decoder
from obelics_pipeline.image import ImageFacts
from obelics_pipeline.image_metadata import stripped


class Withheld(StrEnum):
    """Why an image that was fetched and kept is not published: values of ``image_info.status``."""

    METADATA = "metadata_unclear"
    """Its file is not built so that its metadata could be taken away without touching the picture."""


class Shown(msgspec.Struct, frozen=True):
    """An image of the dataset: its bytes, and their SHA-256 in hexadecimal digits."""

    body: bytes
    sha256: str


class ReleaseOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done to images before they are published."""

    image_metadata: Literal["strip", "keep"] = "strip"
    """``strip`` takes places, devices, owners, previews and comments out of the files of images, not their colours,
    orientation and credits, and leaves the pixels alone; ``keep`` publishes the bytes that servers sent."""


def release(body: bytes, sha256: str, max_pixels: int, options: ReleaseOptions) -> Shown | Withheld:
    """What is published of the image ``body`` of that hash: equal images always become equal ones.

    A file that changes is decoded once more before and after, each in the child process: it has to look the same.
    """
    if options.image_metadata == "keep":
        return Shown(body, sha256)
    made = stripped(body)
    if made is body:
        return Shown(body, sha256)
    if made is None or not _look_alike(body, made, max_pixels):
        return Withheld.METADATA
    return Shown(made, hashlib.sha256(made).hexdigest())


def _look_alike(body: bytes, made: bytes, max_pixels: int) -> bool:
    with decoder() as child:
        facts = child.inspect(made, max_pixels)
        return isinstance(facts, ImageFacts) and facts == child.inspect(body, max_pixels)
