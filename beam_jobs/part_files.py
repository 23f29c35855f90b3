"""What the pipelines of one stage leave for each other about a part: small files in the folder of the stage's work."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from beam_jobs import io
from beam_jobs.progress import Step

T = TypeVar("T")


class PartFiles(msgspec.Struct, frozen=True):
    """A file for each of ``parts``, by name, below ``folder``."""

    folder: str
    parts: int

    def path(self, name: str, number: int) -> str:
        """The file ``name`` of a part."""
        return io.join(self.folder, "passes", name, f"part-{number:05d}.msgpack")

    @staticmethod
    def pattern(name: str) -> str:
        """What the files ``name`` match below ``folder``."""
        return f"passes/{name}/part-*.msgpack"

    def finished(self, name: str) -> bool:
        """Whether every part has its file ``name``."""
        return len(io.sizes_below(self.folder, self.pattern(name))) == self.parts

    def step(self, name: str) -> Step:
        """The files ``name`` as a step of the stage, for whoever watches it."""
        return Step(name, self.pattern(name), self.parts)

    def write(self, name: str, number: int, value: Any) -> None:
        """Write the file ``name`` of a part, whole."""
        io.write_atomically(self.path(name, number), msgspec.msgpack.encode(value))

    def read(self, name: str, number: int, type: type[T]) -> T:
        """The content of the file ``name`` of a part."""
        return msgspec.msgpack.decode(io.read_bytes(self.path(name, number)), type=type)
