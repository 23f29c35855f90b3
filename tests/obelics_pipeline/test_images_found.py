"""Which picture an ``img`` shows: candidate lists as the HTML standard reads them, placeholders, lazy attributes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.dom.images import (
    LAZY_SOURCES,
    MAX_CANDIDATES,
    MAX_LISTED,
    SRCSETS,
    ImageFinder,
    is_placeholder,
    parse_srcset,
    rendered_size,
)

BASE = "https://island.example/dir/page"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.mark.parametrize(
    ("value", "candidates"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" , ,, ", [], id="nothing but commas"),
        pytest.param("a.png", [("a.png", 1)], id="one URL"),
        pytest.param("a.png 2x", [("a.png", 2)], id="density"),
        pytest.param("a.png 1.5x, b.png 640w", [("a.png", 1.5), ("b.png", 640)], id="density and width"),
        pytest.param("a.png 100w 50h", [("a.png", 100)], id="width and height"),
        pytest.param("\n\ta.png\n 100w\n,\r b.png\f200w ", [("a.png", 100), ("b.png", 200)], id="whitespace"),
        pytest.param("a.png,b.png", [("a.png,b.png", 1)], id="no space behind a comma: one URL"),
        pytest.param("a.png, b.png", [("a.png", 1), ("b.png", 1)], id="comma ends a URL without descriptor"),
        pytest.param("/w_300,h_200/a.png 300w", [("/w_300,h_200/a.png", 300)], id="commas in a URL"),
        pytest.param("a.png,, b.png 2x", [("a.png", 1), ("b.png", 2)], id="several commas end a URL"),
        pytest.param(",a.png 2x", [("a.png", 2)], id="leading comma"),
        pytest.param("a(1).png 2x, b.png", [("a(1).png", 2), ("b.png", 1)], id="parentheses in a URL"),
        pytest.param("a.png f(1, 2) 3x, b.png 2x", [("a.png", 3), ("b.png", 2)], id="comma in parentheses"),
        pytest.param("a.png (1, b.png", [("a.png", 1)], id="parenthesis never closed"),
        pytest.param("a.png wide", [("a.png", 1)], id="descriptor unknown"),
        pytest.param("a.png x", [("a.png", 1)], id="descriptor without number"),
        pytest.param(
            "a.png 100w,b.png 200w", [("a.png", 100), ("b.png", 200)], id="no space after descriptor"
        ),
        pytest.param("300w, a.png 600w", [("a.png", 600)], id="URL forgotten"),
        pytest.param(f"{PIXEL} 1w, a.png 2w", [(PIXEL, 1), ("a.png", 2)], id="data URL"),
    ],
)
def test_parse_srcset(value: str, candidates: list[tuple[str, float]]) -> None:
    assert parse_srcset(value) == candidates


def test_parse_srcset_reads_so_many_candidates_and_no_more() -> None:
    assert len(parse_srcset("a.png 1x, " * (MAX_LISTED + 1))) == MAX_LISTED


@given(st.text() | st.text(alphabet=" \t\n,()axw1.é\ud800"))
def test_parse_srcset_reads_anything(value: str) -> None:
    for url, measure in parse_srcset(value):
        assert url in value
        assert not set(url) & set(" \t\n\f\r")
        assert measure >= 0


@pytest.mark.parametrize(
    ("attributes", "url"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"src": None}, None, id="src without value"),
        pytest.param({"src": "  "}, None, id="src blank"),
        pytest.param({"src": "a.png"}, "/dir/a.png", id="plain"),
        pytest.param({"src": "\n /a.png "}, "/a.png", id="whitespace around"),
        pytest.param({"src": PIXEL}, None, id="data only"),
        pytest.param({"src": "about:blank"}, None, id="about:blank"),
        pytest.param({"src": PIXEL, "data-src": "a.png"}, "/dir/a.png", id="data URL gives way"),
        pytest.param(
            {"src": "/static/blank.gif", "data-original": "a.png"}, "/dir/a.png", id="blank gives way"
        ),
        pytest.param({"src": "/static/blank.gif"}, "/static/blank.gif", id="a placeholder alone stays"),
        pytest.param({"src": "small.jpg", "data-src": "large.jpg"}, "/dir/large.jpg", id="lazy beats shown"),
        pytest.param(
            {"src": "a.jpg", "data-src": "true"}, "/dir/a.jpg", id="a lazy attribute that is no address"
        ),
        pytest.param({"src": "a.jpg", "data-src": PIXEL}, "/dir/a.jpg", id="a lazy attribute with a pixel"),
        pytest.param({"data-src": "{json}", "data-lazy-src": "b.jpg"}, "/dir/b.jpg", id="JSON is no address"),
        pytest.param(
            {"data-original": "2.jpg", "data-src": "1.jpg"}, "/dir/1.jpg", id="best attribute first"
        ),
        pytest.param({"srcset": "s.jpg 100w, l.jpg 900w"}, "/dir/l.jpg", id="largest candidate"),
        pytest.param({"src": PIXEL, "data-srcset": "s.jpg 1x, l.jpg 2x"}, "/dir/l.jpg", id="lazy candidates"),
        pytest.param(
            {"src": "a.jpg", "srcset": "l.jpg 900w"}, "/dir/a.jpg", id="plain source before candidates"
        ),
        pytest.param({"src": "http://[bad/a.png"}, None, id="no URL"),
        pytest.param({"src": "javascript:void(0)"}, None, id="script"),
    ],
)
def test_find(attributes: dict[str, str | None], url: str | None) -> None:
    image = ImageFinder(BASE).find(attributes)
    assert (image and image.url.removeprefix("https://island.example")) == url


def test_find_takes_what_the_page_says_of_the_image() -> None:
    attributes = {"src": "a.png", "alt": "A boat", "title": "Boat", "width": " 640px", "height": "50%"}
    image = ImageFinder(BASE).find(attributes)
    assert image is not None
    assert (image.src_raw, image.alt, image.title) == ("a.png", "A boat", "Boat")
    assert (image.rendered_width, image.rendered_height) == (640, None)


def test_complete_resolves_candidates_largest_first_without_the_image_itself() -> None:
    finder = ImageFinder(BASE)
    image = finder.find({"src": "a.jpg", "srcset": "a.jpg 1w, b.jpg 2w, /c.jpg 9w, d.jpg 3w, e.jpg 4w"})
    assert image is not None
    complete = finder.complete(image, "A caption", "html/body/img")
    names = [url.removeprefix("https://island.example") for url in complete.candidates]
    assert names == ["/c.jpg", "/dir/e.jpg", "/dir/d.jpg"]
    assert (complete.caption, complete.dom_path) == ("A caption", "html/body/img")


def test_sources_belong_to_the_image_of_their_picture_alone() -> None:
    finder = ImageFinder(BASE)
    finder.add_source({"srcset": "video.mp4"})
    finder.open_picture()
    finder.add_source({"srcset": "large.webp 900w"})
    inside = finder.find({"src": "a.jpg"})
    finder.close_picture()
    outside = finder.find({"src": "b.jpg"})
    assert inside is not None
    assert outside is not None
    assert inside.candidates == ("large.webp 900w",)
    assert outside.candidates == ()


ATTRIBUTES = st.sampled_from(["src", "alt", "title", "width", "height", *SRCSETS, *LAZY_SOURCES[:6]])


@given(st.dictionaries(ATTRIBUTES, st.none() | st.text() | st.sampled_from(["a.png", PIXEL, "//h/x 2x"])))
def test_find_and_complete_take_any_attributes(attributes: dict[str, str | None]) -> None:
    finder = ImageFinder(BASE)
    image = finder.find(attributes)
    if image is not None:
        complete = finder.complete(image, None, "")
        assert all(url.startswith(("https://", "http://")) for url in (image.url, *complete.candidates))
        assert len(complete.candidates) <= MAX_CANDIDATES
        assert image.url not in complete.candidates


@pytest.mark.parametrize(
    ("reference", "is_one"),
    [
        pytest.param(PIXEL, True, id="data URL"),
        pytest.param("DATA:image/png,x", True, id="data URL in capitals"),
        pytest.param("/img/spacer.gif?v=1", True, id="spacer"),
        pytest.param("/blank/photo.jpg", False, id="only the file name counts"),
        pytest.param("/photo.jpg?blank.gif", False, id="the query does not"),
        pytest.param("/" + "x" * 1000 + "blank.gif", True, id="at the end of a long name"),
    ],
)
def test_is_placeholder(reference: str, is_one: bool) -> None:
    assert is_placeholder(reference) is is_one


@pytest.mark.parametrize(
    ("value", "pixels"),
    [
        (None, None),
        ("", None),
        ("640", 640),
        ("640.5", 640),
        (" 12 PX ", 12),
        ("100%", None),
        ("auto", None),
        ("9" * 9, None),
    ],
)
def test_rendered_size(value: str | None, pixels: int | None) -> None:
    assert rendered_size(value) == pixels
