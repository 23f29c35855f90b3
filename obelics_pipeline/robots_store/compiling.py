"""From archives to a store. What does not fit into memory is in a database on disk, which is removed at the end."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import zstandard

from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry
from obelics_pipeline.records import Damaged
from obelics_pipeline.robots import essence
from obelics_pipeline.robots_store import folder
from obelics_pipeline.robots_store.captures import Capture, read_captures
from obelics_pipeline.sealed import NAME, file_entry, new_folder
from obelics_pipeline.warc import Skipped

MAX_REDIRECTS: Final = 5
"""Redirects that are followed: RFC 9309 §2.3.1.2 asks for no less."""

CACHE: Final = 256 << 10
"""Memory of the database, in KiB."""

KNOWN: Final = 100_000
"""Bodies whose number is remembered: most that hosts send are those that others send, too."""

CHUNK: Final = 1 << 16
"""Origins that are in memory at once."""

DICTIONARY, SAMPLE = 100 << 10, 4096
"""Bytes of bodies that all are compressed against, and the longest of them."""

LEVEL: Final = 9
"""Of zstd: each body is compressed once."""

_SIGN: Final = 1 << 63  # SQLite's integers are signed; with an offset they keep the order of the keys
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE bodies (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE captures (
    key INTEGER PRIMARY KEY, at INTEGER NOT NULL, code INTEGER, target INTEGER, robots INTEGER NOT NULL
);
"""
_NEWEST: Final = """
INSERT INTO captures VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET at = excluded.at, code = excluded.code, target = excluded.target WHERE excluded.at >= captures.at
"""


