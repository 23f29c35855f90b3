"""A row group as documents: columns of Arrow are cut where documents begin, images are copied once.

Other columns than those of texts and images become Python objects only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.feed.options import FeedOptions
from obelics_pipeline.feed.order import rows_of
from obelics_pipeline.feed.sample import Cursor, Image, Sample
from obelics_pipeline.feed.source import Source, Unit, known_columns

_LIGHT: Final = ("image_info.width", "image_info.height", "image_info.status")
_URL: Final = "image_info.url"
_SHOWN: Final = 120
"""Characters of a message of Arrow's, which can tell whole schemas."""
_REMOVED: Final = "optout"
"""The status of an image that a tombstone names."""


class Tombstones:
    """What must not be shown: whole documents by id, and images of others.

    Images count by their addresses: slots are those of the dataset that was rechecked, and move where images on
    deny-lists go. One without an address counts by its slot.
    """

    def __init__(self, path: str | None) -> None:
        self.documents: frozenset[str] = frozenset()
        self.images: dict[str, set[str | int]] = {}
        if path is None:
            return
        try:
            table = pq.read_table(path, columns=["id", "level", "index", "url"])
        except (OSError, pa.ArrowInvalid) as error:  # nothing is shown rather than what should not be
            raise InputError(
                f"{path}: cannot be read ({error}); it is what 'obelics recheck' wrote"
            ) from error
        rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        self.documents = frozenset(id for id, level, *_ in rows if level == "document")
        for id, level, index, url in rows:
            if level == "image":
                self.images.setdefault(id, set()).add(url or index)


