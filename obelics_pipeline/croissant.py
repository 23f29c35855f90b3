"""``croissant.json``: the dataset in the words of Croissant 1.0 (JSON-LD of MLCommons), for machines.

Each table is a file with its SHA-256, the files of a split a set, and the columns of a config the fields of its
records. It holds no clock time, and no address: where the dataset will be found it cannot know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from obelics_pipeline.card import PAPER, counts
from obelics_pipeline.dataset_files import DataFile, DatasetManifest
from obelics_pipeline.survey import Total

SPECIFICATION: Final = "http://mlcommons.org/croissant/1.0"
PARQUET: Final = "application/x-parquet"

_TERMS: Final = (
    *(
        "citeAs",
        "column",
        "equivalentProperty",
        "extract",
        "field",
        "fileProperty",
        "fileObject",
        "fileSet",
        "format",
    ),
    *(
        "includes",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
    ),
    *("regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
"""Terms of the vocabulary of Croissant that need no word of their own."""
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    **{name: f"cr:{name}" for name in _TERMS},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def croissant(manifest: DatasetManifest, total: Total, schemas: Mapping[str, pa.Schema]) -> bytes:
    """The description of the dataset of ``manifest``; ``schemas`` has the columns of each config."""
    images = total.survey.sums.get("num_images", 0)
    configs = manifest.configs()
    data = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPECIFICATION,
        "name": "interleaved-image-text-documents",
        "description": f"{counts(total.documents, images)}, as they stood in the pages.",
        "license": "The rights in texts and images are their authors'; see README.md.",
        "creator": {"@type": "sc:Organization", "name": f"OBELICS builder {manifest.builder}"},
        "citeAs": PAPER,
        "version": "1.0.0",
        **({"datePublished": manifest.build.made_at} if manifest.build.made_at else {}),
        "distribution": [*map(_file, manifest.files), *map(_set, configs.items())],
        "recordSet": [_records(config, schemas[config]) for config in configs],
    }
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _file(file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _set(config: tuple[str, Mapping[str, Sequence[DataFile]]]) -> dict[str, Any]:
    name, splits = config
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "description": f"The files of the config {name}; their names begin with the split: {', '.join(splits)}.",
        "encodingFormat": PARQUET,
        "includes": next(iter(splits.values()))[0].path.partition("/")[0] + "/*.parquet",
    }


def _records(config: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "field": list(_fields(schema, config)),
    }


def _fields(columns: pa.Schema, config: str) -> Iterator[dict[str, Any]]:
    for column in columns:
        kind, repeated = column.type, pa.types.is_list(column.type)
        kind = kind.value_type if repeated else kind
        name = f"{config}/{column.name}"
        made = {"@type": "cr:Field", "@id": name, "name": name, **({"repeated": True} if repeated else {})}
        if not pa.types.is_struct(kind):
            yield made | {"dataType": _type(column.name, kind), "source": _source(config, column.name)}
        elif kind.get_field_index("bytes") >= 0:
            yield made | {"dataType": "sc:ImageObject", "source": _source(config, column.name, "bytes")}
        else:
            yield made | {"subField": [_part(config, column.name, field) for field in kind]}


def _part(config: str, column: str, field: pa.Field) -> dict[str, Any]:
    name = f"{config}/{column}/{field.name}"
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "dataType": _type(field.name, field.type),
        "source": _source(config, column, field.name),
    }


def _source(config: str, column: str, key: str | None = None) -> dict[str, Any]:
    made = {"fileSet": {"@id": f"{config}-files"}, "extract": {"column": column}}
    return made if key is None else made | {"transform": {"jsonPath": key}}


def _type(name: str, kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_timestamp(kind):
        return "sc:DateTime"
    return "sc:URL" if name.endswith("url") else "sc:Text"
