"""The dataset as its users read it: one row for each document, parallel lists of texts and images.

Every field is nullable, the image struct is ``bytes, path`` in this order, and the schema carries the key
``huggingface``: otherwise ``datasets`` gives raw structs instead of images.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import pyarrow as pa

from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.document import Document, ImageNode, Node, TextNode
from obelics_pipeline.release import ReleaseOptions, Shown, Withheld
from obelics_pipeline.scorer import highest
from obelics_pipeline.tables import CLUSTER
from obelics_pipeline.url import without_credentials

OK: Final = "ok"

_IMAGE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_IMAGE_INFO: Final = pa.struct(
    [
        *(
            (name, pa.string())
            for name in ("url", "fetched_url", "src_raw", "alt", "title", "caption", "filename")
        ),
        *((name, pa.int32()) for name in ("width", "height", "original_width", "original_height")),
        *((name, pa.int32()) for name in ("rendered_width", "rendered_height", "num_bytes")),
        *(
            (name, pa.string())
            for name in ("format", "sha256", "sha256_original", "phash", "status", "status_detail")
        ),
        ("http_status", pa.int16()),
        ("fetched_at", pa.timestamp("ms")),
        *((name, pa.float32()) for name in ("nsfw", "clip_sim", "watermark", "aesthetic")),
        ("dup_count", pa.int32()),
        ("dom_path", pa.string()),
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
        ("images", pa.list_(_IMAGE)),
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
        ("consent", pa.list_(pa.string())),
        ("text_dom_paths", pa.list_(pa.string())),
    ]
)
"""``texts``, ``images``, ``image_info``, ``text_dom_paths`` are equally long; what nobody fills is null."""

GROUP_ROWS: Final = 100
GROUP_BYTES: Final = 64_000_000
"""Row groups end after so many rows or so many bytes of images and text."""

BYTES_PER_TOKEN: Final = 4
"""UTF-8 bytes of a token of text, for ``num_tokens_est``: the usual rule of thumb for English."""

CHUNKING: Final = {"min_chunk_size": 256 << 10, "max_chunk_size": 1 << 20, "norm_level": 0}
"""Pages are cut by content, as ``datasets`` does: versions of a dataset share most of their bytes."""

_EXTENSIONS: Final = {"jpeg": "jpg", "tiff": "tif"}


def feature_of(kind: pa.DataType) -> Any:
    """A column in the words of ``datasets``, in the form that its old versions know, too."""
    if kind == _IMAGE:
        return {"_type": "Image"}
    if pa.types.is_struct(kind):
        return {field.name: feature_of(field.type) for field in kind}
    if pa.types.is_list(kind):
        inner = feature_of(kind.value_type)
        return {"feature": inner, "_type": "Sequence"} if "_type" in inner else [inner]
    names = {pa.float32(): "float32", pa.timestamp("ms"): "timestamp[ms]"}
    return {"dtype": names.get(kind, str(kind)), "_type": "Value"}


def described_schema() -> pa.Schema:
    """``SCHEMA`` with the metadata that tell ``datasets`` which columns are images."""
    features = {field.name: feature_of(field.type) for field in SCHEMA}
    return SCHEMA.with_metadata(
        {
            "huggingface": json.dumps({"info": {"features": features}}),
            "content_defined_chunking": json.dumps(CHUNKING),
        }
    )


def writer_options() -> dict[str, Any]:
    """How ``dataset/`` is written: images plain and as they are, the rest zstd; every column is named."""
    leaves = list(_leaves(SCHEMA))
    image_bytes = "images.list.element.bytes"
    others = [leaf for leaf in leaves if leaf != image_bytes]
    return {
        "compression": {leaf: "none" if leaf == image_bytes else "zstd" for leaf in leaves},
        "use_dictionary": others,
        "write_statistics": others,
        "use_content_defined_chunking": CHUNKING,
    }


def _leaves(fields: Sequence[pa.Field] | pa.Schema | pa.StructType, prefix: str = "") -> Iterator[str]:
    for field in fields:
        name, kind = f"{prefix}{field.name}", field.type
        if pa.types.is_list(kind):
            name, kind = f"{name}.list.element", kind.value_type
        if pa.types.is_struct(kind):
            yield from _leaves(kind, f"{name}.")
        else:
            yield name


def row_of(
    assembled: Assembled,
    image: Callable[[Slot], Shown | Withheld],
    words: Callable[[str], int],
    unsafe: Sequence[str] = (),
) -> dict[str, Any]:
    """The row of a document; ``image`` gives what is shown in a slot that is ``ok``, ``words`` counts words.

    ``unsafe`` are the labels of which ``image_info.nsfw`` is the highest score.

    Text nodes that follow each other are one text, joined by an empty line.
    """
    document = assembled.document
    texts: list[str | None] = []
    paths: list[str | None] = []
    images: list[dict[str, Any] | None] = []
    infos: list[dict[str, Any] | None] = []
    for node, slot in _slots(assembled):
        if slot is None:
            texts.append("\n\n".join(text.text for text in node))
            paths.append("\n".join(text.dom_path for text in node))
            images.append(None)
            infos.append(None)
        else:
            texts.append(None)
            paths.append(None)
            shown = image(slot) if slot.status == OK else None
            images.append(_image(slot, shown) if isinstance(shown, Shown) else None)
            score = highest(slot.scores, unsafe)
            infos.append(_info(node[0], slot) | _published(shown) | {"nsfw": score})
    written = [text for text in texts if text is not None]
    return {
        **_head(document),
        "quality": {name: document.measures.get(name) for name in QUALITY},
        "texts": texts,
        "images": images,
        "image_info": infos,
        "text_dom_paths": paths,
        "num_texts": len(written),
        "num_images": len(images) - images.count(None),
        "num_image_slots": len(texts) - len(written),
        "num_words": sum(map(words, written)),
        "num_chars": sum(map(len, written)),
        "num_tokens_est": -(-sum(len(text.encode()) for text in written) // BYTES_PER_TOKEN),
    }


def _slots(assembled: Assembled) -> Iterator[tuple[list[Any], Slot | None]]:
    """Runs of text nodes, and single image nodes with their slots."""
    pairs = zip(assembled.document.nodes, assembled.slots, strict=True)

    def is_text(pair: tuple[Node, Slot | None]) -> bool:
        return isinstance(pair[0], TextNode)

    for text, run in groupby(pairs, key=is_text):
        if text:
            yield [node for node, _ in run], None
        else:
            yield from (([node], slot) for node, slot in run)


def _head(document: Document) -> dict[str, Any]:
    source, cluster = document.source, document.cluster
    return {
        "id": document.id,
        "url": without_credentials(document.url),
        "domain": document.domain,
        "host": document.host,
        "title": document.title,
        "language": document.language,
        "license": document.license,
        "language_score": document.language_score,
        "crawl": source.crawl,
        "warc_filename": source.warc_filename,
        "warc_record_id": source.warc_record_id,
        "warc_offset": source.warc_offset,
        "warc_length": source.warc_length,
        "timestamp": source.timestamp,
        "dedup": cluster and {"cluster": cluster.id, "size": cluster.size, "method": cluster.method},
        "consent": list(document.consent),
    }


def _image(slot: Slot, shown: Shown) -> dict[str, Any]:
    extension = _EXTENSIONS.get(slot.format or "", slot.format)
    return {"bytes": shown.body, "path": f"{shown.sha256}.{extension}"}


def _published(shown: Shown | Withheld | None) -> dict[str, Any]:
    """What differs from the image that was fetched."""
    if isinstance(shown, Shown):
        return {"sha256": shown.sha256, "num_bytes": len(shown.body)}
    return {} if shown is None else {"status": shown.value}


def _info(node: ImageNode, slot: Slot) -> dict[str, Any]:
    return {
        "url": without_credentials(node.url),
        "fetched_url": slot.fetched_url and without_credentials(slot.fetched_url),
        "src_raw": without_credentials(node.src_raw),
        "alt": node.alt,
        "title": node.title,
        "caption": node.caption,
        "filename": node.url.partition("?")[0].rpartition("/")[2],
        "width": slot.width,
        "height": slot.height,
        "original_width": slot.width,
        "original_height": slot.height,
        "rendered_width": node.rendered_width,
        "rendered_height": node.rendered_height,
        "num_bytes": slot.num_bytes,
        "format": slot.format,
        "sha256": slot.sha256,
        "sha256_original": slot.sha256,
        "phash": slot.phash,
        "status": slot.status,
        "status_detail": slot.detail,
        "http_status": slot.http_status,
        "fetched_at": slot.fetched_at,
        "dup_count": slot.documents,
        "dom_path": node.dom_path,
    }


def table_of_rows(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """``rows`` as a table of ``described_schema``; a name that a row lacks is null."""
    return pa.Table.from_pylist(list(rows), schema=described_schema())


def size_of(row: dict[str, Any]) -> int:
    """About the bytes of a row: its images and its text."""
    images = sum(len(image["bytes"]) for image in row["images"] if image is not None)
    return images + sum(len(text) for text in row["texts"] if text is not None)


def card(documents: int, images: int, options: ReleaseOptions) -> str:
    """The card of a dataset, ``README.md``, of so many documents and images."""
    told = _BYTES[options.image_metadata] + _FACES * (options.faces is not None)
    return _CARD.format(counts=counts(documents, images), bytes=told)


def counts(documents: int, images: int) -> str:
    """What the card says of the size of a dataset."""
    return f"{documents:,} web documents with {images:,} images"


_BYTES: Final = {
    "keep": "Image bytes are those that the server sent.",
    "strip": "Images are as the server sent them, to the pixel, but their files tell nothing of places, devices and\n"
    "owners; orientation, colours, credits and reservations stay in them.",
}
_FACES: Final = (
    "\nFaces that a detector found are blurred; these images have been encoded again. `image_info.phash` is that of\n"
    "the original."
)
_CARD: Final = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
tags:
- image-text
- interleaved
---

# Interleaved image-text documents

{counts}, as they stood in the pages.

    from datasets import load_dataset
    dataset = load_dataset("path/to/this/folder", split="train", streaming=True)

One row is one document. `texts`, `images` and `image_info` are lists of equal length: each place holds a text
or an image. Where `images` is null and `image_info` is not, the page has an image that is not in the dataset:
`image_info.status` says why. {bytes} `image_info.sha256` is the hash
of the bytes here, `image_info.sha256_original` of those that the server sent.

Documents come from the archives in `warc_filename`; `warc_offset` and `warc_length` lead to the capture.
`_MANIFEST.json` lists the files with rows and SHA-256, and the counts of the build.
The rights in texts and images are their authors'; `consent` lists the signals that the pages themselves gave.
"""
"""A format string."""
