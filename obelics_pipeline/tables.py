"""The tables that stages hand to each other, and the way of documents into Arrow and back.

Conversion works on flat columns (all nodes of a batch at once), never through one dictionary per node: a
document of 40 nodes costs about 0.1 ms each way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from obelics_pipeline.document import Cluster, Document, ImageNode, Node, Source, TextNode

IMAGE: Final = pa.struct(
    [
        ("url", pa.string()),
        ("src_raw", pa.string()),
        ("alt", pa.string()),
        ("title", pa.string()),
        ("caption", pa.string()),
        ("rendered_width", pa.int32()),
        ("rendered_height", pa.int32()),
        ("candidates", pa.list_(pa.string())),
    ]
)
NODE: Final = pa.struct(
    [("kind", pa.string()), ("text", pa.string()), ("image", IMAGE), ("dom_path", pa.string())]
)
SOURCE: Final = (
    ("crawl", pa.string()),
    ("warc_filename", pa.string()),
    ("warc_record_id", pa.string()),
    ("warc_offset", pa.int64()),
    ("warc_length", pa.int32()),
    ("timestamp", pa.timestamp("ms")),
)
SCALARS: Final = (
    ("id", pa.string()),
    ("url", pa.string()),
    ("host", pa.string()),
    ("domain", pa.string()),
    ("title", pa.string()),
    ("language", pa.string()),
    ("language_score", pa.float32()),
)
CLUSTER: Final = pa.struct([("cluster", pa.string()), ("size", pa.int32()), ("method", pa.string())])
DECISIONS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("domain", pa.string()),
        ("level", pa.string()),
        ("index", pa.int32()),
        ("rule", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("op", pa.string()),
        ("kept", pa.bool_()),
        ("excerpt", pa.string()),
        ("crawl", pa.string()),
    ]
)
"""One row for every rejection, of whatever level."""

CONSENT: Final = pa.schema(
    [
        ("level", pa.string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("what", pa.string()),
        ("value", pa.string()),
        ("checked_at", pa.timestamp("ms")),
        ("verdict", pa.string()),
        ("rule", pa.string()),
    ]
)
"""One row for every signal on consent, with what follows from it."""

FAILURES: Final = pa.schema(
    [
        ("url", pa.string()),
        ("warc_filename", pa.string()),
        ("warc_offset", pa.int64()),
        ("error", pa.string()),
        ("message", pa.string()),
    ]
)
"""One row for every page (or stretch of an archive) that could not be read or extracted."""


def documents_schema(measures: Sequence[str]) -> pa.Schema:
    """The schema of a table of documents whose ``measures`` struct has a float64 field for each name.

    Parquet knows no struct without fields: with no names the column is left out.
    """
    fields: list[tuple[str, pa.DataType]] = [*SCALARS, *SOURCE]
    fields += [("consent", pa.list_(pa.string())), ("nodes", pa.list_(NODE))]
    fields += [("canonical", pa.string()), ("dedup", CLUSTER), ("license", pa.string())]
    if measures:
        fields.append(("measures", pa.struct([(name, pa.float64()) for name in measures])))
    return pa.schema(fields)


def strings(values: Iterable[str | None]) -> pa.Array:
    """An Arrow array of ``values``; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    values = values if isinstance(values, list) else list(values)
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if v is None else _utf8_safe(v) for v in values], pa.string())


