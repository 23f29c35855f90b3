"""What is said of an image: the texts of a document that go with it, and their way into rows."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.dataset import described_schema
from obelics_pipeline.dataset_rows import laid_out, row_of
from obelics_pipeline.document import Document, ImageNode, Node, TextNode
from obelics_pipeline.pairs import (
    SCHEMA,
    SOURCES,
    Captioned,
    Said,
    captioned,
    file_words,
    fold,
    pair_row,
    uid_of,
)
from obelics_pipeline.release import Shown, Withheld

SLOT = Slot("ok", format="jpeg", width=40, height=30, sha256="a" * 64, phash="0" * 16)
SHOWN = Shown(b"body", "b" * 64)


def found_in(*nodes: Node, shown: Shown | Withheld = SHOWN, slot: Slot = SLOT) -> list[Captioned]:
    """The images of a document of ``nodes``, all of which are ``shown``."""
    document = Document("d" * 32, "https://a.example/page", "a.example", "a.example", nodes, language="en")
    assembled = Assembled(document, tuple(slot if isinstance(node, ImageNode) else None for node in nodes))
    layout = laid_out(assembled)
    outcome = [shown if image is not None and image[1].status == "ok" else None for image in layout.images]
    return list(captioned(assembled, row_of(document, layout, outcome, len)))


def image(name: str = "i", **said: str) -> ImageNode:
    return ImageNode(f"https://img.example/{name}", **said)


def said_of(*nodes: Node) -> dict[str, str]:
    """What is said of the only image."""
    [found] = found_in(*nodes)
    return {said.source: said.text for said in found.said}


PROSE = TextNode("paragraph", "Boats at rest.\nLow water.\n\nAnother thing.")
HEADING = TextNode("heading", "Tides")
CAPTION = TextNode("caption", "The quay.")
IMAGE = image("20240102.jpg")


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        pytest.param([IMAGE], {}, id="nothing is said"),
        pytest.param([image("1.png", alt="A\n boat ")], {"alt": "A boat"}, id="on one line"),
        pytest.param([image("1.png", alt=" ", title="T", caption="")], {"title": "T"}, id="blank texts are none"),
        pytest.param([IMAGE, PROSE], {"next_text": "Boats at rest. Low water."}, id="the first paragraph behind"),
        pytest.param([PROSE, IMAGE], {}, id="nothing is behind the last"),
        pytest.param([IMAGE, HEADING, PROSE], {}, id="a heading begins something else"),
        pytest.param([IMAGE, CAPTION, PROSE], {"next_text": "Boats at rest. Low water."}, id="behind the caption"),
        pytest.param([IMAGE, CAPTION], {}, id="a caption is no prose"),
        pytest.param([IMAGE, TextNode("quote", "He said so.")], {"next_text": "He said so."}, id="a quote is"),
        pytest.param([IMAGE, TextNode("table", "1 | 2")], {}, id="a table is none"),
        pytest.param([image("old-quay.jpg?w=300")], {"filename": "old quay"}, id="words of the file name"),
    ],
)  # fmt: skip
def test_what_is_said_of_an_image(nodes: list[Node], said: dict[str, str]) -> None:
    assert said_of(*nodes) == said


def test_the_text_behind_the_next_image_is_that_of_the_next() -> None:
    first, second = found_in(IMAGE, IMAGE, PROSE)
    assert first.said == ()
    assert [said.source for said in second.said] == ["next_text"]
    assert (first.slot, second.slot) == (0, 1)


def test_a_text_tells_how_many_images_of_its_document_have_it() -> None:
    found = found_in(
        image("1", alt="Our shop"), PROSE, image("2", title="our shop!"), image("3", alt="A boat")
    )
    assert [said.images for each in found for said in each.said if said.source != "next_text"] == [2, 2, 1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Old-Harbour_at%20night-1024x768.jpg", "old harbour at night"),
        ("oldHarbourHTMLPage.jpg", "old harbour html page"),
        ("IMG_1234.JPG", "img"),
        ("9f86d081884c7d65.png", ""),
        ("harbour", "harbour"),
        (".jpg", "jpg"),
        ("", ""),
        ("hafen-%e6-b%c3%bccher.webp", "hafen bücher"),
        ("日本の港.png", "日本の港"),
    ],
)
def test_words_of_a_file_name(name: str, words: str) -> None:
    assert file_words(name) == words


@given(st.text())
def test_any_file_name_has_words_or_none(name: str) -> None:
    assert all(word.isalpha() for word in file_words(name).split())


def test_images_that_the_row_does_not_show_are_in_no_pair() -> None:
    boat = image("1", alt="A boat")
    assert found_in(boat, shown=Withheld.METADATA) == []
    assert found_in(boat, slot=Slot("http_4xx")) == []
    [left_out] = found_in(boat, shown=Withheld.LEFT_OUT)
    assert left_out.sha256 == "a" * 64


@pytest.mark.parametrize(
    ("by_sight", "picture"),
    [
        pytest.param(None, "b" * 64, id="nothing was compared"),
        pytest.param("a" * 64, "b" * 64, id="bytes were, or nothing is to be seen"),
        pytest.param("0" * 16, "0" * 16, id="by sight"),
    ],
)
def test_by_what_a_picture_is_known(by_sight: str | None, picture: str) -> None:
    """Never by the bytes that were fetched: files that differ may be published as the same."""
    slot = Slot("ok", sha256="a" * 64, picture=by_sight)
    assert found_in(IMAGE, slot=slot)[0].picture == picture


def test_a_row_has_every_column_but_those_that_nobody_fills() -> None:
    boat = ImageNode("https://img.example/1.jpg", alt="A boat")
    slot = Slot(
        "ok", format="jpeg", width=40, height=30, sha256="a" * 64, fetched_url="https://cdn.example/1.jpg"
    )
    [found] = found_in(PROSE, boat, slot=slot)
    row = pair_row(found, found.said[0], SHOWN)
    assert row | {"uid": None} == {
        "uid": None,
        "image": {"bytes": b"body", "path": f"{'b' * 64}.jpg"},
        "text": "A boat",
        "text_source": "alt",
        "url": "https://cdn.example/1.jpg",
        "page_url": "https://a.example/page",
        "doc_id": "d" * 32,
        "slot": 1,
        "width": 40,
        "height": 30,
        "original_width": 40,
        "original_height": 30,
        "sha256": "b" * 64,
        "phash": None,
        "language": "en",
        "punsafe": None,
        "crawl": None,
    }
    assert set(SCHEMA.names) - set(row) == {"similarity", "pwatermark"}
    table = pa.Table.from_pylist([row], described_schema(SCHEMA))
    assert table.column("image")[0]["bytes"].as_py() == b"body"
    assert pair_row(found, found.said[0], None)["image"] is None


def test_an_id_is_that_of_the_image_and_the_text() -> None:
    first, same, other = found_in(
        image("1", alt="A boat"), image("2", alt="A boat"), image("3", alt="A ship")
    )
    assert uid_of(first, first.said[0]) == uid_of(same, same.said[0]) != uid_of(other, other.said[0])
    assert len(uid_of(first, Said("alt", "\u00e4"))) == 32


def test_sources_are_those_that_rows_can_have() -> None:
    full = image("old-quay.jpg", alt="a", title="t", caption="c")
    assert set(said_of(full, PROSE)) == set(SOURCES)
    assert fold("The Quay, at 9!") == "thequayat9"
    assert fold("Über_den  „Groß“-Markt ½…") == "überdengrossmarkt½"
