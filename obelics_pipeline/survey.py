"""What is in the files of a dataset, counted from the files themselves, and the sum of many such counts.

A sum does not depend on the order of its parts, and takes about 40 bytes for each domain, however
many documents there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DEFAULT: Final = "default"
PAIRS: Final = "pairs"
CONFIGS: Final = {"data": DEFAULT, "decisions": "decisions", "pairs": PAIRS}
"""The folders of a dataset, and the names of the configs whose files are in them."""

_LISTED: Final = "image_info.list.element."
_WORDS: Final = ("language", "license")
_NUMBERS: Final = ("num_words", "num_tokens_est", "num_images", "num_texts", "num_image_slots")
_SIDES: Final = ("width", "height", "num_bytes")
COLUMNS: Final = (
    "domain",
    "timestamp",
    "consent",
    "quality",
    "dedup.method",
    "optout.result",
    *_WORDS,
    *_NUMBERS,
    *(f"{_LISTED}{name}" for name in ("status", "format", *_SIDES)),
)
"""What is read of the documents: neither texts nor images."""

ACCURACY: Final = 0.01
"""How far a quantile may be from the true one, as a share of it."""
_BASE: Final = (1 + ACCURACY) / (1 - ACCURACY)
_ZERO: Final = -(10**6)
"""The place of values that are not positive; the smallest float has one above -40,000."""
_PENDING: Final = 1_000_000
"""Domains that are held twice before they are summed."""


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row group: its rows, its bytes in the file, and where they are known its images and estimated tokens."""

    rows: int
    bytes: int
    images: int | None = None
    tokens: int | None = None


class Spread(msgspec.Struct):
    """How the values of a measure are spread: how many fall into each of the places of a logarithmic scale."""

    places: dict[int, int] = {}

    def add(self, values: pa.ChunkedArray | pa.Array) -> None:
        """Count values; nulls are none."""
        given = pc.drop_null(values).to_numpy(zero_copy_only=False).astype(float)
        given = given[np.isfinite(given)]
        places = np.full(given.shape, _ZERO)
        positive = given > 0
        places[positive] = np.ceil(np.log(given[positive]) / math.log(_BASE)).astype(int)
        for place, count in zip(*np.unique(places, return_counts=True), strict=True):
            self.places[int(place)] = self.places.get(int(place), 0) + int(count)

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.places.values())

    def quantile(self, share: float) -> float:
        """The value that ``share`` of all do not exceed, within ``ACCURACY``."""
        rank, seen = share * (self.count - 1), 0
        for place, count in sorted(self.places.items()):
            seen += count
            if seen > rank:
                return 0.0 if place == _ZERO else 2 * _BASE**place / (_BASE + 1)
        raise ValueError("no values")


class Survey(msgspec.Struct):
    """What one file holds. Of files that are no documents the row groups alone are known.

    ``counts``: how many documents (or image slots, for ``status`` and ``format``) have each value of a column;
    ``sums``: of columns; ``spreads``: of measures; ``domains``: documents and images of each; ``first`` and
    ``last``: when pages were captured, in milliseconds since 1970, UTC.
    """

    groups: list[Group] = []
    counts: dict[str, dict[str, int]] = {}
    sums: dict[str, int] = {}
    spreads: dict[str, Spread] = {}
    domains: dict[str, tuple[int, int]] = {}
    first: int | None = None
    last: int | None = None

    def add(self, table: pa.Table) -> Group:
        """Count documents, by their ``COLUMNS``; what they are as a row group, without bytes."""
        for name in _WORDS:
            self._count(name, table.column(name))
        self._count("dedup", _field(table.column("dedup"), "method"))
        self._count("optout", _field(table.column("optout"), "result"))
        self._count("consent", pc.list_flatten(table.column("consent")))
        infos = pc.list_flatten(table.column("image_info"))
        self._count("status", _field(infos, "status"))
        shown = infos.filter(pc.fill_null(pc.equal(_field(infos, "status"), "ok"), False))
        self._count("format", _field(shown, "format"))
        for name in _SIDES:
            self._spread(f"image_{name}", _field(shown, name))
        totals = {name: int(pc.sum(table.column(name)).as_py() or 0) for name in _NUMBERS}
        totals["image_bytes"] = int(pc.sum(_field(shown, "num_bytes")).as_py() or 0)
        for name, total in totals.items():
            self.sums[name] = self.sums.get(name, 0) + total
        for name in ("num_words", "num_images"):
            self._spread(name, table.column(name))
        for field in table.schema.field("quality").type:
            self._spread(field.name, _field(table.column("quality"), field.name))
        self._count_domains(table)
        self._date(table.column("timestamp"))
        return Group(table.num_rows, 0, totals["num_images"], totals["num_tokens_est"])

    def _count(self, name: str, values: pa.ChunkedArray) -> None:
        into = self.counts.setdefault(name, {})
        for found in pc.value_counts(pc.drop_null(values)).to_pylist():
            into[found["values"]] = into.get(found["values"], 0) + found["counts"]

    def _spread(self, name: str, values: pa.ChunkedArray) -> None:
        if values.null_count < len(values):
            self.spreads.setdefault(name, Spread()).add(values)

    def _count_domains(self, table: pa.Table) -> None:
        for name, images in zip(
            *(table.column(c).to_pylist() for c in ("domain", "num_images")), strict=True
        ):
            documents, before = self.domains.get(name or "", (0, 0))
            self.domains[name or ""] = documents + 1, before + (images or 0)

    def _date(self, times: pa.ChunkedArray) -> None:
        found = pc.min_max(times.cast(pa.int64())).as_py()
        if found["min"] is not None:
            self.first = found["min"] if self.first is None else min(self.first, found["min"])
            self.last = found["max"] if self.last is None else max(self.last, found["max"])