def _utf8_safe(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def table_of(rows: Sequence[Any], schema: pa.Schema) -> pa.RecordBatch:
    """A batch of flat ``rows`` (structs whose attributes are the columns of ``schema``)."""
    columns = []
    for field in schema:
        values = [getattr(row, field.name) for row in rows]
        columns.append(strings(values) if field.type == pa.string() else pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _offsets(lengths: Iterable[int]) -> pa.Array:
    return pa.array(accumulate(lengths, initial=0), pa.int32())


def _lists(values: Sequence[Sequence[str]]) -> pa.Array:
    return pa.ListArray.from_arrays(_offsets(map(len, values)), strings(chain.from_iterable(values)))


def documents_to_batch(documents: Sequence[Document], schema: pa.Schema) -> pa.RecordBatch:
    """The Arrow form of ``documents``; a measure without a column in ``schema`` raises ``KeyError``."""
    columns = []
    for name, kind in SCALARS:
        values = [getattr(document, name) for document in documents]
        columns.append(strings(values) if kind == pa.string() else pa.array(values, kind))
    for name, kind in SOURCE:
        values = [getattr(document.source, name) for document in documents]
        columns.append(strings(values) if kind == pa.string() else pa.array(values, kind))
    columns.append(_lists([document.consent for document in documents]))
    columns.append(_nodes_to_array([document.nodes for document in documents]))
    columns.append(strings([document.canonical for document in documents]))
    columns.append(_clusters_to_array([document.cluster for document in documents]))
    columns.append(strings([document.license for document in documents]))
    if "measures" in schema.names:
        columns.append(_measures_to_array([document.measures for document in documents], schema))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _nodes_to_array(documents: Sequence[Sequence[Node]]) -> pa.Array:
    nodes = list(chain.from_iterable(documents))
    is_text = [type(node) is TextNode for node in nodes]
    images = [node for node in nodes if type(node) is ImageNode]
    kinds: list[str] = []
    texts: list[str | None] = []
    for node in nodes:
        if type(node) is TextNode:
            kinds.append(node.kind)
            texts.append(node.text)
        else:
            kinds.append("image")
            texts.append(None)
    columns = [
        strings(kinds),
        strings(texts),
        _spread(_images_to_array(images), is_text),
        strings([node.dom_path for node in nodes]),
    ]
    values = pa.StructArray.from_arrays(columns, fields=list(NODE))
    return pa.ListArray.from_arrays(_offsets(map(len, documents)), values)


def _spread(values: pa.Array, absent: Sequence[bool]) -> pa.Array:
    """``values`` in order at the places that are not ``absent``, null at the others."""
    places = accumulate((not missing for missing in absent), initial=-1)
    next(places)
    indices = [None if missing else place for missing, place in zip(absent, places, strict=True)]
    return values.take(pa.array(indices, pa.int32()))


def _images_to_array(images: Sequence[ImageNode]) -> pa.Array:
    columns = [
        strings([image.url for image in images]),
        strings([image.src_raw for image in images]),
        strings([image.alt for image in images]),
        strings([image.title for image in images]),
        strings([image.caption for image in images]),
        pa.array([image.rendered_width for image in images], pa.int32()),
        pa.array([image.rendered_height for image in images], pa.int32()),
        _lists([image.candidates for image in images]),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(IMAGE))


def _clusters_to_array(clusters: Sequence[Cluster | None]) -> pa.Array:
    known = [cluster for cluster in clusters if cluster is not None]
    columns = [
        strings([cluster.id for cluster in known]),
        pa.array([cluster.size for cluster in known], pa.int32()),
        strings([cluster.method for cluster in known]),
    ]
    values = pa.StructArray.from_arrays(columns, fields=list(CLUSTER))
    return _spread(values, [cluster is None for cluster in clusters])


def _measures_to_array(measures: Sequence[dict[str, float]], schema: pa.Schema) -> pa.Array:
    fields = list(schema.field("measures").type)
    if unknown := set().union(*measures) - {field.name for field in fields}:
        raise KeyError(f"measures without a column: {sorted(unknown)}")
    columns = [pa.array([values.get(field.name) for values in measures], pa.float64()) for field in fields]
    return pa.StructArray.from_arrays(columns, fields=fields)


def documents_of(table: pa.RecordBatch | pa.Table) -> list[Document]:
    """The documents of a batch (columns beyond those of ``documents_schema`` are ignored).

    A table may lack ``canonical``, ``dedup``, ``license`` and ``measures``: its documents do, too.
    """
    sources = _columns(table, [name for name, _ in SOURCE if name != "timestamp"])
    times = table.column("timestamp").cast(pa.int64()).to_pylist()
    fields = zip(
        *_columns(table, [name for name, _ in SCALARS]),
        _nodes_of(table.column("nodes")),
        (Source(*values) for values in zip(*sources, times, strict=True)),
        table.column("consent").to_pylist(),
        _measures_of(table),
        _optional(table, "canonical"),
        (row and Cluster(*row.values()) for row in _optional(table, "dedup")),
        _optional(table, "license"),
        strict=True,
    )
    return [
        Document(id, url, host, domain, nodes, source, title, language, score, tuple(consent), *rest)
        for id, url, host, domain, title, language, score, nodes, source, consent, *rest in fields
    ]


def _columns(table: pa.RecordBatch | pa.Table, names: Sequence[str]) -> list[list[Any]]:
    return [table.column(name).to_pylist() for name in names]


def _optional(table: pa.RecordBatch | pa.Table, name: str) -> list[Any]:
    return table.column(name).to_pylist() if name in table.schema.names else [None] * table.num_rows


def _measures_of(table: pa.RecordBatch | pa.Table) -> list[dict[str, float]]:
    rows = _optional(table, "measures")
    return [{name: value for name, value in (row or {}).items() if value is not None} for row in rows]


def _nodes_of(column: pa.Array | pa.ChunkedArray) -> list[tuple[Node, ...]]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kinds, texts, images, paths = array.flatten().flatten()
    pictures = _images_of(images.drop_null(), paths.filter(images.is_valid()))
    nodes: list[Node] = [
        next(pictures) if text is None else TextNode(kind, text, path)
        for kind, text, path in zip(*(part.to_pylist() for part in (kinds, texts, paths)), strict=True)
    ]
    ends = list(accumulate(pc.list_value_length(array).to_pylist(), initial=0))
    return [tuple(nodes[start:end]) for start, end in pairwise(ends)]


def _images_of(images: pa.StructArray, paths: pa.Array) -> Iterator[ImageNode]:
    *columns, candidates = (column.to_pylist() for column in images.flatten())
    return map(ImageNode, *columns, map(tuple, candidates), paths.to_pylist())


class Failure(msgspec.Struct, frozen=True):
    """A row of a ``failures`` table; ``error`` is a word of a closed set."""

    url: str | None
    warc_filename: str | None
    warc_offset: int | None
    error: str
    message: str
