"""A finished dataset against today's opt-outs: what has to go leaves a tombstone, and its shard is written again.

A page that opts out takes its whole document along, and its images wherever other pages show them; an image that does
leaves an empty slot, which says why. One on a deny-list leaves nothing: a slot or a tombstone would tell where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from obelics_pipeline.dataset import table_of_rows
from obelics_pipeline.dataset_rows import places_without, without_slots
from obelics_pipeline.errors import InputError
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.url import canonical

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

STONES: Final = "tombstones.parquet"
"""The name of this table beside the dataset that was trimmed."""

DENIED: Final = "deny"
"""The kind of what is said of an image on a deny-list, which is not for the table of tombstones."""

UNASKED: Final = frozenset({"md5", "pdq", "sha1"})
"""The kinds of entries that cannot be asked of a dataset: of the bytes that were served it holds the SHA-256 alone."""

COLUMNS: Final = ("id", "url", "image_info")
"""What is read of a row to judge it: never the bytes of images."""


class Objection(msgspec.Struct, frozen=True):
    """What speaks against a page or an image: whose list or answer, what kind of entry or signal it is, and its value.

    Of a page: ``document`` if it takes the document along, else only its images."""

    registry: str
    kind: str
    value: str
    document: bool = False


class Lists(msgspec.Struct, frozen=True):
    """What to ask of a page, and of an image by its addresses and the SHA-256 of its bytes."""

    page: Callable[[str], Objection | None]
    image: Callable[[Collection[str], Collection[str]], Objection | None]


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


def page_addresses(table: pa.Table) -> list[str]:
    """The pages that ``tombstones`` asks about."""
    return list(dict.fromkeys(table.column("url").to_pylist()))


def image_addresses(table: pa.Table) -> list[str]:
    """The images that ``tombstones`` asks about, by all their addresses."""
    images = (info for infos in table.column("image_info").to_pylist() for info in infos if _asked(info))
    return list(dict.fromkeys(url for info in images for url in _addresses(info)))


def reserved_images(table: pa.Table, page: Callable[[str], Objection | None]) -> dict[str, Objection]:
    """The images of the pages in ``table`` to which ``page`` objects, by the keys of their addresses."""
    found: dict[str, Objection] = {}
    for number, url in enumerate(table.column("url").to_pylist()):
        if (why := page(url)) is not None:
            for address in image_addresses(table.slice(number, 1)):
                found.setdefault(canonical(address), why)
    return found


def _asked(info: dict[str, Any] | None) -> bool:
    return info is not None and info["status"] not in (FetchStatus.OPTOUT, FetchStatus.DENYLIST)


def _addresses(info: dict[str, Any]) -> tuple[str, ...]:
    return tuple({info["url"]: None, info.get("fetched_url") or info["url"]: None})


def _of_row(row: dict[str, Any], lists: Lists) -> Iterator[Tombstone]:
    of_page = lists.page(row["url"])
    if of_page is not None and of_page.document:
        said = (of_page.registry, of_page.kind, of_page.value)
        yield Tombstone(row["id"], "document", None, row["url"], None, *said)
        return
    for index, info in enumerate(row["image_info"]):
        if not _asked(info):
            continue
        # Deny-lists name what servers sent, or what was found in a dataset.
        hashes = tuple({name: None for name in (info.get("sha256_original"), info["sha256"]) if name})
        why = lists.image(_addresses(info), hashes) or of_page
        if why is None:
            continue
        said = (why.registry, why.kind, why.value)
        yield Tombstone(row["id"], "image", index, info["url"], info["sha256"], *said)


def stones_by_document(path: str) -> dict[str, list[Tombstone]]:
    """The rows of a table ``TOMBSTONES`` by the id of their documents, one of a whole document first.

    ``InputError`` if it cannot be read: nothing is shown rather than what should not be.
    """
    try:
        rows = pq.read_table(path, columns=TOMBSTONES.names).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: cannot be read ({error}); it is what 'obelics recheck' wrote") from error
    found: dict[str, list[Tombstone]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(Tombstone(**row))
    return {id: sorted(stones, key=lambda stone: stone.index is not None) for id, stones in found.items()}


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
    infos = row["image_info"]
    for stone in stones:
        for index in _slots_of(stone, infos):
            row["images"][index] = None
            said = f"{stone.kind} in {stone.registry}"
            infos[index] |= {"status": FetchStatus.OPTOUT.value, "status_detail": said}
    row["num_images"] = sum(image is not None for image in row["images"])
    if denied := _denied(stones):
        row = without_slots(row, denied)
    return table_of_rows([row]).cast(table.schema)


def _slots_of(stone: Tombstone, infos: Sequence[dict[str, Any] | None]) -> list[int]:
    """Where the image of a tombstone is: known by its address, as its slot is that before images on deny-lists went."""
    return [
        index
        for index, info in enumerate(infos)
        if _asked(info)
        and info is not None
        and (info["url"] == stone.url if stone.url else index == stone.index)
    ]


def moved_slots(table: pa.Table, found: list[list[Tombstone]]) -> dict[str, dict[int, int]]:
    """By document: where the slots go of rows from which images on deny-lists are taken."""
    moved = {}
    for number, stones in enumerate(found):
        if denied := _denied(stones):
            row = table.select(("id", "texts")).slice(number, 1).to_pylist()[0]
            places = enumerate(places_without(row["texts"], denied))
            moved[row["id"]] = {before: after for after, run in places for before in run}
    return moved


def _denied(stones: list[Tombstone]) -> list[int]:
    return [stone.index for stone in stones if stone.kind == DENIED and stone.index is not None]
