"""Which documents were in which step of a training: what was in the batch when the loss jumped?

One line of JSON for each step, appended at once. A step that is trained again after a restart is written again; its
last line counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Self

import msgspec

from obelics_pipeline.errors import InputError


class Entry(msgspec.Struct, frozen=True):
    """The documents of a step, in the order in which they were shown."""

    step: int
    documents: tuple[str, ...]


class Ledger:
    """The ledger in the file ``path``, of one rank; closed by ``with``."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file: IO[bytes] | None = None

    def note(self, step: int, documents: Iterable[str]) -> None:
        """Write that ``documents`` are those of ``step``; it is in the file when this returns."""
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
            if self._file.tell() and not self._path.read_bytes().endswith(b"\n"):
                self._file.write(b"\n")  # a killed process left half a line
        self._file.write(msgspec.json.encode(Entry(step, tuple(documents))) + b"\n")

    def documents(self, step: int) -> tuple[str, ...]:
        """The documents of ``step``; ``InputError`` if it was not noted."""
        found = None
        for entry in self._entries():
            if entry.step == step:
                found = entry.documents
        if found is None:
            raise InputError(f"{self._path}: no step {step}; look into the ledgers of other ranks")
        return found

    def steps(self, document: str) -> list[int]:
        """The steps in which ``document`` was shown."""
        last = {entry.step: entry.documents for entry in self._entries()}
        return [step for step, documents in sorted(last.items()) if document in documents]

    def _entries(self) -> Iterator[Entry]:
        """All lines but those that are cut."""
        if not self._path.exists():
            raise InputError(f"{self._path}: not there; a ledger is written by Ledger.note()")
        with self._path.open("rb") as stream:
            for line in stream:
                try:
                    yield msgspec.json.decode(line, type=Entry)
                except msgspec.DecodeError:
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
