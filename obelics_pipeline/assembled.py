"""The table ``assembled/``: documents whose image nodes are slots, with an image or the reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from obelics_pipeline.document import Document, ImageNode
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.images_table import FETCH_LOG, IMAGE_RESULTS
from obelics_pipeline.tables import documents_of, documents_schema, documents_to_batch, strings


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """What is known of the image of an image node.

    ``status`` is ``ok``, a status of ``image_results``, or the rule that refused the image. ``part`` and
    ``offset`` say where in ``images/`` its bytes are, ``fetched_url`` which address they came from, for ``ok``
    only; ``via`` and ``final_url`` are where redirects led from there. ``detail`` and ``fetched_at`` (milliseconds
    since 1970, UTC) differ between builds and are given only if timestamps are wanted. ``scores`` are those of a
    classifier by label, if it could give them. ``documents``: how many show the same picture, if that was counted, and
    ``picture`` by what hash that is known.
    """

    status: str
    http_status: int | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    num_bytes: int | None = None
    sha256: str | None = None
    phash: str | None = None
    part: int | None = None
    offset: int | None = None
    fetched_url: str | None = None
    scores: dict[str, float] | None = None
    md5: str | None = None
    sha1: str | None = None
    final_url: str | None = None
    via: Sequence[str] | None = None
    detail: str | None = None
    fetched_at: int | None = None
    documents: int | None = None
    picture: str | None = None

    def addresses(self, url: str) -> tuple[str, ...]:
        """All addresses by which the image that is shown as ``url`` is known, each once."""
        places = (url, self.fetched_url, *(self.via or ()), self.final_url)
        return tuple(dict.fromkeys(place for place in places if place is not None))

    def reserved(self, why: str) -> Slot:
        """The same without its image, which may not be used: ``why`` is the signal that says so."""
        return msgspec.structs.replace(
            self,
            status=FetchStatus.OPTOUT.value,
            part=None,
            offset=None,
            fetched_url=None,
            scores=None,
            detail=None if self.detail is None else why,
            documents=None,
            picture=None,
        )


Slots: TypeAlias = tuple[Slot | None, ...]
"""One for each node of a document: None at text nodes."""

_COLUMNS: Final = pa.schema(
    [
        *IMAGE_RESULTS,
        *(field for field in FETCH_LOG if field.name != "url"),
        ("documents", pa.int32()),
        ("picture", pa.string()),
    ]
)
SLOT: Final = pa.struct([_COLUMNS.field(name) for name in Slot.__struct_fields__])


class Assembled(msgspec.Struct, frozen=True, array_like=True):
    """A document and its slots."""

    document: Document
    slots: Slots

    @property
    def fetched(self) -> Iterator[tuple[int, ImageNode, Slot]]:
        """The images that are there, each with its place."""
        for place, (node, slot) in enumerate(zip(self.document.nodes, self.slots, strict=True)):
            if isinstance(node, ImageNode) and slot is not None and slot.status == FetchStatus.OK:
                yield place, node, slot


def assembled_schema(measures: Sequence[str]) -> pa.Schema:
    """The schema of documents with a list of slots as long as the list of nodes."""
    return documents_schema(measures).append(pa.field("slots", pa.list_(SLOT)))


def assembled_to_batch(rows: Sequence[Assembled], schema: pa.Schema) -> pa.RecordBatch:
    """The Arrow form of ``rows``; ``schema`` is one of ``assembled_schema``."""
    plain = documents_to_batch([row.document for row in rows], pa.schema(list(schema)[:-1]))
    offsets = pa.array(accumulate((len(row.slots) for row in rows), initial=0), pa.int32())
    slots = list(chain.from_iterable(row.slots for row in rows))
    columns = [_column(slots, field) for field in SLOT]
    mask = pa.array([slot is None for slot in slots], pa.bool_())
    values = pa.StructArray.from_arrays(columns, fields=list(SLOT), mask=mask)
    return pa.RecordBatch.from_arrays(
        [*plain.columns, pa.ListArray.from_arrays(offsets, values)], schema=schema
    )


def _column(slots: Sequence[Slot | None], field: pa.Field) -> pa.Array:
    values: list[Any] = [None if slot is None else getattr(slot, field.name) for slot in slots]
    return strings(values) if field.type == pa.string() else pa.array(values, field.type)


def assembled_of(table: pa.Table) -> Iterator[Assembled]:
    """The rows of a table."""
    slots = table.column("slots").combine_chunks()
    values = slots.flatten()
    columns = (
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in values.flatten()
    )
    fields = [column.to_pylist(maps_as_pydicts="strict") for column in columns]
    present = values.is_valid().to_pylist()
    made = [
        Slot(*given) if there else None
        for there, given in zip(present, zip(*fields, strict=True), strict=True)
    ]
    start = 0
    for document in documents_of(table):
        end = start + len(document.nodes)
        yield Assembled(document, tuple(made[start:end]))
        start = end
