"""The canonical link of a page: which one counts, which cannot be meant, and that nobody can make it costly."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.canonical_link import MAX_HEADER, MAX_SPELLINGS, canonical_link
from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.page import Page
from obelics_pipeline.url import canonical, registrable_domain

URL = "https://www.island.example/news/page.html?from=feed"
STORY = "https://www.island.example/news/story"


def link(href: str, rel: str = "canonical") -> str:
    return f'<link rel="{rel}" href="{href}">'


def found(html: str, *header: str, url: str = URL) -> str | None:
    return extract_document(
        Page(url, html.encode(), tuple(("link", value) for value in header))
    ).document.canonical


# fmt: off
@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param(link(STORY), STORY, id="absolute"),
        pytest.param(link("story"), STORY, id="relative to the page"),
        pytest.param(link("//island.example/a"), "https://island.example/a", id="scheme of the page"),
        pytest.param(link("?id=7"), "https://www.island.example/news/page.html?id=7", id="query only"),
        pytest.param(link(STORY + "#comments"), STORY, id="fragment goes"),
        pytest.param(link(f" \n{STORY} "), STORY, id="white space around"),
        pytest.param('<base href="/news/a/">' + link("../story"), STORY, id="relative to the base"),
        pytest.param(link("../story") + '<base href="/news/a/">', STORY, id="relative to a base after it"),
        pytest.param('<base href="https://cdn.example/">' + link("/a"), None, id="the base is another site"),
        pytest.param(link(STORY, "Canonical"), STORY, id="case of the relation"),
        pytest.param(link(STORY, "shortlink\tcanonical"), STORY, id="one of two relations"),
        pytest.param(link(STORY, "canonical-copy"), None, id="another relation"),
        pytest.param("<p>None</p>", None, id="no link"),
        pytest.param("<link rel=canonical>" + link(""), None, id="no address"),
        pytest.param(link("") + link(STORY), STORY, id="no address beside one"),
        pytest.param(link("https://m.island.example/s"), "https://m.island.example/s", id="another host of the domain"),
        pytest.param(link("https://island.example:8080/s"), "https://island.example:8080/s", id="another port"),
        pytest.param(link("https://island.test/s"), None, id="another site"),
        pytest.param(link("https://www.island.example.test/s"), None, id="a site that begins alike"),
        pytest.param(link("/"), None, id="the home page"),
        pytest.param(link("http://island.example/?utm_source=x#a"), None, id="the home page, with a campaign"),
        pytest.param(link("https://m.island.example"), None, id="the home page of another host"),
        pytest.param(link("/?p=7"), "https://www.island.example/?p=7", id="a query of the home page"),
        pytest.param(link("/?p=a/"), "https://www.island.example/?p=a/", id="a query that ends like a home page"),
        pytest.param(link(URL), None, id="the page itself"),
        pytest.param(link("http://island.example/news/%70age.html?from=feed&pk_x=1"), None, id="itself, otherwise"),
        pytest.param(link("javascript:void(0)"), None, id="javascript"),
        pytest.param(link("ftp://island.example/s"), None, id="neither http nor https"),
        pytest.param(link("http://"), None, id="no host"),
        pytest.param(link("http://a b/") + link(STORY), STORY, id="malformed beside one"),
        pytest.param(link(STORY) * 2, STORY, id="twice the same"),
        pytest.param(link(STORY) + link("http://island.example/news/story#a"), STORY, id="two spellings of one"),
        pytest.param(link(STORY) + link("/news/other"), None, id="two that disagree"),
        pytest.param(link(STORY) + link("https://island.test/s"), None, id="one of them elsewhere"),
        pytest.param(link(STORY) + link(URL), None, id="one of them the page itself"),
        pytest.param("<head></head>\n" + link(STORY) + "<body>", STORY, id="between head and body"),
        pytest.param("<body>" + link(STORY), None, id="in the body"),
        pytest.param("<p>Text</p>" + link(STORY), None, id="after text"),
        pytest.param(link(STORY) + "<p>Text</p>" + link("/spam"), STORY, id="another in the body"),
        pytest.param("<noscript>" + link(STORY) + "</noscript>", None, id="in noscript"),
        pytest.param("<template>" + link(STORY) + "</template>", None, id="in a template"),
        pytest.param("<!-- " + link(STORY) + " -->", None, id="in a comment"),
    ],
)
def test_link_element(html: str, expected: str | None) -> None:
    assert found(html) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(f'<{STORY}>; rel="canonical"', STORY, id="in quotation marks"),
        pytest.param(f"<{STORY}>;rel=canonical", STORY, id="a bare word"),
        pytest.param(f'< {STORY} > ; REL = "shortlink Canonical"', STORY, id="case, spaces, one of two relations"),
        pytest.param("<story>; rel=canonical", STORY, id="relative to the page"),
        pytest.param(f'</style.css>; rel=preload; as=style, <{STORY}>; rel="canonical"', STORY, id="the second link"),
        pytest.param(f'</a,b;c>; rel=next,<{STORY}>; title="a, <b>; rel=x \\""; rel=canonical', STORY, id="quotation"),
        pytest.param(f'<{STORY}>; title="; rel=canonical"', None, id="a title that speaks of it"),
        pytest.param(f"<{STORY}>; rel=preload; rel=canonical", None, id="a second relation does not count"),
        pytest.param(f'<{STORY}>; rel=canonical; anchor="/other"', None, id="said of another page"),
        pytest.param("<>; rel=canonical", None, id="the page itself"),
        pytest.param(f'<{STORY}>; rel="canonical', None, id="no end of quotation"),
        pytest.param(f"<{STORY}; rel=canonical", None, id="no end of address"),
        pytest.param(f"{STORY}; rel=canonical", None, id="no brackets"),
        pytest.param("</>; rel=canonical", None, id="the home page"),
        pytest.param("<https://island.test/s>; rel=canonical", None, id="another site"),
        pytest.param("", None, id="empty"),
    ],
)
def test_link_header(header: str, expected: str | None) -> None:
    assert found("<p>Text</p>", header) == expected
# fmt: on


def test_a_header_is_relative_to_the_page_and_not_to_its_base() -> None:
    assert found('<base href="/other/">', "<story>; rel=canonical") == STORY


def test_header_and_element_must_agree() -> None:
    header = "<https://island.example/news/story>; rel=canonical"
    assert found(link(STORY), header) == STORY
    assert found(link("/news/other"), header) is None
    assert found("", header, "</news/other>; rel=canonical") is None
    assert found(link(STORY), "<>; rel=canonical") is None
    assert found("", "</style.css>; rel=preload", header) == "https://island.example/news/story"


def test_a_home_page_may_name_another() -> None:
    home = "https://m.island.example/?utm_source=x"
    assert found(link("https://www.island.example/"), url=home) == "https://www.island.example/"


@pytest.mark.parametrize(
    ("url", "href", "expected"),
    [
        pytest.param(
            "https://a.github.io/x", "https://b.github.io/x", None, id="another user of a public suffix"
        ),
        pytest.param("http://192.0.2.1/x", "http://192.0.2.1/y", "http://192.0.2.1/y", id="address"),
        pytest.param("http://192.0.2.1/x", "http://198.51.100.1/x", None, id="another address"),
        pytest.param("file:///tmp/page.html", "https://island.example/s", None, id="a page that is a file"),
    ],
)
def test_site(url: str, href: str, expected: str | None) -> None:
    assert found(link(href), url=url) == expected


HOSTILE = {
    "10,000 links to one page": (link(STORY) * 10_000, STORY),
    "10,000 links": ("".join(link(f"/{n}") for n in range(10_000)), None),
    "10,000 spellings of one": ("".join(link("./" * n + "s") for n in range(2_000)), None),
    "long address": (link("/" + "a" * 5_000_000), None),
    "long way up": (link("/" + "../" * 1_000_000 + "s"), "https://www.island.example/s"),
    "long data": (link("data:text/html," + "a" * 5_000_000), None),
    "many relations": (link(STORY, "a " * 2_000_000 + "canonical"), STORY),
    "long base": ('<base href="/' + "a" * 5_000_000 + '">' + link("story"), STORY),
    "NUL": (link("/a\0b"), "https://www.island.example/a%EF%BF%BDb"),
}


@pytest.mark.parametrize(("html", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_links(html: str, expected: str | None) -> None:
    assert found(html) == expected


@pytest.mark.parametrize(
    "piece", ["<", "<>", '"', '<>"\\', '<>"\\"', "<a>;", "<a>; a", "<a>;a=", "<a>; ", ";", ", ", '<a>;a="\\"']
)
def test_a_header_takes_bounded_time(piece: str) -> None:
    start = time.process_time()
    assert canonical_link(URL, URL, (), [("link", piece * 100_000)] * 10) is None
    assert time.process_time() - start < 1


def test_limits() -> None:
    spellings = [f"{'./' * n}story" for n in range(MAX_SPELLINGS + 1)]
    assert canonical_link(URL, URL, spellings[:-1], ()) == STORY
    assert canonical_link(URL, URL, spellings, ()) is None
    end = f"<{STORY}>; rel=canonical"
    fits = " " * (MAX_HEADER - len(end)) + end
    assert canonical_link(URL, URL, (), [("link", fits)]) == STORY
    assert canonical_link(URL, URL, (), [("link", " " + fits)]) is None


PIECES = st.sampled_from(
    [
        "https:",
        "//",
        "/",
        "www.island.example",
        "island.example",
        "m.",
        "other.test",
        "?",
        "#",
        "..",
        "%",
        "a",
        "\ud800",
    ]
)
REFERENCES = st.lists(PIECES, max_size=8).map("".join)


@given(st.lists(REFERENCES, max_size=3), st.lists(REFERENCES, max_size=2), REFERENCES)
def test_what_is_found_is_on_the_site_and_another_page(
    hrefs: list[str], targets: list[str], base: str
) -> None:
    headers = [("link", f"<{target}>; rel=canonical") for target in targets]
    address = canonical_link(URL, base, hrefs, headers)
    if address is not None:
        assert registrable_domain(address.split("/")[2].partition(":")[0]) == "island.example"
        assert canonical(address) not in (canonical(URL), "https://island.example/")
