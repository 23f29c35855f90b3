"""Rows of the dataset, and the form in which `datasets` finds images in them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from obelics_pipeline import dataset
from obelics_pipeline.assembled import Assembled, Slot, assembled_of, assembled_schema, assembled_to_batch
from obelics_pipeline.dataset_rows import TextForm, laid_out, row_of, shown_images
from obelics_pipeline.document import Cluster, Document, ImageNode, Source, TextNode
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.release import Shown, Withheld

SHOWN = Slot("ok", 200, "jpeg", 640, 480, 9, "ab" * 32, "c3" * 8, 3, 17)
GONE = Slot("http_4xx", 404)


def assembled(*nodes: tuple[Any, Slot | None]) -> Assembled:
    document = Document(
        "0f" * 16,
        "https://a.example/page",
        "a.example",
        "a.example",
        tuple(node for node, _ in nodes),
        Source("CC", "a.warc.gz", "<urn:uuid:1>", 5, 6, 1_700_000_000_000),
        title="Title",
        consent=("meta-robots:noai",),
        measures={"word_count": 4.0, "stopwords": 0.5},
        canonical="https://a.example/story",
        cluster=Cluster("0f" * 16, 3, "near_text"),
        license="CC-BY-SA-4.0",
    )
    return Assembled(document, tuple(slot for _, slot in nodes))


PAGE = assembled(
    (TextNode("heading", "One two", "/h1"), None),
    (TextNode("paragraph", "three", "/p"), None),
    (ImageNode("https://a.example/i/x.jpg?w=1", "x.jpg", "alt", dom_path="/img"), SHOWN),
    (ImageNode("https://a.example/gone.png"), GONE),
    (TextNode("paragraph", "fóur", "/p[2]"), None),
)


def picture(slot: Slot) -> Shown:
    return Shown(b"image of " + str(slot.offset).encode(), "ef" * 32)


def row(
    page: Assembled = PAGE,
    image: Callable[[Slot], Shown | Withheld] = picture,
    room: int = 1000,
    form: TextForm = "plain",
) -> dict[str, Any]:
    layout = laid_out(page, form)
    return row_of(
        page.document,
        layout,
        shown_images(layout, image, room),
        lambda texts: sum(len(text.split()) for text in texts),
    )


def test_texts_and_images_take_turns() -> None:
    made = row()
    assert made["texts"] == ("One two\n\nthree", None, None, "fóur")
    assert made["text_dom_paths"] == ("/h1\n/p", None, None, "/p[2]")
    assert made["images"] == [None, {"bytes": b"image of 17", "path": f"{'ef' * 32}.jpg"}, None, None]
    assert [info and info["status"] for info in made["image_info"]] == [None, "ok", "http_4xx", None]
    assert made["image_info"][1]["filename"] == "x.jpg"
    told = [made["image_info"][1][name] for name in ("sha256", "sha256_original", "num_bytes")]
    assert told == ["ef" * 32, "ab" * 32, len(b"image of 17")]
    assert [info and info["phash"] for info in made["image_info"]] == [None, "c3" * 8, None, None]
    counts = ("num_texts", "num_images", "num_image_slots", "num_words", "num_chars", "num_tokens_est")
    assert [made[name] for name in counts] == [2, 1, 2, 4, 18, 5]


def test_an_image_that_is_withheld_leaves_a_place_that_says_why() -> None:
    made = row(image=lambda slot: Withheld.METADATA)
    assert (made["images"], made["num_images"], made["num_image_slots"]) == ([None] * 4, 0, 2)
    info = made["image_info"][1]
    assert (info["status"], info["sha256"], info["num_bytes"]) == ("metadata_unclear", "ab" * 32, 9)


def test_no_address_carries_credentials() -> None:
    image = ImageNode("https://a.example/x.png?w=1&token=abc", "//me:pw@a.example/x.png?w=1&token=abc")
    page = assembled((image, GONE))
    page = Assembled(replace(page.document, url="https://a.example/?sessionid=1"), page.slots)
    made = row(page)
    (info,) = made["image_info"]
    assert [made["url"], info["url"], info["src_raw"], info["filename"]] == [
        "https://a.example/",
        "https://a.example/x.png?w=1",
        "//a.example/x.png?w=1",
        "x.png",
    ]


def test_measures_of_the_text_travel_with_it() -> None:
    assert row()["quality"] == {**dict.fromkeys(dataset.QUALITY), "stopwords": 0.5}


def test_what_a_document_stands_for_travels_with_it() -> None:
    alone = Assembled(replace(PAGE.document, cluster=None), PAGE.slots)
    table = dataset.table_of_rows([row(), row(alone)])
    assert table.column("dedup").to_pylist() == [
        {"cluster": "0f" * 16, "size": 3, "method": "near_text"},
        None,
    ]


def test_the_licence_of_the_text_travels_with_it() -> None:
    assert dataset.table_of_rows([row()]).column("license").to_pylist() == ["CC-BY-SA-4.0"]


def test_a_document_of_nothing_is_an_empty_row() -> None:
    made = row(assembled())
    assert (made["texts"], made["images"], made["num_words"]) == ((), [], 0)
    assert dataset.table_of_rows([made]).num_rows == 1


image_values = st.none() | st.fixed_dictionaries(
    {"bytes": st.none() | st.binary(max_size=9), "path": st.none() | st.text("ab", max_size=3)}
)


@given(st.lists(st.fixed_dictionaries({}, optional={"images": st.none() | st.lists(image_values)})))
def test_images_are_laid_into_arrow_as_pyarrow_does(rows: list[dict[str, Any]]) -> None:
    table = dataset.table_of_rows([{"id": str(number), **row} for number, row in enumerate(rows)])
    table.validate(full=True)
    again = pa.Table.from_pylist(table.to_pylist(), dataset.described_schema())
    assert table.equals(again, check_metadata=True)
    assert [row.get("images") for row in rows] == table.column("images").to_pylist()


@given(st.lists(image_values))
def test_a_column_may_be_an_image(values: list[dict[str, Any] | None]) -> None:
    schema = pa.schema([("image", dataset.IMAGE)])
    made = dataset.table_of_rows([{"image": value} for value in values], schema)
    made.validate(full=True)
    assert made.column("image").to_pylist() == values


def test_assembled_documents_survive_their_table() -> None:
    schema = assembled_schema(["stopwords", "word_count"])
    bare = Assembled(Document("1", "https://a.example/", "a.example", "a.example", ()), ())
    pages = [PAGE, bare, assembled(), assembled((ImageNode("https://a.example/1"), GONE))]
    batch = assembled_to_batch(pages, schema)
    assert list(assembled_of(pa.Table.from_batches([batch]))) == pages


def test_nothing_in_the_schema_loses_images() -> None:
    def fields(kind: Any) -> list[pa.Field]:
        inner = list(kind) if isinstance(kind, pa.Schema) or pa.types.is_struct(kind) else []
        if not inner and pa.types.is_list(kind):
            inner = [kind.value_field]
        return [field for child in inner for field in (child, *fields(child.type))]

    found = fields(dataset.SCHEMA)
    assert len(found) > 60
    assert all(field.nullable for field in found)
    assert not any(str(field.type).startswith("large") for field in found)
    image = dataset.SCHEMA.field("images").type.value_type
    assert [field.name for field in image] == ["bytes", "path"]


def test_the_features_are_in_the_words_of_every_version_of_datasets() -> None:
    features = json.loads(dataset.described_schema().metadata[b"huggingface"])["info"]["features"]
    assert list(features) == dataset.SCHEMA.names
    assert features["images"] == {"feature": {"_type": "Image"}, "_type": "Sequence"}
    assert features["texts"] == {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    assert features["image_info"][0]["width"] == {"dtype": "int32", "_type": "Value"}
    assert features["timestamp"] == {"dtype": "timestamp[ms]", "_type": "Value"}


@pytest.fixture(scope="module")
def file() -> pq.FileMetaData:
    stream = io.BytesIO()
    with ParquetFile(stream, dataset.described_schema(), dataset.writer_options()) as written:
        written.write(dataset.table_of_rows([row()]))
    return pq.read_metadata(stream)


def test_image_bytes_are_plain_and_everything_else_is_compressed(file: pq.FileMetaData) -> None:
    group = file.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    plain = columns.pop("images.list.element.bytes")
    assert plain.compression == "UNCOMPRESSED"
    assert "RLE_DICTIONARY" not in plain.encodings
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert all(column.has_offset_index for column in columns.values())


def test_kinds_of_texts_survive() -> None:
    made = row(form="markdown")
    assert made["texts"] == ("# One two\n\nthree", None, None, "fóur")
    assert (made["num_words"], made["num_chars"], made["num_tokens_est"]) == (5, 20, 6)


ROOM = {
    "room for all": (33, [True, True, True]),
    "the last does not fit": (32, [True, True, False]),
    "a smaller one behind fits": (21, [True, False, True]),
    "none": (0, [False, False, False]),
}


@pytest.mark.parametrize(("room", "there"), ROOM.values(), ids=ROOM)
def test_images_that_do_not_fit_leave_a_place_that_says_so(room: int, there: list[bool]) -> None:
    sizes = (11, 12, 10)
    slots = [replace(SHOWN, num_bytes=size) for size in sizes]
    page = assembled(*((ImageNode(f"https://a.example/{slot.num_bytes}"), slot) for slot in slots))
    made = row(page, lambda slot: Shown(bytes(slot.num_bytes or 0), "ef" * 32), room)
    assert [image is not None for image in made["images"]] == there
    expected = ["ok" if fits else "document_full" for fits in there]
    assert [info["status"] for info in made["image_info"]] == expected
    assert made["num_images"] == sum(there)


def test_columns_and_fields_stand_in_the_order_of_the_documentation() -> None:
    """What is ours alone stands behind what the format of the dataset asks for."""
    assert " ".join(dataset.SCHEMA.names) == (
        "id texts images image_info url domain host title language license language_score crawl warc_filename "
        "warc_record_id warc_offset warc_length timestamp num_texts num_images num_image_slots num_words num_chars "
        "num_tokens_est quality dedup optout text_dom_paths consent"
    )
    assert " ".join(field.name for field in dataset.SCHEMA.field("image_info").type.value_type) == (
        "url src_raw alt title caption filename width height original_width original_height rendered_width "
        "rendered_height num_bytes format sha256 phash status status_detail http_status fetched_at nsfw clip_sim "
        "watermark aesthetic dup_count dom_path fetched_url sha256_original"
    )


def test_no_column_is_unsigned_and_no_time_has_a_zone() -> None:
    leaves = dict(dataset._leaves(dataset.SCHEMA))
    kinds = {str(kind) for kind in leaves.values()}
    assert kinds == {"string", "binary", "int16", "int32", "int64", "float", "timestamp[ms]"}


def test_pages_are_cut_by_content_and_found_by_an_index(file: pq.FileMetaData) -> None:
    assert json.loads(file.metadata[b"content_defined_chunking"]) == dataset.CHUNKING
    group = file.row_group(0)
    assert all(
        group.column(n).has_column_index for n in range(group.num_columns) if group.column(n).statistics
    )


def test_every_column_has_a_codec_of_its_own() -> None:
    options, leaves = dataset.writer_options(), dict(dataset._leaves(dataset.SCHEMA))
    assert set(options["compression"]) == set(leaves)
    assert set(options["use_dictionary"]) == set(leaves) - {"images.list.element.bytes"}
