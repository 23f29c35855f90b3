"""Signatures of documents: what all passes read instead of them, and what a later run compares its own with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from beam_jobs.parts import Part
from beam_jobs.rows import Writer, documents
from filters.dedup.options import DedupOptions
from filters.dedup.signature import Signature, Signer
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError
from obelics_pipeline.tables import strings

_SCALARS: Final = {
    "id": pa.string(),
    "url": pa.string(),
    "domain": pa.string(),
    "order": pa.int64(),
    "url_key": pa.binary(),
    "text_key": pa.binary(),
}
_LISTS: Final = {
    "bands": pa.uint64(),
    "sketch": pa.uint32(),
    "words": pa.uint32(),
    "text_nodes": pa.int32(),
    "text_words": pa.int32(),
    "paragraph_nodes": pa.int32(),
    "paragraph_keys": pa.binary(),
    "image_nodes": pa.int32(),
    "image_keys": pa.binary(),
}
SIGNATURES: Final = pa.schema([*_SCALARS.items(), *((name, pa.list_(kind)) for name, kind in _LISTS.items())])
"""One row for each document of ``filtered/``, in its order (see ``filters.dedup.signature``)."""

_SIGNED: Final = b"obelics:signed"
_GROUP_ROWS: Final = 5_000


def sign_part(part: Part, path: str, options: DedupOptions) -> Tally:
    """Write the signatures of the documents in the file ``path``."""
    schema = SIGNATURES.with_metadata({_SIGNED: json.dumps(options.signed)})
    signer = Signer(options)
    file = part.table("signatures", schema)
    with Writer(file, lambda rows: _batch(rows, schema), _GROUP_ROWS) as writer:
        for document in documents(path):
            writer.add(signer.sign(document))
    return Tally()


def _batch(rows: Sequence[Signature], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for name, kind in _SCALARS.items():
        values = [getattr(row, name) for row in rows]
        columns.append(strings(values) if kind == pa.string() else pa.array(values, kind))
    columns += [_lists([getattr(row, name) for row in rows], kind) for name, kind in _LISTS.items()]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _lists(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    offsets = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    if kind == pa.binary():
        flat = pa.array([key for keys in values for key in keys], kind)
    else:
        flat = pa.array(np.concatenate([np.asarray(value, kind.to_pandas_dtype()) for value in values]), kind)
    return pa.ListArray.from_arrays(offsets, flat)


def check_comparable(path: str, options: DedupOptions) -> None:
    """Raise ``InputError`` unless the signatures in the file ``path`` were made as ``options`` would make them."""
    with io.open_read(path) as stream:
        metadata = pq.read_schema(stream).metadata or {}
    theirs = json.loads(metadata.get(_SIGNED, b"{}"))
    if theirs.get("version") != options.signed["version"]:
        raise InputError(
            f"--against: {path}: signatures of another version; run 'obelics dedup' of that run again"
        )
    for name, ours in options.signed.items():
        if ours is not None and theirs.get(name) != ours:
            raise InputError(
                f"--against: {path}: its signatures were made with {name} {theirs.get(name)}, these would be with "
                f"{ours}; use the settings of dedup.{name} that the earlier run had"
            )
