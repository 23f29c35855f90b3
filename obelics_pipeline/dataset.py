"""The dataset as its users read it: one row for each document, parallel lists of texts and images.

Every field is nullable, the image struct is ``bytes, path`` in this order, and the schema carries the key
``huggingface``: otherwise ``datasets`` gives raw structs instead of images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import pyarrow as pa

from obelics_pipeline.tables import CLUSTER

IMAGE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_IMAGE_INFO: Final = pa.struct(
    [
        *((name, pa.string()) for name in ("url", "src_raw", "alt", "title", "caption", "filename")),
        *((name, pa.int32()) for name in ("width", "height", "original_width", "original_height")),
        *((name, pa.int32()) for name in ("rendered_width", "rendered_height", "num_bytes")),
        *((name, pa.string()) for name in ("format", "sha256", "phash", "status", "status_detail")),
        ("http_status", pa.int16()),
        ("fetched_at", pa.timestamp("ms")),
        *((name, pa.float32()) for name in ("nsfw", "clip_sim", "watermark", "aesthetic")),
        ("dup_count", pa.int32()),
        *((name, pa.string()) for name in ("dom_path", "fetched_url", "sha256_original")),
    ]
)
QUALITY: Final = (
    "character_repetition",
    "word_repetition",
    "special_characters",
    "stopwords",
    "flagged_words",
    "punctuation",
    "common_words",
    "spam_words",
    "perplexity",
    "quality",
    "spun_text",
)
"""The measures of whole documents that the dataset carries, for users who want other limits: null if no rule
of the configuration measured them."""

SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("texts", pa.list_(pa.string())),
        ("images", pa.list_(IMAGE)),
        ("image_info", pa.list_(_IMAGE_INFO)),
        *((name, pa.string()) for name in ("url", "domain", "host", "title", "language", "license")),
        ("language_score", pa.float32()),
        *((name, pa.string()) for name in ("crawl", "warc_filename", "warc_record_id")),
        ("warc_offset", pa.int64()),
        ("warc_length", pa.int32()),
        ("timestamp", pa.timestamp("ms")),
        *((name, pa.int32()) for name in ("num_texts", "num_images", "num_image_slots")),
        *((name, pa.int32()) for name in ("num_words", "num_chars", "num_tokens_est")),
        ("quality", pa.struct([(name, pa.float32()) for name in QUALITY])),
        ("dedup", CLUSTER),
        (
            "optout",
            pa.struct([("checked_at", pa.timestamp("ms")), ("source", pa.string()), ("result", pa.string())]),
        ),
        ("text_dom_paths", pa.list_(pa.string())),
        ("consent", pa.list_(pa.string())),
    ]
)
"""``texts``, ``images``, ``image_info``, ``text_dom_paths`` are equally long; what nobody fills is null."""

GROUP_ROWS: Final = 100
GROUP_BYTES: Final = 64_000_000
"""Row groups have at most so many rows, and so many bytes of images and text; a larger document stands alone."""

CHUNKING: Final = {"min_chunk_size": 256 << 10, "max_chunk_size": 1 << 20, "norm_level": 0}
"""Pages are cut by content, as ``datasets`` does: versions of a dataset share most of their bytes."""


def feature_of(kind: pa.DataType) -> Any:
    """A column in the words of ``datasets``, in the form that its old versions know, too."""
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_struct(kind):
        return {field.name: feature_of(field.type) for field in kind}
    if pa.types.is_list(kind):
        inner = feature_of(kind.value_type)
        return {"feature": inner, "_type": "Sequence"} if "_type" in inner else [inner]
    names = {pa.float32(): "float32", pa.timestamp("ms"): "timestamp[ms]"}
    return {"dtype": names.get(kind, str(kind)), "_type": "Value"}


def described_schema(schema: pa.Schema = SCHEMA) -> pa.Schema:
    """``schema`` with the metadata that tell ``datasets`` which columns are images."""
    features = {field.name: feature_of(field.type) for field in schema}
    return schema.with_metadata(
        {
            "huggingface": json.dumps({"info": {"features": features}}),
            "content_defined_chunking": json.dumps(CHUNKING),
        }
    )


def writer_options(schema: pa.Schema = SCHEMA) -> dict[str, Any]:
    """How a table of ``dataset/`` is written: images plain and as they are, the rest zstd; every column is named.

    ``pyarrow`` leaves a column that is not named uncompressed.
    """
    leaves = dict(_leaves(schema))
    others = [leaf for leaf, kind in leaves.items() if kind != pa.binary()]
    return {
        "compression": {leaf: "none" if kind == pa.binary() else "zstd" for leaf, kind in leaves.items()},
        "use_dictionary": others,
        "write_statistics": others,
        "use_content_defined_chunking": CHUNKING,
    }


def _leaves(
    fields: Iterable[pa.Field] | pa.Schema | pa.StructType, prefix: str = ""
) -> Iterator[tuple[str, pa.DataType]]:
    """The paths of the leaves below ``fields``, as Parquet writes them, with their types."""
    for field in fields:
        name, kind = f"{prefix}{field.name}", field.type
        if pa.types.is_list(kind):
            name, kind = f"{name}.list.element", kind.value_type
        if pa.types.is_struct(kind):
            yield from _leaves(kind, f"{name}.")
        else:
            yield name, kind


def table_of_rows(rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """``rows`` as a table of ``schema``, described; a name that a row lacks is null."""
    columns = [_column([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=described_schema(schema))


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == IMAGE:
        return _images(values)
    if kind != pa.list_(IMAGE):
        return pa.array(values, kind)
    ends = accumulate((len(value or ()) for value in values), initial=0)
    offsets = [None if value is None else end for value, end in zip([*values, ()], ends, strict=True)]
    images = _images([image for value in values for image in value or ()])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), images, kind)


def _images(values: Sequence[Mapping[str, Any] | None]) -> pa.StructArray:
    """Images, their bytes copied once: arrays that grow copy what they have again and again."""
    bodies = [None if value is None else value["bytes"] for value in values]
    there = [body for body in bodies if body is not None]
    offsets = pa.array(accumulate((len(body or b"") for body in bodies), initial=0), pa.int32())
    known = pa.array([body is not None for body in bodies], pa.bool_())
    buffers = [known.buffers()[1], offsets.buffers()[1], pa.py_buffer(b"".join(there))]
    binary = pa.Array.from_buffers(pa.binary(), len(bodies), buffers)
    paths = pa.array([None if value is None else value["path"] for value in values], pa.string())
    mask = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays([binary, paths], fields=list(IMAGE), mask=mask)
