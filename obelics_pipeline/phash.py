"""A perceptual hash: 64 bits of what an image looks like, which copies, scaled and recompressed, nearly share.

The hash on the discrete cosine transform of C. Zauner, "Implementation and Benchmarking of Perceptual Image
Hash Functions" (2010), in the form that ``imagehash.phash`` made common: 32 × 32 grey values, the 8 × 8 lowest
frequencies, the constant one among them, a bit for each that is above their median. Two such hashes are as
alike as the number of bits in which they are equal.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE: Final = 32
"""The grey values of a row and of a column that the transform sees."""
LOW: Final = 8
"""Frequencies kept in either direction."""
FINE: Final = 4 * SIDE
"""Pixels of a side that are averaged with weights into ``SIDE`` values; more are averaged plainly before. A
decoder that can make an image smaller may do so, down to this."""
NOISE: Final = 2.0
"""Coefficients smaller than this say nothing: to scale and recompress an image changes them by 1 to 2."""

_MOST: Final = 16 * FINE
"""Of longer sides only so many pixels are looked at, which bounds time and memory."""
_WHITE: Final = (255, 255, 255, 255)


def _cosines() -> npt.NDArray[np.float64]:
    """The ``LOW`` first rows of the orthonormal DCT-II of ``SIDE`` values."""
    angles = np.pi / SIDE * np.outer(np.arange(LOW), np.arange(SIDE) + 0.5)
    rows: npt.NDArray[np.float64] = np.cos(angles) * np.sqrt(2 / SIDE)
    rows[0] /= np.sqrt(2)
    return rows


_DCT: Final = _cosines()


def phash(image: Image.Image) -> str | None:
    """The hash of a decoded, upright ``image`` in 16 hexadecimal digits, transparency laid on white.

    None if there is little to be seen, less than ``NOISE`` in half of the frequencies: noise would decide
    these bits, or they would be those of every such image. So are images of one colour, plain stripes and
    exact symmetry. Of an animation, the frame it stands at.
    """
    coefficients = (_DCT @ _grid(image) @ _DCT.T).ravel()
    if np.median(np.abs(coefficients[1:])) < NOISE:
        return None
    coefficients = coefficients.round(6)  # where they are 0, the last bits of the sums are the processor's
    bits = coefficients > np.median(coefficients)
    return np.packbits(bits).tobytes().hex()


def _grid(image: Image.Image) -> npt.NDArray[np.float64]:
    """``SIDE`` rows of ``SIDE`` grey values, 0 to 255."""
    image = plain(image)
    factors = max(1, image.width // FINE), max(1, image.height // FINE)
    box = (0.0, 0.0, image.width / factors[0], image.height / factors[1])
    grey = (
        on_white(image.reduce(factors)).convert("L").convert("F")
    )  # F: the grid is not rounded to whole values
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box), np.float64)


def on_white(image: Image.Image) -> Image.Image:
    """``image`` with its transparency, if it is RGBA, laid on white."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    return image


def plain(image: Image.Image) -> Image.Image:
    """``image`` in L, RGB or RGBA, the modes that can be averaged, and of a bounded size."""
    if max(image.size) > _MOST:
        size = min(image.width, _MOST), min(image.height, _MOST)
        image = image.resize(size, Image.Resampling.NEAREST)
    image = eight_bits(image)
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def eight_bits(image: Image.Image) -> Image.Image:
    """``image``, if it has 16 bits for each value, with the upper 8: Pillow would cut it to 255."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image