def _field(values: Any, name: str) -> Any:
    return pc.struct_field(values, name)


def survey(file: pq.ParquetFile, config: str) -> Survey:
    """What ``file``, one of ``config``, holds, a row group in memory at a time."""
    found = Survey()
    for number in range(file.num_row_groups):
        described = file.metadata.row_group(number)
        stored = sum(described.column(index).total_compressed_size for index in range(described.num_columns))
        group = Group(described.num_rows, stored, described.num_rows if config == PAIRS else None)
        if config == DEFAULT:
            counted = found.add(file.read_row_group(number, list(COLUMNS), use_threads=False))
            group = msgspec.structs.replace(counted, bytes=stored)
        found.groups.append(group)
    return found


class Domain(msgspec.Struct, frozen=True):
    """A registrable domain: how many documents and images are from it."""

    name: str
    documents: int
    images: int


class Total(msgspec.Struct):
    """The sum of the surveys of files of documents, and the domains with the most documents."""

    documents: int
    survey: Survey
    domains: int
    top: list[Domain]


def total(surveys: Iterable[Survey], top: int) -> Total:
    """The sum of ``surveys``, and the ``top`` domains."""
    whole, documents = Survey(), 0
    domains = _Domains()
    for one in surveys:
        documents += sum(group.rows for group in one.groups)
        for name, counts in one.counts.items():
            _add(whole.counts.setdefault(name, {}), counts)
        _add(whole.sums, one.sums)
        for name, spread in one.spreads.items():
            _add(whole.spreads.setdefault(name, Spread()).places, spread.places)
        domains.add(one.domains)
        whole.first = min((time for time in (whole.first, one.first) if time is not None), default=None)
        whole.last = max((time for time in (whole.last, one.last) if time is not None), default=None)
    found = domains.summed()
    best = found.sort_by([("documents", "descending"), ("images", "descending"), ("name", "ascending")])
    return Total(documents, whole, found.num_rows, [Domain(**row) for row in best.slice(0, top).to_pylist()])


def _add(into: dict[Any, int], counts: Mapping[Any, int]) -> None:
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count


class _Domains:
    """Sums by domain in the compact form of Arrow."""

    _SCHEMA: Final = pa.schema([("name", pa.string()), ("documents", pa.int64()), ("images", pa.int64())])

    def __init__(self) -> None:
        self._tables = [self._SCHEMA.empty_table()]
        self._pending = 0

    def add(self, counts: Mapping[str, tuple[int, int]]) -> None:
        numbers = list(counts.values())
        columns = [list(counts), [n for n, _ in numbers], [n for _, n in numbers]]
        self._tables.append(pa.table(columns, schema=self._SCHEMA))
        self._pending += len(counts)
        if self._pending > _PENDING:
            self._tables, self._pending = [self.summed()], 0

    def summed(self) -> pa.Table:
        made = pa.concat_tables(self._tables).group_by("name", use_threads=False)
        found = made.aggregate([("documents", "sum"), ("images", "sum")])
        return found.select(["name", "documents_sum", "images_sum"]).rename_columns(self._SCHEMA.names)
