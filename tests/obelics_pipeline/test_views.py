"""What a document is in each view, and that it comes back from there."""

from __future__ import annotations

import itertools
import json
from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.errors import InputError
from obelics_pipeline.views import dense, energon, mds, mmc4, obelics, webdataset
from obelics_pipeline.views.document import Document, Picture, document_of

TEXTS = st.lists(
    st.sampled_from(
        ["<image>", "<\\image>", "\n", "\n\n", "\\", " ", "word", "ß", "漢", "😀", "é", '"', "<", "\0"]
    ),
    min_size=1,
    max_size=8,
).map("".join)
SLOTS = st.tuples(st.sampled_from(["ok", "ok", "http_4xx", "optout", "denylist"]), st.binary(max_size=20))


def row_of(parts: list[Any]) -> dict[str, Any]:
    """A row of the dataset from texts, and (status, bytes) of images."""
    texts, images, infos = [], [], []
    for number, part in enumerate(parts):
        text = part if isinstance(part, str) else None
        status, body = ("", b"") if isinstance(part, str) else part
        texts.append(text)
        images.append({"bytes": body, "path": f"{number}.jpg"} if status == "ok" else None)
        url = f"https://images.example/{number}.jpg"
        fields = dict.fromkeys(obelics.OF_IMAGE.values()) | {"url": url, "status": status, "alt": "ß"}
        infos.append(None if text is not None else fields)
    head = {"id": "0" * 32, "url": "https://example.com/ä", "warc_filename": "a.warc.gz"}
    where = {"warc_offset": 5, "warc_length": 7}
    return {**head, **where, "texts": texts, "images": images, "image_info": infos}


DOCUMENTS = st.builds(
    lambda parts, missing: document_of(row_of(parts), missing),
    st.lists(TEXTS | SLOTS, max_size=12),
    st.sampled_from(["drop", "keep"]),
)


def plain(document: Document) -> list[Any]:
    return [part.body if isinstance(part, Picture) else part for part in document.parts]


@pytest.mark.parametrize(
    ("parts", "missing", "found"),
    [
        pytest.param(["a", ("ok", b"1"), "b"], "drop", ["a", b"1", "b"], id="as it is"),
        pytest.param(
            ["a", ("empty", b""), "b"], "drop", ["a\n\nb"], id="texts about a slot that goes are one"
        ),
        pytest.param(["a", ("empty", b""), "b"], "keep", ["a", None, "b"], id="the slot stays"),
        pytest.param([("empty", b"")], "drop", [], id="nothing is left"),
        pytest.param([], "keep", [], id="nothing was there"),
    ],
)
def test_a_document_is_a_row_with_its_slots_dropped_or_kept(
    parts: list[Any], missing: Any, found: list[Any]
) -> None:
    assert plain(document_of(row_of(parts), missing)) == found


@given(DOCUMENTS)
def test_no_text_follows_a_text(document: Document) -> None:
    kinds = [isinstance(part, str) for part in document.parts]
    assert (True, True) not in itertools.pairwise(kinds)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("an <image> tag", r"an <\image> tag", id="a placeholder"),
        pytest.param(r"<\image>", r"<\\image>", id="one that is escaped already"),
        pytest.param("<Image> <image/> < image>", "<Image> <image/> < image>", id="no placeholder"),
        pytest.param("", "", id="empty"),
    ],
)
def test_literals_are_escaped(text: str, escaped: str) -> None:
    assert dense.escaped(text) == escaped
    assert dense.unescaped(escaped) == text


@given(DOCUMENTS)
def test_dense_text_comes_back(document: Document) -> None:
    record = dense.record(document)
    assert record["text"].count(dense.PLACEHOLDER) == len(record["images"]) == len(document.pictures)
    assert dense.parts(pa.Table.from_pylist([record], dense.SCHEMA).to_pylist()[0]) == plain(document)


@given(DOCUMENTS)
def test_files_of_a_tar_come_back(document: Document) -> None:
    files = webdataset.record(document)
    assert next(iter(files)) == f"{document.id}.json"
    assert webdataset.parts(files) == plain(document)


