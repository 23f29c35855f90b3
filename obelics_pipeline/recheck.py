"""A finished dataset against today's opt-outs: what has to go leaves a tombstone, and its shard is written again.

A page that opts out takes its whole document along; an image that does leaves an empty slot, which says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa

from obelics_pipeline.dataset import table_of_rows
from obelics_pipeline.fetch_types import FetchStatus

TOMBSTONES: Final = pa.schema(
    [
        ("id", pa.string()),
        ("level", pa.string()),
        ("index", pa.int32()),
        ("url", pa.string()),
        ("sha256", pa.string()),
        ("registry", pa.string()),
        ("kind", pa.string()),
        ("value", pa.string()),
    ]
)
"""What went: a document (``index`` null), or the image in slot ``index`` of one; and the entry that asked for it."""

COLUMNS: Final = ("id", "url", "image_info")
"""What is read of a row to judge it: never the bytes of images."""


class Hit(Protocol):
    """An entry of a registry."""

    @property
    def kind(self) -> str:
        """What was compared: ``domain``, ``url``, ``sha256`` …"""

    @property
    def value(self) -> str:
        """What it was equal to."""

    @property
    def registry(self) -> str:
        """Whose entry it is."""


class Lists(msgspec.Struct, frozen=True):
    """What to ask of a page, of the address of an image, and of its SHA-256."""

    page: Callable[[str], Hit | None]
    image: Callable[[str], Hit | None]
    content: Callable[[str], Hit | None]


class Tombstone(msgspec.Struct, frozen=True):
    """A row of ``TOMBSTONES``."""

    id: str
    level: str
    index: int | None
    url: str | None
    sha256: str | None
    registry: str
    kind: str
    value: str


def tombstones(table: pa.Table, lists: Lists) -> list[list[Tombstone]]:
    """What has to go from each row of ``table``, which has the columns ``COLUMNS``; one of a document comes alone."""
    return [list(_of_row(row, lists)) for row in table.select(COLUMNS).to_pylist()]


def _of_row(row: dict[str, Any], lists: Lists) -> Iterator[Tombstone]:
    if (hit := lists.page(row["url"])) is not None:
        yield Tombstone(row["id"], "document", None, row["url"], None, hit.registry, hit.kind, hit.value)
        return
    for index, info in enumerate(row["image_info"]):
        if info is None or info["status"] == FetchStatus.OPTOUT:
            continue
        addresses = {info["url"]: None, info.get("fetched_url") or info["url"]: None}
        # Deny-lists name what servers sent, or what was found in a dataset.
        hashes = {name: None for name in (info.get("sha256_original"), info["sha256"]) if name}
        hit = next(filter(None, (*map(lists.image, addresses), *map(lists.content, hashes))), None)
        if hit is not None:
            where = (row["id"], "image", index, info["url"], info["sha256"])
            yield Tombstone(*where, hit.registry, hit.kind, hit.value)


def trimmed(table: pa.Table, found: list[list[Tombstone]]) -> pa.Table:
    """``table`` without what ``found`` says of its rows, in the same order."""
    pieces, start = [], 0
    for row, stones in enumerate(found):
        if stones:
            pieces.append(table.slice(start, row - start))
            start = row + 1
            if stones[0].level == "image":
                pieces.append(_without(table.slice(row, 1), stones))
    return pa.concat_tables([*pieces, table.slice(start)])


def _without(table: pa.Table, stones: list[Tombstone]) -> pa.Table:
    """One row without some of its images."""
    (row,) = table.to_pylist()
    for stone in stones:
        assert stone.index is not None
        row["images"][stone.index] = None
        row["image_info"][stone.index] |= {
            "status": FetchStatus.OPTOUT.value,
            "status_detail": f"{stone.kind} in {stone.registry}",
        }
    row["num_images"] = sum(image is not None for image in row["images"])
    return table_of_rows([row]).cast(table.schema)
