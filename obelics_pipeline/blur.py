"""Parts of pictures made unrecognisable: the only place where an image is encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import Any, Final, TypeAlias

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.image import opened
from obelics_pipeline.phash import eight_bits

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels of the upright picture."""

CELLS: Final = 6
"""What is left of a box: so many mean colours in either direction, with smooth passages. A face of 6 × 6 values is
nobody's: recognition needs some 16 pixels from ear to ear at the least."""

_SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 95, "subsampling": "4:4:4", "max_threads": 1},
}
"""Losses that nobody sees; one thread, so that the bytes are always the same."""
_MODES: Final = frozenset({"L", "RGB", "RGBA", "CMYK"})


def blurred(body: bytes, max_pixels: int, boxes: Sequence[Box]) -> bytes | None:
    """The image ``body`` with ``boxes`` blurred, upright, in the same format; None where there is no image.

    Of an animation the first frame, the only one that was looked at. Without boxes a still image is ``body`` as it is.
    Colours and credits stay. Never raises.
    """
    made = opened(body, max_pixels, partial(_blurred, boxes))
    if isinstance(made, FetchStatus):
        return None
    return made or body


def _blurred(boxes: Sequence[Box], image: Image.Image) -> bytes:
    if not boxes and getattr(image, "n_frames", 1) == 1:
        return b""
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    picture = _even(ImageOps.exif_transpose(image))
    for box in boxes:
        part = picture.crop(box)
        small = part.resize((min(CELLS, part.width), min(CELLS, part.height)), Image.Resampling.BOX)
        picture.paste(small.resize(part.size, Image.Resampling.BICUBIC), box)
    stream = BytesIO()
    picture.save(stream, kind, **_SETTINGS.get(kind, {}), **_kept(picture, kind))
    return stream.getvalue()


def _even(image: Image.Image) -> Image.Image:
    """``image`` in a mode whose values can be averaged, 8 bits each."""
    image = eight_bits(image)
    if image.mode in _MODES:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _kept(picture: Image.Image, kind: str) -> dict[str, Any]:
    """What stays of the metadata, as ``save`` takes it."""
    kept = {name: picture.info[name] for name in ("icc_profile", "exif", "xmp") if picture.info.get(name)}
    if kind == "PNG" and "xmp" in kept:
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", kept.pop("xmp").decode("utf-8", "replace"))
        kept["pnginfo"] = info
    return kept
