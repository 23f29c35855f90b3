"""From lists of opt-outs to a registry, in bounded memory."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from obelics_pipeline.errors import InputError
from obelics_pipeline.registry import folder, keys, pdq
from obelics_pipeline.registry.hashes import distinct, write_merged, write_pieces
from obelics_pipeline.registry.lists import Row, rows
from obelics_pipeline.sealed import NAME, file_entry, new_folder

SCOPES: Final = ("page", "image", "both")
RUN: Final = 1 << 22
"""Hashes gathered before they are sorted and put aside: 32 MB, and twice as much to sort them."""

MAX_PDQ: Final = 5_000_000
"""PDQ hashes are searched one by one, and gathered in memory."""

MAX_SOURCES: Final = 1000
"""Sources that are counted by name; rows of others are counted together."""

OTHERS: Final = "(others)"
_SHOWN: Final = 20


class _Gathered:
    """Hashes of one kind and scope: those not sorted yet, and the files of those that are."""

    def __init__(self, stem: Path) -> None:
        self.fresh = array("Q")
        self.runs: list[Path] = []
        self.levels: set[int] = set()
        self._stem = stem

    def add(self, hashed: int) -> None:
        self.fresh.append(hashed)
        if len(self.fresh) >= RUN:
            self.put_aside()

    def put_aside(self) -> None:
        path = self._stem.with_name(f"{self._stem.name}.{len(self.runs)}.run.npy")
        np.save(path, distinct(np.frombuffer(self.fresh, np.uint64)))
        self.runs.append(path)
        self.fresh = array("Q")


class _Compiler:
    """What is known of the rows so far; hashes that do not fit into memory are in files of ``folder``."""

    def __init__(self, place: Path, joined: bool) -> None:
        self.folder, self.joined = place, joined
        self.gathered: dict[tuple[str, str], _Gathered] = {}
        self.pdq: dict[str, set[str]] = {}
        self.sources: Counter[str] = Counter()
        self.public_suffixes: set[str] = set()
        self.newest = ""
        self.rows = 0

    def add(self, row: Row) -> None:
        """Take in a row; ``ValueError`` if it is not understood."""
        if row.wrong:
            raise ValueError(row.wrong)
        kind, text, scope, source, since = row.fields
        if self.joined and kind in keys.DIGITS:
            raise InputError(
                f"{row.place}: {kind} is known once an image is there, too late for a join; compile hashes of content "
                "into a registry of their own, without --joined"
            )
        value, scope, date = keys.entry(kind, text), _scope(kind, scope), _date(since)
        self.sources[self._source(source)] += 1
        self.rows += 1
        self.newest = max(self.newest, date)
        if kind == "pdq":
            self._add_pdq(value, scope)
        else:
            self._add_hash(kind, scope, value)
        if kind == "domain" and len(self.public_suffixes) < _SHOWN and keys.is_public_suffix(value):
            self.public_suffixes.add(value)

    def _source(self, source: str) -> str:
        if source in self.sources:
            return source
        if not source.isprintable():
            raise ValueError(f"source {source!r} holds what cannot be printed; the list must be UTF-8")
        return source if len(self.sources) < MAX_SOURCES else OTHERS

    def _add_pdq(self, value: str, scope: str) -> None:
        listed = self.pdq.setdefault(scope, set())
        listed.add(value)
        if len(listed) > MAX_PDQ:
            raise InputError(f"more than {MAX_PDQ:,} PDQ hashes, which are searched one by one; list fewer")

    def _add_hash(self, kind: str, scope: str, value: str) -> None:
        gathered = self.gathered.get((kind, scope))
        if gathered is None:
            gathered = self.gathered[kind, scope] = _Gathered(self.folder / f"{kind}.{scope}")
        gathered.levels.add(keys.levels_of(kind, value))
        gathered.add(keys.HASHES[kind](value))

    def tables(self) -> Iterable[folder.Table]:
        """Write the files of all tables."""
        for (kind, scope), gathered in sorted(self.gathered.items()):
            gathered.put_aside()
            levels = min(gathered.levels), max(gathered.levels)
            write = write_joined if self.joined else write_table
            yield write(self.folder, kind, scope, gathered.runs, levels)
            for path in gathered.runs:
                path.unlink()
        for scope, values in sorted(self.pdq.items()):
            path = self.folder / f"pdq.{scope}.npy"
            np.save(path, pdq.pack(values))
            yield folder.Table("pdq", scope, len(values), (0, 0), (file_entry(path, len(values)),))


def write_table(
    place: Path, kind: str, scope: str, runs: Sequence[Path], levels: keys.Levels = (0, 0)
) -> folder.Table:
    """Write the files of one kind and scope from sorted files of hashes, and say what they are."""
    path, index = place / f"{kind}.{scope}.npy", place / f"{kind}.{scope}.index.npy"
    count, places = write_merged(runs, path, index)
    files = file_entry(path, count), file_entry(index, places)
    return folder.Table(kind, scope, count, levels, files)


def write_joined(
    place: Path, kind: str, scope: str, runs: Sequence[Path], levels: keys.Levels = (0, 0)
) -> folder.Table:
    """The same in pieces."""
    pieces = write_pieces(runs, place / f"{kind}.{scope}")
    files = tuple(file_entry(path, count) for path, count in pieces)
    return folder.Table(kind, scope, sum(count for _, count in pieces), levels, files)


def compile_registry(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    name: str = "",
    skip_bad: bool = False,
    joined: bool = False,
) -> folder.Manifest:
    """Compile lists into the new folder ``output``; its last part is the default ``name``.

    With ``joined`` it is one for ``JoinedRegistry``, which holds no hashes of content.
    Raises ``InputError`` naming file and line for the first row that is not understood, unless ``skip_bad``
    counts it instead; and for a list without rows, as a list that was cut short is taken for one that allows.
    """
    with new_folder(output) as working:
        compiler = _Compiler(working, joined)
        manifest = _compiled(inputs, compiler, name or Path(output).name, skip_bad)
        (working / NAME).write_bytes(manifest.encode())
    return manifest


def _compiled(
    inputs: Sequence[str | Path], compiler: _Compiler, name: str, skip_bad: bool
) -> folder.Manifest:
    skipped = 0
    for path in map(Path, inputs):
        before = compiler.rows
        for row in rows(path):
            try:
                compiler.add(row)
            except ValueError as error:
                if not skip_bad:
                    told = f"{path}: {row.place}: {error} (--skip-bad leaves such rows out)"
                    raise InputError(told) from None
                skipped += 1
        if compiler.rows == before:
            raise InputError(f"{path}: lists nothing; leave it out if that is meant")
    return folder.Manifest(
        format=folder.REGISTRY.format,
        name=name,
        keys=keys.fingerprint(),
        newest=compiler.newest,
        rows=compiler.rows,
        skipped=skipped,
        sources=dict(sorted(compiler.sources.items())),
        public_suffixes=tuple(sorted(compiler.public_suffixes)),
        tables=tuple(compiler.tables()),
        joined=compiler.joined,
    ).sealed()


def _scope(kind: str, scope: str) -> str:
    scope = scope.strip() or "both"
    if scope not in SCOPES:
        raise ValueError(f"no scope {scope!r}; known: {', '.join(SCOPES)}")
    if kind in keys.DIGITS and scope == "page":
        raise ValueError(f"scope page with a {kind}, which is of an image; write image, or leave it empty")
    return scope


@lru_cache(maxsize=4096)
def _date(since: str) -> str:
    """The date of a moment in ISO 8601; ``ValueError`` if it is none."""
    try:
        return datetime.fromisoformat(since.strip()).date().isoformat() if since.strip() else ""
    except ValueError:
        raise ValueError(f"since {since!r} is no date; write it as 2026-01-31") from None
