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

TEXT_BYTES: Final = 20_000_000
"""Bytes of documents in Parquet for one file, at most, which counts where it has no images: its writer sorts them in
memory, where they take some ten times as much (``scripts/bench growth``)."""


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


def splits_for(texts: int, images: int, section: ExportSection) -> Splits:
    """The files for so many bytes of documents, as they lie in ``assembled/``, and of images."""

    def files(share: float) -> int:
        size = (texts + images) * share
        return max(file_count(size, section.shard_bytes), file_count(texts * share, TEXT_BYTES))

    return Splits(
        section.shards or files(1 - section.validation), files(section.validation), section.validation
    )
