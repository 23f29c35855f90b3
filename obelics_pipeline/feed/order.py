"""In what order documents are shown: a pure function of seed and epoch, made of integers alone.

Row groups are permuted and dealt to *lanes*; within a row group the rows are permuted. Nothing here depends on how
many readers there are, nor on the version of a random number generator.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_STEP: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
"""SplitMix64: G. Steele, D. Lea and C. Flood, Fast Splittable Pseudorandom Number Generators (OOPSLA 2014), fig. 16."""
_MASK: Final = (1 << 64) - 1


def mixed(*numbers: int) -> int:
    """A 64-bit hash of some integers, in their order."""
    state = 0
    for number in numbers:
        state = int(_finished(np.array([(state + number * _STEP + _STEP) & _MASK], np.uint64))[0])
    return state


def draws(key: int, count: int) -> npt.NDArray[np.uint64]:
    """``count`` numbers of 64 bits for ``key``; the first ones are the same whatever ``count``."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    return _finished(steps + np.uint64(key & _MASK))


def permutation(key: int, count: int) -> npt.NDArray[np.int64]:
    """The numbers below ``count`` in an order that ``key`` decides."""
    return np.argsort(draws(key, count), kind="stable")


def lanes_of(seed: int, epoch: int, units: int, lanes: int) -> list[npt.NDArray[np.int64]]:
    """The units (row groups) of each lane, in the order in which they are read in ``epoch``."""
    order = permutation(mixed(seed, epoch), units)
    return [order[lane::lanes] for lane in range(lanes)]


def rows_of(seed: int, epoch: int, unit: int, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The rows of ``unit`` in the order in which they are shown in ``epoch``.

    A row of weight w is shown ⌊w⌋ times, and once more with the probability that is left.
    """
    key = mixed(seed, epoch, unit)
    times = np.floor(weights)
    chance = draws(mixed(key, 1), len(weights)) / 2.0**64
    copies = (times + (chance < weights - times)).astype(np.int64)
    shown = np.repeat(np.arange(len(weights)), copies)
    return shown[permutation(key, len(shown))]


def _finished(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    for shift, factor in _MIX:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state ^ (state >> np.uint64(31))
