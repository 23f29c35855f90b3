"""What extraction promises of every page: words kept, and kept apart; nodes that say something; facts of the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.dom.extract import Extraction, ExtractOptions, extract_document
from obelics_pipeline.page import Page

WHOLE = ExtractOptions(main_content=False)
URL = "https://www.island.example/news/page.html"


def extract(html: str, options: ExtractOptions = WHOLE, **headers: str) -> Extraction:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return extract_document(Page(URL, html.encode(), named), options)


@pytest.mark.parametrize(
    ("html", "title"),
    [
        pytest.param("<title>  A\n title </title>", "A title", id="white space"),
        pytest.param("<title>Fish &amp; chips</title>", "Fish & chips", id="entities"),
        pytest.param("<title></title>", None, id="empty"),
        pytest.param("<p>No title</p>", None, id="none"),
        pytest.param("<title>One</title><title>Two</title>", "One", id="the first"),
        pytest.param("<body><svg><title>Drawing</title></svg>", None, id="of a drawing"),
        pytest.param(f"<title>{'a' * 5000}</title>", "a" * 1000, id="long"),
    ],
)
def test_title(html: str, title: str | None) -> None:
    assert extract(html).document.title == title


def test_document_is_named_after_its_page() -> None:
    document = extract("<p>Text</p>").document
    assert (document.url, document.host, document.domain) == (URL, "www.island.example", "island.example")
    assert document.id == Page(URL, b"").id


def test_consent_signals_of_headers_and_meta_reach_the_document() -> None:
    html = (
        "<head><meta name=robots content='noai, noindex'><meta name=tdm-reservation content=1></head><p>Text"
    )
    consent = extract(html, x_robots_tag="noimageai").document.consent
    assert consent == (
        "meta-robots:noai",
        "meta-robots:noindex",
        "tdm-reservation:1",
        "x-robots-tag:noimageai",
    )


def test_figcaption_becomes_the_caption_of_every_image_of_its_figure() -> None:
    html = "<figure><img src=a.png><img src=b.png><figcaption>Two <i>boats</i></figcaption></figure><img src=c.png>"
    assert [image.caption for image in extract(html).document.images] == ["Two boats", "Two boats", None]


def test_dom_path_names_block_elements_with_their_places() -> None:
    html = "<body><p>a<div><span>-</span><ul><li>b<li><img src=c.png></ul></div>"
    paths = [node.dom_path for node in extract(html).document.nodes]
    assert paths == [
        "html/body[2]/p[1]",
        "html/body[2]/div[2]",
        "html/body[2]/div[2]/ul[2]",
        "html/body[2]/div[2]/ul[2]/li[2]/img",
    ]


def test_options_must_make_sense() -> None:
    with pytest.raises(ValueError, match="max_nodes is 0"):
        ExtractOptions(max_nodes=0)


def test_page_is_cut_after_so_many_elements() -> None:
    extraction = extract("<p>one</p><p>two</p><p>three</p>", ExtractOptions(main_content=False, max_nodes=4))
    assert extraction.notes == ("page_cut_at_nodes",)
    assert [node.text for node in extraction.document.texts] == ["one", "two"]


BLOCKS = [
    "div",
    "p",
    "ul",
    "li",
    "table",
    "tr",
    "td",
    "section",
    "article",
    "h2",
    "blockquote",
    "pre",
    "dl",
    "dd",
]
INLINE = ["b", "i", "span", "a", "em", "x-own", "font"]
words = st.integers(0, 9999).map(lambda n: f"w{n}")
leaves = words.map(lambda word: (word, [word])) | st.sampled_from(
    [("<br>", []), (" ", []), ("<img src=a.png>", [])]
)


def element(tag: str, children: list[tuple[str, list[str]]]) -> tuple[str, list[str]]:
    """An element of HTML with its words, each of them apart from those beside it."""
    content = " ".join(html for html, _ in children)
    return f"<{tag}>{content}</{tag}>", [word for _, inner in children for word in inner]


trees = st.recursive(
    leaves,
    lambda inner: st.builds(element, st.sampled_from(BLOCKS + INLINE), st.lists(inner, max_size=4)),
    max_leaves=25,
)


def words_of(extraction: Extraction) -> list[str]:
    return re.findall(r"w\d+", "\n".join(node.text for node in extraction.document.texts))


@given(st.lists(trees, max_size=6))
def test_every_visible_word_is_kept(pieces: list[tuple[str, list[str]]]) -> None:
    html, expected = element("body", pieces)
    assert sorted(words_of(extract(html))) == sorted(expected)


@given(st.lists(st.tuples(st.sampled_from(BLOCKS[:3] + BLOCKS[7:12]), words), min_size=1))
def test_words_of_different_blocks_are_never_glued(blocks: list[tuple[str, str]]) -> None:
    html = "".join(f"<{tag}>{word}</{tag}>" for tag, word in blocks)
    assert words_of(extract(html)) == [word for _, word in blocks]


@given(words, words, st.sampled_from(INLINE))
def test_words_are_never_split(one: str, other: str, tag: str) -> None:
    extraction = extract(f"<p>{one}<{tag}>{other}</{tag}>{one}</p>")
    assert [node.text for node in extraction.document.texts] == [f"{one}{other}{one}"]


@given(st.lists(trees, max_size=6), st.booleans())
def test_nodes_are_never_blank_and_always_the_same(pieces: list[tuple[str, list[str]]], main: bool) -> None:
    html, _ = element("body", pieces)
    options = ExtractOptions(main_content=main)
    document = extract(html, options).document
    assert all(node.text.strip() for node in document.texts)
    assert all(node.dom_path.startswith("html") for node in document.nodes)
    assert extract(html, options).document == document


@given(st.lists(trees, max_size=6))
def test_main_content_is_part_of_the_page(pieces: list[tuple[str, list[str]]]) -> None:
    html, _ = element("body", pieces)
    assert set(words_of(extract(html, ExtractOptions()))) <= set(words_of(extract(html)))
