"""Search of PDQ hashes: 256 bits of what an image looks like, near each other for copies of it.

A scan of all, some milliseconds for a million. Lists of known images have not many more, and 31 bits of 256 are too
many for keys that near ones would share.
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
_BLOCK: Final = 1 << 15
"""Hashes compared at once: what that takes stays in the cache of a processor."""


def pack(values: Iterable[str]) -> Hashes:
    """Distinct hashes given in hexadecimal digits, in order: a row for each of their ``WORDS`` words."""
    joined = bytes.fromhex("".join(sorted(set(values))))
    return np.ascontiguousarray(np.frombuffer(joined, ">u8").astype("<u8").reshape(-1, WORDS).T)


def nearest(listed: Hashes, value: str) -> str | None:
    """A hash of ``pack`` within ``DISTANCE`` bits of ``value``, in hexadecimal digits; None if there is none."""
    wanted = pack([value])
    for start in range(0, listed.shape[1], _BLOCK):
        block = listed[:, start : start + _BLOCK]
        half = np.bitwise_count(block[0] ^ wanted[0]) + np.bitwise_count(block[1] ^ wanted[1])
        near = block[:, half <= DISTANCE]  # of unrelated hashes hardly one
        distances = np.bitwise_count(near ^ wanted).sum(axis=0, dtype=np.uint16)
        if distances.size and distances.min() <= DISTANCE:
            found: str = near[:, distances.argmin()].astype(">u8").tobytes().hex()
            return found
    return None