class _Captures:
    """The newest capture of each address, and each body once, in a database."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(f"PRAGMA cache_size = -{CACHE};{_TABLES}BEGIN;")
        self._known: dict[bytes, int] = {}
        self._number(b"")

    def add(self, capture: Capture) -> None:
        """Keep a capture if it is the newest of its address; of two of one moment the later read."""
        parts = folder.parts_of(capture.url)
        code, target = None, None
        if capture.target is None:
            code = self._code(capture)
        elif capture.target:
            target = folder.key_of(*folder.parts_of(capture.target)) - _SIGN
        robots = parts[3] == "/robots.txt"
        self.database.execute(_NEWEST, (folder.key_of(*parts) - _SIGN, capture.at, code, target, robots))

    def _code(self, capture: Capture) -> int:
        if not 200 <= capture.status < 300:
            return capture.status
        return folder.FIRST_BODY + self._number(essence(capture.body))

    def _number(self, body: bytes) -> int:
        digest = blake2b(body, digest_size=16).digest()
        if digest not in self._known:
            if len(self._known) >= KNOWN:
                self._known.clear()
            insert = "INSERT OR IGNORE INTO bodies (digest, body) VALUES (?, ?)"
            self.database.execute(insert, (digest, body))
            select = "SELECT number FROM bodies WHERE digest = ?"
            self._known[digest] = self.database.execute(select, (digest,)).fetchone()[0] - 1
        return self._known[digest]

    def origins(self) -> Iterator[tuple[int, int, int | None]]:
        """For each origin, in order of the keys: key, moment, and the code of its answer if that is known."""
        found = self.database.execute("SELECT key, at, code, target FROM captures WHERE robots ORDER BY key")
        for key, at, code, target in found:
            yield key + _SIGN, at, code if target is None else self._led_to(target)

    def _led_to(self, target: int | None) -> int | None:
        for _ in range(MAX_REDIRECTS):
            select = "SELECT code, target FROM captures WHERE key = ?"
            code, target = self.database.execute(select, (target,)).fetchone() or (None, None)
            if target is None:
                return code
        return None

    def bodies(self) -> Iterator[tuple[int, bytes]]:
        """Each body, in order of the numbers, which count from 0."""
        return self.database.execute("SELECT number - 1, body FROM bodies ORDER BY number")

    @property
    def count(self) -> int:
        """Bodies."""
        found: int = self.database.execute("SELECT count(*) FROM bodies").fetchone()[0]
        return found


def compile_robots(
    archives: Iterable[tuple[str, BinaryIO]], output: str | Path, *, name: str = ""
) -> folder.Manifest:
    """Compile the captures in ``archives`` (names and streams) into the new folder ``output``.

    Its last part is the default ``name``. Damaged stretches are counted and passed over. Raises ``InputError`` for
    what is no WARC file, for archives without any robots.txt, and if the folder cannot be written.
    """
    with new_folder(output) as working:
        path = working / "captures.db"
        records: Counter[str] = Counter()
        try:
            captures = _Captures(path)
            with closing(captures.database):
                for archive, stream in archives:
                    _read(archive, stream, captures, records)
                manifest = _written(captures, working, records, name or Path(output).name)
        except sqlite3.Error as error:
            raise InputError(
                f"--output {output}: cannot be written ({error}); name another folder"
            ) from error
        path.unlink()
        (working / NAME).write_bytes(manifest.encode())
    return manifest


def _read(archive: str, stream: BinaryIO, captures: _Captures, records: Counter[str]) -> None:
    try:
        for item in read_captures(stream, archive):
            if isinstance(item, Capture):
                captures.add(item)
            records[_word(item)] += 1
    except OSError as error:
        raise InputError(f"{archive}: cannot be read ({error}); copy it again, or leave it out") from error


def _word(item: Capture | Skipped | Damaged) -> str:
    if isinstance(item, Capture):
        return "captures"
    return item.error if isinstance(item, Damaged) else item.kind


def _written(captures: _Captures, working: Path, records: Counter[str], name: str) -> folder.Manifest:
    columns = _Columns(working, captures.count)
    answers: Counter[str] = Counter()
    unresolved, days = 0, []
    for keys, times, codes in _chunks(captures.origins()):
        known = np.array([code is not None for code in codes], bool)
        unresolved += int((~known).sum())
        days += [at for at in (min(filter(None, times), default=0), max(times)) if at]
        answers.update(_meaning(code) for code in codes if code is not None)
        columns.add(
            np.array(keys, "<u8")[known],
            np.array([code or 0 for code in codes], "<u4")[known],
            np.array([min(at // 1000, 0xFFFFFFFF) for at in times], "<u4")[known],
        )
    if not columns.origins:
        told = f"no answer for any robots.txt in {sum(records.values()):,} records"
        raise InputError(f"{told}; name archives with captures of it, such as those below robotstxt/")
    numbers = columns.renumber()
    files = [file_entry(working / column, columns.origins) for column in folder.COLUMNS]
    files += _write_bodies(captures, working, columns.used)
    return folder.Manifest(
        format=folder.STORE.format,
        name=name,
        keys=folder.fingerprint(),
        origins=columns.origins,
        bodies=numbers,
        unresolved=unresolved,
        oldest=_day(min(days, default=0)),
        newest=_day(max(days, default=0)),
        answers=dict(sorted(answers.items())),
        records=dict(sorted(records.items())),
        files=tuple(files),
    ).sealed()


def _chunks(origins: Iterable[tuple[int, int, int | None]]) -> Iterator[tuple[Any, ...]]:
    chunk = []
    for origin in origins:
        chunk.append(origin)
        if len(chunk) == CHUNK:
            yield tuple(zip(*chunk, strict=True))
            chunk = []
    if chunk:
        yield tuple(zip(*chunk, strict=True))


def _meaning(code: int) -> str:
    """What an answer means, as ``Robots.answered`` reads it."""
    if code >= folder.FIRST_BODY:
        return "allows all" if code == folder.FIRST_BODY else "rules"
    return "allows all" if 400 <= code < 500 else "unreachable"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat() if at else ""


class _Columns:
    """The columns of a store while they are written; ``used`` says which bodies an origin still has."""

    def __init__(self, working: Path, bodies: int) -> None:
        self._working = working
        self.used = np.zeros(bodies, bool)
        self.used[0] = True  # the empty one
        self.origins = 0

    def add(
        self, keys: npt.NDArray[np.uint64], codes: npt.NDArray[np.uint32], seconds: npt.NDArray[np.uint32]
    ) -> None:
        columns: tuple[npt.NDArray[Any], ...] = keys, codes, seconds
        for name, column in zip(folder.COLUMNS, columns, strict=True):
            with (self._working / name).open("ab") as stream:
                column.tofile(stream)
        self.used[codes[codes >= folder.FIRST_BODY] - folder.FIRST_BODY] = True
        self.origins += len(keys)

    def renumber(self) -> int:
        """Number the bodies anew, without those that no origin has any more; how many are left."""
        numbers = (np.cumsum(self.used) - 1).astype("<u4")
        codes = np.memmap(self._working / "codes", "<u4", mode="r+")
        for start in range(0, len(codes), CHUNK):
            part = codes[start : start + CHUNK]
            of_body = part >= folder.FIRST_BODY
            part[of_body] = numbers[part[of_body] - folder.FIRST_BODY] + folder.FIRST_BODY
        codes.flush()
        return int(numbers[-1]) + 1


def _write_bodies(captures: _Captures, working: Path, used: npt.NDArray[np.bool_]) -> list[FileEntry]:
    """Write the used bodies, each compressed alone, against a dictionary of the first short ones."""
    dictionary = b""
    for number, body in captures.bodies():
        if used[number] and len(body) <= SAMPLE:
            dictionary += body
        if len(dictionary) >= DICTIONARY:
            break
    (working / "dictionary").write_bytes(dictionary)
    content = zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT)
    content.precompute_compress(level=LEVEL)
    compressor = zstandard.ZstdCompressor(dict_data=content, write_checksum=True)
    count, end = 0, 0
    with (working / "bodies").open("wb") as bodies, (working / "offsets").open("wb") as offsets:
        offsets.write(end.to_bytes(8, "little"))
        for number, body in captures.bodies():
            if used[number]:
                end += bodies.write(compressor.compress(body))
                offsets.write(end.to_bytes(8, "little"))
                count += 1
    names = {"bodies": count, "offsets": count + 1, "dictionary": 1}
    return [file_entry(working / file, rows) for file, rows in names.items()]
