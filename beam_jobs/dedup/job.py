"""The work of the stage ``dedup`` as its passes see it: parts of signatures, and the edits of passes before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from beam_jobs.part_files import PartFiles
from beam_jobs.shared_keys import Source
from filters.dedup.edits import Edits
from filters.dedup.options import DedupOptions
from filters.dedup.rank import rank

PASSES: Final = ("url", "same_text", "near_text", "shared_passage", "nodes", "image_set")
"""The passes, in order. An edit of an earlier one is seen by the later ones."""

NODE_RULES: Final = ("repeated_paragraph", "image_frequency", "repeated_image")
"""The rules of the pass ``nodes``; the others have the names of their passes."""


def passes_of(options: DedupOptions) -> tuple[str, ...]:
    """The passes that ``options`` ask for, in order."""
    rules = {name: (name,) for name in PASSES} | {"nodes": NODE_RULES}
    return tuple(name for name in PASSES if any(getattr(options, rule) is not None for rule in rules[name]))


class Job(msgspec.Struct, frozen=True):
    """All parts, in order of their numbers; ``files`` is where passes leave their edits."""

    options: DedupOptions
    sources: tuple[Source, ...]
    files: PartFiles

    def done(self, name: str) -> tuple[str, ...]:
        """The passes that come before the pass ``name``."""
        return tuple(
            earlier for earlier in passes_of(self.options) if PASSES.index(earlier) < PASSES.index(name)
        )

    def edits(self, number: int, names: Iterable[str]) -> list[Edits]:
        """What the passes ``names`` found out about a part."""
        return [self.files.read(name, number, Edits) for name in names]

    def copies(self, number: int) -> dict[int, int]:
        """How many documents with the same text those of a part stand for, by row; left out if it is one."""
        return self.files.read("same_text", number, Edits).copies if self.options.same_text else {}

    def gone(self, number: int, names: Iterable[str]) -> set[int]:
        """The rows of a part that the passes ``names`` drop."""
        return set().union(*(found.gone for found in self.edits(number, names)))


def columns(path: str, names: Sequence[str]) -> pa.Table:
    """Columns of a part of signatures, all rows."""
    with io.open_read(path) as stream:
        return pq.ParquetFile(stream).read(list(names), use_threads=False).combine_chunks()


def lists(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, as Python values of some of its columns."""
    return zip(*(table.column(name).to_pylist() for name in names), strict=True)


def ranks(source: Source, table: pa.Table) -> list[bytes]:
    """The ranks of the documents of a part; ``table`` has the columns ``id`` and ``order``."""
    rows = enumerate(lists(table, "id", "order"))
    return [rank(source.age, order, id, source.number, row) for row, (id, order) in rows]
