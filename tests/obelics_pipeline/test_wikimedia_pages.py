"""Pages in Parsoid's markup, or in what looks like it: whatever comes, in bounded time, and nothing is lost by it."""

from __future__ import annotations

import os
import time

import pytest
import wikimedia_dump as dumps
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.document import Document, ImageNode
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.page import Page

MOST_SECONDS = 2.0 * float(os.environ.get("OBELICS_TEST_SLACK", "3"))
FORMULA = '<span class="mwe-math-element" typeof="mw:Extension/math">'
THUMBNAIL = (
    '<img src="//upload.wikimedia.org/wikipedia/commons/thumb/a/ab/N.jpg/220px-N.jpg" data-file-width="999"/>'
)
PIECES = (
    "word ", "<section>", "</section>", "<h2>Notes</h2>", "<h3>Other</h3>", FORMULA, "</span>", "<math alttext=x>",
    "</math>", "<table class=infobox>", "<tr>", "<td>", "<th>", "</table>", THUMBNAIL, "<div class=thumbcaption>",
    "</div>", "<div class=reflist>", "<figure>", "<figcaption>c</figcaption>", "</figure>", "<li class=gallerybox>",
    "<div class=gallerytext>", "<sup class=reference>", "<template>", "<p>", "<a href=x>", "<html class=infobox>",
    "<body class=navbox>", "<annotation encoding='application/x-tex'>", "<caption>d</caption>",
)  # fmt: skip


def document(html: str, language: str = "en", main_content: bool = True) -> Document:
    page = Page("https://en.wikipedia.org/wiki/A", html.encode(), language=language, parsoid=True)
    return extract_document(page, ExtractOptions(main_content)).document


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_markup_gives_a_document(pieces: list[str]) -> None:
    made = document("".join(pieces))
    assert made == document("".join(pieces), main_content=False)
    for node in made.nodes:
        text = node.url if isinstance(node, ImageNode) else node.text
        assert text.strip()


HOSTILE = {
    "nested formulas": FORMULA * 10_000 + "x",
    "many formulas": (FORMULA + "<math alttext=x></math></span>") * 50_000,
    "nested sections": "<section><h2>Notes</h2>" * 9_000,
    "nested infoboxes": "<table class=infobox><tr><td>" * 3_000 + "x",
    "rows of an infobox": "<table class=infobox>" + "<tr><td>" + (THUMBNAIL + "<p>x") * 20_000,
    "what is left out, nested": "<div class='reflist navbox'>" * 9_000,
    "figures": f"<figure>{THUMBNAIL}<figcaption>c</figcaption></figure>" * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markup_takes_bounded_time(name: str) -> None:
    started = time.process_time()
    document(HOSTILE[name])
    assert time.process_time() - started < MOST_SECONDS


def test_sections_end_an_article_in_the_language_of_the_wiki() -> None:
    html = "<section><p>One</p></section>" + "".join(
        f"<section><h2>{heading}</h2><p>Of {heading}</p></section>" for heading in ("Weblinks", "References")
    )
    assert [node.text for node in document(html, "de").texts] == ["One", "References", "Of References"]
    for language in ("en", "en-simple", "xx"):
        assert [node.text for node in document(html, language).texts] == ["One", "Weblinks", "Of Weblinks"]


def test_the_sample_has_all_of_its_images_in_full_size() -> None:
    urls = [image.url.rpartition("/")[2] for image in document(dumps.html(3)).images]
    assert urls == ["Tower_3.png", "Light_3.jpg", "View_3_north.jpg", "View_3_south.jpg"]
