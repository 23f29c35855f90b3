"""Rows that pipelines of one stage hand to each other: files by a hash of the rows' first field."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import apache_beam as beam
import msgspec

from beam_jobs import io
from beam_jobs.transforms import GiveToParts


class Shards(msgspec.Struct, frozen=True):
    """Rows on disk, in ``count`` files by a hash of their first field, each sorted: equal rows are equal bytes."""

    folder: str
    count: int

    def path(self, number: int) -> str:
        """A file."""
        return io.join(self.folder, f"shard-{number:05d}.msgpack")

    def shard_of(self, key: bytes) -> int:
        """The file for rows that begin with ``key``."""
        return int.from_bytes(blake2b(key, digest_size=8).digest()) % self.count

    @property
    def digests(self) -> list[str]:
        """A hash of the content of each file; fewer than ``count`` if they are not all there."""
        paths = [f"{self.path(number)}.digest" for number in range(self.count)]
        return [io.read_bytes(path).decode() for path in paths if io.size(path) is not None]

    @property
    def finished(self) -> bool:
        """Whether all files are there."""
        return len(self.digests) == self.count

    def read(self, number: int) -> list[Any]:
        """The rows of a file."""
        rows: list[Any] = msgspec.msgpack.decode(io.read_bytes(self.path(number)))
        return rows

    def write(self, number: int, path: str, rows: Iterable[Any]) -> None:
        """Write a file, whole."""
        data = msgspec.msgpack.encode(sorted(set(rows)))
        io.write_atomically(self.path(number), data)
        digest = blake2b(data, digest_size=16).hexdigest()
        io.write_atomically(f"{self.path(number)}.digest", digest.encode())


class WriteShards(beam.PTransform):  # type: ignore[misc]
    """Write rows into shards."""

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self._shards = shards

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Wire it."""
        shards = self._shards
        return (
            rows
            | "Shard" >> beam.Map(lambda row: (shards.shard_of(row[0]), row))
            | "GiveToShards" >> GiveToParts([""] * shards.count)
            | "Write" >> beam.MapTuple(shards.write)
        )


class ReadShards(beam.PTransform):  # type: ignore[misc]
    """All rows of the shards."""

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self._shards = shards

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Wire it."""
        numbers = pipeline | "Shards" >> beam.Create(list(range(self._shards.count)))
        return numbers | "Read" >> beam.FlatMap(self._shards.read)