class Reader:
    """Row groups of ``source`` as documents, in the order of an epoch."""

    def __init__(self, source: Source, options: FeedOptions) -> None:
        self._source, self._options = source, options
        self._tombstones = Tombstones(options.tombstones)
        asked = [
            "id",
            "texts",
            *_LIGHT,
            *options.columns,
        ]
        asked += [column for column, _, _ in options.filters]
        asked += ["dedup.size"] * (options.weight is not None)
        asked += [_URL] * bool(self._tombstones.images)
        asked += ["images.path"] * options.images  # small, and tells where images are
        self.columns = sorted(set(known_columns(source, asked, "columns")))
        _check_fields(source, options)
        self.large = known_columns(source, ["images.bytes"], "columns")[0] if options.images else None
        self._loaded: tuple[int, pa.Table, list[memoryview]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loaded": None}  # another process reads for itself

    def rows(self, number: int, at: Cursor, which: slice | Sequence[int]) -> Iterator[Sample]:
        """Documents of row group ``number`` by their places in the order of the epoch of ``at``, which is in it."""
        table, images = self._read(number)
        options = self._options
        order = rows_of(options.seed, at.epoch, number, self._weights(table))
        places = range(len(order))[which] if isinstance(which, slice) else which
        if places:
            rows = _Rows(table, images, options)
            for place in places:
                sample = rows.sample(int(order[place]), at._replace(offset=place), self._tombstones)
                if sample is not None:
                    yield sample

    def _read(self, number: int) -> tuple[pa.Table, list[memoryview]]:
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = None  # before the next is read: two of them are never held for this
            unit: Unit = self._source.units[number]
            table, images = self._source.read(unit, self.columns, self.large)
            if table.num_rows != unit.rows:
                raise InputError(
                    f"{self._source.folder}/{unit.path}: {table.num_rows} rows in row group {unit.group} where the "
                    f"manifest says {unit.rows}; fetch the dataset again"
                )
            if not _equally_long(table):
                raise InputError(
                    f"{self._source.folder}/{unit.path}: row group {unit.group} has lists of texts and images that "
                    "are not equally long; 'obelics verify' tells which, export again"
                )
            self._loaded = number, table, images
        return self._loaded[1:]

    def _weights(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """How often each row is shown; 0 for what the filters leave out."""
        shown = np.ones(table.num_rows)
        for condition in self._options.filters:
            shown *= _holds(table, *condition)
        if self._options.weight is not None:
            sizes = pc.fill_null(_field(table, "dedup.size"), 1).to_pylist()
            shown *= [self._options.weight(size) for size in sizes]
        if (shown < 0).any() or not np.isfinite(shown).all():
            raise ConfigError(
                "weight: gave a number below 0, or none; it has to say how often a document is shown"
            )
        return shown


class _Rows:
    """The texts and images of a row group, flat, and where each document begins."""

    def __init__(self, table: pa.Table, images: list[memoryview], options: FeedOptions) -> None:
        self._options = options
        self._ids = table.column("id").to_pylist()
        bounds, texts = _flat(_whole(table, "texts"))
        _, info = _flat(_whole(table, "image_info"))
        self._bounds: list[int] = bounds.tolist()
        self._texts: list[str | None] = texts.to_pylist()
        self._status = info.field("status").to_pylist()
        self._sizes = [info.field(name).to_pylist() for name in ("width", "height")]
        self._urls = info.field("url").to_pylist() if info.type.get_field_index("url") >= 0 else None
        self._bodies = _Bodies(table, images) if options.images else None
        self._extra = {name: _field(table, name).to_pylist() for name in options.columns}

    def sample(self, row: int, at: Cursor, tombstones: Tombstones) -> Sample | None:
        id = self._ids[row]
        if id in tombstones.documents:
            return None
        start, end = self._bounds[row], self._bounds[row + 1]
        gone = tombstones.images.get(id)
        parts: list[str | Image] = []
        on_missing = self._options.on_missing
        for place in range(start, end):
            text = self._texts[place]
            if text is not None:
                parts.append(text)
                continue
            removed = gone is not None and (self._url(place) in gone or place - start in gone)
            image = self._image(row, place, removed)
            if image.status == "ok" or on_missing == "keep_slot":
                parts.append(image)
            elif on_missing == "drop_document":
                return None
        return Sample(id, tuple(parts), at, {name: values[row] for name, values in self._extra.items()})

    def _url(self, place: int) -> str | None:
        return None if self._urls is None else self._urls[place]

    def _image(self, row: int, place: int, removed: bool) -> Image:
        status = _REMOVED if removed else self._status[place] or "ok"
        width, height = self._sizes
        bodies = self._bodies if status == "ok" else None
        body = None if bodies is None else bodies.body(row, place - self._bounds[row])
        return Image(body, width[place] or 0, height[place] or 0, status)


class _Bodies:
    """The bytes of images, each copied when it is asked for."""

    def __init__(self, table: pa.Table, bodies: list[memoryview]) -> None:
        bounds, images = _flat(_whole(table, "images"))
        there = images.is_valid().to_numpy(zero_copy_only=False)
        if there.sum() != len(bodies):
            raise InputError(
                f"{len(bodies)} images have bytes where {there.sum()} are named; 'obelics verify' the dataset"
            )
        self._bounds: list[int] = bounds.tolist()
        self._there: list[bool] = there.tolist()
        self._before: list[int] = (np.cumsum(there) - there).tolist()
        self._bodies = bodies

    def body(self, row: int, place: int) -> bytes:
        """The image at a place of the lists of a row."""
        index = self._bounds[row] + place
        return bytes(self._bodies[self._before[index]]) if self._there[index] else b""


def _whole(table: pa.Table, name: str) -> Any:
    """A column as one array; to combine the chunks of one that has a single one would copy it."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _flat(lists: pa.ListArray) -> tuple[npt.NDArray[np.int32], Any]:
    """Where each list begins and the last one ends, and what is in them, nothing of it copied."""
    bounds = lists.offsets.to_numpy()
    first, end = (int(bounds[0]), int(bounds[-1])) if len(bounds) else (0, 0)
    return bounds - first, lists.values.slice(first, end - first)


def _equally_long(table: pa.Table) -> bool:
    """Whether the lists of each row are: else images would stand where others belong."""
    names = [name for name in ("texts", "image_info", "images") if name in table.column_names]
    first, *others = (np.diff(_flat(_whole(table, name))[0]) for name in names)
    return all(np.array_equal(first, other) for other in others)


def _field(table: pa.Table, name: str) -> Any:
    """A column, or a field of a struct."""
    first, *rest = name.split(".")
    found = table.column(first)
    return pc.struct_field(found, rest) if rest else found


def _check_fields(source: Source, options: FeedOptions) -> None:
    """Raise ``ConfigError`` for a column that cannot be given, or a condition that cannot be asked of its column."""
    empty = source.schema.empty_table()
    for name in options.columns:
        with _told(f"columns: {name!r}"):
            _field(empty, name)
    for condition in options.filters:
        with _told(f"filters: {condition!r}"):
            _holds(empty, *condition)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ConfigError(
            f"{what}: does not fit the column ({str(error)[:_SHOWN]}); name columns or fields of structs, none in lists"
        ) from error


def _holds(table: pa.Table, name: str, operator: str, value: Any) -> npt.NDArray[np.bool_]:
    values = _field(table, name)
    if operator in ("in", "not in"):
        held = pc.is_in(values, pa.array(list(value), values.type))
        held = pc.invert(held) if operator == "not in" else held
        held = pc.and_(held, pc.is_valid(values))
    else:
        held = _COMPARE[operator](values, value)
    return np.asarray(pc.fill_null(held, False).to_numpy(zero_copy_only=False), np.bool_)


_COMPARE: Final[dict[str, Any]] = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "==": pc.equal,
    "!=": pc.not_equal,
}
