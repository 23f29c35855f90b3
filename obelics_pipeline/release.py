"""Images as they are published: without what they tell about persons beside the picture.

What cannot be cleared is withheld, never let through.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

import msgspec

from obelics_pipeline.assembled import Slot
from obelics_pipeline.decoder import decoder
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.faces import FaceOptions, face_detector, fitted, on_picture, padded
from obelics_pipeline.image import ImageFacts
from obelics_pipeline.image_metadata import stripped


class Withheld(StrEnum):
    """Why an image that was fetched and kept is not published: values of ``image_info.status``."""

    METADATA = "metadata_unclear"
    """Its file is not built so that its metadata could be taken away without touching the picture."""
    FACES = "faces_unclear"
    """It could not be looked at for faces, or what was found could not be blurred."""
    DOCUMENT_FULL = "document_full"
    """With it the document would be larger than documents may be."""
    LEFT_OUT = "left_out"
    """Nothing but that the dataset was to have no bytes of images: what is told is of the image that was fetched."""


class Shown(msgspec.Struct, frozen=True):
    """An image of the dataset: its bytes, and their SHA-256 in hexadecimal digits."""

    body: bytes
    sha256: str


class ReleaseOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done to images before they are published."""

    image_metadata: Literal["strip", "keep"] = "strip"
    """``strip`` takes places, devices, owners, previews and comments out of the files of images, not their colours,
    orientation and credits, and leaves the pixels alone; ``keep`` publishes the bytes that servers sent."""
    faces: FaceOptions | None = None
    """Whose faces are blurred, if any: those that a detector finds."""

    def __post_init__(self) -> None:
        if self.faces is not None and self.image_metadata == "keep":
            raise ValueError("faces needs image_metadata: strip; previews in metadata show the same faces")


def check_release(options: ReleaseOptions) -> None:
    """Raise ``ConfigError`` if faces are to be found and the detector, or what computes it, cannot be used."""
    if options.faces is not None:
        try:
            face_detector(options.faces.detector)
        except ConfigError as error:
            raise ConfigError(f"export.faces.detector: {error}") from error


def release(body: bytes, slot: Slot, max_pixels: int, options: ReleaseOptions) -> Shown | Withheld:
    """What is published of the image ``body`` in ``slot``, whose hash it has: equal images always become equal ones.

    A file that changes is decoded once more before and after, each in the child process: it has to look the same.
    """
    if options.image_metadata == "keep":
        return _shown(body, slot.sha256)
    made = stripped(body)
    if made is None or (made is not body and not _look_alike(body, made, max_pixels)):
        return Withheld.METADATA
    if options.faces is not None:
        made = _without_faces(made, slot, max_pixels, options.faces)
    if made is None:
        return Withheld.FACES
    return _shown(made, slot.sha256 if made is body else None)


def _shown(body: bytes, sha256: str | None) -> Shown:
    return Shown(body, sha256 or hashlib.sha256(body).hexdigest())


def _look_alike(body: bytes, made: bytes, max_pixels: int) -> bool:
    with decoder() as child:
        facts = child.inspect(made, max_pixels)
        return isinstance(facts, ImageFacts) and facts == child.inspect(body, max_pixels)


def _without_faces(body: bytes, slot: Slot, max_pixels: int, options: FaceOptions) -> bytes | None:
    assert slot.width is not None
    assert slot.height is not None
    detector = face_detector(options.detector)
    seen = fitted(slot.width, slot.height, detector.size)
    with decoder() as child:
        pixels = child.thumbnail(body, max_pixels, seen)
        if pixels is None:
            return None
        found = detector.boxes(padded(pixels, detector.size), options.min_score)
        boxes = on_picture(found, seen, slot.width, slot.height, options.margin)
        return child.blurred(body, max_pixels, boxes)
