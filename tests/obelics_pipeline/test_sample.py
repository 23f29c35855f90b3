"""The sample web: enough pages of real prose, every habit present, and the same bytes every time."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urljoin, urlsplit

import pytest
from selectolax.lexbor import LexborHTMLParser

from obelics_pipeline.charset import to_utf8
from obelics_pipeline.errors import InputError
from obelics_pipeline.http import undo_encodings
from obelics_pipeline.sample.content import Article, Picture, Site, read_article, sites, to_blocks, to_picture
from obelics_pipeline.sample.layouts import LAYOUTS, render
from obelics_pipeline.sample.replies import TROUBLE
from obelics_pipeline.sample.web import answer, pages, visits

ARTICLES = [(site, article) for site in sites() for article in site.articles]
PAGES = {f"{site.host}{article.head.path}": render(site, article) for site, article in ARTICLES}
MISSING = {"/media/lost-negative.jpg"}


def prose(article: Article) -> list[str]:
    return [block.text for block in article.blocks if block.kind == "paragraph"]


def test_there_are_enough_pages_hosts_and_layouts() -> None:
    assert len(ARTICLES) == 63
    assert len({site.host for site in sites()}) == 11
    assert {site.layout for site in sites()} == set(LAYOUTS)
    assert all(site.host.endswith(".example") for site in sites())
    assert Counter(site.language for site in sites()) == {"en": 10, "de": 1}


@pytest.mark.parametrize(("site", "article"), ARTICLES, ids=PAGES)
def test_a_page_has_prose_and_a_picture(site: Site, article: Article) -> None:
    words = sum(len(re.findall(r"\w+", line)) for block in article.blocks for line in block.lines)
    assert 140 <= words <= 460
    assert len(prose(article)) >= 2
    assert article.pictures
    assert all(picture.alt or site.layout in ("club",) for picture in article.pictures)


def test_no_paragraph_is_written_twice_but_in_the_reprint() -> None:
    written = Counter(text for _, article in ARTICLES for text in prose(article))
    twice = {text for text, n in written.items() if n > 1}
    (reprint,) = (article for _, article in ARTICLES if article.head.reprints)
    assert twice == set(prose(reprint)[1:])
    assert twice


HABITS = {
    "block figure": ("spanwork.example", r'<figure class="wp-block-image size-large"><img loading="lazy"'),
    "srcset and sizes": ("spanwork.example", r'srcset="\S+ 300w, \S+ \d+w[^"]*" sizes="\(max-width'),
    "share bar": ("spanwork.example", "sharedaddy"),
    "related posts": ("spanwork.example", "jp-relatedposts"),
    "comments": ("spanwork.example", '<ol class="comment-list">\n<li class="comment"'),
    "widgets": ("spanwork.example", "widget_search"),
    "canonical link": ("spanwork.example", '<link rel="canonical"'),
    "lead picture with sources": ("ferry-times.example", r'<picture><source type="image/webp" srcset='),
    "picture by media query": ("ferry-times.example", r'<source media="\(max-width: 500px\)"'),
    "byline and time": ("ferry-times.example", r'<p class="byline">By .*\n <time datetime='),
    "advertisement in the text": ("ferry-times.example", 'class="ad-slot ad-slot--inline"'),
    "newsletter box": ("ferry-times.example", "newsletter-signup"),
    "cookie notice": ("ferry-times.example", "cookie-consent"),
    "infobox": ("tidepools.example", '<table class="infobox biota">'),
    "thumbnail with caption": ("tidepools.example", r'typeof="mw:File/Thumb".* 2x".*<figcaption>'),
    "table of contents": ("tidepools.example", '<div id="toc"'),
    "references": ("tidepools.example", '<ol class="references"><li'),
    "edit links": ("tidepools.example", "mw-editsection"),
    "navigation box": ("tidepools.example", "navbox"),
    "highlighted code": (
        "docs.quillpress.example",
        r'<div class="highlight-python notranslate">.*<span class="k">',
    ),
    "admonition": ("docs.quillpress.example", '<div class="admonition warning">'),
    "tree of pages": ("docs.quillpress.example", "toctree-l1"),
    "posts": ("forum.spokeshop.example", 'class="post has-profile bg1"'),
    "quotation": ("forum.spokeshop.example", "<blockquote><div><cite>oldlug wrote:"),
    "signature": ("forum.spokeshop.example", 'class="signature"'),
    "portrait": ("forum.spokeshop.example", r'class="avatar"\s+src="/avatars/'),
    "gallery with zoom": ("hartandauger.example", 'data-zoom-image="'),
    "specifications": ("hartandauger.example", "<tr><th>Weight</th><td>"),
    "related products": ("hartandauger.example", "related-products"),
    "basket": ("hartandauger.example", "add-to-cart"),
    "lazy picture behind a placeholder": (
        "oatandember.example",
        r'src="data:image/gif;base64,\S+" data-src="',
    ),
    "noscript fallback": ("oatandember.example", "<noscript><img src="),
    "ingredients": ("oatandember.example", '<ul class="ingredients">\n<li>'),
    "steps": ("oatandember.example", "<ol>\n<li>"),
    "base href": ("oldstars.example", r'<BASE HREF="http://oldstars.example/club/">'),
    "tables for layout": ("oldstars.example", "<TABLE WIDTH=760 BORDER=0"),
    "font tags": ("oldstars.example", "<FONT FACE="),
    "spacer": ("oldstars.example", 'SRC="/media/pixel.gif"'),
    "another language": ("wanderbuch.example", '<html lang="de">'),
    "encoding in the page": ("wanderbuch.example", '<meta charset="utf-8">'),
    "text and picture element": ("wanderbuch.example", 'class="ce-gallery"'),
    "amp": ("halflight.example", r'<amp-img src="\S+" srcset='),
    "unquoted attributes": ("mossandgill.example", r"<source type=image/webp srcset="),
    "caption first": ("mossandgill.example", r"<figure><figcaption>.+</figcaption><picture>"),
    "definition list": ("mossandgill.example", "<dl><dt>"),
    "table of data": ("halflight.example", "<table>\n<thead>"),
}


@pytest.mark.parametrize(("host", "pattern"), HABITS.values(), ids=HABITS)
def test_a_habit_is_there(host: str, pattern: str) -> None:
    html = "\n".join(page for url, page in PAGES.items() if url.startswith(host + "/"))
    assert re.search(pattern, html)


UTF8_HTML = "text/html; charset=utf-8"
REPLIES = {
    "page of the www host": ("www.spanwork.example", "/2024/04/eleven-coats-of-grey/", 200, UTF8_HTML),
    "page with a query": ("ferry-times.example", "/news/otter-in-the-bakery?x=1", 200, UTF8_HTML),
    "old encoding in the header": (
        "oldstars.example",
        "/club/dome.html",
        200,
        "text/html; charset=windows-1252",
    ),
    "no encoding in the header": ("wanderbuch.example", "/ausruestung/nasse-schuhe", 200, "text/html"),
    "not found": ("spanwork.example", "/nothing-here/", 404, UTF8_HTML),
    "page of another host": ("spanwork.example", "/club/dome.html", 404, UTF8_HTML),
    "redirect": ("ferry-times.example", "/2019/winter-timetable", 301, UTF8_HTML),
    "json": ("ferry-times.example", "/api/tides.json", 200, "application/json"),
    "pdf": ("ferry-times.example", "/leaflet.pdf", 200, "application/pdf"),
    "robots.txt": ("halflight.example", "/robots.txt", 200, "text/plain"),
    "drawn picture": ("halflight.example", "/any/folder/stars-x-64x48.webp", 200, "image/webp"),
    "picture in an unknown format": ("halflight.example", "/any/stars-x-64x48.tiff", 404, UTF8_HTML),
    "error page instead of a picture": ("halflight.example", "/media/sorry.jpg", 200, UTF8_HTML),
}


@pytest.mark.parametrize(("host", "target", "status", "content_type"), REPLIES.values(), ids=REPLIES)
def test_the_server_answers(host: str, target: str, status: int, content_type: str) -> None:
    reply = answer(host, target)
    assert (reply.status, reply.content_type) == (status, content_type)


def test_pages_come_in_every_coding_and_decode_to_what_was_rendered() -> None:
    seen = Counter[str]()
    for site, article in ARTICLES:
        reply = pages()[site.host + article.head.path]
        headers = tuple((name.lower(), value) for name, value in reply.headers)
        body, _ = to_utf8(undo_encodings(reply.body, headers, 10_000_000), reply.content_type)
        assert body.decode() == render(site, article)
        seen.update(article.head.coding.split())
    assert set(seen) == {"gzip", "deflate", "br", "zstd", "chunked"}


def test_some_pages_ask_not_to_be_used() -> None:
    headers = {name.lower() for site, a in ARTICLES for name in a.head.headers}
    assert headers == {"x-robots-tag", "tdm-reservation"}
    assert sum(a.head.meta.get("robots") == "noai" for _, a in ARTICLES) == 1


def test_every_picture_of_every_page_is_drawn_or_goes_wrong_on_purpose() -> None:
    lost, wrong, good = set[str](), set[str](), set[str]()
    for url, html in PAGES.items():
        tree = LexborHTMLParser(html)
        base = next((tag.attributes["href"] for tag in tree.css("base")), f"http://{url}")
        for address in _pictures(tree):
            parts = urlsplit(urljoin(base or "", address))
            path = parts.path
            if path in TROUBLE:
                wrong.add(path)
            else:
                (good if answer(parts.netloc, path).status == 200 else lost).add(path)
    assert lost == MISSING
    assert wrong == set(TROUBLE) - {"/media/second-exit.jpg"}
    assert len(good) > 150


def _pictures(tree: LexborHTMLParser) -> list[str]:
    found = []
    for tag in tree.css("img, source, amp-img"):
        for name in ("src", "data-src", "data-zoom-image"):
            found.append(tag.attributes.get(name) or "")
        for name in ("srcset", "data-srcset"):
            found += (part.split()[0] for part in (tag.attributes.get(name) or "").split(",") if part.strip())
    return [address for address in found if address and not address.startswith("data:")]


def test_the_visits() -> None:
    found = list(visits())
    assert len(found) == 85
    assert len({visit.url for visit in found}) == 83  # two pages are captured again under the same address
    assert len({visit.when for visit in found}) == 85
    assert [visit.when for visit in found] == sorted(visit.when for visit in found)
    assert Counter(_status(visit.url) for visit in found) == {200: 82, 301: 1, 404: 1, 503: 1}


def _status(url: str) -> int:
    parts = urlsplit(url)
    return answer(parts.netloc, parts.path).status


def test_blocks_are_read_in_order() -> None:
    body = "One\nline.\n\n## Title\n\n- a\n- b\n\n```python\nx = 1\n\ny = 2\n```\n\n"
    body += "| a | b |\n| c | d |\n\n> who\n> what\n\n!note Careful."
    blocks = list(to_blocks(body))
    assert [block.kind for block in blocks] == [
        "paragraph",
        "heading",
        "list",
        "code",
        "table",
        "quote",
        "remark",
    ]
    assert blocks[0].text == "One line."
    assert blocks[3].lines == ("x = 1", "", "y = 2")
    assert blocks[3].note == "python"
    assert blocks[4].rows == [["a", "b"], ["c", "d"]]
    assert blocks[6].note == "!note"


@pytest.mark.parametrize(
    ("file", "width", "expected"),
    [
        pytest.param("bridge-a-800x600.jpg", 400, "bridge-a-400x300.jpg", id="half"),
        pytest.param("bridge-a-1000x667.jpg", 300, "bridge-a-300x200.jpg", id="rounded"),
        pytest.param("/media/torn.jpg", 300, "/media/torn.jpg", id="no size in the name"),
    ],
)
def test_a_picture_at_another_width(file: str, width: int, expected: str) -> None:
    assert Picture(file).at(width) == expected


def test_a_line_that_is_no_picture_is_refused() -> None:
    with pytest.raises(InputError, match="is not"):
        to_picture("![no file]")


def test_an_article_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        read_article("---\npath: /x\ntitle: X\ncolour: red\n---\nText.\n")
