"""Rows that pipelines of one stage hand to each other."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import apache_beam as beam
import msgspec

from beam_jobs import io
from beam_jobs.transforms import GiveToParts


class Shards(msgspec.Struct, frozen=True):
    """Rows on disk, in ``count`` files by a hash of their first two fields, each sorted: equal rows are equal bytes.

    By both fields, so that the edges of a node that has very many lie in all files.
    """

    folder: str
    count: int

    def path(self, number: int) -> str:
        """A file."""
        return io.join(self.folder, f"shard-{number:05d}.msgpack")

    def shard_of(self, row: tuple[Any, ...]) -> int:
        """The file for a row."""
        return int.from_bytes(blake2b(row[0] + row[1], digest_size=8).digest()) % self.count

    @property
    def digests(self) -> list[str]:
        """A hash of the content of each file; fewer than ``count`` if they are not all there."""
        with ThreadPoolExecutor(16) as pool:  # remote files take their time
            return [found.decode() for found in pool.map(io.read_bytes, self._finished)]

    @property
    def finished(self) -> bool:
        """Whether all files are there."""
        return len(self._finished) == self.count

    @property
    def _finished(self) -> list[str]:
        return list(io.sizes_below(self.folder, "shard-*.digest"))

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
            | "Shard" >> beam.Map(lambda row: (shards.shard_of(row), row))
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