@given(DOCUMENTS)
def test_the_sample_loader_of_energon_gives_what_is_there(document: Document) -> None:
    loaded: dict[str, Any] = {}
    exec(energon.SAMPLE_LOADER, loaded)
    files = {name.partition(".")[2]: body for name, body in webdataset.record(document).items()}
    sequence = [part for part in plain(document) if part is not None]
    for about in (files["json"], json.loads(files["json"])):
        raw = {**files, "json": about, "__key__": document.id}
        assert loaded["sample_loader"](raw) == {"__key__": document.id, "sequence": sequence}


@pytest.mark.parametrize("id", ["a.b", "a/b"])
def test_keys_that_would_be_cut_are_refused(id: str) -> None:
    with pytest.raises(InputError, match="no key of a tar file"):
        webdataset.record(document_of({**row_of(["a"]), "id": id}))


@given(DOCUMENTS.filter(lambda document: any(document.texts)))
def test_lines_of_mmc4_come_back(document: Document) -> None:
    record = mmc4.record(document)
    assert mmc4.parts(json.loads(json.dumps(record))) == plain(document)
    for info, line in zip(record["image_info"], record["similarity_matrix"], strict=True):
        assert line == [float(at == info["matched_text_index"]) for at in range(len(record["text_list"]))]


def test_mmc4_matches_an_image_to_the_text_that_follows() -> None:
    parts = [("ok", b"1"), "a\n\nb", ("ok", b"2"), ("ok", b"3"), "c", ("ok", b"4")]
    record = mmc4.record(document_of(row_of(parts)))
    assert record["text_list"] == ["a", "b", "c"]
    told = [(info["matched_text_index"], info["after_text"]) for info in record["image_info"]]
    assert told == [(0, False), (2, False), (2, False), (2, True)]
    assert record["image_info"][0]["image_base64"] == "MQ=="
    assert "image_base64" not in mmc4.record(document_of(row_of(parts)), inline=False)["image_info"][0]


@given(DOCUMENTS)
def test_samples_of_mds_come_back(document: Document) -> None:
    record = mds.record(document)
    assert mds.parts(json.loads(json.dumps({**record, "blob": 0})) | {"blob": record["blob"]}) == plain(
        document
    )


@given(DOCUMENTS)
def test_the_columns_of_obelics_hold_texts_and_addresses(document: Document) -> None:
    record = obelics.record(document)
    metadata = json.loads(record["metadata"])
    assert len(metadata) == len(record["images"]) == len(record["texts"])
    for image, text, about in zip(record["images"], record["texts"], metadata, strict=True):
        assert (image is None) != (text is None)
        assert (image is None) == (about is None)
        assert about is None or (about["src"], about["document_url"]) == (image, document.row["url"])
    shown = [part if isinstance(part, str) else part.url for part in document.parts]
    assert obelics.parts(record) == [part for part in shown if part is not None]


def test_obelics_tells_no_address_that_somebody_objects_to() -> None:
    parts = ["a", ("optout", b""), ("denylist", b""), ("http_4xx", b"")]
    record = obelics.record(document_of(row_of(parts), "keep"))
    assert record["images"] == [None, "https://images.example/3.jpg"]
    assert json.loads(record["general_metadata"]) == {
        "url": "https://example.com/ä",
        "warc_filename": "a.warc.gz",
        "warc_record_offset": 5,
        "warc_record_length": 7,
    }


def test_shards_end_where_they_are_full() -> None:
    documents = [document_of(row_of(["a", ("ok", bytes(5000))]) | {"id": f"{n:032}"}) for n in range(6)]
    for write, limit in ((webdataset.write, 17_000), (mds.write, 12_000)):
        streams: list[Kept] = []

        def shard(streams: list[Kept] = streams) -> BytesIO:
            streams.append(Kept())
            return streams[-1]

        write(iter(documents), shard, limit)
        assert len(streams) == 3, write
        assert all(len(stream.data) > 10_000 for stream in streams)


class Kept(BytesIO):
    """Remembers what was in it when it was closed."""

    data = b""

    def close(self) -> None:
        self.data = self.data or self.getvalue()
        super().close()
