"""Which file of the dataset a document is in: a function of its id and of the number of files alone."""

from __future__ import annotations

from typing import Final

import msgspec

from beam_jobs.config import ExportSection
from beam_jobs.spread import shard_of
from filters.decisions import sampled

TRAIN: Final = "train"
VALIDATION: Final = "validation"

EVEN: Final = 64
"""Up to so many, the number of files is a power of two, beyond a multiple of it: then any usual number of readers gets
equal shares."""


def file_count(size: float, shard_bytes: int) -> int:
    """Files for ``size`` bytes."""
    least = max(1, -int(-size // shard_bytes))
    return 1 << (least - 1).bit_length() if least <= EVEN else -(-least // EVEN) * EVEN


class Splits(msgspec.Struct, frozen=True):
    """The files of the config ``default``: ``train`` of them, then ``validation``, which gets the ``share``."""

    train: int
    validation: int
    share: float

    @property
    def total(self) -> int:
        """The number of files."""
        return self.train + self.validation

    def of(self, id: str, cluster: str | None = None) -> int:
        """The number of the file of a document; those of a ``cluster``, found to be alike, are in the same split."""
        if sampled(cluster or id, self.share, VALIDATION):
            return self.train + shard_of(id, self.validation)
        return shard_of(id, self.train)

    def name(self, number: int) -> str:
        """The name of a file."""
        if number < self.train:
            return file_name(TRAIN, number, self.train)
        return file_name(VALIDATION, number - self.train, self.validation)

    def may_be_absent(self, number: int) -> bool:
        """Whether a file without rows is none: the only one of ``validation``."""
        return number >= self.train and self.validation == 1


def file_name(split: str, number: int, files: int) -> str:
    """As ``datasets`` and the Hub name the files of a split."""
    return f"{split}-{number:05d}-of-{files:05d}.parquet"


def splits_for(size: int, section: ExportSection) -> Splits:
    """The files for documents and images of ``size`` bytes."""
    train = section.shards or file_count(size * (1 - section.validation), section.shard_bytes)
    return Splits(train, file_count(size * section.validation, section.shard_bytes), section.validation)
