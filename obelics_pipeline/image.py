"""Whether bytes are an image that every reader of the dataset can decode, how large it is, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Final, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.phash import FINE, on_white, phash, plain

Pixels: TypeAlias = npt.NDArray[np.uint8]
T = TypeVar("T")

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
"""Pillow's names of the formats that browsers show in ``<img>`` and that it decodes by itself.

Not SVG (a document), ICO, BMP and TIFF (icons, rarities, and decoders that see few eyes).
"""

_TURNED: Final = frozenset({5, 6, 7, 8})
"""EXIF orientations (EXIF 2.32, tag 274) whose rows are columns on the screen."""


class ImageFacts(msgspec.Struct, frozen=True):
    """A decodable image: ``format`` in lower case, width and height in pixels as a reader sees it upright.

    ``phash`` is its perceptual hash, None if there is little to be seen.
    """

    format: str
    width: int
    height: int
    phash: str | None = None


def inspect(body: bytes, max_pixels: int) -> ImageFacts | FetchStatus:
    """What image ``body`` is, or why it is none: ``not_image``, ``undecodable`` or ``too_many_pixels``.

    Never raises. The header is held against ``max_pixels`` before anything is decoded. Then the image, or the
    first frame of an animation, is decoded in the steps of ``datasets.Image``, EXIF orientation included,
    only smaller where JPEG permits: what passes here decodes there.
    """
    return opened(body, max_pixels, _decoded)


def thumbnail(body: bytes, max_pixels: int, size: tuple[int, int]) -> Pixels | None:
    """What the image ``body`` looks like, ``[height, width, 3]`` of ``size``; None where ``inspect`` finds no image.

    Never raises. JPEG decodes to a fraction of its size if that is enough.
    """
    pixels = opened(body, max_pixels, partial(_thumbnail, size))
    return None if isinstance(pixels, FetchStatus) else pixels


def opened(body: bytes, max_pixels: int, look: Callable[[Image.Image], T]) -> T | FetchStatus:
    """What ``look`` finds in an image, or why there is none to be looked at."""
    if not begins_like_an_image(body):
        return FetchStatus.NOT_IMAGE
    try:
        with Image.open(BytesIO(body), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                return FetchStatus.TOO_MANY_PIXELS
            return look(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return FetchStatus.TOO_MANY_PIXELS
    except Exception:  # the decoders promise no set of errors: they raise what the bytes lead them to
        return FetchStatus.UNDECODABLE


def begins_like_an_image(body: bytes) -> bool:
    """Whether the first bytes are those of a format in ``FORMATS``."""
    Image.init()
    accepts = (Image.OPEN[name][1] for name in FORMATS if name in Image.OPEN)
    return any(accept is not None and accept(body[:16]) is True for accept in accepts)


def _decoded(image: Image.Image) -> ImageFacts:
    width, height = image.size
    # JPEG decodes to a fraction of its size, in grey, more than twice as fast, and still reads its data to
    # the end.
    image.draft("L", (FINE, FINE))
    image.load()
    name = "jpeg" if image.format == "MPO" else (image.format or "").lower()
    orientation = image.getexif().get(Base.Orientation)
    upright = image if orientation is None else ImageOps.exif_transpose(image)
    if orientation in _TURNED:
        width, height = height, width
    return ImageFacts(name, width, height, phash(upright))


def _thumbnail(size: tuple[int, int], image: Image.Image) -> Pixels:
    image.draft(None, (max(size), max(size)))  # not less than is wanted, whichever side is up
    return resized(ImageOps.exif_transpose(image), size)


def resized(image: Image.Image, size: tuple[int, int]) -> Pixels:
    """A decoded, upright ``image`` as ``[height, width, 3]``, RGB, whatever its shape; transparency is white."""
    height, width = size
    image = on_white(plain(image)).convert("RGB")
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0), np.uint8)
