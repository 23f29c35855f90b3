"""What a part has fetched so far, on disk: a killed process costs the requests that were under way, no more.

A file of frames, each written with one call: two lengths, a checksum, the result as MessagePack, the body. What a
killed process leaves half written at the end does not match its checksum and is cut off.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import IO, Self

import msgspec

from beam_jobs import io
from filters.consent.verdict import EvidenceRow
from obelics_pipeline.fetch_types import FetchResult

_FRAME = Struct("<III")
"""The lengths of result and body, and the CRC-32 of both together."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A result without its body, and the evidence that it was judged by."""

    result: FetchResult
    evidence: list[EvidenceRow]


class Spool:
    """Results, their evidence and their bodies, of this attempt and of one before. Closed by ``with``."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    @classmethod
    def at(cls, path: str) -> Self:
        """The spool at ``path``; a nameless one if that is remote storage or another process is at it."""
        if not io.is_local(path):
            return cls(tempfile.TemporaryFile())
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return cls(tempfile.TemporaryFile())
        return cls(file)

    def kept(self) -> Iterator[tuple[Entry, int]]:
        """What is there, and where each body is; cuts off what is broken."""
        self._end = 0
        while len(head := self.body(self._end, _FRAME.size)) == _FRAME.size:
            described, length, checksum = _FRAME.unpack(head)
            data = self._file.read(described + length)
            if len(data) != described + length or zlib.crc32(data) != checksum:
                break
            position = self._end + _FRAME.size + described
            self._end = position + length
            yield msgspec.msgpack.decode(data[:described], type=Entry), position
        self._file.truncate(self._end)

    def add(self, result: FetchResult, evidence: list[EvidenceRow]) -> int:
        """Keep ``result``; where its body is."""
        body = result.body or b""
        described = msgspec.msgpack.encode(Entry(msgspec.structs.replace(result, body=None), evidence))
        frame = _FRAME.pack(len(described), len(body), zlib.crc32(body, zlib.crc32(described)))
        self._file.seek(self._end)
        self._file.write(b"".join((frame, described, body)))
        self._file.flush()
        position = self._end + len(frame) + len(described)
        self._end = position + len(body)
        return position

    def body(self, position: int, length: int) -> bytes:
        """The ``length`` bytes at ``position``."""
        self._file.seek(position)
        return self._file.read(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
