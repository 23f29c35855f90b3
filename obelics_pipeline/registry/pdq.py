"""Search of PDQ hashes: 256 bits of what an image looks like, near each other for copies of it.

A scan of all, some milliseconds for a million: lists of known images have no more, and 31 bits of 256 are too many
for keys that near ones would share.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from obelics_pipeline.registry.hashes import Hashes

DISTANCE: Final = 31
"""Bits in which two hashes of one image may differ, as PDQ's authors recommend
("The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook, 2019)."""

WORDS: Final = 4
_BLOCK: Final = 1 << 14
"""Hashes compared at once: half a megabyte, which stays in the cache of a processor."""


def pack(values: Iterable[str]) -> Hashes:
    """Distinct hashes given in hexadecimal digits, in order, as rows of ``WORDS`` words."""
    joined = bytes.fromhex("".join(sorted(set(values))))
    return np.frombuffer(joined, ">u8").astype("<u8").reshape(-1, WORDS)


def nearest(listed: Hashes, value: str) -> str | None:
    """The first hash among rows of ``pack`` within ``DISTANCE`` of ``value``, in hexadecimal digits; or None."""
    (wanted,) = pack([value])
    for start in range(0, len(listed), _BLOCK):
        block = listed[start : start + _BLOCK]
        distances = np.bitwise_count(block ^ wanted).sum(axis=1, dtype=np.uint16)
        place = int(distances.argmin())
        if distances[place] <= DISTANCE:
            found: str = block[place].astype(">u8").tobytes().hex()
            return found
    return None
