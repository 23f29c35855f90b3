"""Documents go into Arrow and come back the same, whatever text they hold."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelics_pipeline.document import TEXT_KINDS, Cluster, Document, ImageNode, Source, TextNode
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.tables import (
    FAILURES,
    Failure,
    documents_of,
    documents_schema,
    documents_to_batch,
    table_of,
)

MEASURES = ("image_count", "word_count")
SCHEMA = documents_schema(MEASURES)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
optional = st.none() | text
int32 = st.none() | st.integers(-(2**31), 2**31 - 1)
texts = st.builds(TextNode, st.sampled_from(TEXT_KINDS), text, text)
images = st.builds(
    ImageNode,
    text,
    text,
    optional,
    optional,
    optional,
    int32,
    int32,
    st.lists(text, max_size=3).map(tuple),
    text,
)
sources = st.builds(
    Source,
    optional,
    optional,
    optional,
    st.none() | st.integers(0, 2**62),
    int32,
    st.none() | st.integers(0, 2**42),
)
clusters = st.builds(Cluster, text, st.integers(0, 2**31 - 1), text)
documents = st.builds(
    Document,
    id=text,
    url=text,
    host=text,
    domain=text,
    nodes=st.lists(texts | images, max_size=6).map(tuple),
    source=sources,
    title=optional,
    language=optional,
    language_score=st.none() | st.floats(0, 1, width=32),
    consent=st.lists(text, max_size=2).map(tuple),
    measures=st.dictionaries(st.sampled_from(MEASURES), st.floats(allow_nan=False)),
    canonical=optional,
    cluster=st.none() | clusters,
    license=optional,
)


@given(st.lists(documents, max_size=4))
@settings(max_examples=150, deadline=None)
def test_documents_survive_arrow_and_parquet(batch: list[Document]) -> None:
    stream = io.BytesIO()
    with ParquetFile(stream, SCHEMA) as file:
        file.write(documents_to_batch(batch, SCHEMA))
    assert documents_of(pq.read_table(io.BytesIO(stream.getvalue()))) == batch


@given(st.lists(documents, min_size=3, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_slice_of_a_batch_is_a_slice_of_its_documents(batch: list[Document]) -> None:
    assert documents_of(documents_to_batch(batch, SCHEMA).slice(1, 2)) == batch[1:3]


def document(**changes: object) -> Document:
    values: dict[str, object] = {
        "id": "1",
        "url": "https://a.example/",
        "host": "a",
        "domain": "a",
        "nodes": (),
    }
    return Document(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        pytest.param("a\x00b", "a\x00b", id="NUL is text like any other"),
        pytest.param("a\ud800b", "a�b", id="a lone surrogate becomes the replacement character"),
        pytest.param("\ud83d\ude00", "😀", id="a surrogate pair becomes its character"),
        pytest.param("", "", id="empty text stays text"),
    ],
)
def test_text_that_utf8_cannot_hold(given_text: str, stored: str) -> None:
    batch = [
        document(nodes=(TextNode("paragraph", given_text), TextNode("paragraph", "plain")), title=given_text)
    ]
    (back,) = documents_of(documents_to_batch(batch, SCHEMA))
    assert [node.text for node in back.texts] == [stored, "plain"]
    assert back.title == stored


def test_a_measure_without_a_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="spam"):
        documents_to_batch([document(measures={"spam": 1.0})], SCHEMA)


def test_a_schema_without_measures_leaves_them_out() -> None:
    schema = documents_schema(())
    assert documents_of(documents_to_batch([document()], schema)) == [document()]


def test_a_table_may_lack_what_came_later() -> None:
    rich = document(canonical="https://a.example/1", cluster=Cluster("1", 2, "near_text"), license="CC0-1.0")
    table = pa.Table.from_batches([documents_to_batch([rich], SCHEMA)])
    assert documents_of(table) == [rich]
    assert documents_of(table.drop_columns(["canonical", "dedup", "license", "measures"])) == [document()]


def test_the_columns_of_canonical_links_and_clusters() -> None:
    rich = document(canonical="https://a.example/1", cluster=Cluster("1", 2, "near_text"))
    batch = documents_to_batch([document(), rich], SCHEMA)
    assert batch.column("canonical").to_pylist() == [None, "https://a.example/1"]
    assert batch.column("dedup").to_pylist() == [None, {"cluster": "1", "size": 2, "method": "near_text"}]


def test_every_field_is_nullable() -> None:
    assert all(field.nullable for field in [*SCHEMA, *SCHEMA.field("nodes").type.value_type])


def test_flat_rows_become_columns() -> None:
    rows = [
        Failure("https://a.example/\udc80", "a.warc.gz", 7, "nodes", "too many"),
        Failure(None, None, None, "e", ""),
    ]
    table = table_of(rows, FAILURES)
    assert table.schema == FAILURES
    assert table.column("url").to_pylist() == ["https://a.example/�", None]
    assert table.column("warc_offset").to_pylist() == [7, None]


def test_equal_rows_give_equal_bytes_and_the_hash_of_them() -> None:
    files = []
    for _ in range(2):
        stream = io.BytesIO()
        with ParquetFile(stream, SCHEMA) as file:
            file.write(documents_to_batch([document()] * 3, SCHEMA))
        files.append((file.sha256, file.rows, file.length, stream.getvalue()))
    assert files[0] == files[1]
    assert files[0][1:3] == (3, len(files[0][3]))
